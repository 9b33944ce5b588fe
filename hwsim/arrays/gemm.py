"""Dense GEMM array: identical weight-stationary tiles with double-buffered weight registers.

A *fold* is a block of rows (K) x cols (N) weights held in one tile while M activation rows stream
through it. The next fold's weights come in through the tile's own port meanwhile, so a fold takes
the longer of the two. The tile adds partial sums of successive K folds in its scratchpad; rows
that do not fit there go in chunks, and each chunk needs the weights again. Where the scratchpad has room for
activations, windows of a convolution are made there (`hwsim.arrays.windows`).

Folds spread over the tiles in a grid: blocks of output columns (and groups), blocks of K, whose
partial sums are then reduced through the shared memory, and blocks of M, which load the same
weights in several tiles. The grid that takes least time is used, be it for its cycles or for the words that
it moves in the shared memory; ties go to the fewest words moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from math import gcd, inf
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hwsim.arrays.base import Action, ArrayCost
from hwsim.arrays.counting import (
    ACCUMULATOR,
    MATRIX_KINDS,
    Gemm,
    add_counts,
    fitting,
    gemm_of,
    mac_counts,
    psum_bits,
    require_arithmetic,
    require_kind,
    stationary_tensor,
    useful_macs,
)
from hwsim.arrays.windows import Pieces, staged
from hwsim.compiled import njit, tiered
from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.layer import OPERAND_BITS

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer


LEAST_ROWS = 8
"""Rows of the smallest block: those of one instruction of a tensor core."""


class Grid(NamedTuple):
    """How the folds of one layer spread over the tiles.

    Parameters
    ----------
    column_split, depth_split, row_split : int
        Tiles side by side along output columns, K and M.
    folds : int
        Folds of the busiest tile.
    chunk : int
        Activation rows streamed per fold, at most.
    chunks : int
        Pieces the rows of one tile are cut into, as equal as they can be.
    streamed : int
        Activation rows streamed by the busiest tile, over all folds.
    paced : int
        Cycles of the busiest tile, after the first load: of each fold the rows or the next load.
    reduction : int
        Cycles a tile spends on adding the partial sums of other tiles.
    """

    column_split: int
    depth_split: int
    row_split: int
    folds: int
    chunk: int
    chunks: int
    streamed: int
    paced: int
    reduction: int


class Beside(NamedTuple):
    """Bits that a product moves in the shared memory beside an array, for the choice of a grid.

    Parameters
    ----------
    per_cycle : float
        Bits that the memory moves in a cycle; infinite where it keeps up with any array.
    fixed : float
        Bits that move however the grid is: outputs, written once, and stored weights, read once.
    word : float
        Bits of a word on its way to the port of a tile.
    activation, halo : float
        Bits of a word of a window: where the rows are in one piece, and more for every other piece, which
        fetches what it shares with the one before.
    window, second, psum : float
        Bits of a word of a window that is fetched by itself, of a word of a second operand (0 where weights
        are stored), of a partial sum.
    """

    per_cycle: float
    fixed: float
    word: float
    activation: float
    halo: float
    window: float
    second: float
    psum: float


TAKEN = 1 / 8
"""Worth of a cycle of the shared memory, in cycles: what comes from DRAM and the vector unit want it, too."""

WORDS = Beside(inf, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 2.0)
"""A memory that keeps up; a partial sum counts as two words."""


@dataclass(frozen=True)
class GemmArray:
    """Tiles of rows x cols MACs, each with its own weight port and scratchpad.

    Parameters
    ----------
    tiles, rows, cols : int
        Tiles of `rows` (K) x `cols` (N) MACs.
    load_words_per_cycle : int
        Weights that enter one tile per cycle.
    accumulator_rows : int
        Rows of `cols` partial sums that the scratchpad of one tile holds.
    gate_zeros : bool
        Whether a MAC with a zero operand saves its energy; its cycles stay.
    operand_bits : int
        Width of the multipliers: layers of wider operands are refused.
    dot_length : int
        Products added in a tree before the sum goes to the register file, as in a tensor core; 1 for a
        systolic tile, whose sums move through latches.
    activation_B : int
        Bytes of one tile's scratchpad that hold activations, for windows that overlap; 0: all windows are
        read from the shared memory.
    block_rows, block_cols : int
        A tile works on whole blocks of so many output rows and columns, as the thread blocks of a GPU do:
        blocks that do not divide among the tiles leave some of them idle in the last wave. Few rows have
        a block of the next power of two, `LEAST_ROWS` at least.
    rates : dict of str to float
        MACs per cycle of each arithmetic that the tile has, relative to rows x cols. Without rates it has
        every arithmetic up to `operand_bits`, at the same rate.
    """

    kind: ClassVar[str] = "gemm"

    tiles: int
    rows: int
    cols: int
    load_words_per_cycle: int
    accumulator_rows: int
    gate_zeros: bool = True
    operand_bits: int = 32
    dot_length: int = 1
    activation_B: int = 0
    block_rows: int = 1
    block_cols: int = 1
    rates: dict[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for key in (f.name for f in fields(self) if f.name not in ("gate_zeros", "rates")):
            least = 0 if key == "activation_B" else 1
            if getattr(self, key) < least:
                raise InputError(f"gemm array: {key} is {getattr(self, key)}, expected at least {least}")
        if self.block_cols > 1 and self.block_cols % self.cols:
            raise InputError(
                f"gemm array: block_cols is {self.block_cols}, expected 1 or a multiple of cols = {self.cols}"
            )
        for arithmetic, rate in self.rates.items():
            if arithmetic not in OPERAND_BITS or not rate > 0 or self.rows * rate % 1:
                raise InputError(
                    f"gemm array: rates.{arithmetic} is {rate}, expected the MACs per cycle of one of "
                    f"{', '.join(OPERAND_BITS)}, a whole number of rows when multiplied by rows = {self.rows}"
                )

    @property
    def arithmetics(self) -> tuple[str, ...]:
        """What the MACs multiply."""
        return tuple(self.rates) or fitting(self.operand_bits)

    def at(self, arithmetic: str) -> GemmArray:
        """Return the array as it is for one arithmetic: as many more or fewer rows as its rate says.

        The port delivers the same bits per cycle.
        """
        if not self.rates:
            return self
        return _at(self, arithmetic, self.rates.get(arithmetic, 0.0))

    @property
    def load_cycles_per_fold(self) -> int:
        """Cycles the port of a tile needs for one fold; edge folds shift through whole arrays."""
        return ceil_div(self.rows * self.cols, self.load_words_per_cycle)

    @property
    def fill_drain_cycles(self) -> int:
        """Cycles until the first rows have gone through a tile, and the last ones are out."""
        return self.rows + self.cols - 2

    def load_latches(self, words: int) -> int:
        """Latches that `words` weights are clocked into on the way to their places.

        Weights of a systolic tile move one step a cycle, so the mean weight passes half as many latches as
        a fold takes cycles to load; a tensor core has them delivered.
        """
        return words * (self.load_cycles_per_fold + 1) // 2 if self.dot_length == 1 else words

    @property
    def peak_macs_per_cycle(self) -> int:
        """MACs of all tiles."""
        return self.tiles * self.rows * self.cols

    @property
    def weights_per_fold(self) -> int:
        """Weights of one fold: a tile full."""
        return self.rows * self.cols

    def fold_cycles(self, layer: Layer, batch: int) -> int:
        """Cycles from one fold to the next: the port loads it, or activation rows stream through it."""
        gemm, array = gemm_of(layer, batch), self.at(layer.arithmetic)
        rows = ceil_div(gemm.m, array.grid(gemm).row_split)
        return max(array.load_cycles_per_fold, min(rows, array.accumulator_rows))

    def grid(self, gemm: Gemm, beside: Beside = WORDS) -> Grid:
        """Choose how `gemm` spreads over the tiles."""
        return _best_grid(self, gemm, beside)

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer` beside a memory that keeps up: see `ArrayModel`."""
        return self.cost_beside(layer, batch, inf)

    def cost_beside(self, layer: Layer, batch: int, bits_per_cycle: float) -> ArrayCost:
        """Cost of `batch` items of `layer` beside a memory: see `SharesMemory`."""
        require_kind(layer, batch, MATRIX_KINDS, "gemm")
        require_arithmetic(layer, self.arithmetics, "gemm")
        if self.rates:
            return self.at(layer.arithmetic).cost_beside(layer, batch, bits_per_cycle)
        gemm = gemm_of(layer, batch)
        grid = self.grid(gemm, self._beside(layer, gemm, bits_per_cycle))
        load, fill_drain = self.load_cycles_per_fold, self.fill_drain_cycles
        return ArrayCost(
            cycles=load + grid.paced + fill_drain + grid.reduction,
            compute_cycles=grid.streamed + fill_drain + grid.reduction,
            load_cycles=grid.folds * load,
            macs=gemm.macs,
            useful_macs=useful_macs(layer, gemm.macs),
            peak_macs_per_cycle=self.peak_macs_per_cycle,
            counts=self._counts(layer, gemm, grid),
        )

    def _beside(self, layer: Layer, gemm: Gemm, bits_per_cycle: float) -> Beside:
        bits = layer.operand_bits
        one = self._bits_of_a_window(layer, gemm, 1)
        cuts = min(gemm.m, self.tiles) - 1
        halo = (self._bits_of_a_window(layer, gemm, cuts + 1) - one) / cuts if cuts else 0.0
        second = bits if stationary_tensor(layer) == "activations" else 0
        stored = layer.weights.total_bits if layer.weights else 0
        fixed = gemm.m * gemm.n * gemm.groups * bits + stored
        sizes = (fixed, bits, one, halo, bits, second, psum_bits(layer))
        return Beside(bits_per_cycle, *(float(size) for size in sizes))

    def _bits_of_a_window(self, layer: Layer, gemm: Gemm, pieces: int) -> float:
        """Bits from the shared memory for a word of a window, rows being cut into so many pieces."""
        rows = ceil_div(gemm.m, pieces)
        fetched, windows = staged(layer, Pieces(gemm.m, rows, rows), self.rows, self.activation_B)
        return layer.operand_bits * (1 - (windows - fetched) / (gemm.m * gemm.k))

    def _counts(self, layer: Layer, gemm: Gemm, grid: Grid) -> dict[Action, int]:
        bits = layer.operand_bits
        stationary = stationary_tensor(layer)
        outputs = gemm.m * gemm.n * gemm.groups
        loaded = gemm.k * gemm.n * gemm.groups * grid.row_split * grid.chunks
        depth_folds = ceil_div(gemm.k, self.rows)
        accumulated = outputs * (depth_folds - grid.depth_split)
        reduced = outputs * (grid.depth_split - 1)
        counts: dict[Action, int] = {
            (stationary, "array_port", "word"): loaded,
            **self._streamed(layer, gemm, grid),
            ("activations", "sram", "write_bit"): outputs * bits,
            ("psums", "scratchpad", "read_bit"): accumulated * psum_bits(layer),
            ("psums", "scratchpad", "write_bit"): accumulated * psum_bits(layer),
            ("psums", "sram", "read_bit"): reduced * psum_bits(layer),
            ("psums", "sram", "write_bit"): reduced * psum_bits(layer),
            ("psums", "mac", f"add_{ACCUMULATOR[layer.arithmetic]}"): reduced,
        }
        loads: dict[Action, int] = {(stationary, "register", "latch_bit"): self.load_latches(loaded) * bits}
        moves = add_counts(mac_counts(layer, gemm, self.gate_zeros, dot_length=self.dot_length), loads)
        return add_counts(counts, moves)

    def _streamed(self, layer: Layer, gemm: Gemm, grid: Grid) -> dict[Action, int]:
        """Activations on their way into the tiles: from the shared memory, or through the scratchpads.

        A multicast read serves tiles side by side, and each writes its own copy.
        """
        width = max(self.cols, self.block_cols)
        blocks = ceil_div(gemm.n, width)
        columns = blocks * gemm.groups
        reads = int(multicasts(blocks, gemm.groups, grid.column_split))
        pieces = Pieces(gemm.m, ceil_div(gemm.m, grid.row_split), grid.chunk)
        fetched, windows = staged(layer, pieces, self.rows, self.activation_B)
        bits = layer.operand_bits
        return {
            ("activations", "sram", "read_bit"): (gemm.m * gemm.k - windows + fetched) * reads * bits,
            ("activations", "scratchpad", "write_bit"): fetched * columns * bits,
            ("activations", "scratchpad", "read_bit"): windows * columns * (width // self.cols) * bits,
        }


@lru_cache(maxsize=256)
def _at(array: GemmArray, arithmetic: str, rate: float) -> GemmArray:
    bits = OPERAND_BITS[arithmetic]
    return replace(
        array,
        rates={},
        operand_bits=bits,
        rows=round(array.rows * rate),
        dot_length=max(1, round(array.dot_length * rate)),
        load_words_per_cycle=max(1, array.load_words_per_cycle * array.operand_bits // bits),
    )


@lru_cache(maxsize=65536)
def _best_grid(array: GemmArray, gemm: Gemm, beside: Beside) -> Grid:
    block_cols = max(array.cols, array.block_cols)
    block_rows = min(array.block_rows, max(LEAST_ROWS, 1 << (gemm.m - 1).bit_length()))
    return Grid(
        *_search(
            gemm,
            (ceil_div(gemm.n, block_cols), ceil_div(gemm.k, array.rows)),
            (block_rows, block_cols // array.cols),
            array.tiles,
            array.load_cycles_per_fold,
            array.fill_drain_cycles,
            array.accumulator_rows,
            beside,
        )
    )


_ceil_div = njit(cache=True)(ceil_div)


@tiered(turns=lambda _gemm, _shape, _block, tiles, *_: tiles * tiles.bit_length())
@njit(cache=True)
def _search(
    gemm: Gemm,
    shape: tuple[int, int],
    block: tuple[int, int],
    tiles: int,
    load: int,
    fill_drain: int,
    accumulator_rows: int,
    beside: Beside,
) -> tuple[int, int, int, int, int, int, int, int, int]:
    """Try every grid, and return the fields of the best.

    `shape` are blocks of columns in a group, and folds of the depth; `block` the rows and folds of a block.
    """
    rows, words = gemm.m, float(gemm.n * gemm.k * gemm.groups)
    group_columns, depths = shape
    columns = group_columns * gemm.groups
    best = (np.inf, np.inf, 0, 0)
    grid = (1, 1, 1, 1, 1, 1, 1, 1, 0)
    blocks = _ceil_div(rows, block[0])
    for column_split in range(1, min(columns, tiles) + 1):
        column_folds = _ceil_div(columns, column_split) * block[1]
        reads = float(gemm.m * gemm.k) * multicasts(group_columns, gemm.groups, column_split)
        for depth_split in range(1, min(depths, tiles // column_split) + 1):
            depth_folds = _ceil_div(depths, depth_split)
            reduced = 2.0 * gemm.m * gemm.n * gemm.groups * (depth_split - 1)
            for row_split in range(1, min(blocks, tiles // (column_split * depth_split)) + 1):
                tile_rows = _ceil_div(blocks, row_split) * block[0]
                chunks = _ceil_div(tile_rows, accumulator_rows)
                least, larger = tile_rows // chunks, tile_rows % chunks
                turns = column_folds * depth_folds
                paced = turns * (larger * max(least + 1, load) + (chunks - larger) * max(least, load))
                paced += least - max(least, load)
                # the reducing tiles share the outputs and read the other partial sums, cols a cycle
                reduction = _ceil_div(tile_rows * column_folds * (depth_split - 1), depth_split)
                loads = row_split * chunks
                word = min(beside.activation + (loads - 1) * beside.halo, beside.window)
                bits = reads * word + loads * words * beside.second + reduced * beside.psum
                moved = bits + loads * words * beside.word
                busy = float(load + paced + fill_drain + reduction)
                taken = (beside.fixed + bits) / beside.per_cycle
                cycles = max(busy, taken) + TAKEN * taken
                key = (cycles, moved, loads, depth_split)
                if key < best:
                    best = key
                    chunk = least + (larger > 0)
                    streamed = turns * tile_rows
                    grid = (
                        column_split,
                        depth_split,
                        row_split,
                        turns * chunks,
                        chunk,
                        chunks,
                        streamed,
                        paced,
                        reduction,
                    )
    return grid


@tiered()
@njit(cache=True)
def multicasts(blocks: int, groups: int, column_split: int) -> int:
    """How often the activations of a group are read, summed over groups.

    Tiles side by side along the output columns of one group share a multicast read. The number of (group,
    round of blocks) pairs follows from laying groups of `blocks` over rounds of `column_split`.
    """
    columns = blocks * groups
    together = columns * gcd(blocks, column_split)
    return groups + _ceil_div(columns, column_split) - _ceil_div(together, blocks * column_split)
