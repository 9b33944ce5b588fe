"""TPU v1: one large weight-stationary array fed through a weight FIFO (Jouppi, ISCA 2017).

A layer is a sequence of weight tiles of rows x cols. A tile comes from DRAM into a FIFO, is shifted
into the array behind the tile in use, and is then streamed through by the rows of the batch. Half
the accumulators collect one block of outputs while the other half is read, so longer blocks go in
chunks, each with the weights again. A tile takes its whole room in DRAM and FIFO however few of
its weights are in use.

`cost` is the array alone, as for every array; `cycle_breakdown` adds the FIFO and the layers' dependences
and accounts for every cycle: array active, waiting for weights, shifting them in, or waiting for
the results of the layer before (the paper's Table 3 calls the last non-matrix time).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from hwsim.arrays.counting import (
    MATRIX_KINDS,
    fitting,
    gemm_of,
    require_arithmetic,
    require_kind,
    stationary_tensor,
)
from hwsim.arrays.gemm import GemmArray
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.arrays.base import ArrayCost
    from hwsim.arrays.gemm import Grid
    from hwsim.workload.layer import Layer

STEADY_BATCHES = 3
"""Batches run back to back; the last one is reported."""


class CycleBreakdown(NamedTuple):
    """Cycles of one batch in steady state, by what the array does; they add up to `cycles`."""

    cycles: int
    active: int
    weight_stall: int
    weight_shift: int
    non_matrix: int
    macs: int

    def tera_ops(self, clock_GHz: float) -> float:
        """Operations per second, two a multiply-accumulate, in 10^12."""
        return 2 * self.macs / self.cycles * clock_GHz / 1e3


@dataclass(frozen=True)
class TpuArray:
    """One array of rows x cols MACs with a weight FIFO.

    Parameters
    ----------
    rows, cols : int
    load_words_per_cycle : int
        Weights shifted from the FIFO into the array per cycle.
    accumulator_rows : int
        Rows of `cols` accumulators, both halves.
    fifo_tiles : int
        Tiles the weight FIFO holds.
    activation_lanes : int
        Results per cycle that the activation unit takes.
    fifo_words_per_cycle : float
        Weights that enter the FIFO per cycle, however fast the DRAM.
    operand_bits : int
        Width of the multipliers: layers of wider operands are refused.
    """

    kind: ClassVar[str] = "tpu"

    rows: int
    cols: int
    load_words_per_cycle: int
    accumulator_rows: int
    fifo_tiles: int
    activation_lanes: int
    fifo_words_per_cycle: float
    operand_bits: int = 8

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if not value >= 1:
                raise InputError(f"tpu array: {key} is {value}, expected at least 1")

    @property
    def peak_macs_per_cycle(self) -> int:
        """All MACs of the array."""
        return self.rows * self.cols

    @property
    def arithmetics(self) -> tuple[str, ...]:
        """What the MACs multiply."""
        return fitting(self.operand_bits)

    @property
    def _array(self) -> GemmArray:
        half = max(self.accumulator_rows // 2, 1)
        return GemmArray(1, self.rows, self.cols, self.load_words_per_cycle, half, gate_zeros=False)

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`: see `ArrayModel`."""
        require_kind(layer, batch, MATRIX_KINDS, "tpu")
        require_arithmetic(layer, self.arithmetics, "tpu")
        cost = self._array.cost(layer, batch)
        tiles = self._array.grid(gemm_of(layer, batch)).folds
        counts = cost.counts | {
            (stationary_tensor(layer), "array_port", "word"): tiles * self.rows * self.cols
        }
        return replace(cost, counts=counts)

    def cycle_breakdown(
        self, layers: Sequence[Layer], batch: int, weight_words_per_cycle: float
    ) -> CycleBreakdown:
        """Run `layers` one after another, batch after batch, each waiting for the one before.

        Parameters
        ----------
        layers : sequence of Layer
        batch : int
        weight_words_per_cycle : float
            DRAM bandwidth: weights per array cycle.
        """
        fetch = self.rows * self.cols / min(weight_words_per_cycle, self.fifo_words_per_cycle)
        state = _Run(self, fetch)
        before = state.totals()
        for _ in range(STEADY_BATCHES):
            before = state.totals()
            for layer in layers:
                if layer.kind == "vector":
                    state.wait(ceil_div(layer.vector_ops * batch, self.activation_lanes))
                else:
                    state.multiply(self._array.grid(gemm_of(layer, batch)))
        spent = [now - then for now, then in zip(state.totals(), before, strict=True)]
        return CycleBreakdown._make([*spent, sum(layer.macs for layer in layers) * batch])


class _Run:
    """Tiles through FIFO, shift and array: the recurrence behind `TpuArray.cycle_breakdown`."""

    def __init__(self, array: TpuArray, fetch: float) -> None:
        self.array, self.fetch = array, fetch
        self.shift = ceil_div(array.rows * array.cols, array.load_words_per_cycle)
        self.taken: list[int] = []
        self.arrived = 0.0
        self.start = self.end = self.ready = 0
        self.active = self.weight_stall = self.weight_shift = self.non_matrix = 0

    def totals(self) -> tuple[int, int, int, int, int]:
        return self.end, self.active, self.weight_stall, self.weight_shift, self.non_matrix

    def multiply(self, grid: Grid) -> None:
        for _ in range(grid.folds):
            self._tile(grid.chunk)
        self.ready = self.end + self.array.rows + self.array.cols - 2

    def wait(self, cycles: int) -> None:
        self.ready = max(self.ready, self.end) + cycles

    def _tile(self, streamed: int) -> None:
        depth = self.array.fifo_tiles
        slot_free = self.taken[-depth] if len(self.taken) >= depth else 0
        self.arrived = max(self.arrived, float(slot_free)) + self.fetch
        begin = max(math.ceil(self.arrived), self.start)
        shifted = begin + self.shift
        start = max(shifted, self.end, self.ready)
        # whatever the array still waits for last is what its idle time is put down to
        stall = max(begin - max(self.end, self.ready), 0)
        shift = max(shifted - max(begin, self.end, self.ready), 0)
        self.weight_stall += stall
        self.weight_shift += shift
        self.non_matrix += start - self.end - stall - shift
        self.active += streamed
        self.taken.append(begin)
        self.start, self.end = start, start + streamed
