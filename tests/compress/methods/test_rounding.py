"""Rounding with error feedback: against nearest levels, within its bytes, zeros kept, the same every time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.format.container import Artifact
from compress.format.execution import executable
from compress.format.tensors import QuantizedTensor, SharedTensor
from compress.methods import rounding
from compress.methods.bias import with_right_means
from compress.methods.floor import BITS, DENSITY, LEAST_DB, compress_to_floor
from compress.methods.least_squares import problem
from compress.methods.quantize import quantize_network
from compress.methods.reconstruct import compress_after_training
from compress.methods.rounding import (
    Goal,
    best_steps,
    parted_for_judging,
    round_after_training,
    round_rows,
    signal_to_noise_dB,
    with_feedback,
)
from compress.nn.lenets import build
from compress.nn.network import INPUT, Network, Node
from hwsim.errors import InputError

RNG = np.random.default_rng(7)
FC = Node("fc", "fc", params=("w", "b"))


def correlated(rows: int, columns: int) -> np.ndarray:
    return (np.cumsum(RNG.standard_normal((rows, columns)), axis=1) / 3).astype(np.float32)


def form(weight: np.ndarray, step: float) -> QuantizedTensor:
    return QuantizedTensor(np.zeros(weight.shape, np.int8), np.float32(step))


def error(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    found = x @ weight.T
    return float(np.square(found - found.mean(axis=0) - (y - y.mean(axis=0))).sum())


@settings(max_examples=25, deadline=None)
@given(
    outputs=st.integers(1, 6), depth=st.integers(2, 24), seed=st.integers(0, 99), step=st.floats(0.05, 1.0)
)
def test_feedback_never_loses_more_than_a_hundredth_against_the_nearest_levels(outputs, depth, seed, step):
    """On the inputs it is fitted on: the sum over all outputs of a layer, most of the time far less."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((outputs, depth)).astype(np.float32)
    x = np.cumsum(rng.standard_normal((400, depth)), axis=1).astype(np.float32)
    y = x @ weight.T
    posed = problem(FC, weight, x, y, rng)
    fed = round_rows(posed, weight, form(weight, step), 400).q
    nearest = np.rint(weight / step)
    assert error(x, y, fed * step) <= error(x, y, nearest * step) * 1.01 + 1e-3 * np.square(y).sum()


def test_on_correlated_inputs_feedback_halves_the_error():
    weight = RNG.standard_normal((16, 40)).astype(np.float32)
    x = correlated(500, 40)
    y = x @ weight.T
    posed = problem(FC, weight, x, y, RNG)
    fed = round_rows(posed, weight, form(weight, 0.5), 500).q
    assert error(x, y, fed * 0.5) < 0.5 * error(x, y, np.rint(weight / 0.5) * 0.5)


@pytest.mark.parametrize("block", [1, 7, 40])
def test_blocks_of_columns_have_the_levels_of_all_columns_at_once(block, monkeypatch):
    weight = RNG.standard_normal((16, 40)).astype(np.float32)
    x = correlated(500, 40)
    posed = problem(FC, weight, x, x @ weight.T, RNG)
    whole = round_rows(posed, weight, form(weight, 0.3), 500).q
    monkeypatch.setattr(rounding, "BLOCK", block)
    assert (round_rows(posed, weight, form(weight, 0.3), 500).q == whole).all()


def test_zeros_stay_zeros():
    weight = RNG.standard_normal((5, 12)).astype(np.float32)
    mask = RNG.random((5, 12)) < 0.5
    x = correlated(100, 12)
    posed = problem(FC, weight * mask, x, x @ (weight * mask).T, RNG)
    assert not round_rows(posed, weight * mask, form(weight, 0.1), 100).q[~mask].any()


def network() -> Network:
    """Channels whose weights differ 17-fold, as after a batch normalisation that is folded."""
    rng = np.random.default_rng(3)
    spread = rng.permutation(np.geomspace(17**-0.5, 17**0.5, 16)).reshape(16, 1, 1, 1)
    params = {
        "a": rng.normal(0, 0.3, (16, 3, 3, 3)).astype(np.float32),
        "ab": np.zeros(16, np.float32),
        "d": (rng.normal(0, 0.3, (16, 1, 3, 3)) * spread).astype(np.float32),
        "db": np.zeros(16, np.float32),
        "p": (rng.normal(0, 0.3, (64, 16, 1, 1)) / spread.reshape(1, 16, 1, 1)).astype(np.float32),
        "pb": np.zeros(64, np.float32),
        "f": rng.normal(0, 0.1, (10, 64 * 16)).astype(np.float32),
    }
    pads = {"pads": (1, 1, 1, 1)}
    nodes = (
        Node("conv", "conv", attrs=pads, params=("a", "ab")),
        Node("relu", "relu", ("conv",)),
        Node("depthwise", "conv", ("relu",), {**pads, "groups": 16, "stride": (2, 2)}, ("d", "db")),
        Node("pointwise", "conv", ("depthwise",), params=("p", "pb")),
        Node("relu2", "relu", ("pointwise",)),
        Node("flatten", "flatten", ("relu2",)),
        Node("fc", "fc", ("flatten",), params=("f",)),
    )
    return Network("spread", (3, 8, 8), nodes, params)


ITEMS = np.random.default_rng(4).normal(0, 1, (32, 3, 8, 8)).astype(np.float32)


def rounded(size: int, **goal: float) -> Artifact:
    return round_after_training(network(), ITEMS, Goal(size, **goal), rng=np.random.default_rng(0))


def test_the_file_is_within_its_bytes_and_more_bytes_are_nearer():
    found = []
    for size in (3500, 5000, 8000):
        artifact = rounded(size)
        assert 0.8 * size < len(artifact.to_bytes()) <= size
        assert all(isinstance(artifact.tensors[name], QuantizedTensor) for name in "adpf")
        found.append(signal_to_noise_dB(network(), artifact.to_network(), {INPUT: ITEMS}))
    assert found == sorted(found)
    assert found[0] > 8
    assert found[-1] > 20


@pytest.mark.parametrize(("density", "bits"), [(0.5, 6), (0.7, 5), (1.0, 5)])
def test_channels_that_differ_17_fold_keep_more_than_pruned_and_shared_ones(density, bits):
    """At no more bytes, both fitted on 24 items and judged on others."""
    few, others = ITEMS[:24], {INPUT: ITEMS[24:]}
    rng = np.random.default_rng(0)
    shared = compress_after_training(network(), few, density=density, bits=bits, rng=rng)
    size = len(shared.to_bytes())
    ours = round_after_training(network(), few, Goal(size), rng=rng)
    assert len(ours.to_bytes()) <= size
    before, now = (signal_to_noise_dB(network(), made.to_network(), others) for made in (shared, ours))
    assert now > before + 5


@pytest.mark.parametrize("bits", [8, 4])
def test_feedback_and_right_means_bring_integers_nearer_on_other_items(bits):
    few, others = ITEMS[:24], {INPUT: ITEMS[24:]}
    plain = quantize_network(network(), few, bits, calibration="mse")
    fed = with_feedback(network(), plain, few, rng=np.random.default_rng(0))
    repaired = with_right_means(network(), fed, few)
    before, now = (signal_to_noise_dB(network(), executable(made), others) for made in (plain, repaired))
    assert now > before
    for name in "adpf":
        assert repaired.tensors[name].scale.tobytes() == plain.tensors[name].scale.tobytes()


def test_a_layer_that_stays_in_floating_point_gets_its_mean_back():
    """Only the other one is named, so this one has no levels."""
    rng = np.random.default_rng(0)
    params = {name: rng.standard_normal((5, 4) if name[1] == "w" else 5).astype(np.float32)
              for name in ("aw", "ab", "bw", "bb")}  # fmt: skip
    nodes = (
        Node("halves", "split", attrs={"axis": -1, "sizes": (4, 4)}),
        Node("a", "fc", ("halves",), params=("aw", "ab")),
        Node("b", "fc", ("halves:1",), params=("bw", "bb")),
        Node("y", "add", ("a", "b")),
    )
    network = Network("parts", (8,), nodes, params)
    x = rng.standard_normal((12, 8)).astype(np.float32) + 1
    made = with_right_means(network, quantize_network(network, x, {"a": 4}), x)
    assert executable(made).forward(x).mean(axis=0) == pytest.approx(
        network.forward(x).mean(axis=0), abs=1e-4
    )


def test_right_means_are_those_of_the_original():
    plain = quantize_network(network(), ITEMS, 4)
    repaired = with_right_means(network(), plain, ITEMS)
    means = []
    for made in (network(), executable(repaired)):
        found = {}
        made.run(ITEMS, observe=found.__setitem__)
        means.append([found[name].mean(axis=(0, 2, 3)) for name in ("conv", "depthwise", "pointwise")])
    for right, now in zip(*means, strict=True):
        assert now == pytest.approx(right, abs=1e-4)


def test_the_same_seed_gives_the_same_bytes():
    assert rounded(5000).to_bytes() == rounded(5000).to_bytes()


def test_a_file_that_keeps_too_little_or_cannot_be_so_small_is_refused():
    with pytest.raises(InputError, match=r"dB of signal to noise in \d+ bytes, expected at least 60 dB"):
        rounded(4000, min_snr_dB=60.0)
    with pytest.raises(InputError, match="expected at most 100"):
        rounded(100)
    assert rounded(8000, min_snr_dB=10.0)


def test_a_layer_that_matters_more_gets_finer_levels():
    """Relative to its own weights, which have another size in each layer."""
    steps = best_steps(network(), ["a", "d", "p", "f"], {INPUT: ITEMS[:4]})
    relative = {name: step.max() / network().params[name].std() for name, step in steps.items()}
    assert relative["d"] < relative["f"]
    assert relative["a"] < relative["f"]


def test_a_depthwise_network_keeps_its_answers():
    """Half of its weights would not, on the items that judge."""
    fitted, judged = parted_for_judging({INPUT: ITEMS})
    said = []
    made = compress_to_floor(network(), ITEMS, rng=np.random.default_rng(0), remark=said.append)
    pruned = compress_after_training(
        network(), fitted[INPUT], density=DENSITY, bits=BITS, rng=np.random.default_rng(0)
    )
    assert signal_to_noise_dB(network(), pruned.to_network(), judged) < LEAST_DB
    assert signal_to_noise_dB(network(), made.to_network(), judged) >= LEAST_DB
    assert isinstance(made.tensors["d"], QuantizedTensor)
    assert any("all are kept, and rounded" in sentence for sentence in said)


def test_a_network_of_spare_weights_is_pruned():
    """Weights of LeNet-300-100 that no item moves, or hardly, are half of them."""
    made = build("lenet300", np.random.default_rng(0))
    weights = dict(made.params)
    for name, value in weights.items():
        if value.ndim > 1:
            weights[name] = value * (np.abs(value) > np.quantile(np.abs(value), 0.6))
    spare, said = made.with_params(weights), []
    x = np.random.default_rng(1).random((24, 1, 28, 28), np.float32)
    kept = compress_to_floor(spare, x, rng=np.random.default_rng(0), remark=said.append)
    tensors = [tensor for tensor in kept.tensors.values() if isinstance(tensor, SharedTensor)]
    assert len(tensors) == 3
    assert all(np.count_nonzero(tensor.labels) <= 0.51 * tensor.labels.size for tensor in tensors)
    assert not any("rounded" in sentence for sentence in said)
