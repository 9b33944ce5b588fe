"""The tables of a chip file, as they are validated: keys, units and ranges."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from hwsim.arrays.base import ArrayModel, Precisions, capable

Capability = TypeVar("Capability", bound=ArrayModel)

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1 << 48)]
Rate = Annotated[float, Field(ge=1e-6, le=1e12, allow_inf_nan=False)]
"""Per second, cycle or tick: slower or faster, and time could not be counted in whole ticks."""
Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
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
    place: Literal["array", "dram", "either"]
    """Decode at every use (small footprint), once at the DRAM boundary (large footprint), or each layer where
    it costs fewer joules."""
    table_B: Count
    """Size of the small SRAM that holds one decoder's look-up table."""
    symbol_bits: Count
    """Bits of one table entry."""
    instructions: Annotated[int, Field(ge=0, le=1 << 20)] = 0
    """Instructions of a vector lane for one symbol, where lanes decode and no circuit of its own; 0 for a
    circuit."""


class Dram(Section):
    """Off-chip memory, all channels together."""

    type: str
    """A type of `hwsim.energy.dram`, which gives rows and banks."""
    channels: Count
    bandwidth_GB_per_s: Rate
    efficiency: Fraction = 1.0
    """Share of the bandwidth that long transfers reach: refresh, row conflicts, turns of the bus."""
    latency_ns: Delay
    burst_B: Annotated[int, Field(ge=1, le=1 << 20)]
    turnaround_ns: Delay
    energy_pJ_per_bit: Positive
    """Energy of one bit moved, including row activation and I/O. Standby power is separate."""
    standby_W: NonNegative
    capacity_B: Count | None = None
    """Bytes that it holds; None where the chip file does not say: then no network is too large."""

    @property
    def reached_GB_per_s(self) -> float:
        """Bandwidth of long transfers."""
        return self.bandwidth_GB_per_s * self.efficiency


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
    clock_W: NonNegative = 0.0
    """Clock tree, fabric, caches and schedulers of a die that is awake, at the nominal clock and voltage:
    it falls with V^2 f, whatever the arrays do."""
    governor: Literal["clock", "dvfs"] = "clock"
    """How the board keeps its cap: a slower clock at the nominal voltage, or at the least voltage for it."""
    least_V: Positive | None = None
    """Least voltage, below which only the clock goes down; the shipped constant by default."""
    threshold_V: Positive | None = None
    """Threshold voltage of the alpha-power law; the shipped constant by default."""


class Kernels(Section):
    """What every fused kernel costs beyond its work, and what its work reaches of the peak."""

    family: str = ""
    """Family of `hwsim.machine.families`, whose constants are the keys that a chip file leaves out."""
    time_us: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 0.0
    """Launch, fill, drain and synchronisation of one kernel, at the nominal clock."""
    efficiency: Fraction = 1.0
    """Share of the peak rate of the array that a long GEMM reaches."""
    execution: Literal["sub-batches", "layer-by-layer"] = "sub-batches"
    """Whether a batch may be cut so that it stays on chip, or each kernel takes the whole batch, as the
    libraries of GPUs do it."""


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
    kernels: Kernels = Kernels()
    sources: dict[str, str]

    @property
    def static_W(self) -> float:
        """Static power of the whole board: leakage, DRAM standby and the board's own power."""
        return self.power.leakage_W + self.dram.standby_W + self.power.board_W

    @property
    def kernel_ticks(self) -> int:
        """Ticks that a kernel takes beyond its work."""
        return round(self.kernels.time_us * 1e-6 / self.tick_s)

    @property
    def tick_s(self) -> float:
        """Seconds of one tick: a cycle of the nominal clock."""
        return 1e-9 / self.process.clock_GHz

    @property
    def arithmetics(self) -> tuple[str, ...]:
        """What the array multiplies; empty if it takes all."""
        return self.array.arithmetics if isinstance(self.array, Precisions) else ()

    def array_with(self, capability: type[Capability]) -> Capability:
        """Return the array, checked to have a capability of `hwsim.arrays.base`.

        Raises
        ------
        InputError
            If the array does not have it.
        """
        return capable(self.array, capability, f"chip {self.name}")
