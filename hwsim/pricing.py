"""Energy per action on a chip, with its derivation.

Engines and schedules count actions. Only this module multiplies counts by picojoules. The energy per action
comes from the chip's energy table, the power law of its SRAM bank with the wire to it, and its DRAM type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING

from hwsim.arrays.base import OwnClock, OwnMemories, PeGrid
from hwsim.arrays.counting import ACCUMULATOR
from hwsim.energy.components import component_of
from hwsim.energy.dram import load_dram
from hwsim.energy.mixing import MIXING
from hwsim.energy.spads import spad_access
from hwsim.energy.sram import bank_access
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError
from hwsim.workload.layer import OPERAND_BITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hwsim.arrays.base import Action
    from hwsim.machine.chip import Chip


DECODER = ("symbol", "bit", "look_up_bit", "gap")
"""Actions of a decoder: a word of a prefix code, a bit of a context-mixing code, a bit of a value looked up
in a codebook, and a distance added to the position."""


@dataclass(frozen=True)
class Price:
    """Energy of one action, with its derivation and sources. Tables and plots mark low confidence."""

    pJ: float
    derivation: str
    sources: tuple[str, ...]
    low_confidence: bool


class _Known(dict[tuple[str, str], Price]):
    """Prices that have been worked out, and those that are when they are wanted first."""

    def __init__(self, work_out: Callable[[str, str], Price]) -> None:
        super().__init__()
        self.work_out = work_out

    def __missing__(self, key: tuple[str, str]) -> Price:
        price = self[key] = self.work_out(*key)
        return price


class PriceList:
    """Energy of every action of a chip, computed on demand.

    Parameters
    ----------
    chip : Chip
    table : EnergyTable, optional
        Energy table to use in place of the chip's own, for example of another node.
    """

    def __init__(self, chip: Chip, table: EnergyTable | None = None) -> None:
        self.chip = chip
        self.table = table or EnergyTable.load(chip.process.energy_table)
        self._known = _Known(self._work_out)

    def __getitem__(self, key: tuple[str, str]) -> Price:
        """Energy of one ``(component, action)``.

        Raises
        ------
        InputError
            If the component has no such action or the table no constant for it.
        """
        return self._known[key]

    def pJ(self, component: str, action: str, count: float = 1) -> float:
        """Picojoules of `count` actions of one kind.

        Raises
        ------
        InputError
            If the component has no such action or the table no constant for it.
        """
        return count * self[component, action].pJ

    def price_J(self, component: str, action: str, count: float = 1) -> float:
        """Joules of `count` actions of one kind; see `pJ`."""
        return 1e-12 * self.pJ(component, action, count)

    def energy_pJ(self, counts: Mapping[Action, int]) -> dict[Action, float]:
        """Picojoules by action, for every count that is not zero."""
        known = self._known
        return {action: count * known[action[1], action[2]].pJ for action, count in counts.items() if count}

    def joules(self, counts: Mapping[Action, int]) -> dict[Action, float]:
        """Joules by action, for every count that is not zero."""
        known = self._known
        return {
            action: 1e-12 * count * known[action[1], action[2]].pJ
            for action, count in counts.items()
            if count
        }

    def on_die_pJ(self, counts: Mapping[Action, int]) -> float:
        """Picojoules of what happens on the die."""
        return sum(self.energy_pJ(_on_die(counts)).values())

    def _work_out(self, component: str, action: str) -> Price:
        makers = {
            "dram": self._dram,
            "sram": lambda action: self._bank(self.chip.sram.bank_B, self.chip.sram.wire_mm, action),
            "scratchpad": lambda action: self._bank(self.chip.scratchpad.bank_B, 0.0, action),
            "decoder": self._decoder,
            "register": self._register,
            "mac": self._table,
            "control": self._control,
            "vector": self._vector,
            "noc": self._hop,
            "clock": self._clock,
        }
        component_of(component)
        if component.startswith("spad_"):
            spad = spad_access(self.chip.array_with(OwnMemories).memories[component], action, self.table)
            return Price(spad.pJ, spad.note, (spad.source,), spad.low_confidence)
        if component not in makers:
            raise InputError(f"component {component!r} has no price, expected one of {', '.join(makers)}")
        return makers[component](action)

    def _table(self, action: str) -> Price:
        constant = self.table[action]
        return Price(
            constant.pJ, f"{action} = {constant.pJ:g} pJ", (constant.source,), constant.low_confidence
        )

    def _register(self, action: str) -> Price:
        if action == "latch_bit":
            latch = self.table["latch_bit"]
            note = f"a latch clocked = {latch.pJ:g} pJ/bit"
            return Price(latch.pJ, note, (latch.source,), latch.low_confidence)
        if action != "access_bit":
            raise InputError(f"a register has no action {action!r}, expected 'access_bit' or 'latch_bit'")
        constant = self.table["register_32b"]
        return Price(
            constant.pJ / 32,
            f"32-bit register access / 32 bits = {constant.pJ:g} / 32 pJ",
            (constant.source,),
            constant.low_confidence,
        )

    def _bank(self, bank_B: int, wire_mm: float, action: str) -> Price:
        bank = bank_access(bank_B, self.table, action)
        if wire_mm == 0.0:
            return Price(bank.pJ, bank.note, (bank.source,), bank.low_confidence)
        wire = self.table["wire_bit_mm"]
        return Price(
            bank.pJ + wire_mm * wire.pJ,
            f"{bank.note}, plus {wire_mm:g} mm of wire at {wire.pJ:g} pJ/bit/mm",
            (bank.source, wire.source),
            bank.low_confidence or wire.low_confidence,
        )

    def _control(self, action: str) -> Price:
        if action != "issue":
            raise InputError(f"a control unit has no action {action!r}, expected 'issue'")
        whole, *apart = (
            self.table[name] for name in ("instruction_add_total", "instruction_register_file", "add_int32")
        )
        return Price(
            whole.pJ - sum(constant.pJ for constant in apart),
            f"an add instruction of {whole.pJ:g} pJ, less its registers and its add",
            (whole.source,),
            whole.low_confidence,
        )

    def _vector(self, action: str) -> Price:
        arithmetic = action.removeprefix("op_")
        if arithmetic not in ACCUMULATOR:
            raise InputError(f"a vector unit has no action {action!r}, expected 'op_fp32' or the like")
        add = self._table(f"add_{ACCUMULATOR[arithmetic]}")
        register = self._register("access_bit")
        width = OPERAND_BITS[arithmetic]
        return Price(
            add.pJ + 3 * width * register.pJ,
            f"{add.derivation}, two operands and a result of {width} bits at {register.derivation}",
            add.sources + register.sources,
            add.low_confidence or register.low_confidence,
        )

    def _hop(self, action: str) -> Price:
        if action != "hop_bit":
            raise InputError(f"a network on chip has no action {action!r}, expected 'hop_bit'")
        wire = self.table["wire_bit_mm"]
        array = self.chip.array_with(PeGrid)
        pitch_mm = sqrt(self.chip.process.die_mm2 / (array.rows * array.cols))
        return Price(
            pitch_mm * wire.pJ,
            f"{pitch_mm:.3g} mm between PEs (die area / PEs) at {wire.pJ:g} pJ/bit/mm",
            (wire.source, self.chip.sources["process.die_mm2"]),
            wire.low_confidence,
        )

    def _clock(self, action: str) -> Price:
        if action != "cycle":
            raise InputError(f"a clock network has no action {action!r}, expected 'cycle'")
        pJ = self.chip.array_with(OwnClock).clock_pJ_per_cycle
        return Price(
            pJ,
            f"clock network and control: {pJ:g} pJ a cycle",
            (self.chip.sources["array.clock_pJ_per_cycle"],),
            low_confidence=True,  # it includes everything that the other components leave out
        )

    def _dram(self, action: str) -> Price:
        if action not in ("read_bit", "write_bit"):
            raise InputError(f"DRAM has no action {action!r}, expected 'read_bit' or 'write_bit'")
        dram = self.chip.dram
        kind = load_dram(dram.type)
        return Price(
            dram.energy_pJ_per_bit,
            f"{dram.type}: {dram.energy_pJ_per_bit:g} pJ/bit moved",
            (self.chip.sources["dram.energy_pJ_per_bit"],),
            kind.low_confidence,
        )

    def _decoder(self, action: str) -> Price:
        if action not in DECODER:
            known = " or ".join(map(repr, DECODER))
            raise InputError(f"a decoder has no action {action!r}, expected {known}")
        if action == "gap":
            return self._table("add_int32")
        read = self._bank(self.chip.decoder.table_B, 0.0, "read_bit")
        if action == "look_up_bit":
            return read
        if action == "bit":
            return self._mixed_bit(read)
        decoder = self.chip.decoder
        if decoder.instructions:
            lane = self["vector", "op_fp32"]
            derivation = f"{decoder.instructions} instructions of a vector lane at {lane.derivation}"
            return replace(lane, pJ=decoder.instructions * lane.pJ, derivation=derivation)
        bits, shift = self.chip.decoder.symbol_bits, self._table("add_int32")
        return Price(
            bits * read.pJ + shift.pJ,
            f"{bits} bits from a {read.derivation}, plus a shift at {shift.derivation}",
            read.sources + shift.sources,
            read.low_confidence or shift.low_confidence,
        )

    def _mixed_bit(self, read: Price) -> Price:
        """Price of one bit of a context-mixing code, for a `read` of a bit from the decoder's tables."""
        write = self._bank(self.chip.decoder.table_B, 0.0, "write_bit")
        multiply, add = self._table("multiply_int32"), self._table("add_int32")
        parts = (multiply, add, read, write)
        return Price(
            MIXING.multiplications * multiply.pJ
            + MIXING.additions * add.pJ
            + MIXING.read_bits * read.pJ
            + MIXING.written_bits * write.pJ,
            f"{MIXING.multiplications} x {multiply.derivation}, {MIXING.additions} x {add.derivation}, "
            f"{MIXING.read_bits} bits from a {read.derivation}, {MIXING.written_bits} to it",
            tuple(dict.fromkeys(source for part in parts for source in part.sources)),
            low_confidence=True,  # the operations of a program are counted: no such decoder was measured
        )


def _on_die(counts: Mapping[Action, int]) -> dict[Action, int]:
    return {action: count for action, count in counts.items() if component_of(action[1]).on_die}
