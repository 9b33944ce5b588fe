"""Builds a network while ONNX operations are converted; what depends on no input is computed at once.

A *value* is either the name of a tensor of the network or a constant. `Builder.apply` runs an
operator on constants right away, so that constant folding needs no pass of its own and shapes that
a graph computes with Shape, Slice and Concat are plain arrays by the time Reshape asks for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.kinds import kinds_of
from compress.nn.network import Node, output_names
from compress.nn.ops import OPS, Context
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from compress.format.tensors import StoredTensor
    from compress.interop.onnx.levels import Levels, Steps
    from compress.nn.ops.base import Array, Shape

MAX_CONSTANT_ELEMENTS = 1 << 28
"""Largest constant that folding may compute: a few bytes of a file can ask for any size."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the network: an input or the output of a node.

    Parameters
    ----------
    name : str
    shape : tuple of int
    kind : str
        Element type, as numpy calls it.
    steps : Steps, optional
        Levels that the values lie on, as QuantizeLinear left them.
    integer : bool
        Whether the file holds the levels here: the network's tensor is their real values.
    zero : Tensor, optional
        Zero point of levels that depend on the data: the network's tensor is the levels less it.
    real : Tensor, optional
        The same values in float32, where the network has them.
    rescaled : callable, optional
        Gives the values times a scale, computed by the layer itself; None where it cannot.
    """

    name: str
    shape: Shape
    kind: str = "float32"
    steps: Steps | None = None
    integer: bool = False
    zero: Tensor | None = None
    real: Tensor | None = None
    rescaled: Callable[[Array], Value | None] | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that is known before the network runs; `levels` are its integers where it has some."""

    array: Array
    levels: Levels | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the constant."""
        return self.array.shape

    @property
    def kind(self) -> str:
        """Element type of the constant."""
        return self.array.dtype.name

    def transposed(self, order: Sequence[int]) -> Constant:
        """Return the constant with its axes in another order."""
        array = np.ascontiguousarray(self.array.transpose(order))
        return Constant(array, self.levels and self.levels.transposed(order))

    def reshaped(self, shape: Shape) -> Constant:
        """Return the constant in another shape of as many elements."""
        return Constant(self.array.reshape(shape), self.levels and self.levels.reshaped(shape))


Value = Tensor | Constant


class Builder:
    """Nodes and parameters of the network so far.

    Parameters
    ----------
    opset : int
        Version of the operator set, for converters whose operator changed.
    batch : int
        Items the shapes are traced with.
    """

    def __init__(self, opset: int, batch: int) -> None:
        self.opset = opset
        self.batch = batch
        self.nodes: list[Node] = []
        self.produced: list[list[str]] = []
        self.params: dict[str, Array] = {}
        self.forms: dict[str, StoredTensor] = {}
        self._names: set[str] = set()
        self._stored: dict[int, tuple[str, Array]] = {}
        self._base = ""

    def begin(self, name: str) -> None:
        """Name the nodes that follow after the operation `name`."""
        self._base = name

    def reserve(self, name: str, outputs: int = 1) -> str:
        """Return `name`, or the first variation that is free with all its outputs, and take it."""
        chosen, count = name, 1
        while not self._names.isdisjoint(output_names(chosen, outputs)):
            count += 1
            chosen = f"{name}_{count}"
        self._names.update(output_names(chosen, outputs))
        return chosen

    def apply(
        self,
        op: str,
        *inputs: Value,
        params: Mapping[str, Array | Constant] | None = None,
        suffix: str = "",
        **attrs: Any,
    ) -> Value:
        """Apply an operator with one output; parameters as in `apply_all`."""
        return self.apply_all(op, *inputs, params=params, suffix=suffix, **attrs)[0]

    def apply_all(
        self,
        op: str,
        *inputs: Value,
        params: Mapping[str, Array | Constant] | None = None,
        suffix: str = "",
        **attrs: Any,
    ) -> tuple[Value, ...]:
        """Add a node, or compute its outputs where all inputs are constants.

        Parameters
        ----------
        op : str
            Key of `compress.nn.ops.OPS`.
        params : dict of str to ndarray or Constant, optional
            The node's parameters by the last part of their names (``weight``, ``bias``). A constant of
            integers times a scale is stored as such.
        suffix : str
            Tells the node from the others of the same operation.

        Raises
        ------
        InputError
            If shapes do not fit, or the constant would be too large.
        """
        held = {
            key: Constant(value) if isinstance(value, np.ndarray) else value
            for key, value in (params or {}).items()
        }
        shapes = OPS[op].infer(
            tuple(value.shape for value in inputs), tuple(one.shape for one in held.values()), attrs
        )
        constants = [value.array for value in inputs if isinstance(value, Constant)]
        if len(constants) == len(inputs):
            if any(math.prod(shape) > MAX_CONSTANT_ELEMENTS for shape in shapes):
                raise InputError(
                    f"a constant of shape {shapes[0]} has more than {MAX_CONSTANT_ELEMENTS} elements"
                )
            result = OPS[op].forward(
                tuple(constants), tuple(one.array for one in held.values()), attrs, Context()
            )
            outputs = result if isinstance(result, tuple) else (result,)
            return tuple(Constant(np.asarray(output)) for output in outputs)
        name = self.reserve(self._base + suffix, len(shapes))
        names = tuple(self._store(one, f"{name}.{key}") for key, one in held.items())
        sources = tuple(self._source(value, name) for value in inputs)
        self.nodes.append(Node(name, op, sources, attrs, names))
        self.produced.append(output_names(name, len(shapes)))
        kinds = kinds_of(op, attrs, [value.kind for value in inputs], len(shapes))
        return tuple(map(Tensor, self.produced[-1], shapes, kinds))

    def node(self, name: str) -> Node:
        """Return the node whose (first) output is `name`."""
        return next(node for node in reversed(self.nodes) if node.name == name)

    def _source(self, value: Value, node: str) -> str:
        return value.name if isinstance(value, Tensor) else self._store(value, f"{node}.constant")

    def _store(self, value: Constant, name: str) -> str:
        """Keep a parameter; the same array used twice is kept once."""
        if id(value.array) not in self._stored:
            self._stored[id(value.array)] = self.reserve(name), value.array
            known = self._stored[id(value.array)][0]
            form = value.levels and value.levels.stored()
            self.params[known] = form.to_array() if form else value.array
            if form:
                self.forms[known] = form
        return self._stored[id(value.array)][0]


def constant(value: Value | None, what: str) -> Array:
    """Return the array of a value that has to be constant.

    Raises
    ------
    InputError
        If it depends on the network's input, or is left out.
    """
    if isinstance(value, Constant):
        return value.array
    raise InputError(f"{what} depends on the data, expected a constant")


def integers(value: Value | None, what: str) -> tuple[int, ...]:
    """Return a constant list of integers; a single one may come without a dimension. Raises as `constant`."""
    array = constant(value, what)
    if array.ndim > 1 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{what} is {array.dtype} of shape {array.shape}, expected a list of integers")
    return tuple(int(number) for number in array.reshape(-1))


@dataclass(frozen=True)
class Call:
    """One ONNX operation to convert, with the values of its inputs."""

    builder: Builder
    attrs: Mapping[str, Any]
    values: tuple[Value | None, ...]
    outputs: tuple[str, ...]

    def wants(self, index: int) -> bool:
        """Whether an output has a name, so that something may read it."""
        return index < len(self.outputs) and bool(self.outputs[index])

    def __getitem__(self, index: int) -> Value:
        value = self.get(index)
        if value is None:
            raise InputError(f"input {index} is left out, expected a tensor")
        return value

    def get(self, index: int) -> Value | None:
        """Return an optional input."""
        return self.values[index] if index < len(self.values) else None

    def all(self) -> tuple[Value, ...]:
        """Return the inputs of an operation that takes any number."""
        return tuple(self[index] for index in range(len(self.values)))

    def axes(self, since: int, index: int = 1) -> tuple[int, ...] | None:
        """Axes: an attribute before the operator set `since`, an optional input from it on."""
        if self.builder.opset < since:
            return self.attrs.get("axes")
        value = self.get(index)
        return None if value is None else integers(value, "axes")
