"""Files that nobody should believe: each is refused with one sentence that says why."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_support import TensorProto, helper, model, numpy_helper, onnx

from compress.interop.onnx import import_onnx, import_onnx_bytes
from hwsim.errors import InputError

X = {"x": ["n", 4]}
HUGE = np.array([1 << 40, 1 << 20], np.int64)


def relu(source: str = "x", target: str = "y", **attrs: object) -> onnx.NodeProto:
    return helper.make_node("Relu", [source], [target], **attrs)


def refused(data: bytes, message: str, **options: object) -> None:
    with pytest.raises(InputError, match=message) as caught:
        import_onnx_bytes(data, "bad.onnx", **options)
    assert str(caught.value).startswith("bad.onnx: ")
    assert "\n" not in str(caught.value)


def edited(**constants: np.ndarray) -> onnx.ModelProto:
    add = helper.make_node("Add", ["x", "c"], ["y"])
    return onnx.load_model_from_string(model([add], X, ["y"], {"c": np.ones(4, np.float32), **constants}))


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"PK\x03\x04 no model", bytes(range(256))])
def test_not_a_model(data):
    refused(data, "not an ONNX model|no nodes|no graph")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.onnx: cannot be read .*expected an ONNX file"):
        import_onnx(tmp_path / "none.onnx")


def test_data_outside_the_file():
    made = edited()
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    refused(made.SerializeToString(), "tensor 'c' keeps its data in another file")


def test_declared_shape_without_its_data():
    made = edited()
    made.graph.initializer[0].dims[:] = [1 << 50]
    refused(made.SerializeToString(), r"declares shape \(1125899906842624,\) but stores fewer values")
    made.graph.initializer[0].dims[:] = [-4]
    refused(made.SerializeToString(), "declares shape")
    made.graph.initializer[0].dims[:] = [3]
    refused(made.SerializeToString(), "does not fit shape")


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([helper.make_node("ConstantOfShape", ["s"], ["c"])], {"s": HUGE}),
        ([helper.make_node("Expand", ["one", "s"], ["c"])], {"s": HUGE, "one": np.ones(1, np.float32)}),
        ([helper.make_node("Tile", ["one", "s"], ["c"])], {"s": HUGE, "one": np.ones((1, 1), np.float32)}),
        (
            [helper.make_node("Range", ["a", "b", "s"], ["c"])],
            {"a": np.int64(0), "b": np.int64(1 << 60), "s": np.int64(1)},
        ),
    ],
)
def test_constants_that_would_exhaust_memory(nodes, constants):
    data = model([*nodes, helper.make_node("Add", ["x", "c"], ["y"])], X, ["y"], constants)
    refused(data, "expected|more than")


def test_activations_that_would_exhaust_memory():
    pad = helper.make_node("Pad", ["x", "p"], ["y"])
    pads = np.array([0, 0, 0, 1 << 40], np.int64)
    refused(model([pad], X, ["y"], {"p": pads}), "elements")


def test_a_cycle():
    nodes = [
        helper.make_node("Add", ["x", "c"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Neg", ["b"], ["c"]),
    ]
    refused(model(nodes, X, ["c"]), "node 'first' is part of a cycle")


def test_names_defined_twice_or_not_at_all():
    refused(model([relu(), relu()], X, ["y"]), "the name 'y' is defined twice")
    refused(model([relu(target="x")], X, ["x"]), "the name 'x' is defined twice")
    refused(model([relu("ghost")], X, ["y"]), "input 'ghost' is produced by nothing")
    refused(model([relu()], X, ["ghost"]), "output 'ghost' does not depend on the input")


def test_nodes_in_any_order_are_sorted():
    data = model([relu("a", "y"), helper.make_node("Neg", ["x"], ["a"])], X, ["y"])
    y = import_onnx_bytes(data, "unsorted.onnx").forward(np.array([[-1, 2, 0, -3]], np.float32))
    assert y.tolist() == [[1, 0, 0, 3]]


def test_unsupported_operations_are_named_all_at_once_with_what_would_help():
    unique = helper.make_node("Unique", ["x"], ["u"], name="pick")
    refused(model([unique], X, ["u"]), r"node 'pick' \(Unique\) is not supported; cut the graph before it")
    foreign = relu("u", "f", name="f", domain="com.example")
    more = [relu("f", "g", name="fine"), helper.make_node("Det", ["g"], ["y"], name="d")]
    with pytest.raises(InputError) as caught:
        import_onnx_bytes(model([unique, foreign, *more], X, ["y"]), "case.onnx")
    table = str(caught.value).splitlines()
    assert table[0] == "case.onnx: 3 nodes cannot be imported, expected none:"
    assert [line.split()[:2] for line in table[1:]] == [
        ["Unique", "'pick':"], ["com.example.Relu", "'f':"], ["Det", "'d':"],
    ]  # fmt: skip


def test_nodes_of_one_reason_share_a_row():
    nodes = [helper.make_node("Det", ["x"], [f"d{at}"], name=f"n{at}") for at in range(5)]
    with pytest.raises(InputError) as caught:
        import_onnx_bytes(model(nodes, X, ["d0"]), "case.onnx")
    (row,) = str(caught.value).splitlines()[1:]
    assert "'n0', 'n1', 'n2' and 2 more: is not supported" in row


def test_functions_that_call_themselves_and_other_operator_sets():
    made = edited()
    function = helper.make_function(
        "d",
        "f",
        ["a"],
        ["b"],
        [helper.make_node("f", ["a"], ["b"], domain="d")],
        [helper.make_opsetid("d", 1)],
    )
    made.functions.append(function)
    refused(made.SerializeToString(), "function 'f' calls itself")
    refused(model([relu()], X, ["y"], opset=3), r"operator set is \[3\], expected one version from 7 to 28")


def test_functions_that_stand_for_too_many_nodes():
    """Each calls the one before it many times: a few lines would become a graph of any size."""
    made, opset = edited(), [helper.make_opsetid("", 17), helper.make_opsetid("d", 1)]
    for level in range(8):
        inner = [helper.make_node(f"f{level - 1}", ["a"], [f"b{at}"], domain="d") for at in range(20)]
        leaf = [helper.make_node("Relu", ["a"], ["b0"])]
        made.functions.append(
            helper.make_function("d", f"f{level}", ["a"], ["b0"], inner if level else leaf, opset)
        )
    refused(made.SerializeToString(), "functions stand for")


def test_types_and_further_outputs():
    made = edited()
    made.graph.initializer[0].data_type = TensorProto.COMPLEX64
    refused(made.SerializeToString(), "tensor 'c' holds COMPLEX64")
    pool = helper.make_node("MaxPool", ["x"], ["p", "where"], kernel_shape=[1, 1])
    data = model([pool, relu("where")], {"x": ["n", 1, 2, 2]}, ["y"])
    refused(data, "reads 'where', a further output of its node, which is not supported")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Softmax", ["x"], ["y"], axis=5), "axis is"),
        (helper.make_node("Transpose", ["x"], ["y"], perm=[0, 0]), r"order is \(0, 0\)"),
        (helper.make_node("MatMul", ["x", "x"], ["y"]), "cannot be multiplied"),
        (helper.make_node("Conv", ["x", "x"], ["y"]), "the weights depend on the data, expected a constant"),
        (helper.make_node("Conv", ["x"], ["y"]), "input 1 is left out"),
        (helper.make_node("Reshape", ["x", "s"], ["y"]), "the elements do not fit"),
        (helper.make_node("Gather", ["x", "s"], ["y"], axis=7), "axis is 7"),
        (helper.make_node("Cast", ["x"], ["y"], to=8), "cast to element type 8"),
        (helper.make_node("MaxPool", ["x"], ["y"]), "do not fit together"),
        (helper.make_node("Split", ["x", "s"], ["y", "z"], axis=1), "sizes are"),
        (helper.make_node("Pad", ["x", "s"], ["y"]), "pads are"),
        (helper.make_node("LRN", ["x"], ["y"], size=0), "expected"),
    ],
)
def test_attributes_that_do_not_fit(node, message):
    refused(model([node], X, ["y"], {"s": np.array([3, -3, 9], np.int64)}), message)


def test_open_dimensions_and_fixed_inputs():
    refused(model([relu()], {"x": ["n", "w"]}, ["y"]), r"input 'x' has open dimensions \(n, w\)")
    refused(model([relu()], X, ["y"]), "no input is named 'z', expected one of x", shapes={"z": (4,)})
    refused(model([relu()], {"x": []}, ["y"]), "input 'x' has no batch dimension")
    two = model([helper.make_node("Add", ["x", "z"], ["y"])], {"x": [2, 4], "z": [3, 4]}, ["y"])
    refused(two, r"shapes \(2, 4\), \(3, 4\) cannot be added")
    network = import_onnx_bytes(model([relu()], {"x": ["n", "w"]}, ["y"]), "m", shapes={"x": (7,)})
    assert network.input_shape == (7,)


SMALL = model(
    [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Reshape", ["r", "s"], ["y"]),
    ],
    {"x": ["n", 1, 4, 4]},
    ["y"],
    {
        "w": np.ones((2, 1, 3, 3), np.float32),
        "b": np.ones(2, np.float32),
        "s": np.array([0, -1], np.int64),
    },
)


@settings(max_examples=300)
@given(st.integers(0, len(SMALL) - 1), st.integers(0, 255), st.integers(0, len(SMALL)))
def test_damaged_bytes_are_refused_or_harmless(place, value, length):
    damaged = bytearray(SMALL)
    damaged[place] = value
    for data in (bytes(damaged), bytes(damaged[:length])):
        with contextlib.suppress(InputError):
            import_onnx_bytes(data, "damaged.onnx")


def test_half_precision_bytes_that_do_not_fit():
    made = edited(h=np.ones(4, np.float16))
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "h")
    tensor.raw_data = tensor.raw_data[:7]
    made.graph.initializer[1].CopyFrom(tensor)
    refused(made.SerializeToString(), "tensor 'h'")
