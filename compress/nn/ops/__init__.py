"""Operators a network may use, by name; a new module adds its own dictionary here."""

from compress.nn.ops import (
    attention,
    conv,
    deconv,
    elementwise,
    fc,
    functions,
    integer,
    matmul,
    picking,
    pool,
    recurrent,
    reduction,
    rounding,
    sampling,
    shaping,
    simple,
    stored,
    tiled,
    volume,
)
from compress.nn.ops.base import Context, Op

__all__ = ["OPS", "Context", "Op"]

MODULES = (
    fc,
    attention,
    conv,
    pool,
    simple,
    elementwise,
    shaping,
    reduction,
    matmul,
    recurrent,
    deconv,
    stored,
    tiled,
    integer,
    rounding,
    functions,
    picking,
    sampling,
    volume,
)

OPS: dict[str, Op] = {name: op for module in MODULES for name, op in module.OPS.items()}
