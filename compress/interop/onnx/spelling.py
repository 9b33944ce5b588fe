"""How each operator is spelled in ONNX, so that reading it back computes the same bits."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.interop.onnx.pointwise import CAST_TYPES, NAMES
from compress.nn.network import output_names

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


class Spelling:
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


def _renamed(op: str, spelling: Spelling, node: Node) -> None:
    spelling.add(op, *node.inputs, target=node.name)


def _with_attrs(op: str, names: Mapping[str, str], spelling: Spelling, node: Node) -> None:
    """Spell an operator whose attributes only change their names."""
    attrs = {names[key]: value for key, value in node.attrs.items() if key in names}
    spelling.add(op, *node.inputs, target=node.name, **attrs)


def _with_lists(op: str, names: tuple[str, ...], spelling: Spelling, node: Node) -> None:
    """Spell an operator whose lists of integers are inputs in ONNX."""
    lists = [spelling.integers(name, node.attrs[name]) for name in names]
    rest = {key: value for key, value in node.attrs.items() if key not in names}
    outputs = sum(1 for name in spelling.shapes if name.startswith(f"{node.name}:")) + 1
    spelling.add(op, *node.inputs, *lists, target=node.name, outputs=outputs, **rest)


def _add(spelling: Spelling, node: Node) -> None:
    spelling.add("Add" if len(node.inputs) == 2 else "Sum", *node.inputs, target=node.name)


def _window(spelling: Spelling, node: Node, **attrs: Any) -> dict[str, Any]:
    names = {"stride": "strides", "pads": "pads", "dilation": "dilations", "kernel": "kernel_shape"}
    found = {names[key]: list(value) for key, value in node.attrs.items() if key in names}
    return found | attrs


def _conv(spelling: Spelling, node: Node) -> None:
    attrs = _window(spelling, node, group=int(node.attrs.get("groups", 1)))
    spelling.add("Conv", *node.inputs, *node.params, target=node.name, **attrs)


def _conv_transpose(spelling: Spelling, node: Node) -> None:
    spelling.add("ConvTranspose", *node.inputs, *node.params, target=node.name, **_window(spelling, node))


def _max_pool(spelling: Spelling, node: Node) -> None:
    attrs = _window(spelling, node, ceil_mode=int(node.attrs.get("ceil_mode", 0)))
    spelling.add("MaxPool", *node.inputs, target=node.name, **attrs)


def _mean_pool(spelling: Spelling, node: Node) -> None:
    attrs = _window(
        spelling,
        node,
        ceil_mode=int(node.attrs.get("ceil_mode", 0)),
        count_include_pad=int(node.attrs.get("count_include_pad", 1)),
    )
    spelling.add("AveragePool", *node.inputs, target=node.name, **attrs)


def _fc(spelling: Spelling, node: Node) -> None:
    weight, *bias = node.params
    if len(spelling.shapes[node.inputs[0]]) == 2:
        spelling.add("Gemm", *node.inputs, weight, *bias, target=node.name, transB=1)
        return
    turned = spelling.add("Transpose", weight, perm=[1, 0])
    if bias:
        product = spelling.add("MatMul", *node.inputs, turned)
        spelling.add("Add", product, *bias, target=node.name)
    else:
        spelling.add("MatMul", *node.inputs, turned, target=node.name)


def _affine(spelling: Spelling, node: Node) -> None:
    x = node.inputs[0]
    along = spelling.integers("along", (-1,) + (1,) * (len(spelling.shapes[x]) - 2))
    scale, shift = (spelling.add("Reshape", name, along) for name in node.params)
    spelling.add("Add", spelling.add("Mul", x, scale), shift, target=node.name)


def _linear(spelling: Spelling, node: Node) -> None:
    product = spelling.add("Mul", *node.inputs, spelling.number("alpha", node.attrs["alpha"]))
    spelling.add("Add", product, spelling.number("beta", node.attrs["beta"]), target=node.name)


def _gelu(spelling: Spelling, node: Node) -> None:
    x = node.inputs[0]
    erf = spelling.add("Erf", spelling.add("Mul", x, spelling.number("root", math.sqrt(0.5))))
    product = spelling.add("Mul", x, spelling.add("Add", erf, spelling.number("one", 1)))
    spelling.add("Mul", product, spelling.number("half", 0.5), target=node.name)


def _layer_norm(spelling: Spelling, node: Node) -> None:
    shape, axis = spelling.shapes[node.inputs[0]], int(node.attrs.get("axis", -1))
    params = node.params or (spelling.constant("scale", np.ones(shape[axis:], np.float32)),)
    epsilon = float(node.attrs.get("epsilon", 1e-5))
    spelling.add("LayerNormalization", *node.inputs, *params, target=node.name, axis=axis, epsilon=epsilon)


def _rms_norm(spelling: Spelling, node: Node) -> None:
    x = node.inputs[0]
    mean = spelling.add("ReduceMean", spelling.add("Mul", x, x), axes=[-1], keepdims=1)
    safe = spelling.add("Add", mean, spelling.number("epsilon", node.attrs.get("epsilon", 1e-5)))
    normal = spelling.add("Div", x, spelling.add("Sqrt", safe))
    spelling.add("Mul", normal, *node.params, target=node.name)


def _clip(spelling: Spelling, node: Node) -> None:
    low, high = (
        spelling.number(key, node.attrs[key]) if node.attrs.get(key) is not None else ""
        for key in ("min", "max")
    )
    spelling.add("Clip", *node.inputs, low, high, target=node.name)


def _concat(spelling: Spelling, node: Node) -> None:
    spelling.add("Concat", *node.inputs, target=node.name, axis=int(node.attrs.get("axis", 1)))


def _cast(spelling: Spelling, node: Node) -> None:
    kind = next(number for number, name in CAST_TYPES.items() if name == node.attrs["to"])
    spelling.add("Cast", *node.inputs, target=node.name, to=kind)


def _slice(spelling: Spelling, node: Node) -> None:
    parts = zip(*node.attrs["ranges"], strict=True)
    axes, starts, ends, steps = (
        spelling.integers(name, part)
        for name, part in zip(("axes", "starts", "ends", "steps"), parts, strict=True)
    )
    spelling.add("Slice", *node.inputs, starts, ends, axes, steps, target=node.name)


def _pad(spelling: Spelling, node: Node) -> None:
    pads = spelling.integers("pads", node.attrs["pads"])
    mode = node.attrs.get("mode", "constant")
    value = [spelling.number("value", node.attrs.get("value", 0))] if mode == "constant" else []
    spelling.add("Pad", *node.inputs, pads, *value, target=node.name, mode=mode)


def _reduce_sum(spelling: Spelling, node: Node) -> None:
    axes = spelling.integers("axes", node.attrs["axes"])
    spelling.add(
        "ReduceSum", *node.inputs, axes, target=node.name, keepdims=int(node.attrs.get("keepdims", 1))
    )


def _lstm(spelling: Spelling, node: Node) -> None:
    one = spelling.integers("direction", (0,))
    weight, state, bias = (spelling.add("Unsqueeze", name, one) for name in node.params)
    zeros = spelling.constant("zeros", np.zeros((1, *spelling.shapes[node.params[2]]), np.float32))
    both = spelling.add("Concat", bias, zeros, axis=1)
    steps = spelling.add("Transpose", *node.inputs, perm=[1, 0, 2])
    hidden = spelling.shapes[node.params[1]][1]
    states = spelling.add("LSTM", steps, weight, state, both, hidden_size=hidden)
    flat = spelling.add("Squeeze", states, spelling.integers("axis", (1,)))
    spelling.add("Transpose", flat, target=node.name, perm=[1, 0, 2])


SPELLINGS: dict[str, Callable[[Spelling, Node], None]] = {
    **{op: partial(_renamed, name) for name, op in NAMES.items()},
    "add": _add,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "fc": _fc,
    "lstm": _lstm,
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
