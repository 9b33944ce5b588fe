"""Residual networks (He et al. 2015), batch normalisation as scale and shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.nn.network import INPUT
from compress.nn.zoo.sketch import Sketch

if TYPE_CHECKING:
    import numpy as np

    from compress.nn.network import Network

WIDTHS = (64, 128, 256, 512)
RESNET_18 = (2, 2, 2, 2)
RESNET_50 = (3, 4, 6, 3)
"""Blocks of each stage (Table 1)."""

LAST_SCALE = 0.05
"""First scale of a block's last layer: with random weights a thousand blocks must not overflow."""


def resnet_18(rng: np.random.Generator | None = None) -> Network:
    """ResNet-18: 11,689,512 parameters, 1,814,073,344 MACs."""
    return _imagenet("resnet18", RESNET_18, bottleneck=False).network(rng)


def resnet_50(rng: np.random.Generator | None = None) -> Network:
    """ResNet-50 with the stride in the 3 x 3 layers: 25,557,032 parameters, 4,089,184,256 MACs."""
    return _imagenet("resnet50", RESNET_50, bottleneck=True).network(rng)


def resnet_1202(rng: np.random.Generator | None = None) -> Network:
    """ResNet-1202 for CIFAR-10 (section 4.2, n = 200): 19.4 million parameters, shortcuts without any."""
    sketch = Sketch("resnet1202", (3, 32, 32))
    x = _normalised(sketch, "conv1", INPUT, 16, 3)
    for stage, width in enumerate((16, 32, 64), 1):
        for block in range(1, 201):
            x = _basic(sketch, f"s{stage}b{block}", x, width, 2 if block == 1 < stage else 1, projected=False)
    return _classified(sketch, x, 10).network(rng)


def _imagenet(name: str, blocks: tuple[int, ...], *, bottleneck: bool) -> Sketch:
    sketch = Sketch(name, (3, 224, 224))
    x = _normalised(sketch, "conv1", INPUT, 64, 7, stride=2)
    x = sketch.pool("pool1", x, 3, 2, pad=1)
    for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True), 1):
        for block in range(1, count + 1):
            make = _bottleneck if bottleneck else _basic
            x = make(sketch, f"s{stage}b{block}", x, width, 2 if block == 1 < stage else 1)
    return _classified(sketch, x, 1000)


def _normalised(
    sketch: Sketch, name: str, x: str, filters: int, kernel: int, *, stride: int = 1, relu: bool = True,
    scale: float = 1.0,
) -> str:  # fmt: skip
    conv = sketch.conv(name, x, filters, kernel, stride=stride, pad=kernel // 2, bias=False)
    x = sketch.affine(f"{name}_norm", conv, scale=scale)
    return sketch.add(f"{name}_relu", "relu", x) if relu else x


def _basic(sketch: Sketch, name: str, x: str, width: int, stride: int, *, projected: bool = True) -> str:
    """Two 3 x 3 layers."""
    y = _normalised(sketch, f"{name}c1", x, width, 3, stride=stride)
    y = _normalised(sketch, f"{name}c2", y, width, 3, relu=False, scale=LAST_SCALE)
    return _joined(sketch, name, x, y, stride, projected=projected)


def _bottleneck(sketch: Sketch, name: str, x: str, width: int, stride: int) -> str:
    """1 x 1, 3 x 3 and 1 x 1 layers, the last four times as wide."""
    y = _normalised(sketch, f"{name}c1", x, width, 1)
    y = _normalised(sketch, f"{name}c2", y, width, 3, stride=stride)
    y = _normalised(sketch, f"{name}c3", y, 4 * width, 1, relu=False, scale=LAST_SCALE)
    return _joined(sketch, name, x, y, stride, projected=True)


def _joined(sketch: Sketch, name: str, x: str, y: str, stride: int, *, projected: bool) -> str:
    channels, width = sketch.shape(x)[1], sketch.shape(y)[1]
    if channels != width and projected:
        x = _normalised(sketch, f"{name}short", x, width, 1, stride=stride, relu=False)
    elif channels != width:
        last = 1 << 31
        x = sketch.add(f"{name}every", "slice", x, ranges=((2, 0, last, stride), (3, 0, last, stride)))
        x = sketch.add(f"{name}pad", "pad", x, pads=(0, 0, 0, 0, 0, width - channels, 0, 0))
    return sketch.add(f"{name}relu", "relu", sketch.add(f"{name}sum", "add", y, x))


def _classified(sketch: Sketch, x: str, classes: int) -> Sketch:
    pooled = sketch.add("pool", "global_avg_pool", x)
    sketch.fc("fc", sketch.add("flatten", "flatten", pooled), classes)
    return sketch
