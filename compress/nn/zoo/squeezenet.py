"""SqueezeNet (Iandola et al. 2016): AlexNet's accuracy with 50 times fewer weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.nn.network import INPUT
from compress.nn.zoo.sketch import Sketch

if TYPE_CHECKING:
    import numpy as np

    from compress.nn.network import Network

FIRES = {
    "fire2": (16, 64), "fire3": (16, 64), "fire4": (32, 128), "fire5": (32, 128),
    "fire6": (48, 192), "fire7": (48, 192), "fire8": (64, 256), "fire9": (64, 256),
}  # fmt: skip
"""Filters of the squeeze layer and of each of the two expand layers (Table 1)."""


def squeezenet_1_0(rng: np.random.Generator | None = None) -> Network:
    """SqueezeNet 1.0 on 227 x 227 with Caffe's pooling: 1,248,424 parameters."""
    return _squeezenet("squeezenet1_0", (96, 7), ("fire4", "fire8"), 227, 1, rng)


def squeezenet_1_1(rng: np.random.Generator | None = None) -> Network:
    """SqueezeNet 1.1 on 224 x 224: 1,235,496 parameters, 349,151,936 MACs."""
    return _squeezenet("squeezenet1_1", (64, 3), ("fire3", "fire5"), 224, 0, rng)


def _squeezenet(
    name: str,
    first: tuple[int, int],
    pooled: tuple[str, ...],
    image: int,
    last_pad: int,
    rng: np.random.Generator | None,
) -> Network:
    sketch = Sketch(name, (3, image, image))
    x = sketch.add("relu_conv1", "relu", sketch.conv("conv1", INPUT, *first, stride=2))
    x = sketch.pool("pool_conv1", x, 3, 2, ceil=True)
    for fire, (squeeze, expand) in FIRES.items():
        x = _fire(sketch, fire, x, squeeze, expand)
        if fire in pooled:
            x = sketch.pool(f"pool_{fire}", x, 3, 2, ceil=True)
    x = sketch.add("dropout", "dropout", x, rate=0.5)
    x = sketch.add("relu_conv_final", "relu", sketch.conv("conv_final", x, 1000, 1, pad=last_pad))
    sketch.add("flatten", "flatten", sketch.add("pool_final", "global_avg_pool", x))
    return sketch.network(rng)


def _fire(sketch: Sketch, name: str, x: str, squeeze: int, expand: int) -> str:
    """A 1 x 1 squeeze layer whose output goes through 1 x 1 and 3 x 3 filters side by side."""
    narrow = sketch.add(f"{name}_relu_squeeze", "relu", sketch.conv(f"{name}_squeeze", x, squeeze, 1))
    small = sketch.conv(f"{name}_expand1", narrow, expand, 1)
    large = sketch.conv(f"{name}_expand3", narrow, expand, 3, pad=1)
    both = sketch.add(f"{name}_concat", "concat", small, large, axis=1)
    return sketch.add(f"{name}_relu_expand", "relu", both)
