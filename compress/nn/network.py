"""A network as a graph of operators, executed in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from compress.nn.interface import Interface, join
from compress.nn.node import INPUT, Node
from compress.nn.ops import OPS
from compress.nn.ops.base import Array, Context, Shape
from compress.nn.room import held_B
from compress.nn.steps import Plan, Step, forget, joined, separate, tail_of
from hwsim.budget import require_memory
from hwsim.errors import InputError, shown

if TYPE_CHECKING:
    import numpy as np

MAX_ELEMENTS = 1 << 31
"""Largest tensor a network may hold: a declared shape must not exhaust memory."""

Observe = Callable[[str, Array], None]


@dataclass(frozen=True)
class Network:
    """Nodes in execution order and their parameters; checked when it is made.

    Weights are (out, in) for ``fc`` and (filters, channels / groups, height, width) for ``conv``.

    Parameters
    ----------
    name : str
    input_shape : tuple of int
        Of one item, without the batch.
    nodes : tuple of Node
        Each after the nodes it takes its inputs from.
    params : dict of str to ndarray
        float32 (integers for index tables).
    outputs : tuple of str
        Tensors to return; the last node's by default.
    extra_inputs : dict of str to tuple of int
        Further inputs beside ``"input"`` (a cache, a mask): shape of one item by name.
    interface : Interface
        Names of inputs and outputs, and what their first dimension counts.

    Raises
    ------
    InputError
        If a node cannot be executed; see `validate`.
    """

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]
    params: dict[str, Array]
    outputs: tuple[str, ...] = ()
    extra_inputs: Mapping[str, Shape] = field(default_factory=dict)
    interface: Interface = field(default_factory=Interface)
    _contexts: dict[str, Context] = field(default_factory=dict, init=False, repr=False, compare=False)
    _values: dict[str, Array] = field(default_factory=dict, init=False, repr=False, compare=False)
    _checked: set[tuple[int, ...]] = field(default_factory=set, init=False, repr=False, compare=False)
    _plans: list[Plan] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.nodes:
            raise InputError(f"network {self.name}: no nodes, expected at least one")
        if not self.outputs:
            object.__setattr__(self, "outputs", (self.nodes[-1].name,))
        self.validate()

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases."""
        return sum(value.size for value in self.params.values())

    def validate(self) -> None:
        """Check names, operators and shapes.

        Raises
        ------
        InputError
            If an operator is unknown, a name is used twice, not used or used before it is defined,
            or shapes do not fit.
        """
        shapes = self.shapes()
        missing = [name for name in self.outputs if name not in shapes]
        if missing:
            raise InputError(f"network {self.name}: output {missing[0]!r} is no node's output")
        names = self.interface.outputs
        if names and len(set(names)) != len(self.outputs):
            raise InputError(
                f"network {self.name}: outputs are named {names}, expected {len(self.outputs)} names"
            )
        used = {name for node in self.nodes for name in (*node.params, *node.inputs)}
        unused = sorted(self.params.keys() - used)
        if unused:
            raise InputError(f"network {self.name}: parameter {shown(unused[0])} is used by no node")

    def shapes(self, batch: int = 1, steps: int | None = None) -> dict[str, Shape]:
        """Shapes of the inputs and of every node's outputs, first dimension included.

        Parameters
        ----------
        batch : int
            Items; one where a first dimension counts none.
        steps : int, optional
            Length of an open first dimension; that of the interface by default.
        """
        length = steps or self.interface.steps
        shapes: dict[str, Shape] = {
            name: self.interface.shape(name, shape, batch, length) for name, shape in self.inputs.items()
        }
        for node in self.nodes:
            inferred = self._infer(node, shapes)
            for name, shape in zip(output_names(node.name, len(inferred)), inferred, strict=True):
                if name in shapes or name in self.params:
                    raise InputError(f"network {self.name}: the name {name!r} is used twice")
                shapes[name] = shape
        return shapes

    def _infer(self, node: Node, shapes: dict[str, Shape]) -> tuple[Shape, ...]:
        where = f"network {self.name}, node {node.name}"
        if node.op not in OPS:
            raise InputError(f"{where}: unknown op {node.op!r}, expected one of {', '.join(sorted(OPS))}")
        op = OPS[node.op]
        for count, (low, high), what in (
            (len(node.inputs), op.inputs, "inputs"),
            (len(node.params), op.params, "parameters"),
        ):
            if not low <= count <= high:
                raise InputError(f"{where}: op {node.op} got {count} {what}, expected {low} to {high}")
        for name in node.params:
            if name not in self.params:
                raise InputError(f"{where}: parameter {name!r} is missing")
        known = shapes | {name: self.params[name].shape for name in node.inputs if name in self.params}
        for name in node.inputs:
            if name not in known:
                raise InputError(f"{where}: input {name!r} is no earlier node, parameter or {INPUT!r}")
        try:
            inferred = op.infer(
                tuple(known[name] for name in node.inputs),
                tuple(self.params[name].shape for name in node.params),
                node.attrs,
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except (TypeError, ValueError, LookupError, ArithmeticError):
            raise InputError(f"{where}: op {node.op} cannot use attributes {dict(node.attrs)}") from None
        if any(math.prod(shape) > MAX_ELEMENTS for shape in inferred):
            raise InputError(f"{where}: output {shown(inferred[0])} has more than {MAX_ELEMENTS} elements")
        return inferred

    @property
    def inputs(self) -> dict[str, Shape]:
        """Shape of one item of every input, without the first dimension."""
        return {INPUT: self.input_shape, **self.extra_inputs}

    @property
    def named_outputs(self) -> dict[str, str]:
        """Outputs by the names that they have for users: the tensor of each."""
        return dict(zip(self.interface.outputs or self.outputs, self.outputs, strict=True))

    def item_axis(self, tensor: str) -> int | None:
        """Axis along which a tensor counts items; None where it counts none.

        Where items run apart, it is the first one if that has size 1 for an item, else the only one that has.
        """
        if self.interface.lead:
            return 0 if self.shapes(steps=2)[tensor][0] == 1 else None
        if not self.interface.apart:
            with suppress(InputError):
                two, three = self.shapes(2)[tensor], self.shapes(3)[tensor]
                grown = [axis for axis, (a, b) in enumerate(zip(two, three, strict=True)) if a != b]
                if grown:
                    return grown[0]
        ones = [axis for axis, size in enumerate(self.shapes()[tensor]) if size == 1]
        if ones[:1] == [0]:
            return 0
        return ones[0] if self.interface.apart and len(ones) == 1 else None

    def with_params(self, params: Mapping[str, Array]) -> Network:
        """Return the same network with other values for all or some parameters."""
        return replace(self, params={**self.params, **params})

    def forward(
        self,
        x: Array,
        *,
        extra: Mapping[str, Array] | None = None,
        training: bool = False,
        rng: np.random.Generator | None = None,
        observe: Observe | None = None,
    ) -> Array:
        """Execute the network and return its (first) output, (batch, ...); parameters as in `run`."""
        return self.run(x, extra=extra, training=training, rng=rng, observe=observe)[self.outputs[0]]

    def run(
        self,
        x: Array,
        *,
        extra: Mapping[str, Array] | None = None,
        training: bool = False,
        rng: np.random.Generator | None = None,
        observe: Observe | None = None,
    ) -> dict[str, Array]:
        """Execute the network and return all its outputs.

        Parameters
        ----------
        x : ndarray, shape (batch, \\*input_shape)
            Items run one at a time where the interface says so; see `Interface.pieces`.
        extra : dict of str to ndarray, optional
            Values of the extra inputs, batch first.
        training : bool
            Keep every value for `backward` and reuse buffers: outputs are valid until the next
            training pass. At inference each value is released after its last use.
        rng : numpy.random.Generator, optional
            Needed by dropout in training.
        observe : callable, optional
            Called as ``observe(tensor, value)`` with each output of each node.

        Raises
        ------
        InputError
            If an input is missing, unknown or has another shape, or a node cannot take the batch.
        """
        pieces = self.pieces({**(extra or {}), INPUT: x})
        if training and len(pieces) > 1:
            raise InputError(f"network {self.name}: {self.interface.sentence()}, which cannot be trained")
        whole = observe is not None or training
        plan = separate(self.nodes, self.outputs) if whole else self._plan()
        for step, released in zip(*plan, strict=True):
            made: list[str] = []
            for values in pieces:
                made = self._execute(step, values, training, rng)
            if observe is not None:
                for name in made:
                    observe(name, join([values[name] for values in pieces], 0))
            if not training:
                forget(released, pieces)
        if training:
            self._values.clear()
            self._values.update(pieces[0])
        return {name: self.joined(name, [values[name] for values in pieces]) for name in self.outputs}

    def pieces(self, values: Mapping[str, Array]) -> list[dict[str, Array]]:
        """Cut inputs into what may run together, as `Interface.pieces` does.

        Raises
        ------
        InputError
            If an input is missing, unknown or has another shape, a node cannot take the batch, or the values
            between nodes would take more memory than is allowed.
        """
        name = self.interface.name
        if values.keys() != self.inputs.keys():
            raise InputError(
                f"network {self.name}: inputs are {', '.join(sorted(map(name, values)))}, "
                f"expected {', '.join(sorted(map(name, self.inputs)))}"
            )
        try:
            pieces = self.interface.pieces(values, self.inputs)
        except InputError as error:
            raise InputError(f"network {self.name}: {error}") from None
        for piece in pieces:
            sizes = tuple(len(piece[name]) for name in self.inputs)
            if sizes not in self._checked:
                self._require_memory(self.shapes(sizes[0], max(sizes)), len(pieces))
                self._checked.add(sizes)
        return pieces

    def _require_memory(self, shapes: dict[str, Shape], pieces: int) -> None:
        """Refuse inputs whose values between nodes would take too much."""
        reads = {node.name: node.inputs for node in self.nodes}
        values_B = pieces * held_B(reads, shapes, self.outputs)
        require_memory(f"network {self.name}", {"values between nodes": values_B})

    def joined(self, output: str, arrays: list[Array]) -> Array:
        """Put what pieces gave for an output together."""
        return arrays[0] if len(arrays) == 1 else join(arrays, self.item_axis(output))

    def _plan(self) -> Plan:
        """Steps of an inference, made once."""
        if not self._plans:
            self._plans.append(joined(self.nodes, self.params, self.shapes(), self.outputs))
        return self._plans[0]

    def _execute(
        self, step: Step, values: dict[str, Array], training: bool, rng: np.random.Generator | None
    ) -> list[str]:
        """Add a step's outputs to `values`, and return their names."""
        node, context = step.node, self._context(step.node, training, rng)
        if step.tail:
            context.limits = step.limits
            context.tail = tail_of(step, lambda name: self._tensor(name, values))
        result = OPS[node.op].forward(
            tuple(self._tensor(name, values) for name in node.inputs),
            tuple(self.params[name] for name in node.params),
            node.attrs,
            context,
        )
        outputs = result if isinstance(result, tuple) else (result,)
        names = output_names(step.output, len(outputs))
        values.update(zip(names, outputs, strict=True))
        return names

    def backward(self, grad: Array) -> dict[str, Array]:
        """Gradients of all parameters, given that of the (first) output of the last training pass.

        Parameters
        ----------
        grad : ndarray, shape of the output

        Returns
        -------
        dict of str to ndarray
            Valid until the next training pass.

        Raises
        ------
        InputError
            If there was no training pass, or an operator has no backward pass.
        """
        if not self._values:
            raise InputError(f"network {self.name}: backward needs a forward pass with training=True")
        pending: dict[str, Array] = {self.outputs[0]: grad}
        gradients: dict[str, Array] = {}
        for node in reversed(self.nodes):
            upstream = pending.pop(node.name, None)
            context = self._contexts[node.name]
            if upstream is None or not (node.params or any(context.needs)):
                continue
            backward = OPS[node.op].backward
            if backward is None:
                raise InputError(f"network {self.name}, node {node.name}: op {node.op} cannot be trained")
            inputs = tuple(self._tensor(name, self._values) for name in node.inputs)
            params = tuple(self.params[name] for name in node.params)
            d_inputs, d_params = backward(upstream, inputs, params, node.attrs, context)
            for name, value in zip(node.params, d_params, strict=True):
                gradients[name] = gradients[name] + value if name in gradients else value
            for name, needed, d_input in zip(node.inputs, context.needs, d_inputs, strict=True):
                if needed and d_input is not None:
                    target = gradients if name in self.params else pending
                    target[name] = target[name] + d_input if name in target else d_input
        return gradients

    def _tensor(self, name: str, values: dict[str, Array]) -> Array:
        return self.params[name] if name in self.params else values[name]

    def _context(self, node: Node, training: bool, rng: np.random.Generator | None) -> Context:
        if not training:
            return Context()
        if not self._contexts:
            trained = self._trained()
            for each in self.nodes:
                needs = tuple(name in trained for name in each.inputs)
                self._contexts[each.name] = Context(training=True, needs=needs)
        context = self._contexts[node.name]
        context.rng = rng
        return context

    def _trained(self) -> set[str]:
        """Tensors that depend on a parameter: the ones whose gradient is needed."""
        trained = set(self.params)
        for node in self.nodes:
            if node.params or any(name in trained for name in node.inputs):
                trained.add(node.name)
        return trained


def output_names(node: str, count: int) -> list[str]:
    """Tensor names of the `count` outputs of the node named `node`."""
    return [node, *(f"{node}:{index}" for index in range(1, count))]
