"""The precision that a network is computed in: its own, or another that a chip has.

A layer whose arithmetic the chip does not have runs in the narrowest wider one, which loses nothing; where
there is none, in the widest of the narrower ones. Weights that are stored as plain numbers are stored at the
new width. Compressed weights keep their stored bits: they are decoded to the new width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from hwsim.errors import InputError
from hwsim.workload.storage import FLOAT_BITS, stored_dense

if TYPE_CHECKING:
    from collections.abc import Collection

    from hwsim.workload.layer import Arithmetic, Layer, Workload

WIDEST_FIRST: tuple[Arithmetic, ...] = (
    "fp64", "fp32", "tf32", "bf16", "fp16", "int16", "fp8", "int8", "int4",
)  # fmt: skip
"""Arithmetics by what they hold."""

PRECISIONS = tuple(name for name in WIDEST_FIRST if name != "fp32")
"""Precisions that a dense network can be stored in, beside fp32."""

SCALED = ("int8", "int4")
"""Precisions that store one scale per filter."""

PLAIN = ("dense", *PRECISIONS)
"""Formats of weights that are stored as plain numbers."""


def at_precision(layer: Layer, arithmetic: str) -> Layer:
    """Compute a layer in an arithmetic, and store plain weights in it."""
    layer = replace(layer, arithmetic=cast("Arithmetic", arithmetic))
    if layer.weights is None or not layer.weight_count or layer.weights.format not in PLAIN:
        return layer
    filters = layer.filters * layer.groups
    bias = layer.weights.side_bits >= FLOAT_BITS * filters
    scales = arithmetic in SCALED
    stored = stored_dense(layer.weight_count, layer.operand_bits, filters, bias=bias, scales=scales)
    return replace(layer, weights=replace(stored, format=arithmetic))


def computed_in(workload: Workload, arithmetics: Collection[str], wanted: str | None, chip: str) -> Workload:
    """Compute a network in what a chip has.

    Parameters
    ----------
    workload : Workload
    arithmetics : collection of str
        What the chip's array multiplies; empty for an array that takes all.
    wanted : str or None
        Arithmetic of every layer; None for each layer's own, or the nearest that the chip has.
    chip : str
        Name of the chip, for the error.

    Returns
    -------
    Workload
        Its provenance names the arithmetic if it is another.

    Raises
    ------
    InputError
        If the chip does not have the wanted arithmetic.
    """
    known = arithmetics or WIDEST_FIRST
    if wanted is not None and wanted not in known:
        raise InputError(f"arithmetic is {wanted!r}, but chip {chip} has {', '.join(known)}")
    chosen = [wanted or nearest(layer.arithmetic, known) for layer in workload.layers]
    if all(name == layer.arithmetic for name, layer in zip(chosen, workload.layers, strict=True)):
        return workload
    layers = tuple(
        layer if name == layer.arithmetic else at_precision(layer, name)
        for name, layer in zip(chosen, workload.layers, strict=True)
    )
    names = ", ".join(name for name in WIDEST_FIRST if name in chosen)
    return replace(workload, layers=layers, provenance=f"{workload.provenance}; computed in {names}")


def nearest(arithmetic: str, known: Collection[str]) -> str:
    """Return an arithmetic if it is known, else the narrowest wider one, else the widest narrower one."""
    at = WIDEST_FIRST.index(cast("Arithmetic", arithmetic))
    ordered = (*WIDEST_FIRST[at::-1], *WIDEST_FIRST[at:])
    return next(name for name in ordered if name in known)
