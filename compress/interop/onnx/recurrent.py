"""ONNX operations that run over the steps of a sequence: LSTM, GRU, RNN."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.interop.onnx.builder import Call, Constant, Value, constant
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.nn.ops.base import Array


class Kind(NamedTuple):
    """One recurrent operation: operator of the network, gates, states, its default activations."""

    op: str
    gates: int
    states: int
    activations: tuple[str, ...]


LSTM = Kind("lstm", 4, 2, ("sigmoid", "tanh", "tanh"))
GRU = Kind("gru", 3, 1, ("sigmoid", "tanh"))
RNN = Kind("rnn", 1, 1, ("tanh",))

INITIAL = 5
"""Number of the input with the first state to begin with."""

PEEPHOLES = 7


def recurrent(kind: Kind, call: Call) -> tuple[Value | None, ...]:
    """Convert LSTM, GRU or RNN of one direction or both, from states that are given or zero."""
    _check(kind, call)
    directions = {"forward": (0,), "reverse": (1,), "bidirectional": (0, 1)}
    direction = call.attrs.get("direction", "forward")
    if direction not in directions:
        raise InputError(f"direction is {direction!r}, expected one of {', '.join(directions)}")
    build, items_first = call.builder, bool(call.attrs.get("layout", 0))
    x = call[0] if items_first else build.apply("transpose", call[0], suffix=".items", order=(1, 0, 2))
    runs = [_run(kind, call, x, number, reverse) for number, reverse in enumerate(directions[direction])]
    return (_steps(call, [run[0] for run in runs], items_first), *_last(kind, call, runs, items_first))


def _check(kind: Kind, call: Call) -> None:
    if "clip" in call.attrs or call.attrs.get("input_forget", 0):
        raise InputError("clip and input_forget are not supported, expected their defaults")
    given = tuple(str(name).lower() for name in call.attrs.get("activations", kind.activations))
    plain = given[: len(kind.activations)] * (len(given) // len(kind.activations)) == given
    if not plain or given[: len(kind.activations)] not in _activations(kind):
        raise InputError(f"activations are {given}, expected {kind.activations}")
    lengths = call.get(4)
    steps = call[0].shape[1 if call.attrs.get("layout", 0) else 0]
    if lengths is not None and set(constant(lengths, "the lengths").reshape(-1).tolist()) != {steps}:
        raise InputError(f"sequences of several lengths are not supported, expected {steps} steps of all")
    holes = call.get(PEEPHOLES)
    if holes is not None and np.any(constant(holes, "the peepholes")):
        raise InputError("peepholes are not supported, expected none")


def _activations(kind: Kind) -> tuple[tuple[str, ...], ...]:
    return (kind.activations, ("relu",)) if kind is RNN else (kind.activations,)


def _run(kind: Kind, call: Call, x: Value, number: int, reverse: int) -> tuple[Value, ...]:
    """Add one direction: the states after every step, and the last ones."""
    weights = {
        "weight": _rows(call[1], number, "the weights"),
        "recurrent": _rows(call[2], number, "the weights"),
    }
    attrs: dict[str, Any] = {"reverse": 1} if reverse else {}
    if kind is GRU and call.attrs.get("linear_before_reset", 0):
        attrs["after"] = 1
    if kind is RNN and str(call.attrs.get("activations", ("tanh",))[0]).lower() == "relu":
        attrs["relu"] = 1
    params = weights | _biases(kind, call, number, len(weights["weight"].array))
    suffix = f".direction{number}" if call.attrs.get("direction") == "bidirectional" else ""
    return call.builder.apply_all(
        kind.op, x, *_initial(kind, call, x, number), params=params, suffix=suffix, **attrs
    )


def _rows(value: Value, number: int, what: str) -> Constant:
    """Weights of one direction, with their levels where they are integers."""
    array = constant(value, what)
    if not 0 <= number < len(array):
        raise InputError(f"{what} have shape {array.shape}, expected direction {number} too")
    levels = value.levels if isinstance(value, Constant) else None
    return Constant(array[number], levels and levels.part(number))


def _biases(kind: Kind, call: Call, number: int, rows: int) -> dict[str, Array]:
    both = np.zeros(2 * rows, np.float32)
    if call.get(3) is not None:
        both = constant(call[3], "the bias")[number]
    first, second = np.split(both, 2)
    if kind is GRU:
        return {"bias": first, "state_bias": second}
    return {"bias": first + second}


def _initial(kind: Kind, call: Call, x: Value, number: int) -> list[Value]:
    """States to begin with, none where all are zero."""
    given = [call.get(INITIAL + index) for index in range(kind.states)]
    if all(one is None or (isinstance(one, Constant) and not np.any(one.array)) for one in given):
        return []
    axis = 1 if call.attrs.get("layout", 0) else 0
    hidden = constant(call[2], "the weights").shape[2]
    found: list[Value] = []
    for index, one in enumerate(given):
        if one is None:
            found.append(Constant(np.zeros((x.shape[0], hidden), np.float32)))
            continue
        suffix = f".start{index}.{number}"
        part = call.builder.apply("slice", one, suffix=suffix, ranges=((axis, number, number + 1, 1),))
        found.append(call.builder.apply("squeeze", part, suffix=f"{suffix}.state", axes=(axis,)))
    return found


def _steps(call: Call, states: list[Value], items_first: bool) -> Value:
    """States after every step, (steps, directions, items, hidden)."""
    build = call.builder
    if not items_first:
        states = [
            build.apply("transpose", one, suffix=f".steps{index}", order=(1, 0, 2))
            for index, one in enumerate(states)
        ]
    axis = 2 if items_first else 1
    return _joined(call, states, axis, "")


def _last(kind: Kind, call: Call, runs: list[tuple[Value, ...]], items_first: bool) -> list[Value | None]:
    """Last states, (directions, items, hidden) each; None for one that nothing reads."""
    axis = 1 if items_first else 0
    return [
        _joined(call, [run[state] for run in runs], axis, f".last{state}") if call.wants(state) else None
        for state in range(1, kind.states + 1)
    ]


def _joined(call: Call, parts: list[Value], axis: int, suffix: str) -> Value:
    lifted = [
        call.builder.apply("unsqueeze", one, suffix=f"{suffix}.direction{index}", axes=(axis,))
        for index, one in enumerate(parts)
    ]
    return lifted[0] if len(lifted) == 1 else call.builder.apply("concat", *lifted, suffix=suffix, axis=axis)


CONVERTERS = {
    "LSTM": partial(recurrent, LSTM),
    "GRU": partial(recurrent, GRU),
    "RNN": partial(recurrent, RNN),
}
