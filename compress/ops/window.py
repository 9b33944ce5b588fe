"""Geometry of a sliding window over an image, shared by convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.workload import InputError

if TYPE_CHECKING:
    from compress.ops.base import Array, Attrs, Shape

Pair = tuple[int, int]


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
        if len(self.pads) != 4 or min(self.pads) < 0:
            raise InputError(f"pads are {self.pads}, expected four numbers of at least 0")
        for key in ("kernel", "stride", "dilation"):
            value = getattr(self, key)
            if len(value) != 2 or min(value) < 1:
                raise InputError(f"{key} is {value}, expected two numbers of at least 1")

    @classmethod
    def of(cls, attrs: Attrs, kernel: Pair | None = None) -> Window:
        """Read the geometry from a node's attributes; `kernel` when the weights give it."""
        if kernel is None and "kernel" not in attrs:
            raise InputError("attribute kernel is missing, expected two numbers")
        return cls(
            kernel or tuple(attrs["kernel"]),
            tuple(attrs.get("stride", (1, 1))),
            tuple(attrs.get("pads", (0, 0, 0, 0))),
            tuple(attrs.get("dilation", (1, 1))),
            bool(attrs.get("ceil_mode", 0)),
        )

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
        last = -(-room // stride)
        return last + 1 if last * stride < size + lead else last


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
