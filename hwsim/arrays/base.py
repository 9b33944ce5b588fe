"""The contract of a MAC array: a layer in, cycles and action counts out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hwsim.workload import Layer

Action = tuple[str, str, str]
"""(tensor, component, action), for example ``("weights", "sram", "read_bit")``."""


@dataclass(frozen=True)
class ArrayCost:
    """What one layer costs on the arrays of a chip, before any waiting for memory.

    Parameters
    ----------
    cycles : int
        Core cycles the arrays are occupied, weight loading included.
    compute_cycles, load_cycles : int
        Cycles the MACs would need if weights loaded for free, and the weight port if MACs were
        free; the larger one says what bounds the layer.
    macs : int
        Multiply-accumulates performed (zeros included unless the array skips them).
    useful_macs : int
        Those with no zero operand.
    peak_macs_per_cycle : int
        Of all tiles together; utilisation is ``macs / (cycles * peak_macs_per_cycle)``.
    counts : dict of Action to int
        Actions inside the arrays and between them and the on-chip memory.
    """

    cycles: int
    compute_cycles: int
    load_cycles: int
    macs: int
    useful_macs: int
    peak_macs_per_cycle: int
    counts: dict[Action, int] = field(default_factory=dict)

    @property
    def utilisation(self) -> float:
        """Fraction of the peak MAC rate in use, never above 1."""
        return self.macs / (self.cycles * self.peak_macs_per_cycle) if self.cycles else 0.0


class ArrayModel(Protocol):
    """What every array module provides.

    1. `cost` is a pure function of the layer and the batch: no state, no randomness of its own.
    2. `cycles` covers the whole batch on all tiles of the chip, fills and drains included.
    3. Counts are whole numbers of actions; memories count bits, arithmetic counts operations.
    4. ``cycles >= max(compute_cycles, load_cycles)`` and ``utilisation <= 1``.
    5. A layer the array cannot run raises `InputError` naming the layer and what it can run.
    """

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`."""
        ...
