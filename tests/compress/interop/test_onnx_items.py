"""Files whose first dimension counts items, and files whose first dimension does not."""

from __future__ import annotations

import numpy as np
import onnx_support as support
import pytest
from onnx import TensorProto, helper

from compress.interop.onnx import import_onnx_bytes
from hwsim.errors import InputError

RNG = np.random.default_rng(11)


def values(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def node(op: str, inputs: str, outputs: str, **attrs: object):
    return helper.make_node(op, inputs.split(), outputs.split(), **attrs)


def class_token() -> bytes:
    """A row in front of every item, expanded to as many items as there are: a vision transformer's."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Concat", "n rest", "target", axis=0),
        node("Expand", "token target", "rows"),
        node("Concat", "rows x", "all", axis=1),
        node("Gather", "all first", "row", axis=1),
        node("Gemm", "row w", "y"),
    ]
    constants = {
        "zero": ints(0),
        "rest": ints(1, 6),
        "token": values(1, 1, 6),
        "first": np.array(2, np.int64),
    }
    return support.model(nodes, {"x": ["n", 4, 6]}, ["y"], constants | {"w": values(6, 5)})


@pytest.mark.parametrize("count", [1, 3, 8])
def test_constants_with_a_row_for_each_item_are_one_row(count):
    data, x = class_token(), values(count, 4, 6)
    network = import_onnx_bytes(data, "token.onnx")
    assert network.interface.together
    assert network.forward(x) == pytest.approx(support.reference(data, {"x": x})[0], abs=1e-6)


def across_items() -> bytes:
    """Attention whose positions are the items: softmax over the first dimension."""
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0]),
        node("MatMul", "x t", "scores"),
        node("Softmax", "scores", "p", axis=-1),
        node("MatMul", "p x", "y"),
    ]
    return support.model(nodes, {"x": ["n", 6]}, ["y"])


def test_items_that_mix_are_marked_and_run_apart():
    network = import_onnx_bytes(across_items(), "across.onnx")
    x = values(6, 6)
    apart = [support.reference(across_items(), {"x": x[at : at + 1]})[0] for at in range(6)]
    assert network.interface.sentence() == "the first dimension (n) mixes items: items run one at a time"
    assert network.forward(x) == pytest.approx(np.concatenate(apart), abs=1e-6)
    assert abs(support.reference(across_items(), {"x": x})[0] - np.concatenate(apart)).max() > 0.01


def time_first(dimension: str | int) -> bytes:
    nodes = [node("LSTM", "x w r", "h", hidden_size=3), node("Squeeze", "h one", "y")]
    constants = {"w": values(1, 12, 6), "r": values(1, 12, 3), "one": ints(1)}
    return support.model(nodes, {"x": [dimension, 1, 6]}, ["y"], constants)


@pytest.mark.parametrize("dimension", ["t", "seq_len", "n", "numFrames"])
def test_time_is_one_sequence(dimension):
    data = time_first(dimension)
    network = import_onnx_bytes(data, "time.onnx")
    x = values(40, 1, 6)
    assert network.interface.sequence
    assert dimension in network.interface.sentence()
    assert network.forward(x) == pytest.approx(support.reference(data, {"x": x})[0], abs=1e-6)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_states_that_come_out_count_items_along_their_second_dimension(count):
    """A first dimension of size 1 counts directions, whatever an item's shape looks like."""
    nodes = [node("Transpose", "x", "t", perm=[1, 0, 2]), node("GRU", "t w r", "h last", hidden_size=3)]
    constants = {"w": values(1, 9, 6), "r": values(1, 9, 3)}
    data, x = support.model(nodes, {"x": ["n", 4, 6]}, ["h", "last"], constants), values(count, 4, 6)
    network = import_onnx_bytes(data, "states.onnx")
    assert network.interface.together
    assert [network.item_axis(name) for name in network.outputs] == [2, 1]
    for found, expected in zip(network.run(x).values(), support.reference(data, {"x": x}), strict=True):
        assert found == pytest.approx(expected, abs=1e-6)


def test_items_along_another_dimension_of_the_output_stay_there():
    """A file that mixes items in any runtime: one at a time, each has its place along the second axis."""
    x = values(3, 8, 6)
    data = support.model([node("Reshape", "x s", "y")], {"x": ["n", 8, 6]}, ["y"], {"s": ints(8, -1, 6)})
    network = import_onnx_bytes(data, "seq.onnx")
    apart = [support.reference(data, {"x": x[at : at + 1]})[0] for at in range(3)]
    assert network.forward(x).tolist() == np.concatenate(apart, axis=1).tolist()
    assert network.interface.apart
    turned = support.model([node("Transpose", "x", "y", perm=[1, 0, 2])], {"x": ["n", 8, 6]}, ["y"])
    assert import_onnx_bytes(turned, "turned.onnx").forward(x).tolist() == x.transpose(1, 0, 2).tolist()


def test_an_output_without_a_dimension_of_items_is_refused_where_they_mix():
    data = support.model([node("Reshape", "x s", "y")], {"x": ["n", 8, 6]}, ["y"], {"s": ints(8, -1)})
    with pytest.raises(
        InputError, match=r"output y has shape \(8, 6\) for one item, and items together differ"
    ):
        import_onnx_bytes(data, "seq.onnx")


@pytest.mark.parametrize("first", [1, "n"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_squeeze_without_axes_gives_one_score_an_item(first, count):
    """At batch 1 the standard drops the batch, too; three items have three scores, as three runs give."""
    nodes = [node("MatMul", "x w", "s"), node("Squeeze", "s", "q"), node("Sigmoid", "q", "y")]
    data, x = support.model(nodes, {"x": [first, 6]}, ["y"], {"w": values(6, 1)}), values(count, 6)
    network = import_onnx_bytes(data, "score.onnx")
    apart = [float(support.reference(data, {"x": x[at : at + 1]})[0]) for at in range(count)]
    assert network.forward(x).ravel() == pytest.approx(apart, abs=1e-6)


def test_states_of_a_file_of_one_item_count_items_along_their_second_dimension():
    """The states to begin with are constants for one item, so items run apart."""
    gru = helper.make_node(
        "GRU", ["t", "w", "r", "", "", "h0"], ["h", "last"], hidden_size=3, direction="bidirectional"
    )
    nodes = [node("Transpose", "x", "t", perm=[1, 0, 2]), gru]
    constants = {"w": values(2, 9, 6), "r": values(2, 9, 3), "h0": values(2, 1, 3)}
    data, x = support.model(nodes, {"x": [1, 4, 6]}, ["h", "last"], constants), values(3, 4, 6)
    network = import_onnx_bytes(data, "states.onnx")
    apart = [support.reference(data, {"x": x[at : at + 1]}) for at in range(3)]
    for found, axis, parts in zip(network.run(x).values(), (2, 1), zip(*apart, strict=True), strict=True):
        assert found == pytest.approx(np.concatenate(parts, axis=axis), abs=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_a_file_of_one_item_that_picks_it_by_its_place_runs_items_apart(count):
    """PyTorch's exporter writes a view of one item as a gather from all elements."""
    nodes = [node("Reshape", "x flat", "f"), node("Gather", "f places", "g"), node("MatMul", "g w", "y")]
    constants = {"flat": ints(-1), "places": np.arange(6).reshape(1, 6), "w": values(6, 2)}
    data = support.model(nodes, {"x": [1, 3, 2]}, ["y"], constants)
    network, x = import_onnx_bytes(data, "view.onnx"), values(count, 3, 2)
    apart = [support.reference(data, {"x": x[at : at + 1]})[0] for at in range(count)]
    assert network.forward(x) == pytest.approx(np.concatenate(apart), abs=1e-6)
    assert network.interface.sentence() == "the first dimension mixes items: items run one at a time"


def test_token_numbers_stay_integers_and_names_stay():
    nodes = [node("Gather", "table ids", "rows"), node("ReduceMean", "rows", "mean", axes=[1], keepdims=0)]
    data = support.model(
        nodes, {"ids": ["n", 4]}, ["rows", "mean"], {"table": values(9, 3)}, element=TensorProto.INT64
    )
    network = import_onnx_bytes(data, "tokens.onnx")
    assert network.interface.types == {"input": "int64"}
    assert network.interface.name("input") == "ids"
    assert list(network.named_outputs) == ["rows", "mean"]
    tokens = RNG.integers(0, 9, (3, 4))
    found = network.run(tokens)
    for name, expected in zip(("rows", "mean"), support.reference(data, {"ids": tokens}), strict=True):
        assert found[network.named_outputs[name]] == pytest.approx(expected)


def test_tied_weights_have_one_owner_however_they_are_written():
    w, v = values(6, 8), values(8, 6)
    constants = {
        "w": w,
        "wt": np.ascontiguousarray(w.T),
        "copy": w.copy(),
        "v": v,
        "b": values(8),
        "c": values(8),
    }
    nodes = [
        node("MatMul", "x w", "a"),
        node("Add", "a b", "a2"),
        node("MatMul", "a2 v", "a3"),
        node("Gemm", "a3 wt c", "d", transB=1),
        node("MatMul", "d v", "e"),
        node("MatMul", "e copy", "y"),
    ]
    data = support.model(nodes, {"x": ["n", 6]}, ["y"], constants)
    network = import_onnx_bytes(data, "tied.onnx")
    matrices = [value for value in network.params.values() if value.ndim == 2]
    assert sum(value.size for value in matrices) == w.size + v.size
    x = values(3, 6)
    assert network.forward(x) == pytest.approx(support.reference(data, {"x": x})[0], rel=1e-4, abs=1e-4)
