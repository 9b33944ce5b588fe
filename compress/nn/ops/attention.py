"""Attention of a decoder to a sequence: rotary positions, grouped queries, a causal mask; inference only.

Inputs are queries (tokens, heads * depth), keys and values (tokens, kv_heads * depth). Pairs of neighbouring
elements of a head are turned by the token's position (Su et al. 2021). Equal numbers of query heads share a
head of keys and values (Ainslie et al. 2023). In a session the keys and values of earlier tokens are in
``ctx.cache``.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from compress.nn.ops.base import Array, Arrays, Attrs, Context, Op, Shape
from compress.nn.ops.simple import softmax
from hwsim.errors import InputError

ROWS = 512
"""Queries whose scores exist at a time."""


class KeyValues:
    """Keys and values of the tokens of a sequence, in arrays that grow by doubling.

    Parameters
    ----------
    heads, depth : int
    """

    def __init__(self, heads: int, depth: int) -> None:
        self.length = 0
        self._kept = np.empty((2, heads, 0, depth), np.float32)

    def extend(self, keys: Array, values: Array) -> tuple[Array, Array]:
        """Append keys and values (heads, tokens, depth), and return those of all tokens."""
        total = self.length + keys.shape[1]
        if total > self._kept.shape[2]:
            grown = np.empty((2, keys.shape[0], max(total, 2 * self.length), keys.shape[2]), np.float32)
            grown[:, :, : self.length] = self._kept[:, :, : self.length]
            self._kept = grown
        self._kept[0, :, self.length : total] = keys
        self._kept[1, :, self.length : total] = values
        self.length = total
        return self._kept[0, :, :total], self._kept[1, :, :total]


def _heads(attrs: Attrs) -> tuple[int, int]:
    return operator.index(attrs["heads"]), operator.index(attrs["kv_heads"])


def _infer(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], attrs: Attrs) -> tuple[Shape, ...]:
    heads, shared = _heads(attrs)
    if min(heads, shared) < 1 or heads % shared or not float(attrs["base"]) > 0:
        raise InputError(f"{shared} heads of keys do not divide {heads} heads of queries")
    queries, keys, values = shapes
    depth = queries[-1] // heads
    if (
        any(len(shape) != 2 for shape in shapes)
        or queries[1] != heads * depth
        or depth % 2
        or keys != values
        or keys != (queries[0], shared * depth)
    ):
        raise InputError(f"queries, keys and values have shapes {shapes}, expected those of {heads} heads")
    return (queries,)


def rotated(x: Array, first: int, base: float) -> Array:
    """Turn pairs of neighbouring elements of `x`, (tokens, heads, depth), for positions from `first` on."""
    depth = x.shape[-1]
    rates = base ** -(np.arange(0, depth, 2) / depth)
    angles = np.outer(np.arange(first, first + len(x)), rates)[:, np.newaxis]
    turned = x.astype(np.float32).view(np.complex64) * np.exp(1j * angles).astype(np.complex64)
    return turned.view(np.float32)


def _forward(inputs: Arrays, _params: Arrays, attrs: Attrs, ctx: Context) -> Array:
    heads, shared = _heads(attrs)
    tokens, width = inputs[0].shape
    depth, base = width // heads, float(attrs["base"])
    kept = (
        KeyValues(shared, depth)
        if ctx.cache is None
        else ctx.cache.setdefault("kept", KeyValues(shared, depth))
    )
    past = kept.length
    split = [np.ascontiguousarray(x).reshape(tokens, -1, depth) for x in inputs]
    queries, fresh = rotated(split[0], past, base), rotated(split[1], past, base)
    keys, values = kept.extend(fresh.transpose(1, 0, 2), split[2].transpose(1, 0, 2))
    out = np.empty((tokens, heads, depth), np.float32)
    for begin in range(0, tokens, ROWS):
        end = min(begin + ROWS, tokens)
        seen = past + end
        part = queries[begin:end].reshape(end - begin, shared, -1, depth).transpose(1, 2, 0, 3)
        scores = part @ keys[:, np.newaxis, :seen].swapaxes(-1, -2)
        scores *= np.float32(1 / math.sqrt(depth))
        if end - begin > 1:
            later = np.arange(seen) > np.arange(past + begin, seen)[:, np.newaxis]
            scores[..., later] = -np.inf
        mixed = softmax(scores, -1) @ values[:, np.newaxis, :seen]
        out[begin:end] = mixed.transpose(2, 0, 1, 3).reshape(end - begin, heads, depth)
    return out.reshape(tokens, width)


OPS = {"attention": Op(_infer, _forward, inputs=(3, 3))}
