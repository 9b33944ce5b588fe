"""Leakage cost of weights that stay on chip, compared with fetching them from DRAM.

SRAM that holds weights leaks all the time. Weights in DRAM are fetched at every inference, but the SRAM can
be switched off. The cheaper choice depends on the inference rate. If each weight is fetched once per
inference, the *break-even interval* is the energy of fetching a bit divided by the leakage power of keeping
it. It depends on the SRAM cell and the DRAM only, not on the network or its compression.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from hwsim.arrays.base import WeightPort
from hwsim.energy.cacti import cacti_bank
from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Layer

OBJECTIVE = "ED^2"


class Rent(NamedTuple):
    """Two ways to run one network.

    Parameters
    ----------
    resident_J, streamed_J : float
        Dynamic energy of one inference with all weights on chip, and with all of them fetched.
    leakage_W : float
        Of the memory that holds them.
    """

    resident_J: float
    streamed_J: float
    leakage_W: float

    def resident_at(self, per_s: float) -> float:
        """Joules of one of `per_s` inferences a second, weights on chip."""
        return self.resident_J + self.leakage_W / per_s

    @property
    def break_even_per_s(self) -> float:
        """Rate of inferences below which streaming is cheaper; infinite if it always is."""
        saved = self.streamed_J - self.resident_J
        return self.leakage_W / saved if saved > 0 else math.inf


def bank_leakage_W(size_B: float, bank_B: int, width_bits: int, node_nm: int, cell: str) -> float:
    """Leakage of `size_B` bytes in banks of `bank_B`, at 350 K, by CACTI; whole banks stay on.

    Raises
    ------
    InputError
        If the size is not positive, or CACTI has no such bank.
    """
    if not 0 < size_B < math.inf:
        raise InputError(f"{size_B:g} B of SRAM, expected more than 0")
    return math.ceil(size_B / bank_B) * cacti_bank(bank_B, width_bits, node_nm, cell, OBJECTIVE).leakage_W


def break_even_s(fetch_pJ_per_bit: float, leakage_W_per_bit: float) -> float:
    """Longest time between two uses of a bit for which keeping it costs no more than fetching it."""
    return 1e-12 * fetch_pJ_per_bit / leakage_W_per_bit


def decoders_to_keep_up(chip: Chip, layer: Layer, batch: int) -> int:
    """Decoders per tile that keep a dense array's weight port, or its MACs, busy.

    While one fold of weights computes, for as many cycles as its port or its rows of activations
    take, the symbols of the next must be decoded.

    Raises
    ------
    InputError
        If the array has no tiles with weight ports, or the layer no weights.
    """
    array = chip.array_with(WeightPort)
    if layer.weights is None:
        raise InputError(f"layer {layer.name}: no weights to decode, expected some")
    symbols_per_fold = layer.weights.symbols / layer.weight_count * array.weights_per_fold
    return math.ceil(symbols_per_fold / array.fold_cycles(layer, batch) / chip.decoder.symbols_per_cycle)
