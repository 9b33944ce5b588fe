"""The tables of a chip file, as they are validated: keys, units and ranges."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from hwsim.arrays.base import ArrayModel, capable

Capability = TypeVar("Capability", bound=ArrayModel)

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1 << 48)]
Rate = Annotated[float, Field(ge=1e-6, le=1e12, allow_inf_nan=False)]
"""Per second, cycle or tick: slower or faster, and time could not be counted in whole ticks."""
Delay = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
"""Nanoseconds: up to a second."""
ArrayCount = Annotated[int, Field(le=1 << 31)]
"""A whole number of an array, which says itself how small it may be."""


class Section(BaseModel):
    """One table of a chip file."""

    model_config = STRICT


class Process(Section):
    """Technology and clock of the die."""

    node_nm: Count
    voltage_V: Positive
    clock_GHz: Annotated[float, Field(ge=1e-6, le=1e3, allow_inf_nan=False)]
    die_mm2: Positive
    energy_table: str
    """Energy table for arithmetic, registers and SRAM banks: a name, or a .csv file.

    A relative path in a chip file is relative to the folder of that file.
    """


class Sram(Section):
    """The on-chip memory that all tiles share."""

    capacity_B: Count
    bank_B: Count
    """Size of one SRAM bank. The energy of an access depends on it, not on the whole capacity."""
    wire_mm: NonNegative
    """Mean wire length from a bank to a tile. Every bit read or written pays for it."""
    bandwidth_B_per_cycle: Count
    cell: Literal["", "itrs-hp", "itrs-lstp"] = ""
    """Cells of CACTI (fast and leaky, or slow and tight) that a change of capacity is taken to add or remove;
    empty where the chip file does not say: then the leakage does not follow."""
    holds_weights: bool = True
    """Whether weights may stay here. False where weights come through a FIFO of their own."""


class Scratchpad(Section):
    """Tile-local memory for activations and partial sums."""

    bank_B: Count


class Decoder(Section):
    """Entropy decoders between stored weights and the arrays."""

    count: Count
    symbols_per_cycle: Rate
    """Rate of one decoder."""
    place: Literal["array", "dram"]
    """Decode at every use (small footprint) or once at the DRAM boundary (large footprint)."""
    table_B: Count
    """Size of the small SRAM that holds one decoder's look-up table."""
    symbol_bits: Count
    """Bits of one table entry."""


class Dram(Section):
    """Off-chip memory, all channels together."""

    type: str
    """A type of `hwsim.energy.dram`, which gives rows and banks."""
    channels: Count
    bandwidth_GB_per_s: Rate
    latency_ns: Delay
    burst_B: Annotated[int, Field(ge=1, le=1 << 20)]
    turnaround_ns: Delay
    energy_pJ_per_bit: Positive
    """Energy of one bit moved, including row activation and I/O. Standby power is separate."""
    standby_W: NonNegative
    capacity_B: Count | None = None
    """Bytes that it holds; None where the chip file does not say: then no network is too large."""


class Buffers(Section):
    """Slots through which weights stream to the arrays."""

    slot_B: Count
    """Largest number of encoded bytes per step."""
    fetch_depth: Count
    decode_depth: Count
    buffering: Literal["single", "streaming", "double"] = "streaming"
    """Which blocks of a layer that is cut have two buffers: none, those that stream, or all."""


class Power(Section):
    """The power cap and static power."""

    cap_W: Positive
    scope: Literal["board", "die"]
    """Whether DRAM counts against the cap."""
    window_us: Positive
    """Length of the aligned windows over which power is averaged."""
    clock_steps: Count
    """Number of equal clock steps, up to the nominal clock, that a governor can choose from."""
    leakage_W: NonNegative
    board_W: NonNegative
    """Fans, regulators and host interface."""


class VectorUnit(Section):
    """Scalar lanes for pooling, element-wise and softmax work, all tiles together."""

    lanes: Count


class Machine(Section):
    """What a chip file says of a machine: its tables, and where its figures come from."""

    model_config = STRICT | ConfigDict(arbitrary_types_allowed=True)

    name: str
    description: str
    fusion: Literal["none", "elementwise", "depth-first"] = "depth-first"
    """What runs together: see `hwsim.mapping.fusion`."""
    process: Process
    array: ArrayModel
    vector: VectorUnit
    sram: Sram
    scratchpad: Scratchpad
    decoder: Decoder
    dram: Dram
    buffers: Buffers
    power: Power
    sources: dict[str, str]

    @property
    def static_W(self) -> float:
        """Static power of the whole board: leakage, DRAM standby and the board's own power."""
        return self.power.leakage_W + self.dram.standby_W + self.power.board_W

    @property
    def tick_s(self) -> float:
        """Seconds of one tick: a cycle of the nominal clock."""
        return 1e-9 / self.process.clock_GHz

    def array_with(self, capability: type[Capability]) -> Capability:
        """Return the array, checked to have a capability of `hwsim.arrays.base`.

        Raises
        ------
        InputError
            If the array does not have it.
        """
        return capable(self.array, capability, f"chip {self.name}")
