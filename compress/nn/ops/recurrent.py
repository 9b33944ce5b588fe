"""Recurrence over a sequence: LSTM (Hochreiter and Schmidhuber 1997), GRU (Cho et al. 2014), simple cells.

Inputs are the sequence, (batch, steps, features), and optionally the states to begin with, (batch, hidden)
each; outputs are the hidden state after every step and the last states. Attribute ``reverse`` 1 runs from
the last step to the first. Inference only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.elementwise import sigmoid
from hwsim.errors import InputError

Shapes = tuple[Shape, ...]
Cell = Callable[[Array, Arrays, Arrays, Attrs], Arrays]
"""New states, given the gates from the input, the states, the parameters and the attributes."""


def _infer(gates: int, states: int, biases: int, shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    if len(shapes[0]) != 3:
        raise InputError(f"input has shape {shapes[0]}, expected (batch, steps, features)")
    batch, steps, features = shapes[0]
    hidden = params[1][-1]
    if attrs.get("reverse", 0) not in (0, 1):
        raise InputError(f"reverse is {attrs['reverse']!r}, expected 0 or 1")
    rows = gates * hidden
    expected = ((rows, features), (rows, hidden), *((rows,),) * biases)
    if params[: len(expected)] != expected:
        raise InputError(f"input weights, state weights and bias have shapes {params}, expected {expected}")
    if any(shape != (batch, hidden) for shape in shapes[1:]) or len(shapes) not in (1, states + 1):
        raise InputError(f"states have shapes {shapes[1:]}, expected {states} of {(batch, hidden)}")
    return ((batch, steps, hidden), *((batch, hidden),) * states)


def _run(cell: Cell, count: int, inputs: Arrays, params: Arrays, attrs: Attrs, _ctx: Context) -> Arrays:
    """Run a cell over all steps; the gates from the input are computed at once."""
    x, hidden = inputs[0], params[1].shape[1]
    batch, steps, _ = x.shape
    from_input = x @ params[0].T + params[2]
    states = tuple(inputs[1:]) or (np.zeros((batch, hidden), x.dtype),) * count
    every = np.empty((batch, steps, hidden), x.dtype)
    for step in range(steps)[:: -1 if attrs.get("reverse", 0) else 1]:
        states = cell(from_input[:, step], states, params, attrs)
        every[:, step] = states[0]
    return every, *states


def _lstm(gates: Array, states: Arrays, params: Arrays, _attrs: Attrs) -> Arrays:
    """Gates in ONNX's order i, o, f, c."""
    hidden, cell = states
    i, o, f, c = np.split(gates + hidden @ params[1].T, 4, axis=1)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
    return sigmoid(o) * np.tanh(cell), cell


def _gru(gates: Array, states: Arrays, params: Arrays, attrs: Attrs) -> Arrays:
    """Gates in ONNX's order z, r, h; the reset comes after the product where ``after`` is 1."""
    (hidden,), size = states, params[1].shape[1]
    of_gates, of_state = params[1][: 2 * size], params[1][2 * size :]
    z, r = np.split(sigmoid(gates[:, : 2 * size] + hidden @ of_gates.T + params[3][: 2 * size]), 2, axis=1)
    bias = params[3][2 * size :]
    if attrs.get("after", 0):
        candidate = np.tanh(gates[:, 2 * size :] + r * (hidden @ of_state.T + bias))
    else:
        candidate = np.tanh(gates[:, 2 * size :] + (r * hidden) @ of_state.T + bias)
    return ((1 - z) * candidate + z * hidden,)


def _rnn(gates: Array, states: Arrays, params: Arrays, attrs: Attrs) -> Arrays:
    total = gates + states[0] @ params[1].T
    return (np.maximum(total, 0) if attrs.get("relu", 0) else np.tanh(total),)


def _op(cell: Cell, gates: int, states: int, biases: int = 1) -> Op:
    return Op(
        partial(_infer, gates, states, biases),
        partial(_run, cell, states),
        inputs=(1, states + 1),
        params=(2 + biases, 2 + biases),
    )


OPS = {"lstm": _op(_lstm, 4, 2), "gru": _op(_gru, 3, 1, biases=2), "rnn": _op(_rnn, 1, 1)}
