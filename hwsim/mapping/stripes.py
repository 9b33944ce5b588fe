"""A layer cut into stripes of rows, and what pieces of it cost on the unit that runs them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hwsim.arrays.vector import VectorUnit
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.arrays.base import ArrayCost
    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Layer


def pieces_of(layer: Layer, stripes: int, items: int) -> list[tuple[Layer, int, int]]:
    """A pass over some items as equal pieces of work: a layer, for how many items, how often."""
    rows = _rows_of(layer) or stripes
    if stripes == 1 or layer.over_batch != "each" or rows == 1:
        return [(layer, items, 1)]
    height = ceil_div(rows, stripes)
    number = ceil_div(rows, height)
    last = rows - (number - 1) * height
    pieces = [(stripe_of(layer, rows, height), 1, (number - 1) * items)]
    pieces.append((stripe_of(layer, rows, last), 1, items))
    return [piece for piece in pieces if piece[2]]


def smallest_piece(layer: Layer, rows: int) -> Layer:
    """The least that can be done with one passage of the weights: a row of the output, or all of it.

    `rows` are those of a vector layer that has none of its own.
    """
    rows = _rows_of(layer) or rows
    return stripe_of(layer, rows, 1) if rows > 1 and layer.over_batch == "each" else layer


def _rows_of(layer: Layer) -> int:
    """Rows of a layer's output; 0 for a vector layer that has none of its own."""
    if layer.out_hw != (1, 1):
        return layer.out_hw[0]
    return 0 if layer.kind == "vector" else layer.pixels


def stripe_of(layer: Layer, rows: int, height: int) -> Layer:
    """Some rows of a layer: as much less of everything but its weights."""

    def part(whole: int) -> int:
        return max(1, ceil_div(whole * height, rows))

    in_hw, out_hw = layer.in_hw, layer.out_hw
    if out_hw[0] > 1:
        window = (height - 1) * layer.stride[0] + layer.kernel[0]
        in_hw, out_hw = (min(in_hw[0], window), in_hw[1]), (height, out_hw[1])
    return replace(
        layer,
        pixels=part(layer.pixels),
        input_elements=part(layer.input_elements),
        output_elements=part(layer.output_elements),
        vector_ops=part(layer.vector_ops) if layer.vector_ops else 0,
        in_hw=in_hw,
        out_hw=out_hw,
    )


def array_cost(chip: Chip, layer: Layer, items: int) -> ArrayCost:
    """Cost of some items of a layer on the unit that runs it."""
    model = VectorUnit(chip.vector.lanes) if layer.kind == "vector" else chip.array
    return model.cost(*layer.joined(items))
