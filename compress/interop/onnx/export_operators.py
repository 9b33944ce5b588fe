"""How each operator is written in ONNX, so that reading it back computes the same bits."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.interop.onnx.pointwise import CAST_TYPES, NAMES
from compress.nn.network import output_names
from compress.nn.ops.functions import GELU_CUBIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from compress.nn.network import Node
    from compress.nn.ops.base import Array, Shape


class Operation(NamedTuple):
    """One ONNX node."""

    op: str
    inputs: list[str]
    outputs: list[str]
    name: str
    attrs: dict[str, Any]


class OnnxGraph:
    """ONNX nodes and constants so far.

    Parameters
    ----------
    shapes, params : dict of str to tuple of int
        Shapes of the network's tensors and of its parameters.
    """

    def __init__(self, shapes: Mapping[str, Shape], params: Mapping[str, Shape]) -> None:
        self.shapes = {**params, **shapes}
        self.operations: list[Operation] = []
        self.constants: dict[str, Array] = {}
        self._taken = set(self.shapes)
        self._base, self._count = "", 0

    def begin(self, name: str) -> None:
        """Name what follows after the node or parameter `name`."""
        self._base, self._count = name, 0

    def constant(self, suffix: str, array: Array) -> str:
        """Add a constant and return its name."""
        name = self._free(f"{self._base}/{suffix}")
        self.constants[name] = np.asarray(array)
        return name

    def integers(self, suffix: str, values: Iterable[int]) -> str:
        """Add a constant list of 64-bit integers."""
        return self.constant(suffix, np.array(list(values), np.int64))

    def number(self, suffix: str, value: float) -> str:
        """Add a constant number."""
        return self.constant(suffix, np.full((), value, np.float32))

    def add(self, op: str, *inputs: str, target: str | None = None, outputs: int = 1, **attrs: Any) -> str:
        """Add a node and return its first output: `target`, or a name of its own."""
        self._count += 1
        target = target or self._free(f"{self._base}/{self._count}")
        self.operations.append(Operation(op, list(inputs), output_names(target, outputs), target, attrs))
        return target

    def _free(self, name: str) -> str:
        """Return `name`, lengthened until nothing else has it."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _renamed(op: str, graph: OnnxGraph, node: Node) -> None:
    graph.add(op, *node.inputs, target=node.name)


def _with_attrs(op: str, names: Mapping[str, str], graph: OnnxGraph, node: Node) -> None:
    """Write an operator whose attributes only change their names."""
    attrs = {names[key]: value for key, value in node.attrs.items() if key in names}
    graph.add(op, *node.inputs, target=node.name, **attrs)


def _with_lists(op: str, names: tuple[str, ...], graph: OnnxGraph, node: Node) -> None:
    """Write an operator whose lists of integers are inputs in ONNX."""
    lists = [graph.integers(name, node.attrs[name]) for name in names]
    rest = {key: value for key, value in node.attrs.items() if key not in names}
    outputs = sum(1 for name in graph.shapes if name.startswith(f"{node.name}:")) + 1
    graph.add(op, *node.inputs, *lists, target=node.name, outputs=outputs, **rest)


def _add(graph: OnnxGraph, node: Node) -> None:
    graph.add("Add" if len(node.inputs) == 2 else "Sum", *node.inputs, target=node.name)


def window(node: Node, **attrs: Any) -> dict[str, Any]:
    """Attributes of a window in ONNX, with further ones."""
    names = {"stride": "strides", "pads": "pads", "dilation": "dilations", "kernel": "kernel_shape"}
    found = {names[key]: list(value) for key, value in node.attrs.items() if key in names}
    return found | attrs


def _conv(graph: OnnxGraph, node: Node) -> None:
    attrs = window(node, group=int(node.attrs.get("groups", 1)))
    graph.add("Conv", *node.inputs, *node.params, target=node.name, **attrs)


def _conv_transpose(graph: OnnxGraph, node: Node) -> None:
    attrs = window(node, group=int(node.attrs.get("groups", 1)))
    if "output_padding" in node.attrs:
        attrs["output_padding"] = list(node.attrs["output_padding"])
    graph.add("ConvTranspose", *node.inputs, *node.params, target=node.name, **attrs)


def _max_pool(graph: OnnxGraph, node: Node) -> None:
    attrs = window(node, ceil_mode=int(node.attrs.get("ceil_mode", 0)))
    graph.add("MaxPool", *node.inputs, target=node.name, **attrs)


def _mean_pool(graph: OnnxGraph, node: Node) -> None:
    attrs = window(
        node,
        ceil_mode=int(node.attrs.get("ceil_mode", 0)),
        count_include_pad=int(node.attrs.get("count_include_pad", 1)),
    )
    graph.add("AveragePool", *node.inputs, target=node.name, **attrs)


def _fc(graph: OnnxGraph, node: Node) -> None:
    weight, *bias = node.params
    if len(graph.shapes[node.inputs[0]]) == 2:
        graph.add("Gemm", *node.inputs, weight, *bias, target=node.name, transB=1)
        return
    turned = graph.add("Transpose", weight, perm=[1, 0])
    if bias:
        product = graph.add("MatMul", *node.inputs, turned)
        graph.add("Add", product, *bias, target=node.name)
    else:
        graph.add("MatMul", *node.inputs, turned, target=node.name)


def _affine(graph: OnnxGraph, node: Node) -> None:
    x = node.inputs[0]
    along = graph.integers("along", (-1,) + (1,) * (len(graph.shapes[x]) - 2))
    scale, shift = (graph.add("Reshape", name, along) for name in node.params)
    graph.add("Add", graph.add("Mul", x, scale), shift, target=node.name)


def _linear(graph: OnnxGraph, node: Node) -> None:
    product = graph.add("Mul", *node.inputs, graph.number("alpha", node.attrs["alpha"]))
    graph.add("Add", product, graph.number("beta", node.attrs["beta"]), target=node.name)


def _gelu(graph: OnnxGraph, node: Node) -> None:
    x = node.inputs[0]
    erf = graph.add("Erf", graph.add("Mul", x, graph.number("root", math.sqrt(0.5))))
    product = graph.add("Mul", x, graph.add("Add", erf, graph.number("one", 1)))
    graph.add("Mul", product, graph.number("half", 0.5), target=node.name)


def _silu(graph: OnnxGraph, node: Node) -> None:
    graph.add("Mul", *node.inputs, graph.add("Sigmoid", *node.inputs), target=node.name)


def _gelu_tanh(graph: OnnxGraph, node: Node) -> None:
    x = node.inputs[0]
    cube = graph.number("cubic", GELU_CUBIC)
    for _ in range(3):
        cube = graph.add("Mul", cube, x)
    inner = graph.add("Mul", graph.number("root", math.sqrt(2 / math.pi)), graph.add("Add", x, cube))
    gate = graph.add("Add", graph.number("one", 1), graph.add("Tanh", inner))
    graph.add("Mul", graph.add("Mul", graph.number("half", 0.5), x), gate, target=node.name)


def _isinf(graph: OnnxGraph, node: Node) -> None:
    sign = node.attrs.get("sign", "both")
    attrs = {f"detect_{one}": int(sign in ("both", one)) for one in ("negative", "positive")}
    graph.add("IsInf", *node.inputs, target=node.name, **attrs)


def _group_norm(graph: OnnxGraph, node: Node) -> None:
    """Write groups as channels of a row, which are normalised each, and the channels' own scale after it."""
    x, groups = node.inputs[0], int(node.attrs["groups"])
    epsilon = float(node.attrs.get("epsilon", 1e-5))
    rows = graph.add("Reshape", x, graph.integers("rows", (0, groups, -1)))
    ones, zeros = (
        graph.constant(key, np.full(groups, value, np.float32)) for key, value in (("ones", 1), ("zeros", 0))
    )
    normal = graph.add("InstanceNormalization", rows, ones, zeros, epsilon=epsilon)
    shape = graph.integers("shape", (0, *graph.shapes[x][1:]))
    if not node.params:
        graph.add("Reshape", normal, shape, target=node.name)
        return
    back = graph.add("Reshape", normal, shape)
    along = graph.integers("along", (-1,) + (1,) * (len(graph.shapes[x]) - 2))
    scale, *bias = (graph.add("Reshape", name, along) for name in node.params)
    if bias:
        graph.add("Add", graph.add("Mul", back, scale), *bias, target=node.name)
    else:
        graph.add("Mul", back, scale, target=node.name)


def _layer_norm(graph: OnnxGraph, node: Node) -> None:
    shape, axis = graph.shapes[node.inputs[0]], int(node.attrs.get("axis", -1))
    params = node.params or (graph.constant("scale", np.ones(shape[axis:], np.float32)),)
    epsilon = float(node.attrs.get("epsilon", 1e-5))
    graph.add("LayerNormalization", *node.inputs, *params, target=node.name, axis=axis, epsilon=epsilon)


def _rms_norm(graph: OnnxGraph, node: Node) -> None:
    x = node.inputs[0]
    mean = graph.add("ReduceMean", graph.add("Mul", x, x), axes=[-1], keepdims=1)
    safe = graph.add("Add", mean, graph.number("epsilon", node.attrs.get("epsilon", 1e-5)))
    normal = graph.add("Div", x, graph.add("Sqrt", safe))
    graph.add("Mul", normal, *node.params, target=node.name)


def _clip(graph: OnnxGraph, node: Node) -> None:
    low, high = (
        graph.number(key, node.attrs[key]) if node.attrs.get(key) is not None else ""
        for key in ("min", "max")
    )
    graph.add("Clip", *node.inputs, low, high, target=node.name)


def _concat(graph: OnnxGraph, node: Node) -> None:
    graph.add("Concat", *node.inputs, target=node.name, axis=int(node.attrs.get("axis", 1)))


def _cast(graph: OnnxGraph, node: Node) -> None:
    kind = next(number for number, name in CAST_TYPES.items() if name == node.attrs["to"])
    graph.add("Cast", *node.inputs, target=node.name, to=kind)


def _slice(graph: OnnxGraph, node: Node) -> None:
    parts = zip(*node.attrs["ranges"], strict=True)
    axes, starts, ends, steps = (
        graph.integers(name, part)
        for name, part in zip(("axes", "starts", "ends", "steps"), parts, strict=True)
    )
    graph.add("Slice", *node.inputs, starts, ends, axes, steps, target=node.name)


def _per_item(graph: OnnxGraph, node: Node) -> None:
    row, items = node.inputs
    count = graph.add("Shape", items, start=0, end=1)
    shape = graph.add("Concat", count, graph.integers("row", graph.shapes[row][1:]), axis=0)
    graph.add("Expand", row, shape, target=node.name)


def _pad(graph: OnnxGraph, node: Node) -> None:
    pads = graph.integers("pads", node.attrs["pads"])
    mode = node.attrs.get("mode", "constant")
    value = [graph.number("value", node.attrs.get("value", 0))] if mode == "constant" else []
    graph.add("Pad", *node.inputs, pads, *value, target=node.name, mode=mode)


def _reduce_sum(graph: OnnxGraph, node: Node) -> None:
    axes = graph.integers("axes", node.attrs["axes"])
    graph.add("ReduceSum", *node.inputs, axes, target=node.name, keepdims=int(node.attrs.get("keepdims", 1)))


EXPORTERS: dict[str, Callable[[OnnxGraph, Node], None]] = {
    **{op: partial(_renamed, name) for name, op in NAMES.items()},
    "add": _add,
    "conv": _conv,
    "conv3d": _conv,
    "conv_transpose": _conv_transpose,
    "fc": _fc,
    "matmul": partial(_renamed, "MatMul"),
    "max_pool": _max_pool,
    "avg_pool": _mean_pool,
    "global_avg_pool": partial(_renamed, "GlobalAveragePool"),
    "affine": _affine,
    "linear": _linear,
    "gelu": _gelu,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "lrn": partial(_with_attrs, "LRN", {key: key for key in ("size", "alpha", "beta", "bias")}),
    "silu": _silu,
    "gelu_tanh": _gelu_tanh,
    "isinf": _isinf,
    "group_norm": _group_norm,
    "elu": partial(_with_attrs, "Elu", {"alpha": "alpha"}),
    "mod": partial(_with_attrs, "Mod", {"fmod": "fmod"}),
    "log_softmax": partial(_with_attrs, "LogSoftmax", {"axis": "axis"}),
    "leaky_relu": partial(_with_attrs, "LeakyRelu", {"alpha": "alpha"}),
    "hard_sigmoid": partial(_with_attrs, "HardSigmoid", {"alpha": "alpha", "beta": "beta"}),
    "softmax": partial(_with_attrs, "Softmax", {"axis": "axis"}),
    "flatten": partial(_renamed, "Flatten"),
    "dropout": partial(_renamed, "Dropout"),
    "clip": _clip,
    "cast": _cast,
    "reshape": partial(_with_lists, "Reshape", ("shape",)),
    "expand": partial(_with_lists, "Expand", ("shape",)),
    "squeeze": partial(_with_lists, "Squeeze", ("axes",)),
    "unsqueeze": partial(_with_lists, "Unsqueeze", ("axes",)),
    "split": partial(_with_lists, "Split", ("sizes",)),
    "transpose": partial(_with_attrs, "Transpose", {"order": "perm"}),
    "gather": partial(_with_attrs, "Gather", {"axis": "axis"}),
    "concat": _concat,
    "per_item": _per_item,
    "slice": _slice,
    "pad": _pad,
    "reduce_sum": _reduce_sum,
    **{
        f"reduce_{kind.lower()}": partial(
            _with_attrs, f"Reduce{kind}", {"axes": "axes", "keepdims": "keepdims"}
        )
        for kind in ("Mean", "Max", "Min", "Prod", "L2")
    },
}
"""Operators by name; those that run on stored forms have no counterpart, their decoded network has."""
