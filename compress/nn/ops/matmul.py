"""Product of two activations, as attention needs it; inference only."""

from __future__ import annotations

import numpy as np

from compress.nn.ops.base import Attrs, Op, Shape
from hwsim.errors import InputError


def _infer(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], _attrs: Attrs) -> tuple[Shape, ...]:
    left, right = shapes
    if min(len(left), len(right)) < 2 or left[-1] != right[-2]:
        raise InputError(f"matrices {left} and {right} cannot be multiplied")
    try:
        batch = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        raise InputError(f"matrices {left} and {right} do not broadcast") from None
    return ((*batch, left[-2], right[-1]),)


OPS = {"matmul": Op(_infer, lambda inputs, _params, _attrs, _ctx: np.matmul(*inputs), inputs=(2, 2))}
