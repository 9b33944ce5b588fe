"""Systolic array: output-, weight- or input-stationary, cycle for cycle as SCALE-Sim 3.0.0.

The GEMM of M output pixels, N filters and depth K is cut into folds that do not overlap, and an
edge fold costs as much as a full one:

==================  ==========  ==========  ===========  ==============================
dataflow            over rows   over cols   streamed     cycles of one fold
==================  ==========  ==========  ===========  ==============================
output-stationary   M           N           T = K        T + R + C - 2
weight-stationary   K           N           T = M        R (load) + T + R + C - 2
input-stationary    K           M           T = N        R (load) + T + R + C - 2
==================  ==========  ==========  ===========  ==============================

SCALE-Sim reports the index of the last cycle, so `cycles` is one less than the cycles occupied; a single
multiply-accumulate on a 1 x 1 array still takes one.

On-chip accesses equal SCALE-Sim's with three differences. It counts R + C writes too many for
every output-stationary fold; it counts each partial sum it spills but not its way back; and it
prices partial sums as outputs, where here they have the accumulator's width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from hwsim.arrays.base import Action, ArrayCost
from hwsim.arrays.counting import (
    MATRIX_KINDS,
    Gemm,
    Held,
    add_counts,
    gemm_of,
    mac_counts,
    psum_bits,
    require_kind,
    stationary_tensor,
    useful_macs,
)
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer

Dataflow = Literal["os", "ws", "is"]
HELD: dict[Dataflow, Held] = {"os": "sums", "ws": "weights", "is": "inputs"}


class Folds(NamedTuple):
    """How a GEMM folds onto the array: folds over its rows and columns, and rows streamed."""

    over_rows: int
    over_cols: int
    streamed: int


class Accesses(NamedTuple):
    """On-chip accesses in words: inputs and filters into the array, outputs and partial sums out.

    `psums` are spilled and read back: that many writes and that many reads.
    """

    inputs: int
    filters: int
    outputs: int
    psums: int


@dataclass(frozen=True)
class SystolicArray:
    """One array of rows x cols MACs that passes operands from neighbour to neighbour.

    Parameters
    ----------
    rows, cols : int
    dataflow : {"os", "ws", "is"}
        Which operand stays: output, weight or input.
    gate_zeros : bool
        Whether a MAC with a zero operand saves its energy; its cycles stay.
    """

    kind: ClassVar[str] = "systolic"

    rows: int
    cols: int
    dataflow: Dataflow
    gate_zeros: bool = False

    def __post_init__(self) -> None:
        for key in ("rows", "cols"):
            if getattr(self, key) < 1:
                raise InputError(f"systolic array: {key} is {getattr(self, key)}, expected at least 1")
        if self.dataflow not in ("os", "ws", "is"):
            raise InputError(f"systolic array: dataflow is {self.dataflow!r}, expected os, ws or is")

    @property
    def peak_macs_per_cycle(self) -> int:
        """All MACs of the array."""
        return self.rows * self.cols

    def folds(self, gemm: Gemm) -> Folds:
        """Fold one group of `gemm` onto the array."""
        over_rows, over_cols, streamed = {
            "os": (gemm.m, gemm.n, gemm.k),
            "ws": (gemm.k, gemm.n, gemm.m),
            "is": (gemm.k, gemm.m, gemm.n),
        }[self.dataflow]
        return Folds(ceil_div(over_rows, self.rows), ceil_div(over_cols, self.cols), streamed)

    def accesses(self, gemm: Gemm) -> Accesses:
        """Words that cross between the array and the on-chip memory, all groups."""
        m, n, k, groups = gemm
        over_rows, over_cols, _ = self.folds(gemm)
        if self.dataflow == "os":
            inputs, filters, spills = m * k * over_cols, k * n * over_rows, 0
        elif self.dataflow == "ws":
            inputs, filters, spills = m * k * over_cols, k * n, over_rows - 1
        else:
            inputs, filters, spills = m * k, k * n * over_cols, over_rows - 1
        return Accesses(inputs * groups, filters * groups, m * n * groups, m * n * groups * spills)

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`: see `ArrayModel`."""
        require_kind(layer, batch, MATRIX_KINDS, "systolic")
        gemm = gemm_of(layer, batch)
        over_rows, over_cols, streamed = self.folds(gemm)
        count = over_rows * over_cols * gemm.groups
        load = 0 if self.dataflow == "os" else self.rows
        per_fold = load + streamed + self.rows + self.cols - 2
        occupied = count * per_fold
        cycles = max(occupied - 1, 1)
        return ArrayCost(
            cycles=cycles,
            compute_cycles=count * streamed,
            load_cycles=count * load,
            macs=gemm.macs,
            useful_macs=useful_macs(layer, gemm.macs),
            peak_macs_per_cycle=self.peak_macs_per_cycle,
            counts=self._counts(layer, gemm),
            uncounted_cycles=occupied - cycles,
        )

    def _counts(self, layer: Layer, gemm: Gemm) -> dict[Action, int]:
        bits = layer.operand_bits
        words = self.accesses(gemm)
        counts: dict[Action, int] = {
            (stationary_tensor(layer), "array_port", "word"): words.filters,
            ("activations", "sram", "read_bit"): words.inputs * bits,
            ("activations", "sram", "write_bit"): words.outputs * bits,
            ("psums", "sram", "write_bit"): words.psums * psum_bits(layer),
            ("psums", "sram", "read_bit"): words.psums * psum_bits(layer),
        }
        held = HELD[self.dataflow]
        loads: dict[Action, int] = {}
        if held != "sums":
            tensor, loaded = (
                (stationary_tensor(layer), words.filters)
                if held == "weights"
                else ("activations", words.inputs)
            )
            # row r of a fold is reached through r latches
            loads[tensor, "register", "latch_bit"] = loaded * (self.rows + 1) // 2 * bits
        moves = add_counts(mac_counts(layer, gemm, self.gate_zeros, held), loads)
        return add_counts(counts, moves)
