"""Forms that weights have already: found, stored exactly, and kept by later steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.format.container import Artifact, parse
from compress.format.found import descriptions, found_form, kept_forms, stored_as_found, ties
from compress.format.tensors import DenseTensor, PrunedTensor, SharedTensor
from compress.methods.quantize import quantize_network
from compress.methods.reconstruct import compress_after_training
from compress.nn.folding import fold
from compress.nn.network import Network, Node
from hwsim.errors import InputError

RNG = np.random.default_rng(5)


def sparse(*shape: int) -> np.ndarray:
    return (RNG.standard_normal(shape) * (RNG.random(shape) < 0.1)).astype(np.float32)


def clustered(*shape: int) -> np.ndarray:
    values = np.linspace(-1, 1, 15).astype(np.float32)
    return values[RNG.integers(0, 15, shape)] * (RNG.random(shape) < 0.5).astype(np.float32)


def bfloat16(*shape: int) -> np.ndarray:
    return (RNG.standard_normal(shape).astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


FORMS = {
    "dense": (lambda *s: RNG.standard_normal(s).astype(np.float32), 4.0),
    "pruned": (sparse, 0.55),
    "huffman": (clustered, 0.5),
    "fp16": (lambda *s: RNG.standard_normal(s).astype(np.float16).astype(np.float32), 2.0),
    "bf16": (bfloat16, 2.0),
}
"""Weights of each stage, and the most bytes that one of them may take."""


def two_layers(make, **more: np.ndarray) -> Network:
    nodes = (
        Node("a", "fc", params=("a.w",)),
        Node("r", "relu", ("a",)),
        Node("b", "fc", ("r",), {}, ("b.w",)),
    )
    return Network("two", (40,), nodes, {"a.w": make(64, 40), "b.w": make(30, 64), **more})


@pytest.mark.parametrize("stage", FORMS)
def test_a_form_is_found_and_exact(stage):
    make, most = FORMS[stage]
    network = two_layers(make)
    artifact = stored_as_found(network)
    data = artifact.to_bytes()
    again = parse(data)[0]
    assert artifact.stage == again.stage == stage
    assert len(data) < most * 4480 + 200
    for name, value in network.params.items():
        assert again.arrays()[name].tobytes() == (value + np.float32(0)).tobytes()
    assert bool(descriptions(artifact)) == (stage != "dense")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_any_values_come_back(values, seed):
    rng = np.random.default_rng(seed)
    weight = np.array(values, np.float32)[rng.integers(0, len(values), (12, 9))]
    network = Network("one", (9,), (Node("y", "fc", params=("w",)),), {"w": weight})
    found = parse(stored_as_found(network).to_bytes())[0].arrays()["w"]
    assert np.array_equal(found, weight)
    assert np.count_nonzero(found) == np.count_nonzero(weight)


def test_kinds_of_tensors():
    assert isinstance(found_form(sparse(20, 20)), PrunedTensor)
    assert isinstance(found_form(clustered(20, 20)), SharedTensor)
    assert found_form(np.arange(6)).values.dtype == np.int64
    with pytest.raises(InputError, match="expected bfloat16"):
        DenseTensor(np.full(3, 0.1, np.float32), bfloat16=True)


@pytest.mark.parametrize("stage", ["pruned", "huffman", "fp16", "bf16"])
def test_no_step_raises_non_zeros_or_distinct_values(stage):
    original = stored_as_found(two_layers(FORMS[stage][0]))
    network = original.to_network()
    x = RNG.standard_normal((50, 40)).astype(np.float32)
    made = {
        "shrunk": compress_after_training(network, x, density=0.9, bits=6, rng=RNG, coding="huffman"),
        "quantized": quantize_network(network, x),
    }
    for step in (kept_forms(one, original) for one in made.values()):
        assert len(step.to_bytes()) < 1.2 * len(original.to_bytes())
        for name, value in step.arrays().items():
            before = network.params[name]
            assert np.count_nonzero(value) <= np.count_nonzero(before)
            assert not value[before == 0].any()
            if stage == "huffman":
                assert len(np.unique(value)) <= len(np.unique(before))


def test_a_scale_of_channels_is_not_folded_into_shared_weights():
    nodes = (Node("y", "fc", params=("w",)), Node("s", "mul", ("y", "scale")))
    scale = RNG.random(64).astype(np.float32)
    kept = Network("n", (40,), nodes, {"w": clustered(64, 40), "scale": scale})
    assert fold(kept).params["w"].tobytes() == kept.params["w"].tobytes()
    dense = kept.with_params({"w": FORMS["dense"][0](64, 40)})
    assert [node.op for node in fold(dense).nodes] == ["fc"]


def test_shared_owners_survive_and_are_told():
    nodes = (Node("a", "fc", params=("w", "a.b")), Node("b", "fc", ("a",), {}, ("w", "b.b")))
    params = {"w": sparse(40, 40), "a.b": sparse(40), "b.b": sparse(40)}
    original = stored_as_found(Network("tied", (40,), nodes, params))
    assert ties(original) == ["w is stored once for 2 layers"]
    x = RNG.standard_normal((50, 40)).astype(np.float32)
    for made in (
        compress_after_training(original.to_network(), x, density=0.9, bits=6, rng=RNG),
        quantize_network(original.to_network(), x),
    ):
        assert ties(kept_forms(made, original)) == ties(original)


def test_a_step_that_leaves_a_tensor_keeps_its_form():
    original = stored_as_found(two_layers(FORMS["fp16"][0]))
    plain = Artifact.of(original.to_network(), "dense")
    assert kept_forms(plain, original).tensors["a.w"].values.dtype == np.float16
