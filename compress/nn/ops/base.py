"""The contract of an operator.

1. `infer` gives the shapes of all outputs from the shapes of inputs and parameters, batch
   included, and raises `InputError` when they do not fit; it touches no data.
2. `forward` gives one array, or a tuple of arrays for several outputs, of the inferred shapes. It
   never writes to its inputs, unless ``ctx.out`` is one. In training it may keep in ``ctx.saved``
   what `backward` needs and may return a buffer of ``ctx``, valid until the next training pass.
3. `backward` gives the gradients of inputs and parameters, in order. The gradient of an input that
   ``ctx.needs`` marks False may be None. Operators for inference only leave it out.
4. Images are (batch, channels, height, width) to every operator. Their memory may lie in any order
   (convolution and pooling leave channels last), so an operator must not assume contiguity.
5. The dtype of the output follows the inputs: float32 in use, float64 in gradient checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Shape = tuple[int, ...]
Array = NDArray[Any]
Arrays = tuple[Array, ...]
Attrs = Mapping[str, Any]
Tail = Callable[[Array, slice], None]
"""What is done to a block of an output in place: the block, (positions, channels), and its positions."""

NO_LIMITS = (-math.inf, math.inf)


@dataclass
class Context:
    """What one node keeps between its forward and its backward pass.

    Parameters
    ----------
    training : bool
        False at inference: nothing is saved and buffers are new arrays.
    rng : numpy.random.Generator, optional
        For operators that draw (dropout).
    needs : tuple of bool
        Per input: whether its gradient will be used.
    cache : dict, optional
        What an operator keeps for the next tokens of a sequence; None outside a session.
    tail : callable, optional
        What a layer does to each block of its output, see `compress.nn.steps`.
    limits : tuple of float
        Least and largest output of a layer, applied before the tail.
    out : ndarray, optional
        An operator of single elements may put its output here; that may be the memory of an input.
    """

    training: bool = False
    rng: np.random.Generator | None = None
    needs: tuple[bool, ...] = ()
    cache: dict[str, Any] | None = None
    tail: Tail | None = None
    limits: tuple[float, float] = NO_LIMITS
    out: Array | None = None
    saved: dict[str, Any] = field(default_factory=dict)
    _buffers: dict[str, Array] = field(default_factory=dict)

    def bounds(self, dtype: np.dtype) -> tuple[Any, Any]:
        """`limits` as numbers of a type; infinite where they are beyond its range."""
        with np.errstate(over="ignore"):
            return dtype.type(self.limits[0]), dtype.type(self.limits[1])

    def buffer(self, key: str, shape: Shape, dtype: DTypeLike) -> Array:
        """Uninitialised array, the same one at every training pass of equal shape."""
        if not self.training:
            return np.empty(shape, dtype)
        kept = self._buffers.get(key)
        if kept is None or kept.shape != shape or kept.dtype != dtype:
            kept = self._buffers[key] = np.empty(shape, dtype)
        return kept


Infer = Callable[[tuple[Shape, ...], tuple[Shape, ...], Attrs], tuple[Shape, ...]]
Forward = Callable[[Arrays, Arrays, Attrs, Context], Array | Arrays]
Gradients = tuple[tuple[Array | None, ...], Arrays]
Backward = Callable[[Array, Arrays, Arrays, Attrs, Context], Gradients]


@dataclass(frozen=True)
class Op:
    """One operator: ``infer(shapes, param_shapes, attrs)``, ``forward(inputs, params, attrs, ctx)``
    and, where it can be trained, ``backward(grad, inputs, params, attrs, ctx)``.

    `inputs` and `params` are the fewest and the most of each that a node may have. `work` is the number of
    scalar operations of a vector unit for an output element; None is one for each input after the first.
    """

    infer: Infer
    forward: Forward
    backward: Backward | None = None
    inputs: tuple[int, int] = (1, 1)
    params: tuple[int, int] = (0, 0)
    work: int | None = None


MANY = 1 << 16
"""Upper bound of `Op.inputs` for operators that take any number."""


def same_shape(shapes: tuple[Shape, ...], _params: tuple[Shape, ...], _attrs: Attrs) -> tuple[Shape, ...]:
    """Infer the shape of an element-wise operator: that of its first input."""
    return (shapes[0],)
