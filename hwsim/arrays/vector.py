"""Vector unit: pooling, element-wise and softmax work, so that no layer is free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.arrays.base import Action, ArrayCost
from hwsim.arrays.counting import require_kind
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer


@dataclass(frozen=True)
class VectorUnit:
    """Scalar lanes that each finish one operation per cycle.

    Operands are read from the shared memory once and results written once: a pooling window is
    held in line buffers. Filling the pipeline is not counted.

    Parameters
    ----------
    lanes : int
    """

    lanes: int

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise InputError(f"vector unit: lanes is {self.lanes}, expected at least 1")

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`: see `ArrayModel`; its operations are not MACs."""
        require_kind(layer, batch, ("vector",), "vector")
        ops = layer.vector_ops * batch
        cycles = ceil_div(ops, self.lanes)
        counts: dict[Action, int] = {
            ("activations", "vector", f"op_{layer.arithmetic}"): ops,
            ("activations", "sram", "read_bit"): layer.input_elements * layer.operand_bits * batch,
            ("activations", "sram", "write_bit"): layer.output_elements * layer.operand_bits * batch,
        }
        return ArrayCost(
            cycles=cycles,
            compute_cycles=cycles,
            load_cycles=0,
            macs=0,
            useful_macs=0,
            peak_macs_per_cycle=0,
            counts={action: count for action, count in counts.items() if count},
        )
