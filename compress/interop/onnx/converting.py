"""Conversion of a graph's operations one after another, into a network that is being built."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from compress.interop.onnx import (
    foreign,
    layers,
    moving,
    normalizing,
    picking,
    pointwise,
    quantized,
    recurrent,
    sampling,
)
from compress.interop.onnx.builder import Builder, Call, Constant, Tensor, Value
from compress.interop.onnx.quantized import MOVES, integers_of
from compress.interop.onnx.reading import Branch, Operation
from compress.interop.onnx.refusals import Stopper, refusal, stopper
from compress.interop.onnx.standard import Body, body_of, evaluated
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONVERTERS: dict[str, Callable[[Call], Any]] = {
    **layers.CONVERTERS,
    **pointwise.CONVERTERS,
    **moving.CONVERTERS,
    **picking.CONVERTERS,
    **sampling.CONVERTERS,
    **normalizing.CONVERTERS,
    **recurrent.CONVERTERS,
    **quantized.CONVERTERS,
    **foreign.CONVERTERS,
}
"""Operations that become operators of the network; others come in where the standard has a body for them."""

READS_LEVELS = quantized.READS_LEVELS | foreign.READS_LEVELS
NOT_SUPPORTED = "is not supported"

MAX_DEPTH = 8
"""Bodies of bodies, and branches of branches."""

Values = dict[str, Value | None]
"""Values by name; None is one that cannot be had, because of what stopped an operation before it."""


class Conversion:
    """Operations of a graph, its branches and its operators' bodies, with all that stops them.

    Parameters
    ----------
    build : Builder
    """

    def __init__(self, build: Builder) -> None:
        self.build = build
        self._stoppers: list[Stopper] = []

    def convert(self, operations: Iterable[Operation], values: Values) -> None:
        """Convert operations in order, and add their outputs to `values`.

        Raises
        ------
        InputError
            If any of them cannot be converted; the message names all that cannot.
        """
        for operation in operations:
            self._add(operation, values, 0)
        if self._stoppers:
            raise refusal(self._stoppers)

    def _add(self, operation: Operation, values: Values, depth: int) -> None:
        """Convert one operation, or keep why it stops the import."""
        names = [name for name in operation.outputs if name]
        read = {name for name in (*operation.inputs, *operation.captured) if name}
        known = operation.op in CONVERTERS or operation.op == "If"
        try:
            if known and any(values.get(name, self) is None for name in read):
                values.update(dict.fromkeys(names))
                return
            self._check_given(read, values)
            values.update(zip(operation.outputs, self._outputs(operation, values, depth), strict=False))
        except InputError as error:
            self._stoppers.append(stopper(operation, str(error), known=known))
            values.update(dict.fromkeys(names))

    def _check_given(self, read: set[str], values: Values) -> None:
        missing = sorted(read - values.keys())
        if missing:
            raise InputError(f"reads {missing[0]!r}, a further output of its node, which is not supported")
        if any(values[name] is None for name in read):
            raise InputError(NOT_SUPPORTED)

    def _outputs(self, operation: Operation, values: Values, depth: int) -> tuple[Value | None, ...]:
        arguments = tuple(values[name] if name else None for name in operation.inputs)
        if operation.op == "If":
            return self._taken(operation, arguments, values, depth)
        reason = InputError(NOT_SUPPORTED)
        if operation.op in CONVERTERS:
            try:
                return self._converted(operation, arguments)
            except InputError as error:
                reason = error
        arrays = [one.array if isinstance(one, Constant) else None for one in arguments]
        if all(one is None or isinstance(one, Constant) for one in arguments):
            try:
                return tuple(map(Constant, evaluated(operation, arrays, self.build.opset)))
            except InputError as error:
                raise reason if operation.op in CONVERTERS else error from None
        types = [(one.kind, len(one.shape)) if one else ("float32", 0) for one in arguments]
        body = body_of(operation, types, self.build.opset)
        if body is None or depth >= MAX_DEPTH:
            raise reason
        try:
            return self._expanded(body, operation, arguments, depth)
        except InputError as error:
            raise (reason if operation.op in CONVERTERS else error) from None

    def _converted(
        self, operation: Operation, arguments: tuple[Value | None, ...]
    ) -> tuple[Value | None, ...]:
        self.build.begin(operation.name)
        given, steps = self._as_real(operation, arguments)
        try:
            result = CONVERTERS[operation.op](Call(self.build, operation.attrs, given, operation.outputs))
        except InputError:
            raise
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError):
            raise InputError(f"attributes {operation.attrs} and inputs do not fit together") from None
        outputs = result if isinstance(result, tuple) else (result,)
        return tuple(_on(one, steps) for one in outputs) if steps else outputs

    def _as_real(
        self, operation: Operation, arguments: tuple[Value | None, ...]
    ) -> tuple[tuple[Value | None, ...], Tensor | None]:
        """Arguments as the converter takes them, and the tensor on whose levels its outputs lie."""
        if operation.op in READS_LEVELS:
            return arguments, None
        first = arguments[0] if arguments else None
        if operation.op in MOVES and isinstance(first, Tensor) and first.steps:
            return (Tensor(first.name, first.shape, first.kind), *arguments[1:]), first
        return tuple(
            integers_of(self.build, one) if isinstance(one, Tensor) and one.integer else one
            for one in arguments
        ), None

    def _taken(
        self, operation: Operation, arguments: tuple[Value | None, ...], values: Values, depth: int
    ) -> tuple[Value | None, ...]:
        """Outputs of the branch that a constant condition takes; of both, and a choice, if it is none."""
        condition = arguments[0]
        if condition is None or math.prod(condition.shape) != 1:
            raise InputError(f"the condition has shape {condition and condition.shape}, expected one value")
        if isinstance(condition, Constant):
            taken = "then_branch" if condition.array.item() else "else_branch"
            return self._branch(operation, taken, values, depth)
        both = [self._branch(operation, name, values, depth) for name in ("then_branch", "else_branch")]
        return tuple(self._chosen(condition, *pair) for pair in zip(*both, strict=False))

    def _chosen(self, condition: Tensor, then: Value | None, otherwise: Value | None) -> Value | None:
        """Output of one of two branches, which data choose."""
        if then is None or otherwise is None:
            return None
        if (then.shape, then.kind) != (otherwise.shape, otherwise.kind):
            raise InputError(
                f"the condition depends on the data, and the branches give {then.kind} {then.shape} and "
                f"{otherwise.kind} {otherwise.shape}, expected outputs of one shape and type"
            )
        if not then.shape:
            return self.build.apply(
                "where", self.build.apply("reshape", condition, shape=()), then, otherwise
            )
        return self.build.apply("where", condition, then, otherwise)

    def _branch(
        self, operation: Operation, name: str, values: Values, depth: int
    ) -> tuple[Value | None, ...]:
        branch = operation.attrs.get(name)
        if not isinstance(branch, Branch) or depth >= MAX_DEPTH:
            raise InputError("the branch cannot be read, expected a graph")
        scope = {**values, **{name: Constant(array) for name, array in branch.constants.items()}}
        self._run(branch.operations, scope, depth + 1, operation.name)
        return tuple(scope[name] for name in branch.outputs)

    def _expanded(
        self, body: Body, operation: Operation, arguments: tuple[Value | None, ...], depth: int
    ) -> tuple[Value | None, ...]:
        """Outputs of the operations that the standard defines an operator by."""
        given = dict(zip(body.inputs, arguments, strict=False))
        scope: Values = {name: value for name, value in given.items() if value is not None}
        absent = set(body.inputs) - scope.keys()
        operations = [
            replace(one, inputs=tuple("" if name in absent else name for name in one.inputs))
            for one in body.operations
        ]
        opset, self.build.opset = self.build.opset, body.opset
        try:
            self._run(operations, scope, depth + 1, operation.name)
        finally:
            self.build.opset = opset
        return tuple(scope.get(name) for name in body.outputs)

    def _run(self, operations: Iterable[Operation], scope: Values, depth: int, prefix: str) -> None:
        """Convert operations within another one; the first that cannot be converted stops it."""
        for one in operations:
            inner = replace(one, name=f"{prefix}/{one.name}")
            try:
                self._check_given({name for name in (*inner.inputs, *inner.captured) if name}, scope)
                scope.update(zip(inner.outputs, self._outputs(inner, scope, depth), strict=False))
            except InputError as error:
                raise InputError(f"needs {inner.op}, which stops it: {error}") from None


def _on(value: Value | None, like: Tensor) -> Value | None:
    """Put the levels of another tensor on an output that only moves its elements."""
    if not isinstance(value, Tensor):
        return value
    return replace(value, kind=like.kind, steps=like.steps, integer=like.integer, zero=like.zero)
