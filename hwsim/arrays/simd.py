"""SIMD processor: cores of vector lanes that run any product, at the price of an instruction each.

A core keeps a block of outputs in its registers: one column a lane, and up to `accumulator_rows`
rows. For every step of the depth it issues one instruction to load a vector of weights, and one
multiply-add for each row, whose activation is broadcast to all lanes. Nothing moves between
lanes, so any shape fills them that has enough columns; few rows leave few multiply-adds to each
load. Blocks, and pieces of the depth where there are fewer blocks than cores, spread over the cores;
the rows per block and the pieces that take the fewest cycles are used.

Reference: M. Horowitz, "Computing's energy problem", ISSCC 2014: an instruction costs many times what
it computes, and width is what amortises it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from hwsim.arrays.base import Action, ArrayCost
from hwsim.arrays.counting import (
    ACCUMULATOR,
    MATRIX_KINDS,
    Gemm,
    gemm_of,
    psum_bits,
    require_kind,
    stationary_tensor,
    useful_macs,
)
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer


class Blocking(NamedTuple):
    """How one product spreads over the cores.

    Parameters
    ----------
    rows : int
        Of one block; it has a column a lane.
    pieces : int
        Of the depth, on as many cores, whose sums are added up at the end.
    rounds : int
        Blocks and pieces that the busiest core works off, one after another.
    steps : int
        Depth of one piece.
    reduction : int
        Cycles of adding up pieces, each partial sum going through the shared memory.
    """

    rows: int
    pieces: int
    rounds: int
    steps: int
    reduction: int

    @property
    def multiply_cycles(self) -> int:
        """Multiply-adds of the busiest core, and what follows them."""
        return self.rounds * self.steps * self.rows + self.reduction

    @property
    def cycles(self) -> int:
        """The same with loads of weights."""
        return self.multiply_cycles + self.rounds * self.steps


@dataclass(frozen=True)
class SimdArray:
    """Cores that each issue one vector instruction per cycle.

    Parameters
    ----------
    cores, lanes : int
    accumulator_rows : int
        Vectors of partial sums that fit the registers of a core.
    port_words : int
        Words per cycle that all cores together exchange with the shared memory.
    """

    kind: ClassVar[str] = "simd"

    cores: int
    lanes: int
    accumulator_rows: int
    port_words: int

    def __post_init__(self) -> None:
        for key in ("cores", "lanes", "accumulator_rows", "port_words"):
            if getattr(self, key) < 1:
                raise InputError(f"simd array: {key} is {getattr(self, key)}, expected at least 1")

    @property
    def peak_macs_per_cycle(self) -> int:
        """One multiply-add per lane."""
        return self.cores * self.lanes

    def blocking(self, gemm: Gemm) -> Blocking:
        """Choose how `gemm` spreads over the cores."""
        return _best_blocking(self, gemm)

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`: see `ArrayModel`."""
        require_kind(layer, batch, MATRIX_KINDS, "simd")
        gemm = gemm_of(layer, batch)
        found = self.blocking(gemm)
        return ArrayCost(
            cycles=found.cycles,
            compute_cycles=found.multiply_cycles,
            load_cycles=found.rounds * found.steps,
            macs=gemm.macs,
            useful_macs=useful_macs(layer, gemm.macs),
            peak_macs_per_cycle=self.peak_macs_per_cycle,
            counts={action: n for action, n in self._counts(layer, gemm, found).items() if n},
        )

    def _counts(self, layer: Layer, gemm: Gemm, found: Blocking) -> dict[Action, int]:
        bits = layer.operand_bits
        stationary = stationary_tensor(layer)
        outputs = gemm.m * gemm.n * gemm.groups
        columns = ceil_div(gemm.n, self.lanes) * gemm.groups
        loaded = gemm.k * gemm.n * gemm.groups * ceil_div(gemm.m, found.rows)
        broadcast = columns * gemm.m * gemm.k
        reduced = outputs * (found.pieces - 1)
        loads = columns * ceil_div(gemm.m, found.rows) * gemm.k
        counts: dict[Action, int] = {
            ("mac", "control", "issue"): loads + broadcast + ceil_div(reduced, self.lanes),
            ("mac", "mac", f"multiply_{layer.arithmetic}"): gemm.macs,
            ("mac", "mac", f"add_{ACCUMULATOR[layer.arithmetic]}"): gemm.macs + reduced,
            ("psums", "register", "access_bit"): 2 * gemm.macs * psum_bits(layer),
            ("psums", "sram", "read_bit"): reduced * psum_bits(layer),
            ("psums", "sram", "write_bit"): reduced * psum_bits(layer),
            (stationary, "array_port", "word"): loaded,
        }
        moves: list[tuple[Action, int]] = [
            ((stationary, "register", "access_bit"), (loaded + gemm.macs) * bits),
            (("activations", "register", "access_bit"), gemm.macs * bits),
            (("activations", "scratchpad", "read_bit"), broadcast * bits),
            (("activations", "scratchpad", "write_bit"), broadcast * bits),
            (("activations", "sram", "read_bit"), gemm.m * gemm.k * gemm.groups * bits),
            (("activations", "sram", "write_bit"), outputs * bits),
        ]
        for action, count in moves:
            counts[action] = counts.get(action, 0) + count
        return counts


@lru_cache(maxsize=65536)
def _best_blocking(array: SimdArray, gemm: Gemm) -> Blocking:
    """Fewest cycles; ties go to more rows, which load fewer weights, then to fewer pieces."""
    columns = ceil_div(gemm.n, array.lanes) * gemm.groups
    outputs = gemm.m * gemm.n * gemm.groups
    found = []
    for rows in range(1, min(array.accumulator_rows, gemm.m) + 1):
        blocks = columns * ceil_div(gemm.m, rows)
        most = min(gemm.k, max(1, array.cores // blocks))
        for pieces in {most >> shift for shift in range(most.bit_length())}:
            reduction = ceil_div(2 * outputs * (pieces - 1), array.port_words)
            rounds = ceil_div(blocks * pieces, array.cores)
            found.append(Blocking(rows, pieces, rounds, ceil_div(gemm.k, pieces), reduction))
    return min(found, key=lambda blocking: (blocking.cycles, -blocking.rows, blocking.pieces))
