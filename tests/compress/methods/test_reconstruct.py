"""Compression after training: least squares against numpy's, and what the repair is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from compress.format.tensors import QuantizedTensor, SharedTensor
from compress.lowering import workload_of
from compress.methods.agreement import agreement
from compress.methods.least_squares import fit_codebook, fit_weights, problem
from compress.methods.quantize import quantize_network
from compress.methods.reconstruct import compress_after_training
from compress.nn.interface import Interface
from compress.nn.network import Network, Node
from hwsim.errors import InputError

RNG = np.random.default_rng(50)
FC = Node("fc", "fc", params=("w", "b"))


def correlated(*shape: int) -> np.ndarray:
    """Inputs in which neighbours along the second axis are alike, as real activations are."""
    x = np.random.default_rng(shape).standard_normal(shape)  # the same in any order of the tests
    return np.cumsum(x, axis=1).astype(np.float32) / 3 + 1


def solved(x: np.ndarray, y: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Weights and bias by numpy's least squares, one filter after the other."""
    w = np.zeros(mask.shape)
    bias = np.zeros(len(mask))
    for row, kept in enumerate(mask):
        columns = np.c_[x[:, kept], np.ones(len(x))]
        *w[row, kept], bias[row] = np.linalg.lstsq(columns, y[:, row], rcond=None)[0]
    return w, bias


def test_masked_weights_are_the_least_squares_solution(monkeypatch):
    monkeypatch.setattr("compress.methods.least_squares.RIDGE", 1e-9)
    x, weight = correlated(400, 12), RNG.standard_normal((5, 12)).astype(np.float32)
    y = x @ weight.T + 0.1 * RNG.standard_normal((400, 5)).astype(np.float32) + 3
    mask = RNG.random((5, 12)) < 0.5
    posed = problem(FC, weight, x, y, RNG)
    fitted = fit_weights(posed, weight, mask)
    expected, bias = solved(x.astype(np.float64), y, mask)
    assert not fitted[~mask].any()
    np.testing.assert_allclose(fitted, expected, atol=2e-3)
    np.testing.assert_allclose(posed.bias(fitted), bias, atol=1e-2)


def test_codebook_is_the_least_squares_solution(monkeypatch):
    monkeypatch.setattr("compress.methods.least_squares.RIDGE", 1e-9)
    x, labels = correlated(300, 9), RNG.integers(0, 4, (6, 9))
    true = np.array([0, -1.5, 0.25, 2.0])
    y = (x @ true[labels].T).astype(np.float32)
    node = Node("fc", "fc", params=("w",))
    start = SharedTensor(labels, np.array([-1, 0, 1], np.float32))
    posed = problem(node, start.to_array(), x, y, RNG)
    np.testing.assert_allclose(fit_codebook(posed, start).codebook, true[1:], atol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_few_positions_are_fitted_as_by_their_mean_products(scale):
    """20 positions of 70 inputs: the same weights and codebook, with fewer operations."""
    x, weight = correlated(20, 70), RNG.standard_normal((6, 70)).astype(np.float32)
    y = x @ weight.T + 0.1 * RNG.standard_normal((20, 6)).astype(np.float32)
    few = problem(FC, weight, x, y, RNG).scaled(scale)
    assert few.rows is not None
    assert problem(FC, weight[:, :12], x[:, :12], y, RNG).rows is None
    whole = few._replace(rows=None, ridge=0.0)
    values = RNG.standard_normal((1, 70, 6))
    np.testing.assert_allclose(few.product(values), whole.product(values), atol=1e-4)
    mask = RNG.random((6, 70)) < 0.5
    np.testing.assert_allclose(*(fit_weights(each, weight, mask) for each in (few, whole)), atol=5e-3)
    start = SharedTensor(RNG.integers(0, 4, (6, 70)), np.array([-1, 0.1, 1], np.float32))
    np.testing.assert_allclose(*(fit_codebook(each, start).codebook for each in (few, whole)), atol=5e-3)


@pytest.mark.parametrize("groups", [1, 3])
def test_convolution_poses_the_same_problem_as_its_patches(groups):
    weight = RNG.standard_normal((6, 6 // groups, 3, 2)).astype(np.float32)
    attrs = {"groups": groups, "stride": (2, 1), "pads": (1, 0, 0, 1), "dilation": (1, 2)}
    node = Node("conv", "conv", attrs=attrs, params=("w",))
    network = Network("one", (6, 8, 7), (node,), {"w": weight})
    x = RNG.standard_normal((4, 6, 8, 7)).astype(np.float32)
    posed = problem(node, weight, x, network.forward(x), RNG)
    other = fit_weights(posed, np.zeros_like(weight) + 0.1, np.ones(weight.shape, bool))
    np.testing.assert_allclose(other, weight, atol=5e-3)


def small_network() -> Network:
    nodes = (
        Node("conv1", "conv", attrs={"pads": (1, 1, 1, 1)}, params=("conv1.weight", "conv1.bias")),
        Node("relu1", "relu", ("conv1",)),
        Node("pool1", "max_pool", ("relu1",), {"kernel": (2, 2), "stride": (2, 2)}),
        Node("conv2", "conv", ("pool1",), params=("conv2.weight", "conv2.bias")),
        Node("relu2", "relu", ("conv2",)),
        Node("flatten", "flatten", ("relu2",)),
        Node("fc", "fc", ("flatten",), params=("fc.weight",)),
    )
    shapes = {"conv1.weight": (16, 4, 3, 3), "conv2.weight": (16, 16, 3, 3), "fc.weight": (10, 144)}
    rng = np.random.default_rng(51)
    params = {
        name: (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        for name, shape in shapes.items()
    }
    params |= {f"conv{index}.bias": rng.standard_normal(16).astype(np.float32) for index in (1, 2)}
    return Network("small", (4, 10, 10), nodes, params)


def compressed(network: Network, x: np.ndarray, **options: object):
    options = {"density": 0.4, "bits": 4, "coding": "huffman", **options}
    return compress_after_training(network, x, rng=np.random.default_rng(0), **options)


def test_repair_brings_the_outputs_nearer():
    network = small_network()
    seen, unseen = correlated(60, 4, 10, 10), correlated(100, 4, 10, 10)
    original = network.forward(unseen)
    results = {
        fit: agreement(original, compressed(network, seen, fit=fit).to_network().forward(unseen))
        for fit in (True, False)
    }
    assert results[True].snr_dB > results[False].snr_dB + 3
    assert results[True].largest_error < results[False].largest_error


def test_shapes_density_labels_and_bytes():
    network = small_network()
    artifact = compressed(network, correlated(20, 4, 10, 10))
    tensors = [artifact.tensors[name] for name in ("conv1.weight", "conv2.weight", "fc.weight")]
    assert all(isinstance(tensor, SharedTensor) and len(tensor.codebook) <= 15 for tensor in tensors)
    sizes = [tensor.labels.size for tensor in tensors]
    assert sum(tensor.nonzeros for tensor in tensors) == round(0.4 * sum(sizes))
    assert tensors[0].nonzeros / sizes[0] > 0.4
    assert len(artifact.to_bytes()) < 4 * network.parameter_count / 5


def test_tied_weights_are_fitted_to_all_their_uses():
    """Each use reads one half of the features: fitted to the first alone, the others would be pruned."""
    weight = RNG.standard_normal((24, 16)).astype(np.float32)
    halves = {f"half{at}": np.repeat([1 - at, at], 8).astype(np.float32)[None] for at in range(2)}
    nodes = [Node(f"x{at}", "mul", ("input", f"half{at}")) for at in range(2)]
    nodes += [Node(f"y{at}", "fc", (f"x{at}",), params=("w", f"b{at}")) for at in range(2)]
    nodes += [Node("y", "concat", ("y0", "y1"), {"axis": 1})]
    biases = {f"b{at}": RNG.standard_normal(24).astype(np.float32) for at in range(2)}
    network = Network("tied", (16,), tuple(nodes), {"w": weight, **halves, **biases})
    made = compressed(network, correlated(60, 16), density=0.5, bits=6)
    unseen = correlated(200, 16)
    original, found = network.forward(unseen), made.to_network().forward(unseen)
    for at in range(2):
        half = slice(24 * at, 24 * at + 24)
        assert agreement(original[:, half], found[:, half]).snr_dB > 10
    kept = made.tensors["w"].to_array().reshape(24, 2, 8) != 0
    assert 0.3 < kept[:, 0].mean() / kept[:, 1].mean() < 3


def test_a_table_that_is_the_head_too_keeps_its_rows():
    rng = np.random.default_rng(6)
    nodes = (
        Node("rows", "gather", ("table", "input"), {"axis": 0}),
        Node("y", "fc", ("rows",), params=("table",)),
    )
    table = rng.standard_normal((40, 12)).astype(np.float32)
    network = Network("tied", (5,), nodes, {"table": table}, interface=Interface(types={"input": "int64"}))
    seen, unseen = rng.integers(0, 20, (30, 5)), rng.integers(20, 40, (30, 5))
    made = compressed(network, seen, density=0.8, bits=6)
    near = agreement(network.forward(unseen), made.to_network().forward(unseen))
    assert near.snr_dB > 15
    assert made.tensors["table"].nonzeros == round(0.8 * table.size)


def test_the_same_seed_gives_the_same_bytes():
    network, x = small_network(), correlated(20, 4, 10, 10)
    assert compressed(network, x).to_bytes() == compressed(network, x).to_bytes()


def test_whole_and_wide_enough_it_stays_as_it_was():
    nodes = (Node("fc", "fc", params=("w",)), Node("fc2", "fc", ("fc",), params=("w",)))
    weight = RNG.integers(-3, 4, (4, 4)).astype(np.float32)
    network = Network("tied", (4,), nodes, {"w": weight})
    artifact = compressed(network, correlated(50, 4), density=1.0)
    np.testing.assert_allclose(artifact.tensors["w"].to_array(), weight, atol=1e-3)


def test_agreement_by_hand():
    original = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    other = original + np.array([[0, 0], [0, 0], [0, 0], [2.0, 0]])
    found = agreement(original, other)
    assert found.top_1 == 0.75
    assert found.snr_dB == pytest.approx(10 * math.log10(15 / 4))
    assert found.largest_error == pytest.approx(2 / 3)
    assert agreement(original, original).snr_dB == math.inf


@pytest.mark.parametrize(
    ("options", "message"), [({"bits": 0}, "labels have 0 bits"), ({"density": 2.0}, "density is 2")]
)
def test_impossible_settings(options, message):
    with pytest.raises(InputError, match=message):
        compressed(small_network(), correlated(4, 4, 10, 10), **options)


@pytest.mark.slow
def test_a_trained_text_recogniser_survives():
    """Half of its weights, 6-bit labels: unrepaired it reads nothing, repaired nearly as before."""
    onnx_real = pytest.importorskip("test_onnx_real", reason="the extra hwsim[onnx] is not installed")
    file = onnx_real.shipped("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx")
    network = onnx_real.import_onnx(file, {"x": (3, 48, 320)})
    words = ["energy", "deep", "compression", "sparsity", "Huffman", "codebook", "pruned", "tensor"]
    rng = np.random.default_rng(52)
    lines = [f"{first} {second} {rng.integers(100)}" for first, second in rng.choice(words, (24, 2))]
    x = np.concatenate([onnx_real.drawn(line[:22], 320, 48) for line in lines])
    seen, unseen = x[:16], x[16:]
    original = network.forward(unseen)
    repaired = compressed(network, seen, density=0.5, bits=6)
    plain = compressed(network, seen, density=0.5, bits=6, fit=False)
    assert len(repaired.to_bytes()) < 4 * network.parameter_count / 8
    assert agreement(original, repaired.to_network().forward(unseen)).top_1 > 0.95
    assert agreement(original, plain.to_network().forward(unseen)).top_1 < 0.7


@pytest.mark.parametrize(
    ("original", "other", "snr_dB", "largest"),
    [
        ([[0, 0]], [[0, 0]], math.inf, 0.0),
        ([[0, 0]], [[1, 0]], -math.inf, math.inf),
        ([[0, 2]], [[0, 2]], math.inf, 0.0),
        ([[0, 2]], [[0, 1]], 10 * math.log10(4), 0.5),
    ],
)
def test_agreement_is_defined_for_outputs_of_zeros(original, other, snr_dB, largest):
    found = agreement(np.array(original, np.float32), np.array(other, np.float32))
    assert (found.top_1, found.snr_dB, found.largest_error) == (1.0, pytest.approx(snr_dB), largest)


def recurrent() -> Network:
    """An LSTM and a transposed convolution, without any layer that is fitted."""
    rng = np.random.default_rng(8)
    nodes = (
        Node("lstm", "lstm", params=("w", "r", "b")),
        Node("image", "reshape", ("lstm",), {"shape": (0, 5, 3, 4)}),
        Node("up", "conv_transpose", ("image",), {"stride": (2, 2)}, ("k",)),
    )
    shapes = {"w": (48, 6), "r": (48, 12), "b": (48,), "k": (5, 2, 2, 2)}
    params = {name: rng.standard_normal(shape).astype(np.float32) / 2 for name, shape in shapes.items()}
    return Network("recurrent", (5, 6), nodes, params)


def test_matrices_of_recurrences_and_transposed_convolutions_are_shared_whole():
    network = recurrent()
    made = compressed(network, correlated(6, 5, 6), density=0.5, bits=6)
    matrices = [made.tensors[name] for name in "wrk"]
    assert all(isinstance(tensor, SharedTensor) and len(tensor.codebook) <= 63 for tensor in matrices)
    assert [tensor.nonzeros for tensor in matrices] == [48 * 6, 48 * 12, 5 * 8]
    x = correlated(20, 5, 6)
    assert agreement(network.forward(x), made.to_network().forward(x)).snr_dB > 25


def test_matrices_of_recurrences_and_transposed_convolutions_become_integers():
    network = recurrent()
    made = quantize_network(network, correlated(6, 5, 6))
    assert made.stage == "int8"
    assert all(isinstance(made.tensors[name], QuantizedTensor) for name in "wrk")
    x = correlated(20, 5, 6)
    assert agreement(network.forward(x), made.to_network().forward(x)).snr_dB > 30
    arithmetic = {layer.arithmetic for layer in workload_of(made).layers}
    assert arithmetic == {"fp32"}, "scales of what they read are not known"


def test_a_network_without_weights_is_refused():
    network = Network("plain", (4,), (Node("relu", "relu"),), {})
    with pytest.raises(InputError, match="plain: no fully-connected, convolutional or recurrent layer"):
        compress_after_training(network, np.ones((4, 4), np.float32), density=0.5, bits=4, rng=RNG)
