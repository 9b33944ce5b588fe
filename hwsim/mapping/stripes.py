"""A layer cut into stripes of rows, and what pieces of it cost on the unit that runs them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from hwsim.arrays.base import SharesMemory
from hwsim.arrays.vector import VectorUnit
from hwsim.same import Same
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.arrays.base import ArrayCost, ArrayModel
    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Layer


def pieces_of(layer: Layer, stripes: int, items: int) -> list[tuple[Layer, int, int]]:
    """A pass over some items as equal pieces of work: a layer, for how many items, how often."""
    return _pieces(Same(layer), stripes, items)


@lru_cache(maxsize=1 << 12)
def _pieces(same: Same[Layer], stripes: int, items: int) -> list[tuple[Layer, int, int]]:
    layer = same.thing
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


class Units(NamedTuple):
    """What computes on a chip: its array, the share of its peak that kernels reach, and vector lanes.

    `sram_bits` is what the on-chip memory moves in a cycle.
    """

    array: ArrayModel
    efficiency: float
    lanes: int
    sram_bits: float

    @classmethod
    def of(cls, chip: Chip) -> Units:
        """Units of `chip`."""
        return _units(Same(chip))


@lru_cache(maxsize=64)
def _units(same: Same[Chip]) -> Units:
    chip = same.thing
    sram_bits = 8.0 * chip.sram.bandwidth_B_per_cycle
    return Units(chip.array, chip.kernels.efficiency, chip.vector.lanes, sram_bits)


def array_cost(units: Units, layer: Layer, items: int) -> ArrayCost:
    """Cost of some items of a layer on the unit that runs it."""
    return _cost(units, Same(layer), items)


@lru_cache(maxsize=1 << 14)
def _cost(units: Units, layer: Same[Layer], items: int) -> ArrayCost:
    if layer.thing.kind == "vector":
        return VectorUnit(units.lanes).cost(*layer.thing.joined(items))
    if isinstance(units.array, SharesMemory):
        # the array's cycles are longer by the efficiency, below: as many more bits move in each of them
        bits_per_cycle = units.sram_bits / units.efficiency
        cost = units.array.cost_beside(*layer.thing.joined(items), bits_per_cycle)
    else:
        cost = units.array.cost(*layer.thing.joined(items))
    if units.efficiency == 1:
        return cost
    names = ("cycles", "compute_cycles", "load_cycles")
    return replace(cost, **{name: ceil(getattr(cost, name) / units.efficiency) for name in names})
