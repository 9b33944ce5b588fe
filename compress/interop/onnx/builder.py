"""Builds a network while ONNX operations are converted; what depends on no input is computed at once.

A *value* is either the name of a tensor of the network or a constant. `Builder.apply` runs an
operator on constants right away, so that constant folding needs no pass of its own and shapes that
a graph computes with Shape, Slice and Concat are plain arrays by the time Reshape asks for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.nn.network import Node, output_names
from compress.nn.ops import OPS, Context
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.nn.ops.base import Array, Shape

MAX_CONSTANT_ELEMENTS = 1 << 28
"""Largest constant that folding may compute: a few bytes of a file can ask for any size."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the network: an input or the output of a node."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that is known before the network runs."""

    array: Array

    @property
    def shape(self) -> Shape:
        """Shape of the constant."""
        return self.array.shape


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
        self._names: set[str] = set()
        self._stored: dict[int, str] = {}
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
        params: Mapping[str, Array] | None = None,
        suffix: str = "",
        **attrs: Any,
    ) -> Value:
        """Apply an operator with one output; parameters as in `apply_all`."""
        return self.apply_all(op, *inputs, params=params, suffix=suffix, **attrs)[0]

    def apply_all(
        self,
        op: str,
        *inputs: Value,
        params: Mapping[str, Array] | None = None,
        suffix: str = "",
        **attrs: Any,
    ) -> tuple[Value, ...]:
        """Add a node, or compute its outputs where all inputs are constants.

        Parameters
        ----------
        op : str
            Key of `compress.nn.ops.OPS`.
        params : dict of str to ndarray, optional
            The node's parameters by the last part of their names (``weight``, ``bias``).
        suffix : str
            Tells the node from the others of the same operation.

        Raises
        ------
        InputError
            If shapes do not fit, or the constant would be too large.
        """
        params = params or {}
        shapes = OPS[op].infer(
            tuple(value.shape for value in inputs), tuple(array.shape for array in params.values()), attrs
        )
        constants = [value.array for value in inputs if isinstance(value, Constant)]
        if len(constants) == len(inputs):
            if any(math.prod(shape) > MAX_CONSTANT_ELEMENTS for shape in shapes):
                raise InputError(
                    f"a constant of shape {shapes[0]} has more than {MAX_CONSTANT_ELEMENTS} elements"
                )
            result = OPS[op].forward(tuple(constants), tuple(params.values()), attrs, Context())
            outputs = result if isinstance(result, tuple) else (result,)
            return tuple(Constant(np.asarray(output)) for output in outputs)
        name = self.reserve(self._base + suffix, len(shapes))
        names = tuple(self._store(array, f"{name}.{key}") for key, array in params.items())
        sources = tuple(self._source(value, name) for value in inputs)
        self.nodes.append(Node(name, op, sources, attrs, names))
        self.produced.append(output_names(name, len(shapes)))
        return tuple(map(Tensor, self.produced[-1], shapes))

    def _source(self, value: Value, node: str) -> str:
        return value.name if isinstance(value, Tensor) else self._store(value.array, f"{node}.constant")

    def _store(self, array: Array, name: str) -> str:
        """Keep a parameter; the same array used twice is kept once."""
        known = self._stored.get(id(array))
        if known is None:
            known = self._stored[id(array)] = self.reserve(name)
            self.params[known] = array
        return known


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
    outputs: int

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
