"""Element type of what an operator computes, given those of what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRUTH = frozenset({"equal", "greater", "less", "and", "or", "xor", "not", "isnan", "isinf"})
"""Operators whose output is true or false."""

PLACES = frozenset({"argmax", "argmin"})
"""Operators whose output numbers elements."""


def kinds_of(op: str, attrs: Mapping[str, Any], kinds: Sequence[str], outputs: int) -> list[str]:
    """Return the element type of each output, as numpy calls it.

    Parameters
    ----------
    op : str
        Key of `compress.nn.ops.OPS`.
    attrs : dict
    kinds : sequence of str
        Element types of the inputs.
    outputs : int
        Number of outputs.
    """
    if op in TRUTH:
        return ["bool"] * outputs
    if op in PLACES:
        return ["int64"] * outputs
    if op == "cast":
        return [str(attrs["to"])]
    if op == "topk":
        return [kinds[0], "int64"]
    read = kinds[1] if op == "where" else kinds[0] if kinds else "float32"
    return [read] * outputs
