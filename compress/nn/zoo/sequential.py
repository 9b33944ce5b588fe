"""Networks that use the same weights again and again: an LSTM and a neural ODE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.nn.network import INPUT
from compress.nn.zoo.sketch import Sketch

if TYPE_CHECKING:
    import numpy as np

    from compress.nn.network import Network

WORDS, WIDTH, STEPS = 10_000, 650, 35
"""The medium LSTM of Zaremba et al. 2014, section 4.1."""

FILTERS, GROUPS = 64, 32
ODE_STEPS = 4


def lstm(rng: np.random.Generator | None = None) -> Network:
    """Two-layer LSTM language model, word numbers in: 19,775,200 parameters, 464,100,000 MACs."""
    sketch = Sketch("lstm", (STEPS,))
    sketch.params["embedding.weight"] = (WORDS, WIDTH)
    x = sketch.add("embedding", "gather", "embedding.weight", INPUT, axis=0)
    for layer in (1, 2):
        params = {"weight": (4 * WIDTH, WIDTH), "recurrent": (4 * WIDTH, WIDTH), "bias": (4 * WIDTH,)}
        x = sketch.add(f"lstm{layer}", "lstm", x, params=params)
    sketch.fc("fc", x, WORDS)
    return sketch.network(rng)


def neural_ode(rng: np.random.Generator | None = None) -> Network:
    """ODE-Net for MNIST (Chen et al. 2018, section 3), solved by four fixed Runge-Kutta steps.

    208,266 parameters. The 75,392 parameters of the derivative are used sixteen times.
    """
    sketch = Sketch("neural_ode", (1, 28, 28))
    x = sketch.conv("conv1", INPUT, FILTERS, 3)
    for index in (2, 3):
        x = sketch.add(f"relu{index}", "relu", _group_norm(sketch, f"norm{index}", x))
        x = sketch.conv(f"conv{index}", x, FILTERS, 4, stride=2, pad=1)
    width = 1 / ODE_STEPS
    for step in range(ODE_STEPS):
        x = _runge_kutta(sketch, f"step{step + 1}", x, step * width, width)
    x = sketch.add("relu4", "relu", _group_norm(sketch, "norm4", x))
    pooled = sketch.add("pool", "global_avg_pool", x)
    sketch.fc("fc", sketch.add("flatten", "flatten", pooled), 10)
    return sketch.network(rng)


def _runge_kutta(sketch: Sketch, name: str, x: str, time: float, width: float) -> str:
    """The classical method of order 4: slopes at the start, twice in the middle, and at the end."""
    slopes = [_derivative(sketch, f"{name}k1", x, time)]
    for index, part in ((2, 0.5), (3, 0.5), (4, 1.0)):
        moved = _moved(sketch, f"{name}x{index}", x, slopes[-1], part * width)
        slopes.append(_derivative(sketch, f"{name}k{index}", moved, time + part * width))
    for index, (slope, weight) in enumerate(zip(slopes, (1 / 6, 1 / 3, 1 / 3, 1 / 6), strict=True), 1):
        x = _moved(sketch, f"{name}y{index}", x, slope, weight * width)
    return x


def _moved(sketch: Sketch, name: str, x: str, slope: str, factor: float) -> str:
    return sketch.add(name, "add", x, sketch.add(f"{name}by", "linear", slope, alpha=factor, beta=0.0))


def _derivative(sketch: Sketch, name: str, x: str, time: float) -> str:
    """Two convolutions that see the time as one more channel; all evaluations share their weights."""
    for index in (1, 2):
        normal = _group_norm(sketch, f"{name}norm{index}", x, like=f"ode_norm{index}")
        x = sketch.add(f"{name}relu{index}", "relu", normal)
        timed = sketch.add(f"{name}time{index}", "pad", x, pads=(0, 1, 0, 0, 0, 0, 0, 0), value=time)
        x = sketch.conv(f"{name}conv{index}", timed, FILTERS, 3, pad=1, like=f"ode_conv{index}")
    return _group_norm(sketch, f"{name}norm3", x, like="ode_norm3")


def _group_norm(sketch: Sketch, name: str, x: str, like: str | None = None) -> str:
    """Zero mean and unit variance over two channels at a time (Wu and He 2018)."""
    _, channels, height, width = sketch.shape(x)
    grouped = sketch.add(f"{name}_groups", "reshape", x, shape=(0, GROUPS, -1))
    normal = sketch.add(f"{name}_normal", "layer_norm", grouped, epsilon=1e-5)
    image = sketch.add(f"{name}_image", "reshape", normal, shape=(0, channels, height, width))
    return sketch.affine(name, image, like=like)
