"""Every ONNX operation that can be imported, against onnxruntime at several batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx.backend.test.loader import load_model_tests
from onnx_support import helper, model, reference

from compress.interop.onnx import import_onnx_bytes
from compress.interop.onnx.converting import CONVERTERS

RNG = np.random.default_rng(20)


def values(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


IMAGE, SEQUENCE, TOKENS, VECTOR = (4, 7, 9), (4, 11), (5, 6), (6,)

CASES = {
    # Convolution and pooling
    "conv": (
        "Conv", IMAGE, {"w": values(6, 4, 3, 2), "b": values(6)}, {"pads": [1, 0, 2, 1], "strides": [2, 1]},
    ),
    "conv groups": ("Conv", IMAGE, {"w": values(8, 2, 3, 3)}, {"group": 2, "dilations": [2, 3]}),
    "conv depthwise": ("Conv", IMAGE, {"w": values(4, 1, 3, 3), "b": values(4)}, {"group": 4}),
    "conv upper": ("Conv", IMAGE, {"w": values(2, 4, 4, 3)}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "conv lower": ("Conv", IMAGE, {"w": values(2, 4, 4, 3)}, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    "conv valid": ("Conv", IMAGE, {"w": values(2, 4, 2, 2)}, {"auto_pad": "VALID"}),
    "conv 1-D": (
        "Conv", SEQUENCE, {"w": values(3, 4, 3), "b": values(3)},
        {"pads": [2, 1], "strides": [2], "dilations": [2]},
    ),
    "deconv": ("ConvTranspose", IMAGE, {"w": values(4, 3, 2, 2), "b": values(3)}, {"strides": [2, 2]}),
    "deconv pads": (
        "ConvTranspose", IMAGE, {"w": values(4, 3, 3, 3)},
        {"strides": [2, 1], "pads": [1, 0, 0, 1], "dilations": [1, 2]},
    ),
    "max pool": ("MaxPool", IMAGE, {}, {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    "max pool ceil": ("MaxPool", IMAGE, {}, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    "max pool 1-D": ("MaxPool", SEQUENCE, {}, {"kernel_shape": [2], "strides": [2]}),
    "mean pool": (
        "AveragePool", IMAGE, {}, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    ),
    "mean pool ceil": (
        "AveragePool", IMAGE, {},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, "pads": [0, 0, 1, 0]},
    ),
    "mean pool with pads": (
        "AveragePool", IMAGE, {}, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ),
    "global mean": ("GlobalAveragePool", IMAGE, {}, {}),
    "global mean 1-D": ("GlobalAveragePool", SEQUENCE, {}, {}),
    "global maximum": ("GlobalMaxPool", IMAGE, {}, {}),
    # Products
    "gemm": ("Gemm", VECTOR, {"w": values(6, 3), "b": values(3)}, {}),
    "gemm scaled": (
        "Gemm", VECTOR, {"w": values(3, 6), "b": values(1)}, {"transB": 1, "alpha": 0.5, "beta": 2.0},
    ),
    "gemm without bias": ("Gemm", VECTOR, {"w": values(6, 3)}, {}),
    "matmul": ("MatMul", TOKENS, {"w": values(6, 3)}, {}),
    "matmul stacked": ("MatMul", TOKENS, {"w": values(2, 1, 6, 3)}, {}),
    # Normalisation
    "batch norm": (
        "BatchNormalization", IMAGE,
        {"s": values(4), "b": values(4), "m": values(4), "v": np.abs(values(4)) + 0.1}, {"epsilon": 1e-3},
    ),
    "layer norm": ("LayerNormalization", TOKENS, {"s": values(6), "b": values(6)}, {"epsilon": 1e-6}),
    "layer norm of two axes": ("LayerNormalization", TOKENS, {"s": values(5, 6)}, {"axis": -2}),
    "lrn": ("LRN", IMAGE, {}, {"size": 3, "alpha": 0.1, "beta": 0.5, "bias": 2.0}),
    "lrn wide": ("LRN", IMAGE, {}, {"size": 11, "alpha": 0.3}),
    # Functions of one element
    **{name: (name, TOKENS, {}, {}) for name in (
        "Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf", "Exp", "Abs", "Neg",
        "Reciprocal", "Floor", "Round", "Identity", "Dropout", "Softmax",
    )},
    "leaky": ("LeakyRelu", TOKENS, {}, {"alpha": 0.3}),
    "hard sigmoid": ("HardSigmoid", TOKENS, {}, {"alpha": 0.4, "beta": 0.1}),
    "clip": ("Clip", TOKENS, {"low": np.float32(-0.5), "high": np.float32(0.25)}, {}),
    "clip above": ("Clip", TOKENS, {"": None, "high": np.float32(0.25)}, {}),
    "softmax axis": ("Softmax", IMAGE, {}, {"axis": 1}),
    "gelu": ("Gelu", TOKENS, {}, {}, 20),
    # Two or three operands
    **{name: (name, TOKENS, {"c": values(6)}, {}) for name in (
        "Add", "Sub", "Mul", "Div", "Max", "Min", "Sum",
    )},
    "one summand": ("Sum", TOKENS, {}, {}),
    "square": ("Pow", TOKENS, {"c": np.float32(2)}, {}),
    "cube": ("Pow", TOKENS, {"c": np.float32(3)}, {}),
    # Shapes
    "reshape": ("Reshape", TOKENS, {"s": ints(0, -1, 3)}, {}),
    "reshape merging the batch": ("Reshape", TOKENS, {"s": ints(-1, 6)}, {}),
    "flatten": ("Flatten", IMAGE, {}, {}),
    "flatten 2": ("Flatten", IMAGE, {}, {"axis": 2}),
    "flatten last": ("Flatten", IMAGE, {}, {"axis": -1}),
    "transpose": ("Transpose", IMAGE, {}, {"perm": [0, 3, 1, 2]}),
    "squeeze": ("Squeeze", (1, 5, 1), {"a": ints(1, -1)}, {}),
    "unsqueeze": ("Unsqueeze", TOKENS, {"a": ints(1, -1)}, {}),
    "slice": ("Slice", IMAGE, {"s": ints(1, -2), "e": ints(3, 2**31), "a": ints(1, 3)}, {}),
    "slice backwards": (
        "Slice", TOKENS, {"s": ints(4), "e": ints(-(2**31)), "a": ints(1), "t": ints(-2)}, {},
    ),
    "gather": ("Gather", TOKENS, {"i": ints(4, 0, -1)}, {"axis": 1}),
    "gather one": ("Gather", TOKENS, {"i": np.array(2)}, {"axis": 2}),
    "expand": ("Expand", (1, 6), {"s": ints(1, 5, 1)}, {}),
    "expand in place": ("Expand", TOKENS, {"s": ints(1, 1)}, {}),
    "pad": ("Pad", IMAGE, {"p": ints(0, 1, 2, 0, 0, 0, 1, 3), "v": np.float32(1.5)}, {}),
    "pad reflect": ("Pad", SEQUENCE, {"p": ints(0, 0, 3, 0, 0, 2)}, {"mode": "reflect"}),
    "pad edge": ("Pad", SEQUENCE, {"p": ints(0, 0, 3, 0, 0, 2)}, {"mode": "edge"}),
    "pad axes": ("Pad", IMAGE, {"p": ints(2, 1, 0, 3), "": None, "a": ints(-1, 1)}, {}, 18),
    # Reductions
    **{name: (name, IMAGE, {}, {"axes": [1, -1], "keepdims": 0}) for name in (
        "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
        "ReduceLogSumExp",
    )},
    "sum over axes": ("ReduceSum", IMAGE, {"a": ints(2)}, {}),
    "sum over no axes": ("ReduceSum", IMAGE, {}, {"noop_with_empty_axes": 1}),
    "mean 18": ("ReduceMean", IMAGE, {"a": ints(3)}, {}, 18),
}  # fmt: skip
"""Name: (operation, shape of one item, constants in order, attributes, operator set if not 17)."""

RESIZES = [
    (mode, rounding)
    for mode in ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
    for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
]

OLD = {
    "clip": ("Clip", TOKENS, {"min": -0.5, "max": 0.5}, 6 + 1),
    "softmax over two axes": ("Softmax", TOKENS, {}, 9),
    "softmax of channels": ("Softmax", (6, 1, 1), {}, 9),
    "slice": ("Slice", IMAGE, {"starts": [1, 0], "ends": [4, -1], "axes": [1, 3]}, 9),
    "squeeze": ("Squeeze", (1, 5), {"axes": [1]}, 9),
    "unsqueeze": ("Unsqueeze", TOKENS, {"axes": [1]}, 9),
    "pad": ("Pad", IMAGE, {"pads": [0, 0, 1, 1, 0, 0, 2, 0], "value": 0.5}, 9),
    "dropout": ("Dropout", TOKENS, {"ratio": 0.3}, 9),
    "sum": ("ReduceSum", TOKENS, {"axes": [1]}, 9),
}


def agree(
    data: bytes, shape: tuple[int, ...], x: np.ndarray | None = None, batches: tuple[int, ...] = (1, 3)
):
    network = import_onnx_bytes(data, "case.onnx", {"x": shape})
    for batch in batches:
        inputs = values(batch, *shape) if x is None else x
        outputs = list(network.run(inputs).values())
        expected = reference(data, {"x": inputs})
        assert len(outputs) == len(expected)
        for output, other in zip(outputs, expected, strict=True):
            assert output.shape == other.shape
            np.testing.assert_allclose(output, other, rtol=1e-4, atol=1e-5)
    return network


@pytest.mark.parametrize("case", CASES)
def test_operation_equals_onnxruntime(case):
    op, shape, constants, attrs, *opset = CASES[case]
    node = helper.make_node(op, ["x", *constants], ["y"], **attrs)
    held = {name: array for name, array in constants.items() if name}
    last = helper.make_node("Neg", ["y"], ["z"])
    agree(model([node, last], {"x": ["n", *shape]}, ["z"], held, *opset), shape)


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(
    ("kernel", "strides", "dilations"),
    [([3, 3], [2, 2], [1, 1]), ([4, 2], [1, 2], [1, 1]), ([2, 3], [3, 2], [1, 2]), ([4], [2], [1])],
)
def test_transposed_convolution_of_the_same_size(mode, kernel, strides, dilations):
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], auto_pad=mode, strides=strides, dilations=dilations
    )
    shape = (4, *(5,) * len(kernel))
    agree(model([node], {"x": ["n", *shape]}, ["y"], {"w": values(4, 3, *kernel)}), shape)


@pytest.mark.parametrize("case", OLD)
def test_older_operator_sets(case):
    op, shape, attrs, opset = OLD[case]
    nodes = [helper.make_node(op, ["x"], ["y"], **attrs), helper.make_node("Relu", ["y"], ["z"])]
    agree(model(nodes, {"x": ["n", *shape]}, ["z"], opset=opset), shape)


@pytest.mark.parametrize(("mode", "rounding"), RESIZES)
@pytest.mark.parametrize("scale", [(2.0, 1.5), (0.6, 3.0)])
def test_nearest_resize(mode, rounding, scale):
    node = helper.make_node(
        "Resize", ["x", "", "s"], ["y"], coordinate_transformation_mode=mode, nearest_mode=rounding
    )
    scales = np.array([1, 1, *scale], np.float32)
    agree(model([node], {"x": ["n", *IMAGE]}, ["y"], {"s": scales}), IMAGE)


def test_resize_to_sizes_and_upsample():
    resize = helper.make_node("Resize", ["x", "", "", "s"], ["y"], nearest_mode="floor")
    agree(model([resize], {"x": [1, *IMAGE]}, ["y"], {"s": ints(1, 4, 11, 5)}), IMAGE, batches=(1,))
    upsample = helper.make_node("Upsample", ["x", "s"], ["y"], mode="nearest")
    scales = np.array([1, 1, 2, 3], np.float32)
    agree(model([upsample], {"x": ["n", *IMAGE]}, ["y"], {"s": scales}, opset=9), IMAGE)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_resize_that_keeps_the_aspect_ratio(policy):
    resize = helper.make_node(
        "Resize",
        ["x", "", "", "s"],
        ["y"],
        keep_aspect_ratio_policy=policy,
        nearest_mode="floor",
        axes=[2, 3],
    )
    agree(model([resize], {"x": [1, *IMAGE]}, ["y"], {"s": ints(11, 5)}, 18), IMAGE, batches=(1,))


@pytest.mark.parametrize(("opset", "sizes"), [(11, [1, 4]), (13, [1, 4]), (13, None), (11, None)])
def test_split(opset, sizes):
    parts = {"split": sizes} if sizes and opset < 13 else {}
    inputs = ["x", "sizes"] if sizes and opset >= 13 else ["x"]
    held = {"sizes": ints(*sizes)} if len(inputs) > 1 else {}
    shape = (5, 6) if sizes else (6, 6)
    split = helper.make_node("Split", inputs, ["a", "b"], axis=1, **parts)
    nodes = [split, helper.make_node("Relu", ["b"], ["c"])]
    agree(model(nodes, {"x": ["n", *shape]}, ["c", "a"], held, opset), shape)


@pytest.mark.parametrize("comparison", ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"])
def test_comparisons_masks_and_where(comparison):
    nodes = [
        helper.make_node("Floor", ["x"], ["f"]),
        helper.make_node(comparison, ["f", "zero"], ["m"]),
        helper.make_node("Less", ["x", "half"], ["l"]),
        helper.make_node("And", ["m", "l"], ["both"]),
        helper.make_node("Or", ["both", "given"], ["any"]),
        helper.make_node("Not", ["any"], ["not"]),
        helper.make_node("Where", ["not", "x", "zero"], ["chosen"]),
        helper.make_node("Cast", ["any"], ["number"], to=1),
        helper.make_node("Add", ["chosen", "number"], ["y"]),
    ]
    constants = {
        "zero": np.float32(0),
        "half": np.float32(0.5),
        "given": np.array([True, False, False, False, False, True]),
    }
    network = agree(model(nodes, {"x": ["n", *TOKENS]}, ["y"], constants), TOKENS)
    assert all(value.dtype != np.bool_ for value in network.params.values())


def test_two_products_of_activations():
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "t"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["weights"]),
        helper.make_node("MatMul", ["weights", "x"], ["mixed"]),
        helper.make_node("Concat", ["mixed", "x"], ["y"], axis=-1),
    ]
    agree(model(nodes, {"x": ["n", *TOKENS]}, ["y"]), TOKENS)


def test_gemm_of_activations():
    nodes = [
        helper.make_node("Slice", ["x", "s", "e", "a"], ["l"]),
        helper.make_node("Gemm", ["l", "x", "b"], ["y"], transA=1, alpha=0.5, beta=3.0),
    ]
    constants = {"s": ints(0), "e": ints(4), "a": ints(1), "b": values(4, 6)}
    agree(model(nodes, {"x": ["n", 6]}, ["y"], constants), (6,), batches=(1, 5))


@pytest.mark.parametrize("with_bias", [True, False])
def test_lstm(with_bias):
    weights = {"w": values(1, 12, 6), "r": values(1, 12, 3), "b": values(1, 24)}
    names = ["w", "r", "b"] if with_bias else ["w", "r"]
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["t", *names], ["s"], hidden_size=3),
        helper.make_node("Squeeze", ["s", "one"], ["q"]),
        helper.make_node("Transpose", ["q"], ["y"], perm=[1, 0, 2]),
    ]
    constants = {name: weights[name] for name in names} | {"one": ints(1)}
    agree(model(nodes, {"x": ["n", *TOKENS]}, ["y"], constants), TOKENS)


def test_shapes_computed_by_the_graph_are_folded():
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["r"]),
        helper.make_node("ConstantOfShape", ["rest"], ["ones"], value=onnx_tensor(1.0)),
        helper.make_node("Range", ["start", "limit", "step"], ["count"]),
        helper.make_node("Cast", ["count"], ["ramp"], to=1),
        helper.make_node("Mul", ["ones", "ramp"], ["weights"]),
        helper.make_node("Add", ["r", "weights"], ["y"]),
    ]
    constants = {
        "zero": ints(0), "one": ints(1), "rest": ints(6, 5),
        "start": np.int64(0), "limit": np.int64(10), "step": np.int64(2),
    }  # fmt: skip
    network = agree(model(nodes, {"x": ["n", *TOKENS]}, ["y"], constants), TOKENS)
    assert [node.op for node in network.nodes] == ["reshape", "add"]


def onnx_tensor(value: float):
    return helper.make_tensor("value", 1, [1], [value])


def test_constants_of_every_kind():
    nodes = [
        helper.make_node("Constant", [], ["a"], value=onnx_tensor(2.0)),
        helper.make_node("Constant", [], ["b"], value_float=0.5),
        helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        helper.make_node("Constant", [], ["d"], value_ints=[5, 6]),
        helper.make_node("Expand", ["b", "d"], ["e"]),
        *(helper.make_node("Add", [left, right], [out]) for left, right, out in (
            ("x", "a", "f"), ("f", "c", "g"), ("g", "e", "y"),
        )),
    ]  # fmt: skip
    agree(model(nodes, {"x": ["n", *TOKENS]}, ["y"]), TOKENS)


def test_logarithm_of_a_sum():
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("ReduceLogSum", ["e"], ["y"], axes=[2]),
    ]
    agree(model(nodes, {"x": ["n", *TOKENS]}, ["y"]), TOKENS)


def test_integers_divide_toward_zero():
    nodes = [
        helper.make_node("Div", ["x", "three"], ["q"]),
        helper.make_node("Cast", ["q"], ["f"], to=1),
        helper.make_node("Log", ["big"], ["l"]),
        helper.make_node("Sqrt", ["l"], ["r"]),
        helper.make_node("Mul", ["f", "r"], ["y"]),
    ]
    constants = {"three": np.int32(-3), "big": np.float32(8)}
    data = model(nodes, {"x": ["n", 5]}, ["y"], constants, element=6)
    agree(data, (5,), np.array([[-7, -3, 0, 4, 9]], np.int32), batches=(1,))


def test_sixteen_bit_and_double_weights_become_float32():
    nodes = [
        helper.make_node("Cast", ["half"], ["h"], to=1),
        helper.make_node("Cast", ["double"], ["d"], to=1),
        helper.make_node("Add", ["x", "h"], ["s"]),
        helper.make_node("Mul", ["s", "d"], ["y"]),
    ]
    constants = {"half": values(6).astype(np.float16), "double": values(6).astype(np.float64)}
    network = agree(model(nodes, {"x": ["n", *TOKENS]}, ["y"], constants), TOKENS)
    assert {value.dtype for value in network.params.values()} == {np.dtype(np.float32)}


def test_two_inputs():
    nodes = [helper.make_node("Sub", ["x", "mask"], ["y"])]
    data = model(nodes, {"x": ["n", 5, 6], "mask": ["n", 1, 6]}, ["y"])
    network = import_onnx_bytes(data, "two.onnx")
    x, mask = values(2, 5, 6), values(2, 1, 6)
    expected = reference(data, {"x": x, "mask": mask})[0]
    assert np.array_equal(network.forward(x, extra={"mask": mask}), expected)
    fixed = import_onnx_bytes(data, "two.onnx", fixed={"mask": mask[:1]})
    assert np.array_equal(fixed.forward(x[:1]), expected[:1])


@pytest.mark.filterwarnings("ignore")
def test_every_converter_is_exercised():
    """A converter without a case here, among quantized graphs or in the standard's own would be untested."""
    folder = Path(__file__).parent
    texts = [(folder / name).read_text() for name in ("test_onnx_ops.py", "test_onnx_quantized.py")]
    source = set(" ".join(texts).replace('"', " ").replace(",", " ").split())
    of_the_standard = {
        node.op_type for case in load_model_tests(kind="node") for node in case.model.graph.node
    }
    assert {name for name in CONVERTERS if name.rpartition(".")[2] not in source | of_the_standard} == set()
