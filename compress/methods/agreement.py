"""How near the outputs of one network are to those of another, each judged by what it is.

Scores of classes are compared by the best class, along the axis of the classes. Scores of their own (after a
sigmoid) are compared at a threshold. Anything else, a value or a box or an image, has an error and a
signal-to-noise ratio alone.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.nn.network import output_names
from compress.nn.ops import OPS
from compress.nn.ops.base import same_shape

if TYPE_CHECKING:
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array, Shape

ALONG_CHANNELS = ("conv", "conv_transpose", "affine", "global_avg_pool", "max_pool", "avg_pool", "lrn")
"""Operators whose features are the channels of images or sequences, axis 1."""

ALONG_AXIS = ("softmax", "log_softmax")
MOVES = ("reshape", "flatten", "transpose", "squeeze", "unsqueeze", "concat")
SIGMOIDS = ("sigmoid", "hard_sigmoid")

NO_CLASSES = re.compile(
    "box|offset|coord|landmark|keypoint|anchor|delta|depth|embed|feature|state|hidden|cache|present|image|flow"
)
"""Names of outputs that are no scores."""

SCORES = re.compile("score|prob|logit|class|confidence")
"""Names of outputs that are scores even where there is one."""

IMAGE_CHANNELS = 3
THRESHOLD, LOGIT_THRESHOLD = 0.5, 0.0


class Scale(NamedTuple):
    """What an output is: classes along an axis, scores with a threshold, or plain values (neither)."""

    classes: int | None = None
    threshold: float | None = None

    def __str__(self) -> str:
        if self.classes is not None:
            return f"best class along axis {self.classes}"
        return "values" if self.threshold is None else f"scores at {self.threshold:g}"


@dataclass(frozen=True)
class Agreement:
    """How near one network's outputs are to another's.

    Parameters
    ----------
    top_1 : float or None
        Fraction of items (or positions) whose best class is the same; None without classes.
    flips : float or None
        Fraction of scores that are on another side of the threshold; None without one.
    snr_dB : float
        Mean square of the original outputs over that of the differences: infinite without differences,
        minus infinity if all original outputs are zero and others are not.
    largest_error : float
        Largest difference over the largest magnitude of the original outputs: 0 without differences,
        infinite if all original outputs are zero and others are not.
    """

    top_1: float | None
    flips: float | None
    snr_dB: float
    largest_error: float


def agreement(original: Array, other: Array, scale: Scale | None = None) -> Agreement:
    """Compare outputs of two networks on the same inputs.

    Parameters
    ----------
    original, other : ndarray, shape (items, ...)
    scale : Scale, optional
        By default the last axis holds classes if it has more than one.
    """
    if scale is None:
        scale = Scale(-1 if original.shape[-1] > 1 else None)
    top_1 = flips = None
    if scale.classes is not None:
        top_1 = float((original.argmax(axis=scale.classes) == other.argmax(axis=scale.classes)).mean())
    if scale.threshold is not None:
        flips = float(((original > scale.threshold) != (other > scale.threshold)).mean())
    difference = other.astype(np.float64) - original
    power = float(np.square(original, dtype=np.float64).mean())
    noise = float(np.square(difference).mean())
    if not noise:
        return Agreement(top_1, flips, math.inf, 0.0)
    if not power:
        return Agreement(top_1, flips, -math.inf, math.inf)
    largest = float(np.abs(difference).max() / np.abs(original).max())
    return Agreement(top_1, flips, 10 * math.log10(power / noise), largest)


def agreements(network: Network, original: dict[str, Array], other: dict[str, Array]) -> dict[str, Agreement]:
    """Compare all outputs, by the names that they have for users.

    Parameters
    ----------
    network : Network
        The original one, whose graph says what its outputs are.
    original, other : dict of str to ndarray
        By the same names.
    """
    scales = output_scales(network)
    return {name: agreement(original[name], other[name], scales[name]) for name in original}


def output_scales(network: Network) -> dict[str, Scale]:
    """What each output is, by the name that it has for users."""
    return {name: _scale(network, tensor, name) for name, tensor in network.named_outputs.items()}


def _scale(network: Network, tensor: str, called: str) -> Scale:
    shapes = network.shapes()
    shape = shapes[tensor]
    graph = _Graph(network)
    axis = graph.feature_axis(tensor)
    scores = bool(SCORES.search(called.lower()))
    if NO_CLASSES.search(called.lower()) and not scores:
        return Scale()
    if graph.ends_in(tensor, SIGMOIDS):
        return Scale(threshold=THRESHOLD)
    count = shape[axis] if axis is not None else 1
    if count == 1:
        return Scale(threshold=LOGIT_THRESHOLD if scores else None)
    if _is_image(shape, network.input_shape) and not graph.ends_in(tensor, ALONG_AXIS):
        return Scale()
    return Scale(classes=axis)


def _is_image(shape: Shape, item: Shape) -> bool:
    """Whether an output has the colours of an image, as the input has."""
    return len(shape) == 4 and len(item) == 3 and shape[1] == item[0] == IMAGE_CHANNELS


class _Graph:
    """Where the features of each tensor lie, found by walking back to what made it."""

    def __init__(self, network: Network) -> None:
        self._shapes = network.shapes()
        self._makers: dict[str, Node] = {}
        for node in network.nodes:
            count = sum(1 for name in self._shapes if name.startswith(f"{node.name}:")) + 1
            self._makers |= dict.fromkeys(output_names(node.name, count), node)

    def ends_in(self, tensor: str, ops: tuple[str, ...]) -> bool:
        """Whether one of these operators made a tensor, but for moves of its elements."""
        node = self._makers.get(tensor)
        while node is not None and node.op in MOVES:
            node = self._makers.get(node.inputs[0])
        return node is not None and node.op in ops

    def feature_axis(self, tensor: str) -> int | None:
        """Axis of features; of rank 2 and 3 the last and of images the channels where nothing tells."""
        rank = len(self._shapes[tensor])
        usual = None if rank < 2 else 1 if rank > 3 else rank - 1
        node = self._makers.get(tensor)
        order: tuple[int, ...] = tuple(range(rank))
        while node is not None:
            if node.op in ALONG_AXIS:
                return order.index(int(node.attrs.get("axis", -1)) % rank)
            if node.op in ALONG_CHANNELS:
                return order.index(1)
            if node.op == "fc":
                return order.index(rank - 1)
            if node.op == "transpose":
                order = tuple(node.attrs["order"][axis] for axis in order)
            elif OPS[node.op].infer is not same_shape and node.op not in ("add", "gather", "slice", "concat"):
                return usual
            source = node.inputs[0]
            if len(self._shapes.get(source, ())) != rank:
                return usual
            node = self._makers.get(source)
        return usual
