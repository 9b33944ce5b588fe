"""The contract of a MAC array: a layer in, cycles and action counts out.

The vocabulary of counts is (tensor, component, action). Tensors are ``weights``, ``activations``
and ``psums``; ``mac`` stands for arithmetic and ``clock`` for the clock network, which belong to none.

==============  ============================  =======================================================
component       action                        counted
==============  ============================  =======================================================
``mac``         ``multiply_fp32``, ...        multiplies executed, named by operand type
``mac``         ``add_fp32``, ``add_int32``   adds, named by accumulator type
``register``    ``access_bit``                bits read or written in register files inside the array
``register``    ``latch_bit``                 bits clocked into pipeline latches between MACs
``spad_...``    ``read_bit``, ``write_bit``   bits of a memory inside each PE, in whole words;
                                              `OwnMemories.memories` gives its size and width
``scratchpad``  ``read_bit``, ``write_bit``   bits of the memory of one tile
``sram``        ``read_bit``, ``write_bit``   bits of the memory all tiles share
``array_port``  ``word``                      stationary operands delivered into the array, each
                                              delivery to each tile (reads of *stored* weights are
                                              the schedule's: only it knows how they are encoded)
``noc``         ``hop_bit``                   bits moved between neighbouring PEs
``vector``      ``op_fp32``, ...              scalar operations of the vector unit
``control``     ``issue``                     instructions fetched and decoded, whatever their width
``clock``       ``cycle``                     cycles the array works, where its clock network and
                                              control have an energy: see `OwnClock`
==============  ============================  =======================================================
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer

Action = tuple[str, str, str]
"""(tensor, component, action), for example ``("weights", "sram", "read_bit")``."""


class Memory(NamedTuple):
    """One bank of a memory inside an array: what sets the energy of an access."""

    bank_B: int
    word_bits: int


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
    uncounted_cycles : int
        Occupied cycles that `cycles` leaves out by convention; utilisation includes them.
    """

    cycles: int
    compute_cycles: int
    load_cycles: int
    macs: int
    useful_macs: int
    peak_macs_per_cycle: int
    counts: dict[Action, int] = field(default_factory=dict)
    uncounted_cycles: int = 0

    def times(self, number: int) -> ArrayCost:
        """Cost of doing the same `number` times."""
        if number == 1:
            return self
        return replace(
            self,
            counts={action: number * count for action, count in self.counts.items()},
            **{name: number * getattr(self, name) for name in _AMOUNTS},
        )

    def __add__(self, other: ArrayCost) -> ArrayCost:
        """Cost of doing one after the other."""
        counts = Counter(self.counts)
        counts.update(other.counts)
        amounts = {name: getattr(self, name) + getattr(other, name) for name in _AMOUNTS}
        return replace(self, counts=dict(counts), **amounts)

    @property
    def utilisation(self) -> float:
        """Fraction of the peak MAC rate in use, never above 1."""
        capacity = (self.cycles + self.uncounted_cycles) * self.peak_macs_per_cycle
        return self.macs / capacity if capacity else 0.0


_AMOUNTS = ("cycles", "compute_cycles", "load_cycles", "macs", "useful_macs", "uncounted_cycles")


@runtime_checkable
class ArrayModel(Protocol):
    """What every array module provides: a frozen dataclass, whose fields are the keys of ``[array]``.

    1. `cost` is a pure function of the layer and the batch: no state, no randomness of its own. It does not
       depend on the name or the inputs of the layer, except for arrays that are `PerLayer`.
    2. `cycles` covers the whole batch on all tiles of the chip, fills and drains included.
    3. Counts are whole numbers of actions; memories count bits, arithmetic counts operations.
    4. ``cycles + uncounted_cycles >= max(compute_cycles, load_cycles)`` and ``utilisation <= 1``.
    5. A layer the array cannot run raises `InputError` naming the layer and what it can run.

    What only some arrays have is a capability: a protocol below. `capable` tests for one.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def kind(self) -> str:
        """Kind of array, as chip files name it: a class variable."""
        ...

    @property
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates per cycle of all tiles together."""
        ...

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`."""
        ...


@runtime_checkable
class Tiled(ArrayModel, Protocol):
    """Identical tiles, of which a power manager can switch some off: `tiles` is a field."""

    @property
    def tiles(self) -> int:
        """Tiles of the array."""
        ...


@runtime_checkable
class PerLayer(ArrayModel, Protocol):
    """Tiles of which each layer uses a number of its own, so that equal layers cost differently."""

    @property
    def active(self) -> tuple[tuple[str, int], ...]:
        """Number of active tiles by layer name."""
        ...


@runtime_checkable
class OwnMapping(ArrayModel, Protocol):
    """A mapping that decides itself how often weights and inputs come on chip."""

    def dram_fetches(self, layer: Layer, batch: int) -> tuple[int, int]:
        """How often each weight and each input is fetched from DRAM."""
        ...


class Moves(NamedTuple):
    """What a mapping moves, and how long it takes.

    Parameters
    ----------
    dram_words : int
        Words that come from DRAM.
    accesses : int
        Words in and out of the on-chip memory.
    cycles : int
    """

    dram_words: int
    accesses: int
    cycles: int

    @property
    def product(self) -> int:
        """Accesses x cycles, what mappings are compared by."""
        return self.accesses * self.cycles


@runtime_checkable
class OffersMapping(ArrayModel, Protocol):
    """A rule of mapping that passes over better ones, which can be looked at."""

    def mappings(self, layer: Layer, batch: int) -> tuple[Moves, Moves | None]:
        """The mapping of the rule, and the best one of no more DRAM words; None if that is no better."""
        ...


@runtime_checkable
class SharesMemory(ArrayModel, Protocol):
    """Tiles that share the on-chip memory, and spread a layer over them by what it can deliver."""

    def cost_beside(self, layer: Layer, batch: int, bits_per_cycle: float) -> ArrayCost:
        """Cost of `batch` items of `layer` beside a memory that moves so many bits in a cycle."""
        ...


@runtime_checkable
class OwnMemories(ArrayModel, Protocol):
    """Memories inside each PE, whose accesses ``cost`` counts as components ``spad_...``."""

    @property
    def memories(self) -> dict[str, Memory]:
        """One bank of each memory, by component."""
        ...


@runtime_checkable
class WeightPort(ArrayModel, Protocol):
    """A port through which the weights of the next fold load while one fold computes."""

    @property
    def weights_per_fold(self) -> int:
        """Weights that one fold holds."""
        ...

    def fold_cycles(self, layer: Layer, batch: int) -> int:
        """Cycles from one fold to the next, loading and computing overlapped."""
        ...


@runtime_checkable
class PeGrid(ArrayModel, Protocol):
    """A grid of PEs that pass words to their neighbours: the action ``noc`` ``hop_bit``."""

    @property
    def rows(self) -> int:
        """PEs along one side of the die."""
        ...

    @property
    def cols(self) -> int:
        """PEs along the other side."""
        ...


@runtime_checkable
class OwnClock(ArrayModel, Protocol):
    """A clock network with an energy of its own: the action ``clock`` ``cycle``."""

    @property
    def clock_pJ_per_cycle(self) -> float:
        """Energy of the clock network and control in one cycle: a field, so that it has a source."""
        ...


@runtime_checkable
class Precisions(ArrayModel, Protocol):
    """Multipliers for some arithmetics only; an array without it takes all."""

    @property
    def arithmetics(self) -> tuple[str, ...]:
        """What the MACs multiply."""
        ...


@runtime_checkable
class Validated(ArrayModel, Protocol):
    """A rule of mapping that was compared with published figures of some networks alone."""

    @property
    def validated_on(self) -> tuple[str, ...]:
        """Names of those networks: a class variable."""
        ...


NOUNS: dict[type[ArrayModel], str] = {
    Tiled: "tiles",
    SharesMemory: "way to spread a layer by what the memory delivers",
    OwnMapping: "mapping of its own",
    OffersMapping: "other mapping beside its own",
    OwnMemories: "memories in its PEs",
    WeightPort: "weight port",
    PeGrid: "grid of PEs",
    OwnClock: "clock energy",
    Precisions: "list of arithmetics",
    Validated: "list of networks it was validated on",
}
"""Capability -> what an array without it has not."""

Capability = TypeVar("Capability", bound=ArrayModel)


def capable(array: ArrayModel, capability: type[Capability], owner: str) -> Capability:
    """Return `array`, known to have a capability.

    Parameters
    ----------
    array : ArrayModel
    capability : type
        One of `NOUNS`.
    owner : str
        Whose array it is, for the error: ``chip edge``.

    Raises
    ------
    InputError
        If the array has not what the capability says.
    """
    if not isinstance(array, capability):
        members = ", ".join(sorted(name for name in vars(capability) if name[0] != "_"))
        raise InputError(
            f"{owner}: its {array.kind} array has no {NOUNS[capability]}, expected one with {members}"
        )
    return array
