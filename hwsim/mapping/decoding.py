"""Where the weights of each layer are decoded: at every use, or once as they come on chip.

Weights that stay on chip as they are stored take little memory and are decoded at every use. Weights that
stay decoded take more memory and are decoded once, when they come. Which of the two costs fewer joules
depends on how much memory there is, so several choices are handed to the search of a plan.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from hwsim.hull import Choice, lower_hull, slope
from hwsim.mapping.steps import Cut, busy_decoders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.machine.chip import Chip
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Layer, Workload

MEMORIES = (1.0, 0.5)
"""Parts of the on-chip memory that weights are taken to have: activations need what is left."""


def ways_to_decode(chip: Chip, workload: Workload, prices: PriceList) -> list[tuple[Cut, ...]]:
    """Stored weights of each layer, for every choice of where to decode that is worth a plan.

    Parameters
    ----------
    chip : Chip
    workload : Workload
    prices : PriceList

    Returns
    -------
    list of tuple of Cut
        One, unless the decoders may be in either place.
    """
    place, layers = chip.decoder.place, workload.layers
    choices = [(place == "dram",) * len(layers)]
    if place == "either" and any(layer.encoded for layer in layers):
        steps = _steps(chip, layers, prices)
        choices += [_once_within(layers, steps, part * 8 * chip.sram.capacity_B) for part in MEMORIES]
        choices.append(tuple(layer.encoded for layer in layers))
    return [_cuts(chip, layers, once) for once in dict.fromkeys(choices)]


def decoding_J(cut: Cut, prices: PriceList) -> float:
    """Joules of decoding all weights of a layer, once."""
    actions = cut.decodings(1, 0).items()
    return sum(prices.price_J("decoder", action, count) for action, count in actions if count)


def _cuts(chip: Chip, layers: Sequence[Layer], once: Sequence[bool]) -> tuple[Cut, ...]:
    """Cuts of layers, those that the decoders work on side by side together."""
    decoders = _side_by_side(chip, layers, once)
    return tuple(
        Cut(layer, chip, once=kept, decoders=busy)
        for layer, kept, busy in zip(layers, once, decoders, strict=True)
    )


def _side_by_side(chip: Chip, layers: Sequence[Layer], once: Sequence[bool]) -> list[float]:
    """Decoders that are busy with each layer.

    Layers in a row whose stored weights fit the decoded slots together are decoded side by side.
    """
    room = 8 * chip.buffers.slot_B * chip.buffers.decode_depth
    groups: list[tuple[bool, list[int]]] = []
    filled = 0
    for index, layer in enumerate(layers):
        if layer.weights is None or not layer.weights.symbols:
            continue
        bits = layer.weights.payload_bits
        joins = groups and groups[-1][0] == once[index] and filled + bits <= room
        if joins and len(groups[-1][1]) < chip.buffers.decode_depth:
            groups[-1][1].append(index)
            filled += bits
        else:
            groups.append((once[index], [index]))
            filled = bits
    found = [1.0] * len(layers)
    for _, group in groups:
        busy = busy_decoders([layers[index] for index in group], chip)
        for index in group:
            found[index] = busy
    return found


class _Step(NamedTuple):
    """From one way of a layer's weights to the next: see `hwsim.hull`."""

    slope: float
    layer: int
    more: float
    decoded: bool


def _steps(chip: Chip, layers: Sequence[Layer], prices: PriceList) -> list[_Step]:
    """Steps along the lower convex hulls of the layers' ways, those that save most per bit first.

    Every layer's weights stream, or stay as they are stored, or stay decoded.
    """
    return sorted(
        _Step(slope(before, after), index, after.cost - before.cost, after.what)
        for index, layer in enumerate(layers)
        if layer.weights is not None and layer.like is None
        for before, after in pairwise(lower_hull(_ways(chip, layer, prices)))
    )


def _once_within(layers: Sequence[Layer], steps: Sequence[_Step], bits: float) -> tuple[bool, ...]:
    """Layers to keep decoded where weights may take so many bits on chip: memory goes where it saves most."""
    once = [False] * len(layers)
    for step in steps:
        if step.more > bits:
            break
        bits -= step.more
        once[step.layer] = step.decoded
    return tuple(once[index if layer.like is None else layer.like] for index, layer in enumerate(layers))


def _ways(chip: Chip, layer: Layer, prices: PriceList) -> list[Choice[bool]]:
    """Bits that weights take on chip, joules of a batch, time included, and whether they stay decoded."""
    stored, decoded = Cut(layer, chip), Cut(layer, chip, once=True)
    dram_J = prices.price_J("dram", "read_bit") + prices.price_J("sram", "write_bit")
    read_J = prices.price_J("sram", "read_bit")
    tick_J = chip.static_W * chip.tick_s
    fetch_ticks = stored.on_chip_bits * chip.process.clock_GHz / (8 * chip.dram.reached_GB_per_s)
    decoding = decoding_J(stored, prices) + tick_J * stored.decode_ticks_of_all
    return [
        Choice(0.0, stored.on_chip_bits * (dram_J + read_J) + tick_J * fetch_ticks + decoding, False),
        Choice(stored.on_chip_bits, stored.on_chip_bits * read_J + decoding, False),
        Choice(decoded.on_chip_bits, decoded.on_chip_bits * read_J, True),
    ]
