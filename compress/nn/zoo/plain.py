"""AlexNet and VGG-16: convolutions, pooling, then most of the weights in three matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compress.nn.network import INPUT
from compress.nn.zoo.sketch import Sketch

if TYPE_CHECKING:
    import numpy as np

    from compress.nn.network import Network

CLASSES = 1000

ALEXNET: dict[str, dict[str, Any]] = {
    "conv1": {"filters": 96, "kernel": 11, "stride": 4},
    "conv2": {"filters": 256, "kernel": 5, "pad": 2, "groups": 2},
    "conv3": {"filters": 384, "kernel": 3, "pad": 1},
    "conv4": {"filters": 384, "kernel": 3, "pad": 1, "groups": 2},
    "conv5": {"filters": 256, "kernel": 3, "pad": 1, "groups": 2},
}
"""Convolutions of AlexNet (Krizhevsky et al. 2012) as Caffe runs it on 227 x 227."""

VGG_16 = (("conv1", 64, 2), ("conv2", 128, 2), ("conv3", 256, 3), ("conv4", 512, 3), ("conv5", 512, 3))
"""Stage, filters and number of 3 x 3 convolutions (Simonyan and Zisserman 2014, Table 1, column D)."""


def alexnet(rng: np.random.Generator | None = None) -> Network:
    """AlexNet: 60,965,224 parameters, 724,406,816 MACs."""
    sketch = Sketch("alexnet", (3, 227, 227))
    x = INPUT
    for name, geometry in ALEXNET.items():
        x = sketch.add(f"relu{name[-1]}", "relu", sketch.conv(name, x, **geometry))
        if name in ("conv1", "conv2"):
            x = sketch.add(f"norm{name[-1]}", "lrn", x, size=5, alpha=1e-4, beta=0.75, bias=1.0)
        if name in ("conv1", "conv2", "conv5"):
            x = sketch.pool(f"pool{name[-1]}", x, 3, 2)
    return _classified(sketch, x).network(rng)


def vgg_16(rng: np.random.Generator | None = None) -> Network:
    """VGG-16: 138,357,544 parameters, 15,470,264,320 MACs."""
    sketch = Sketch("vgg16", (3, 224, 224))
    x = INPUT
    for stage, filters, count in VGG_16:
        for index in range(1, count + 1):
            conv = sketch.conv(f"{stage}_{index}", x, filters, 3, pad=1)
            x = sketch.add(f"relu{stage[-1]}_{index}", "relu", conv)
        x = sketch.pool(f"pool{stage[-1]}", x, 2, 2)
    return _classified(sketch, x).network(rng)


def _classified(sketch: Sketch, features: str) -> Sketch:
    x = sketch.add("flatten", "flatten", features)
    for layer in (6, 7):
        x = sketch.add(f"relu{layer}", "relu", sketch.fc(f"fc{layer}", x, 4096))
        x = sketch.add(f"drop{layer}", "dropout", x, rate=0.5)
    sketch.fc("fc8", x, CLASSES)
    return sketch
