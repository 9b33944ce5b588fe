"""Operators a network may use, by name; a new module adds its own dictionary here."""

from compress.ops import conv, fc, pool, simple
from compress.ops.base import Context, Op

__all__ = ["OPS", "Context", "Op"]

OPS: dict[str, Op] = fc.OPS | conv.OPS | pool.OPS | simple.OPS
