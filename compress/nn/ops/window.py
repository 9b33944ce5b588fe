"""Geometry of a sliding window over an image, shared by convolution and pooling."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from compress.nn.ops.base import Array, Attrs, Shape

Pair = tuple[int, int]

MAX_STEP = 1 << 24
"""Largest pad, stride or kernel side: far above any real one, and far from overflow."""


@dataclass(frozen=True)
class Window:
    """A window of `kernel` elements, `dilation` apart, moved by `stride` over a padded image.

    Parameters
    ----------
    kernel, stride, dilation : (int, int)
        Vertical, horizontal.
    pads : (int, int, int, int)
        Zeros added at the top, left, bottom and right.
    ceil_mode : bool
        Keep the last window when it runs over the edge, as long as it starts inside the image
        or its leading pad (the rule of Caffe and of ONNX).
    """

    kernel: Pair
    stride: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        if len(self.pads) != 4 or not 0 <= min(self.pads) <= max(self.pads) <= MAX_STEP:
            raise InputError(f"pads are {self.pads}, expected four numbers from 0 to {MAX_STEP}")
        for key in ("kernel", "stride", "dilation"):
            value = getattr(self, key)
            if len(value) != 2 or not 1 <= min(value) <= max(value) <= MAX_STEP:
                raise InputError(f"{key} is {value}, expected two numbers from 1 to {MAX_STEP}")

    @classmethod
    def of(cls, attrs: Attrs, kernel: Pair) -> Window:
        """Read the geometry of a convolution from a node's attributes and its `kernel`."""
        stride, dilation = _numbers(attrs, "stride", (1, 1)), _numbers(attrs, "dilation", (1, 1))
        return cls(kernel, stride, _numbers(attrs, "pads", (0, 0, 0, 0)), dilation)

    @classmethod
    def of_pool(cls, attrs: Attrs) -> Window:
        """Read the geometry of a pooling from a node's attributes."""
        kernel, pads = _numbers(attrs, "kernel", ()), _numbers(attrs, "pads", (0, 0, 0, 0))
        if any(dilation != 1 for dilation in _numbers(attrs, "dilation", (1, 1))):
            raise InputError(f"dilation is {attrs['dilation']}, expected (1, 1) in pooling")
        window = cls(
            kernel, _numbers(attrs, "stride", (1, 1)), pads, ceil_mode=bool(attrs.get("ceil_mode", 0))
        )
        if any(pad >= size for pad, size in zip(window.pads, window.kernel * 2, strict=True)):
            raise InputError(f"pads {window.pads} must be smaller than the window {window.kernel}")
        return window

    @property
    def plain(self) -> bool:
        """Whether the window is a single pixel at every position of the image."""
        return self.kernel == self.stride == (1, 1) and not any(self.pads)

    def output_hw(self, hw: Pair) -> Pair:
        """Positions of the window over an image of `hw`.

        Raises
        ------
        InputError
            If the window does not fit the padded image.
        """
        height = self._positions(0, hw[0])
        width = self._positions(1, hw[1])
        if height < 1 or width < 1:
            raise InputError(f"window {self.kernel} does not fit image {hw} with pads {self.pads}")
        return height, width

    def _positions(self, axis: int, size: int) -> int:
        lead, trail, stride = self.pads[axis], self.pads[axis + 2], self.stride[axis]
        room = size + lead + trail - self.dilation[axis] * (self.kernel[axis] - 1) - 1
        if room < 0 or not self.ceil_mode:
            return room // stride + 1
        last = ceil_div(room, stride)
        return last + 1 if last * stride < size + lead else last


def _numbers(attrs: Attrs, key: str, default: tuple[int, ...]) -> Any:
    """Attribute of whole numbers; a missing or a malformed one is refused by `Window`."""
    return tuple(operator.index(value) for value in attrs.get(key, default))


def channels_last(x: Array) -> Array:
    """(batch, height, width, channels) contiguous copy of an image, or a view where it is so already."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def channels_first(x: Array) -> Array:
    """View a channels-last image as (batch, channels, height, width)."""
    return x.transpose(0, 3, 1, 2)


def image_shape(shapes: tuple[Shape, ...]) -> tuple[int, int, int, int]:
    """Return the shape of the first input, which has to be a batch of images.

    Raises
    ------
    InputError
        If it has not four dimensions.
    """
    if len(shapes[0]) != 4:
        raise InputError(f"input has shape {shapes[0]}, expected (batch, channels, height, width)")
    batch, channels, height, width = shapes[0]
    return batch, channels, height, width
