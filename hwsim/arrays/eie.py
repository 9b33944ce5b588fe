"""Column-interleaved sparse array: skips zero weights and zero activations (EIE, Han 2016).

Row i of the matrix lives in PE ``i mod P``, each PE holding its rows column by column: entries of
a codebook index and the number of zeros before it. A gap too wide for its field is bridged by
filler entries, which cost storage and cycles like any other. One non-zero activation per cycle is
broadcast into a queue in front of every PE, as long as none of them is full. A PE works off its
queue at one entry per cycle, and at one cycle for a column in which it has nothing.

PEs that run out of entries wait for the slowest, as far as the queue does not smooth it: load
balance is simulated from the real matrix, or from a random one of the same density where the
layer brings no pattern. A vector longer than the activation registers of all PEs is worked off in
batches with a barrier between them, and so are outputs that do not fit the accumulators.

References: S. Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network",
ISCA 2016, sections III (representation), IV (queue, pointers, registers) and VI.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hwsim.arrays.base import Action, ArrayCost, Memory
from hwsim.arrays.counting import ACCUMULATOR, require_kind
from hwsim.compiled import njit
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.workload.layer import Layer

GENERATED_COLUMNS = 512
"""Columns of a random matrix held in memory at a time."""


class Interleaved(NamedTuple):
    """Entries per PE of a matrix in interleaved compressed-sparse-column form.

    Parameters
    ----------
    entries : ndarray of int32, shape (row blocks, columns, PEs)
        Stored entries, fillers included.
    nonzeros : ndarray of int64, shape (columns,)
        Entries that are not fillers, all PEs together.
    """

    entries: NDArray[np.int32]
    nonzeros: NDArray[np.int64]


class Layout(NamedTuple):
    """What decides where entries go: PEs, rows per PE and row block, widest gap, seed."""

    pes: int
    block_rows: int
    gap_limit: int
    seed: int


class Run(NamedTuple):
    """One product of the matrix with one sparse vector, counted."""

    cycles: int
    entries: int
    nonzeros: int
    broadcasts: int
    words: int


@dataclass(frozen=True)
class EieArray:
    """PEs of one multiplier each, fed by a broadcast of non-zero activations.

    Parameters
    ----------
    pes : int
    queue_depth : int
        Activations a PE can have waiting.
    gap_bits, value_bits : int
        Widths of the run of zeros and of the codebook index in one entry.
    activation_registers : int
        Source activations, and accumulators, that one PE holds in registers.
    pointer_bits : int
        Width of one column pointer; a column needs two.
    matrix_spad_B, matrix_word_bits : int
        Memory of one PE that holds the entries, and the width of one read.
    pointer_spad_B : int
        One of the two banks that hold the pointers of a PE.
    activation_spad_B : int
        Memory of one PE that holds vectors between layers.
    skip_zero_activations : bool
        Whether zero activations are left out of the broadcast.
    seed : int
        Of the random zeros that stand in for unknown ones.
    """

    kind: ClassVar[str] = "eie"

    pes: int
    queue_depth: int
    gap_bits: int
    value_bits: int
    activation_registers: int
    pointer_bits: int
    matrix_spad_B: int
    matrix_word_bits: int
    pointer_spad_B: int
    activation_spad_B: int
    skip_zero_activations: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("pes", "queue_depth", "gap_bits", "value_bits", "activation_registers", "pointer_bits"):
            if getattr(self, key) < 1:
                raise InputError(f"eie array: {key} is {getattr(self, key)}, expected at least 1")
        if self.matrix_word_bits < self.entry_bits:
            raise InputError(
                f"eie array: matrix_word_bits is {self.matrix_word_bits}, expected at least one entry "
                f"of {self.entry_bits}"
            )

    @property
    def entry_bits(self) -> int:
        """Stored bits of one entry."""
        return self.gap_bits + self.value_bits

    @property
    def peak_macs_per_cycle(self) -> int:
        """One multiply-accumulate per PE."""
        return self.pes

    @property
    def layout(self) -> Layout:
        """How matrices lie in the PEs."""
        return Layout(self.pes, self.activation_registers, 1 << self.gap_bits, self.seed)

    @property
    def memories(self) -> dict[str, Memory]:
        """Memories inside one PE: see `hwsim.arrays.base`."""
        return {
            "spad_matrix": Memory(self.matrix_spad_B, self.matrix_word_bits),
            "spad_pointer": Memory(self.pointer_spad_B, self.pointer_bits),
            "spad_activation": Memory(self.activation_spad_B, self.matrix_word_bits),
        }

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`: see `ArrayModel`. Items and pixels run one after another."""
        require_kind(layer, batch, ("fc",), "eie")
        vectors = layer.pixels * batch
        run = _run(self, layer.filters, layer.depth, layer.weight_density, layer.input_density, _key(layer))
        seen = 1.0 if self.skip_zero_activations else layer.input_density
        return ArrayCost(
            cycles=run.cycles * vectors,
            compute_cycles=ceil_div(run.entries, self.pes) * vectors,
            load_cycles=0,
            macs=run.entries * vectors,
            useful_macs=round(run.nonzeros * seen) * vectors,
            peak_macs_per_cycle=self.peak_macs_per_cycle,
            counts={action: count * vectors for action, count in self._counts(layer, run).items() if count},
        )

    def stored_entries(self, layer: Layer) -> int:
        """Entries of the whole matrix, fillers included."""
        matrix = _matrix(self.layout, layer.filters, layer.depth, layer.weight_density, _key(layer))
        return int(matrix.entries.sum())

    def _counts(self, layer: Layer, run: Run) -> dict[Action, int]:
        bits = layer.operand_bits
        row_blocks = ceil_div(layer.filters, self.pes * self.activation_registers)
        queued = run.broadcasts * self.pes * (bits + self.pointer_bits)
        return {
            ("weights", "spad_matrix", "read_bit"): run.words * self.matrix_word_bits,
            ("weights", "spad_pointer", "read_bit"): run.broadcasts * self.pes * 2 * self.pointer_bits,
            ("weights", "register", "access_bit"): run.entries * bits,
            ("activations", "register", "access_bit"): 2 * queued + run.broadcasts * bits,
            ("activations", "spad_activation", "read_bit"): layer.depth * row_blocks * bits,
            ("activations", "spad_activation", "write_bit"): layer.filters * bits,
            ("psums", "register", "access_bit"): 2 * run.entries * bits,
            ("mac", "mac", f"multiply_{layer.arithmetic}"): run.entries,
            ("mac", "mac", f"add_{ACCUMULATOR[layer.arithmetic]}"): run.entries,
        }


class _Pattern:
    """A pattern of non-zeros that hashes by its bits, so that results can be kept."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self.mask = mask
        self._digest = hashlib.blake2b(np.packbits(mask), digest_size=16).digest()

    def __hash__(self) -> int:
        return hash((self.mask.shape, self._digest))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Pattern)
            and self.mask.shape == other.mask.shape
            and self._digest == other._digest
        )


def _key(layer: Layer) -> _Pattern | None:
    if layer.pattern is None:
        return None
    if layer.pattern.shape != (layer.filters, layer.depth):
        raise InputError(
            f"layer {layer.name}: pattern of shape {layer.pattern.shape}, "
            f"expected {(layer.filters, layer.depth)}"
        )
    return _Pattern(layer.pattern)


@lru_cache(maxsize=256)
def _run(
    array: EieArray,
    rows: int,
    columns: int,
    weight_density: float,
    input_density: float,
    pattern: _Pattern | None,
) -> Run:
    matrix = _matrix(array.layout, rows, columns, weight_density, pattern)
    active = np.ones(columns, np.bool_)
    if array.skip_zero_activations:
        rng = np.random.default_rng([array.seed, 1])
        active[rng.permutation(columns)[round(columns * input_density) :]] = False
    span = array.pes * array.activation_registers
    cycles = words = 0
    for block in matrix.entries:
        words += int(_words_read(block, active, array.matrix_word_bits // array.entry_bits))
        for start in range(0, columns, span):
            batch = block[start : start + span][active[start : start + span]]
            cycles += int(_queue_cycles(batch, array.queue_depth))
    return Run(
        cycles,
        int(matrix.entries[:, active].sum()),
        int(matrix.nonzeros[active].sum()),
        int(active.sum()) * len(matrix.entries),
        words,
    )


@lru_cache(maxsize=16)
def _matrix(
    layout: Layout, rows: int, columns: int, weight_density: float, pattern: _Pattern | None
) -> Interleaved:
    """Interleave a matrix over the PEs: the layer's own, or a random one of its density."""
    blocks = ceil_div(rows, layout.pes * layout.block_rows)
    entries = np.zeros((blocks, columns, layout.pes), np.int32)
    nonzeros = np.zeros(columns, np.int64)
    rng = np.random.default_rng([layout.seed, 0])
    for start in range(0, columns, GENERATED_COLUMNS):
        here = slice(start, min(start + GENERATED_COLUMNS, columns))
        if pattern is None:
            mask = rng.random((here.stop - start, rows), np.float32) < weight_density
        else:
            mask = pattern.mask[:, here].T.copy()  # the pattern itself is read-only
        nonzeros[here] = mask.sum(axis=1)
        _count_entries(mask, layout.block_rows, layout.gap_limit, entries[:, here])
    return Interleaved(entries, nonzeros)


@njit(cache=True)
def _count_entries(
    mask: NDArray[np.bool_], block_rows: int, gap_limit: int, entries: NDArray[np.int32]
) -> None:
    """Add the entries of each column (mask is columns x rows) to each row block and PE."""
    pes = entries.shape[2]
    last = np.empty(pes, np.int64)
    for column in range(mask.shape[0]):
        for first in range(0, mask.shape[1], pes * block_rows):
            block = first // (pes * block_rows)
            last[:] = -1
            for row in range(first, min(first + pes * block_rows, mask.shape[1])):
                if mask[column, row]:
                    pe = row % pes
                    own_row = (row - first) // pes
                    entries[block, column, pe] += 1 + (own_row - last[pe] - 1) // gap_limit
                    last[pe] = own_row


@njit(cache=True)
def _queue_cycles(entries: NDArray[np.int32], depth: int) -> int:
    """Cycles until every PE has worked off its entries (columns x PEs) in broadcast order.

    Broadcast t comes one cycle after the last, and not before every PE has taken broadcast
    ``t - depth`` from its queue; a PE takes an activation when it has finished the one before.
    """
    columns, pes = entries.shape
    taken = np.zeros((depth, pes), np.int64)
    free = np.zeros(pes, np.int64)
    broadcast = -1
    for column in range(columns):
        slot = column % depth
        broadcast += 1
        if column >= depth:
            broadcast = max(broadcast, taken[slot].max())
        for pe in range(pes):
            start = max(broadcast, free[pe])
            taken[slot, pe] = start
            free[pe] = start + max(entries[column, pe], 1)
    return free.max()


@njit(cache=True)
def _words_read(entries: NDArray[np.int32], active: NDArray[np.bool_], per_word: int) -> int:
    """Words that hold the entries of active columns; one shared by two columns in a row is read once."""
    columns, pes = entries.shape
    words = 0
    for pe in range(pes):
        begin = 0
        held = -1
        for column in range(columns):
            end = begin + entries[column, pe]
            if active[column] and end > begin:
                first, last = begin // per_word, (end - 1) // per_word
                words += last - first + (first != held)
                held = last
            begin = end
    return words
