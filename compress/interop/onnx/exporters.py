"""Every operator that can be written to ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.interop.onnx import export_integers, export_operators, export_picking, export_recurrent

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.interop.onnx.export_operators import OnnxGraph
    from compress.nn.network import Node

EXPORTERS: dict[str, Callable[[OnnxGraph, Node], None]] = {
    **export_operators.EXPORTERS,
    **export_picking.EXPORTERS,
    **export_recurrent.EXPORTERS,
    **export_integers.EXPORTERS,
}
"""Operators by name; those that run on stored forms have no counterpart, their decoded network has."""
