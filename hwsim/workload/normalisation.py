"""Batch normalisation apart: what inference folds into the weights, and training cannot.

In inference the mean and the variance of a channel are constants, and fold into the weights and the bias of
the layer before. In training they are those of the batch (Ioffe and Szegedy, ICML 2015, algorithm 1). So
every layer that has a normalisation is followed by two: the *statistics*, sums over all items of the batch,
and the *normalisation* of every element, which can begin only then. Its gradient has two parts as well: sums
over the batch, which are the gradients of its parameters, and the gradient of its input, which needs them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hwsim.workload.layer import dense_storage, vector
from hwsim.workload.storage import FLOAT_BITS

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer, Workload

NORMALISE = "batch_norm"
"""Operator of the normalisation of every element. Its inputs are the elements, then the statistics."""

PARAMETERS = 2
"""For each channel: a gain and an offset; of the statistics, a mean and a variance."""

STATISTICS_OPS = 3
"""For each element: added to the sum, squared, added to the sum of squares."""
NORMALISE_OPS = 4
"""For each element: centred, scaled, gain, offset."""
SUMS_OPS = 5
"""Backward, for each element: centred and scaled again, two sums, one product (the paper's section 3)."""
GRADIENT_OPS = 6
"""Backward, for each element: centred and scaled again, a product, two differences, a scale."""


def unfolded(workload: Workload) -> Workload:
    """Return a workload where each folded batch normalisation is two layers of its own.

    Parameters
    ----------
    workload : Workload
        Layers with `Layer.norm` have a normalisation of their output channels folded into their weights.
    """
    layers: list[Layer] = []
    made: dict[int, int] = {-1: -1}
    owners: dict[int, int] = {}
    for index, layer in enumerate(workload.layers):
        owners[index] = len(layers)
        like = None if layer.like is None else owners[layer.like]
        moved = replace(layer, inputs=tuple(made[source] for source in layer.inputs), like=like)
        layers += _apart(moved, len(layers)) if layer.norm != "none" else [moved]
        made[index] = len(layers) - 1
    return replace(workload, layers=tuple(layers))


def _apart(layer: Layer, index: int) -> list[Layer]:
    """A layer without its bias, the statistics of its output, and their normalisation."""
    assert layer.weights is not None
    size, channels = layer.output_elements, layer.filters * layer.groups
    statistics = vector(
        f"{layer.name}_statistics", size, PARAMETERS * channels, STATISTICS_OPS * size, inputs=(index,),
        op="statistics", arithmetic=layer.arithmetic, over_batch="sum",
    )  # fmt: skip
    normalise = vector(
        f"{layer.name}_norm", size + PARAMETERS * channels, size, NORMALISE_OPS * size,
        inputs=(index, index + 1), op=NORMALISE, arithmetic=layer.arithmetic,
        weights=dense_storage(0, side_bits=PARAMETERS * channels * FLOAT_BITS),
    )  # fmt: skip
    alone = replace(layer, norm="none", weights=replace(layer.weights, side_bits=0))
    return [alone, statistics, normalise]


def gradient_layers(layer: Layer, gradient: int, source: int, index: int) -> tuple[Layer, Layer]:
    """Return the backward pass of a normalisation: the gradient of its parameters, and of its input.

    Parameters
    ----------
    layer : Layer
        The normalisation.
    gradient, source : int
        Layers that make the gradient of its output, and its input.
    index : int
        Index that the first of the two will have.
    """
    assert layer.weights is not None
    size, parameters = layer.output_elements, layer.weights.side_bits // FLOAT_BITS
    sums = vector(
        f"{layer.name}.dw", 2 * size, parameters, SUMS_OPS * size, inputs=(gradient, source),
        op="gradient", arithmetic=layer.arithmetic, over_batch="sum",
    )  # fmt: skip
    back = vector(
        f"{layer.name}.dx", 2 * size + parameters, size, GRADIENT_OPS * size,
        inputs=(gradient, source, index), op="gradient", arithmetic=layer.arithmetic,
    )  # fmt: skip
    return sums, back
