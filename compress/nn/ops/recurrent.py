"""Long short-term memory over a sequence (Hochreiter and Schmidhuber 1997); inference only."""

from __future__ import annotations

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.elementwise import sigmoid
from hwsim.errors import InputError


def _infer(shapes: tuple[Shape, ...], params: tuple[Shape, ...], _attrs: Attrs) -> tuple[Shape, ...]:
    if len(shapes[0]) != 3:
        raise InputError(f"input has shape {shapes[0]}, expected (batch, steps, features)")
    batch, steps, features = shapes[0]
    hidden = params[1][-1]
    expected = ((4 * hidden, features), (4 * hidden, hidden), (4 * hidden,))
    if params != expected:
        raise InputError(f"input weights, state weights and bias have shapes {params}, expected {expected}")
    return ((batch, steps, hidden),)


def _forward(inputs: Arrays, params: Arrays, _attrs: Attrs, _ctx: Context) -> Array:
    """Hidden state after every step, from a zero state; gates in ONNX's order i, o, f, c."""
    x = inputs[0]
    w_input, w_state, bias = params
    batch, steps, _ = x.shape
    gates_of_input = x @ w_input.T + bias
    hidden = np.zeros((batch, w_state.shape[1]), x.dtype)
    cell = np.zeros_like(hidden)
    states = np.empty((batch, steps, w_state.shape[1]), x.dtype)
    for step in range(steps):
        gates = gates_of_input[:, step] + hidden @ w_state.T
        i, o, f, c = np.split(gates, 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
        hidden = sigmoid(o) * np.tanh(cell)
        states[:, step] = hidden
    return states


OPS = {"lstm": Op(_infer, _forward, params=(3, 3))}
