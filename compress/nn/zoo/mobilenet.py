"""MobileNets: depthwise convolutions between 1 x 1 convolutions, batch normalisation as scale and shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.nn.network import INPUT
from compress.nn.zoo.sketch import Sketch

if TYPE_CHECKING:
    import numpy as np

    from compress.nn.network import Network

V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Filters and stride of each separable layer (Howard et al. 2017, Table 1)."""

V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repeats and first stride (Sandler et al. 2018, Table 2)."""


def mobilenet_v1(rng: np.random.Generator | None = None) -> Network:
    """MobileNet 1.0 224: 4,231,976 parameters, 568,740,352 MACs."""
    sketch = Sketch("mobilenet_v1", (3, 224, 224))
    x = _layer(sketch, "conv1", INPUT, 32, 3, "relu", stride=2)
    for index, (filters, stride) in enumerate(V1, 1):
        channels = sketch.shape(x)[1]
        x = _layer(sketch, f"dw{index}", x, channels, 3, "relu", stride=stride, groups=channels)
        x = _layer(sketch, f"pw{index}", x, filters, 1, "relu")
    return _classified(sketch, x).network(rng)


def mobilenet_v2(rng: np.random.Generator | None = None) -> Network:
    """MobileNet v2 1.0 224: 3,504,872 parameters, 300,774,272 MACs."""
    sketch = Sketch("mobilenet_v2", (3, 224, 224))
    x = _layer(sketch, "conv1", INPUT, 32, 3, "relu6", stride=2)
    for stage, (expansion, filters, count, first) in enumerate(V2, 1):
        for block in range(1, count + 1):
            x = _inverted(sketch, f"s{stage}b{block}", x, filters, first if block == 1 else 1, expansion)
    return _classified(sketch, _layer(sketch, "conv2", x, 1280, 1, "relu6")).network(rng)


def _inverted(sketch: Sketch, name: str, x: str, filters: int, stride: int, expansion: int) -> str:
    """Expand, filter each channel, project; with a shortcut where the shape stays."""
    channels = sketch.shape(x)[1]
    wide = channels * expansion
    y = _layer(sketch, f"{name}expand", x, wide, 1, "relu6") if expansion > 1 else x
    y = _layer(sketch, f"{name}dw", y, wide, 3, "relu6", stride=stride, groups=wide)
    y = _layer(sketch, f"{name}project", y, filters, 1, None)
    return sketch.add(f"{name}sum", "add", x, y) if stride == 1 and channels == filters else y


def _layer(
    sketch: Sketch, name: str, x: str, filters: int, kernel: int, activation: str | None, *,
    stride: int = 1, groups: int = 1,
) -> str:  # fmt: skip
    conv = sketch.conv(name, x, filters, kernel, stride=stride, pad=kernel // 2, groups=groups, bias=False)
    x = sketch.affine(f"{name}_norm", conv)
    if activation == "relu6":
        return sketch.add(f"{name}_relu", "clip", x, min=0.0, max=6.0)
    return sketch.add(f"{name}_relu", "relu", x) if activation else x


def _classified(sketch: Sketch, x: str) -> Sketch:
    pooled = sketch.add("pool", "global_avg_pool", x)
    sketch.fc("fc", sketch.add("flatten", "flatten", pooled), 1000)
    return sketch
