"""Residency: what stays on chip while a batch runs, and what the rest moves between DRAM and chip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from hwsim.arrays.counting import PSUM_BITS
from hwsim.errors import InputError, shown
from hwsim.mapping.graph import is_second_operand, outside_bits_of, reads_of
from hwsim.mapping.tiling import Fetches, Tiling
from hwsim.same import Same

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip
    from hwsim.mapping.fusion import Kernel
    from hwsim.workload.layer import Layer, Workload

LayerTiling: TypeAlias = Tiling | Fetches | None
"""How a layer is cut, or None: it goes in one piece."""

Mode = Literal["whole", "stripes", "cut"]

MAX_BATCH = 4096
"""A batch that does not fit on chip is run in many passes: time and memory of a simulation grow with it."""


class Pass(NamedTuple):
    """Equal passes over the kernels of a segment.

    Parameters
    ----------
    items : int
        Items of the batch in one pass.
    times : int
        How many such passes follow one another.
    fetches : bool
        Whether weights that are not pinned come from DRAM; else an earlier pass has brought them.
    """

    items: int
    times: int
    fetches: bool = True


@dataclass(frozen=True)
class Segment:
    """Kernels that run together: see `hwsim.mapping.segments`.

    Parameters
    ----------
    kernels : range
        Positions of the kernels.
    mode : {"whole", "stripes", "cut"}
    passes : tuple of Pass
        They cover the batch.
    stripes : int
        Stripes of rows that an item is run in; 1 unless the mode is ``"stripes"``.
    """

    kernels: range
    mode: Mode
    passes: tuple[Pass, ...]
    stripes: int = 1


@dataclass(frozen=True)
class Residency:
    """Where everything lives while one batch runs, and how the batch is cut.

    Parameters
    ----------
    batch : int
    kernels : tuple of Kernel
        Layers that run as one.
    segments : tuple of Segment
        Kernels that run together, in order.
    tilings : tuple of Tiling, Fetches or None
        Per layer: how it is cut, where it does not fit or the array has its own mapping.
    pinned_bits : tuple of int
        Per layer: bits of its stored weights that stay on chip from batch to batch, the same fraction of
        every part of them.
    kept : tuple of float
        Per layer: fraction of its output that does not go through DRAM.
    pinned_B, activations_B, buffers_B : int
        On-chip bytes in use: of pinned weights, of activations and of the weights of a depth-first
        segment (the largest over time), of streaming buffers.
    decoded_once : tuple of bool
        Per layer: whether its weights are on chip decoded, not decoded at every use.
    """

    batch: int
    kernels: tuple[Kernel, ...]
    segments: tuple[Segment, ...]
    tilings: tuple[LayerTiling, ...]
    pinned_bits: tuple[int, ...]
    kept: tuple[float, ...]
    pinned_B: int
    activations_B: int
    buffers_B: int
    decoded_once: tuple[bool, ...]

    @cached_property
    def segment_of(self) -> dict[int, int]:
        """Position of the segment that each layer runs in."""
        return {
            layer: position
            for position, segment in enumerate(self.segments)
            for k in segment.kernels
            for layer in self.kernels[k].layers
        }

    @cached_property
    def root_of(self) -> tuple[int, ...]:
        """The layer that each layer runs with: itself, or the one in whose output path it is."""
        roots = {layer: kernel.root for kernel in self.kernels for layer in kernel.layers}
        return tuple(roots[layer] for layer in range(len(roots)))

    def passes(self, index: int) -> tuple[Pass, ...]:
        """Passes of a batch over layer `index`."""
        return self.segments[self.segment_of[index]].passes

    def dram_fetches(self, index: int) -> int:
        """How often a batch takes the weights of layer `index`, as far as not pinned, from DRAM."""
        tiling = self.tilings[index]
        each = tiling.weight_fetches if tiling else 1
        return each * sum(part.times for part in self.passes(index) if part.fetches)

    def spills(self, index: int) -> bool:
        """Whether some of the output of layer `index` goes through DRAM on its way to other layers."""
        return self.kept[index] < 1.0


def require_batch(batch: int) -> None:
    """Refuse a batch that is not 1 to `MAX_BATCH`, by an `InputError`."""
    if not 1 <= batch <= MAX_BATCH:
        raise InputError(f"batch is {shown(batch)}, expected 1 to {MAX_BATCH}")


def buffer_bytes(chip: Chip) -> int:
    """Bytes of the slots through which weights stream to the arrays.

    Raises
    ------
    InputError
        If they alone do not fit on chip.
    """
    buffers = chip.buffers.slot_B * (chip.buffers.fetch_depth + chip.buffers.decode_depth)
    if buffers > chip.sram.capacity_B:
        raise InputError(
            f"chip {chip.name}: buffers of {buffers} bytes do not fit sram.capacity_B = "
            f"{chip.sram.capacity_B}"
        )
    return buffers


class Moved(NamedTuple):
    """DRAM bits that are not weights, of one pass over a layer; partial sums go out and come back."""

    inputs: int
    outputs: int
    psums: int


def activation_traffic(workload: Workload, residency: Residency, index: int, items: int) -> Moved:
    """Activations and partial sums that a layer moves between DRAM and chip in a pass over some items.

    What comes from outside the network comes from DRAM, and its output goes there. Of what passes
    between segments, the part that is not kept on chip is written once, and read once by every segment
    that uses it. Weights that a layer writes back go to DRAM as far as they are not pinned.
    """
    layers, layer = workload.layers, workload.layers[index]
    tiling = residency.tilings[index]
    reads = reads_of(workload, index)
    counted = 1 if layer.over_batch == "once" else items
    inputs = round(outside_bits_of(layer, reads) * counted * (tiling.input_fetches if tiling else 1))
    brings = _brought(Same(workload), Same(residency))[index]
    for source, elements in reads.made.items():
        if source in brings:
            amount = elements * (items if layers[source].over_batch == "each" else 1)
            bits = amount * layers[source].operand_bits * _fetches(layer, tiling, source)
            inputs += round(bits * (1.0 - residency.kept[source]))
    outputs = layer.outputs_of(items) * layer.operand_bits
    psum_passes = tiling.psum_passes if tiling else 1
    return Moved(
        inputs,
        round(outputs * _leaves(layer, residency, index)),
        layer.outputs_of(items) * PSUM_BITS * (psum_passes - 1),
    )


@lru_cache(maxsize=64)
def _brought(workload: Same[Workload], residency: Same[Residency]) -> tuple[frozenset[int], ...]:
    """Inputs that each layer brings on chip: made in other segments, read in its own by none before."""
    found, seen = [], set()
    segment_of = residency.thing.segment_of
    for index, layer in enumerate(workload.thing.layers):
        here = segment_of[index]
        new = {source for source in layer.inputs if source >= 0 and (here, source) not in seen}
        seen |= {(here, source) for source in new}
        found.append(frozenset(source for source in new if segment_of[source] != here))
    return tuple(found)


def _fetches(layer: Layer, tiling: LayerTiling, source: int) -> float:
    """How often `source` is fetched: as weights, if it is the second operand of a product of activations."""
    if tiling is None:
        return 1
    return tiling.weight_fetches if is_second_operand(layer, source) else tiling.input_fetches


def _leaves(layer: Layer, residency: Residency, index: int) -> float:
    """Fraction of the output that goes to DRAM."""
    if layer.writes_back:
        stored = layer.weights.total_bits if layer.weights else 0
        return 1.0 - residency.pinned_bits[index] / stored if stored else 1.0
    return 1.0 - residency.kept[index]
