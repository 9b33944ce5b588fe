"""YOLOv8n, the smallest detector of its family, as it is at inference (Jocher et al. 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.nn.network import INPUT
from compress.nn.zoo.sketch import Sketch

if TYPE_CHECKING:
    from compress.nn.network import Network

SIZE = 640
BINS, CLASSES = 16, 80
"""Bins of the distribution of each side of a box, and classes."""


def yolo_v8n(rng: np.random.Generator | None = None) -> Network:
    """Return the detector up to distributions of sides and scores of classes: 3.2 million parameters."""
    sketch = Sketch("yolov8n", (3, SIZE, SIZE))
    x = _layer(sketch, "stem", _layer(sketch, "begin", INPUT, 16, 3, 2), 32, 3, 2)
    x = _c2f(sketch, "c2", x, 32, 1)
    fine = _c2f(sketch, "c4", _layer(sketch, "down3", x, 64, 3, 2), 64, 2)
    middle = _c2f(sketch, "c6", _layer(sketch, "down5", fine, 128, 3, 2), 128, 2)
    coarse = _c2f(sketch, "c8", _layer(sketch, "down7", middle, 256, 3, 2), 256, 1)
    coarse = _sppf(sketch, "sppf", coarse)
    middle = _c2f(sketch, "c12", _joined(sketch, "j11", _up(sketch, "up10", coarse), middle), 128, 1, False)
    fine = _c2f(sketch, "c15", _joined(sketch, "j14", _up(sketch, "up13", middle), fine), 64, 1, False)
    down = _layer(sketch, "down16", fine, 64, 3, 2)
    middle = _c2f(sketch, "c18", _joined(sketch, "j17", down, middle), 128, 1, False)
    down = _layer(sketch, "down19", middle, 128, 3, 2)
    coarse = _c2f(sketch, "c21", _joined(sketch, "j20", down, coarse), 256, 1, False)
    heads = [_head(sketch, f"head{at}", x) for at, x in enumerate((fine, middle, coarse))]
    both = sketch.add("heads", "concat", *heads, axis=2)
    parts = sketch.add("parts", "split", both, axis=1, sizes=(4 * BINS, CLASSES))
    sides = sketch.add("bins", "reshape", parts, shape=(0, 4, BINS, sketch.shape(both)[2]))
    spread = sketch.add("spread", "softmax", sides, axis=2)
    boxes = sketch.add("boxes", "reshape", spread, shape=(0, 4 * BINS, sketch.shape(both)[2]))
    scores = sketch.add("scores", "sigmoid", f"{parts}:1")
    sketch.add("answer", "concat", boxes, scores, axis=1)
    network = sketch.network(rng)
    twice = {name: shape for name, shape in sketch.params.items() if name.endswith(".places")}
    return network.with_params({name: np.arange(shape[0]) // 2 for name, shape in twice.items()})


def _layer(sketch: Sketch, name: str, x: str, filters: int, kernel: int = 1, stride: int = 1) -> str:
    """Convolution, batch normalisation, and SiLU as PyTorch exports it: a sigmoid and a product."""
    conv = sketch.conv(name, x, filters, kernel, stride=stride, pad=kernel // 2, bias=False)
    x = sketch.affine(f"{name}_norm", conv)
    return sketch.add(f"{name}_silu", "mul", x, sketch.add(f"{name}_gate", "sigmoid", x))


def _c2f(sketch: Sketch, name: str, x: str, filters: int, count: int, shortcut: bool = True) -> str:
    """Two halves, one of which goes through `count` bottlenecks, whose results are all joined."""
    half = filters // 2
    first = _layer(sketch, f"{name}_first", x, filters)
    split = sketch.add(f"{name}_split", "split", first, axis=1, sizes=(half, half))
    parts = [split, f"{split}:1"]
    for at in range(count):
        y = _layer(sketch, f"{name}_{at}a", parts[-1], half, 3)
        y = _layer(sketch, f"{name}_{at}b", y, half, 3)
        parts.append(sketch.add(f"{name}_{at}sum", "add", parts[-1], y) if shortcut else y)
    return _layer(sketch, f"{name}_last", _joined(sketch, f"{name}_all", *parts), filters)


def _sppf(sketch: Sketch, name: str, x: str) -> str:
    """Three maximum poolings one after another, all joined."""
    channels = sketch.shape(x)[1]
    parts = [_layer(sketch, f"{name}_first", x, channels // 2)]
    for at in range(3):
        parts.append(sketch.pool(f"{name}_pool{at}", parts[-1], 5, 1, pad=2))
    return _layer(sketch, f"{name}_last", _joined(sketch, f"{name}_all", *parts), channels)


def _head(sketch: Sketch, name: str, x: str) -> str:
    """Distributions of the four sides and scores of the classes, at every place."""
    ends = []
    for part, width, outputs in (("box", 4 * BINS, 4 * BINS), ("class", CLASSES, CLASSES)):
        y = _layer(sketch, f"{name}_{part}1", x, width, 3)
        y = _layer(sketch, f"{name}_{part}2", y, width, 3)
        ends.append(sketch.conv(f"{name}_{part}3", y, outputs, 1))
    joined = _joined(sketch, f"{name}_all", *ends)
    _, channels, height, width = sketch.shape(joined)
    return sketch.add(f"{name}_flat", "reshape", joined, shape=(0, channels, height * width))


def _joined(sketch: Sketch, name: str, *parts: str) -> str:
    return sketch.add(name, "concat", *parts, axis=1)


def _up(sketch: Sketch, name: str, x: str) -> str:
    """Twice as many lines and columns, each pixel four times."""
    for axis in (2, 3):
        places = f"{name}_{axis}.places"
        sketch.params[places] = (2 * sketch.shape(x)[axis],)
        x = sketch.add(f"{name}_{axis}", "gather", x, places, axis=axis)
    return x
