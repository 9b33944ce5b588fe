"""N:M structured sparsity: of every M weights along the depth, at most N are not zero.

Skipping packs the N kept weights of each group, with the index of each, into the array: a fold
covers M / N times the depth, so cycles fall by N / M. Gating is separate: it saves the energy of
zeros that remain. A layer whose pattern is known and breaks the rule runs dense; one without a
pattern is taken to follow it if its density allows.

Reference: A. Mishra et al., "Accelerating Sparse Deep Neural Networks", arXiv 2104.08378 (2:4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hwsim.arrays.counting import gemm_of, useful_macs
from hwsim.arrays.gemm import GemmArray
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.arrays.base import Action, ArrayCost
    from hwsim.workload.layer import Layer


@dataclass(frozen=True)
class StructuredArray:
    """Dense GEMM tiles that can skip N:M structured zeros.

    Parameters
    ----------
    tiles, rows, cols, load_words_per_cycle, accumulator_rows : int
        See `GemmArray`.
    kept, group : int
        At most `kept` non-zero weights in every `group` along the depth.
    skip_zeros : bool
        Whether structured zeros save cycles.
    gate_zeros : bool
        Whether a MAC with a zero operand saves its energy.
    """

    kind: ClassVar[str] = "structured"

    tiles: int
    rows: int
    cols: int
    load_words_per_cycle: int
    accumulator_rows: int
    kept: int
    group: int
    skip_zeros: bool = True
    gate_zeros: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.kept <= self.group:
            raise InputError(f"structured array: kept is {self.kept}, expected 1 to group = {self.group}")
        self._dense  # noqa: B018 - the dense array checks what both have in common

    @property
    def _dense(self) -> GemmArray:
        return GemmArray(
            self.tiles,
            self.rows,
            self.cols,
            self.load_words_per_cycle,
            self.accumulator_rows,
            self.gate_zeros,
        )

    @property
    def peak_macs_per_cycle(self) -> int:
        """MACs of all tiles, those that multiply zeros included."""
        return self._dense.peak_macs_per_cycle

    def skips(self, layer: Layer) -> bool:
        """Whether the structured zeros of `layer` save cycles on this array."""
        if not self.skip_zeros or layer.kind == "matmul" or layer.weight_density > self.kept / self.group:
            return False
        if layer.pattern is None:
            return True
        padding = -layer.depth % self.group
        padded = np.pad(layer.pattern, ((0, 0), (0, padding)))
        return bool((padded.reshape(-1, self.group).sum(axis=1) <= self.kept).all())

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`: see `ArrayModel`."""
        if not self.skips(layer):
            return self._dense.cost(layer, batch)
        packed = self._packed(layer)
        cost = self._dense.cost(packed, batch)
        gemm = gemm_of(layer, batch)
        moved = cost.counts["weights", "array_port", "word"]
        dense_reads = cost.counts["activations", "sram", "read_bit"] * layer.depth // packed.depth
        changed: dict[Action, int] = {
            # every input still arrives: the index of a kept weight selects its own
            ("activations", "sram", "read_bit"): dense_reads,
            ("weights", "register", "latch_bit"): cost.counts["weights", "register", "latch_bit"]
            + self._dense.load_latches(moved) * (self.group - 1).bit_length(),
        }
        return replace(cost, useful_macs=useful_macs(layer, gemm.macs), counts=cost.counts | changed)

    def _packed(self, layer: Layer) -> Layer:
        depth = ceil_div(layer.depth, self.group) * self.kept
        density = min(layer.weight_density * layer.depth / depth, 1.0)
        return replace(layer, depth=depth, weight_density=density, pattern=None)
