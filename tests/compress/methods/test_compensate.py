"""Weights in fewer bits: by hand for two columns, and the error of outputs on random inputs."""

import numpy as np
import pytest
from llama_files import small_llama

from compress.format.container import Artifact, parse
from compress.methods.compensate import DAMPING, Inputs, inverse_factor, stored
from compress.methods.decoder import as_bfloat16, block_matrices, compressed, inputs_of
from compress.methods.targets import Codebook, Integers, Kept
from hwsim.errors import InputError

RNG = np.random.default_rng(6)
WEIGHT = RNG.standard_normal((24, 64), np.float32)
MIXING = RNG.standard_normal((64, 64)) * np.linspace(2, 0.1, 64)
ROWS = (RNG.standard_normal((500, 64)) @ MIXING.T).astype(np.float32)
INPUTS = Inputs.of_gram(ROWS.T @ ROWS / len(ROWS))


class Halves:
    """Whole numbers, two columns at a time."""

    columns = 2

    def __init__(self):
        self.taken = []

    def begin(self, group, importance):
        self.importance = importance

    def column(self, at, wanted):
        self.taken.append(wanted.copy())
        return np.rint(wanted)

    def tensor(self):
        return self.taken


@pytest.mark.parametrize("size", [1, 2, 7, 130])
def test_the_factor_is_an_upper_triangle_of_the_inverse(size):
    rows = RNG.standard_normal((2 * size, size))
    gram = rows.T @ rows + np.eye(size)
    upper = inverse_factor(gram)
    assert not np.tril(upper, -1).any()
    assert upper.T @ upper @ gram == pytest.approx(np.eye(size), abs=1e-9)


def test_an_error_is_made_up_for_as_the_surgeon_does():
    gram = np.array([[2.0, 1.0], [1.0, 3.0]])
    damped = gram + DAMPING * 2.5 * np.eye(2)
    inverse = np.linalg.inv(damped)
    taken = stored(np.array([[0.4, 1.2]], np.float32), Halves(), Inputs.of_gram(gram))
    error = (0.4 - 0.0) / inverse[0, 0]  # eq. 5 of Hassibi and Stork 1993
    np.testing.assert_allclose(taken[1], 1.2 - error * inverse[0, 1], rtol=1e-5)
    # the second weight is then the one of least squared error, given the first
    np.testing.assert_allclose(taken[1], 1.2 + 0.4 * damped[0, 1] / damped[1, 1], rtol=1e-5)


def output_error(tensor):
    return float(np.square(ROWS @ (tensor.to_array() - WEIGHT).T).mean())


@pytest.mark.parametrize(
    ("target", "part"),
    [
        (lambda: Integers(WEIGHT.shape, 4, 32), 0.8),
        (lambda: Integers(WEIGHT.shape, 3, 16, offset=True), 0.8),
        (lambda: Integers(WEIGHT.shape, 8, 32, kept=Kept(n=2, m=4), coding="fixed"), 0.8),
        (lambda: Codebook(WEIGHT, 8, INPUTS.importance, coding="words"), 0.8),
        (lambda: Codebook(WEIGHT, 15, INPUTS.importance, kept=Kept(0.5), coding="huffman"), 1),
    ],
)
def test_repaired_weights_give_outputs_with_less_error(target, part):
    nearest, repaired = stored(WEIGHT, target()), stored(WEIGHT, target(), INPUTS)
    assert output_error(repaired) < part * output_error(nearest)


def test_nearest_integers_are_within_half_a_step():
    found = stored(WEIGHT, Integers(WEIGHT.shape, 8, 64))
    assert np.abs(found.to_array() - WEIGHT).max() <= 0.51 * found.scale.astype(np.float32).max()
    with_offset = stored(WEIGHT, Integers(WEIGHT.shape, 4, 16, offset=True))
    steps = np.repeat(with_offset.scale.astype(np.float32), 16, axis=1)
    assert (np.abs(with_offset.to_array() - WEIGHT) <= 0.51 * steps + 2e-3).all()


def test_pruned_weights_have_the_pattern_they_are_asked_for():
    found = stored(WEIGHT, Integers(WEIGHT.shape, 8, 32, kept=Kept(n=2, m=4), coding="fixed"), INPUTS)
    assert ((found.to_array().reshape(24, 16, 4) != 0).sum(axis=2) <= 2).all()
    half = stored(WEIGHT, Codebook(WEIGHT, 15, INPUTS.importance, kept=Kept(0.5), coding="huffman"), INPUTS)
    assert half.nonzeros == WEIGHT.size // 2
    assert len(half.codebook) <= 15


def test_pruned_levels_have_no_offset():
    with pytest.raises(InputError, match="pruned weights have levels with an offset, expected symmetric"):
        Integers((4, 8), 4, 8, offset=True, kept=Kept(0.5))


def test_a_whole_model_is_compressed_and_its_file_has_what_was_executed():
    network = small_llama()
    artifact = Artifact.of(network, "dense")
    tokens = np.random.default_rng(8).integers(0, 300, 200)
    inputs = inputs_of(network, tokens.tolist())
    assert set(inputs) == set(block_matrices(network).values())
    read = {}
    network.run(tokens, observe=read.setdefault)
    np.testing.assert_allclose(
        inputs["1.norm2"].importance, np.square(read["1.norm2"]).mean(axis=0), rtol=1e-3
    )
    repaired, nearest = (
        compressed(artifact, "int3", lambda w, _: Integers(w.shape, 3, 32), known) for known in (inputs, None)
    )

    def error(one):
        return np.square(one.to_network().forward(tokens) - network.forward(tokens)).mean()

    assert error(repaired) < error(nearest)
    again = parse(repaired.to_bytes())[0]
    for name, array in repaired.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_coded_bfloat16_is_the_same_bit_for_bit_and_smaller():
    artifact = Artifact.of(small_llama(), "dense")
    plain, coded = as_bfloat16(artifact), as_bfloat16(artifact, "words")
    again = parse(coded.to_bytes())[0]
    for name, array in plain.arrays().items():
        assert array.tobytes() == again.arrays()[name].tobytes()
        np.testing.assert_allclose(array, artifact.arrays()[name], rtol=2**-8)
    assert len(coded.to_bytes()) < 0.75 * len(plain.to_bytes())
