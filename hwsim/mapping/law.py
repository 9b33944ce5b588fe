"""What kernels cost in a plan, for the search: the same law by which a run reads its layers.

A kernel lasts as long as its busiest resource (`hwsim.layer_run.LayerRun.busy_ticks`): its unit, the
decoders, the on-chip memory, or DRAM. Before a kernel's work its unit takes the ticks that start it, for
every pass. Kernels follow one another. What a kernel of a ``WHOLE`` segment reads
from DRAM besides weights comes before it begins. Where a segment runs in several passes and
begins on one unit and ends on the other, the end of a pass overlaps with the beginning of the next, as far
as the slots for decoded weights let a unit be ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hwsim.compiled import Records, njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE, STRIPES, CUT = 0, 1, 2
"""Ways in which a segment runs: see `hwsim.mapping.segments`."""


def _floats(*names: str) -> list[tuple[str, type[np.float64]]]:
    return [(name, np.float64) for name in names]


WORK = np.dtype(_floats("core", "sram", "joules"))
"""Ticks of a unit, bits that it moves in the on-chip memory, and joules on chip: stored weights left out."""

BLOCKS = np.dtype(_floats("core", "sram", "joules", "bits", "fetches", "passes", "need", "first"))
"""A kernel that is cut, for the whole batch: its `WORK`, DRAM bits of activations, fetches of weights in a
pass, passes, bits held, and the position of the largest working memory with the same blocks. Infinite bits
where it is not worth a try."""

WEIGHTS = np.dtype(
    [
        *_floats("fetched_bits", "stored_bits", "read_bits", "pass_J", "load_J"),
        *_floats("pass_decode", "load_decode", "steps"),
        ("owner", np.int64),
    ]
)
"""Stored weights of a kernel: DRAM bits of one fetch, bits on chip, bits that the array reads of them in one
passage, its joules, those of decoding one fetch, ticks of decoders at the array, of decoders at the DRAM in
one fetch, and the steps that they come in. ``owner`` is the kernel whose weights these are."""

SUM = np.dtype(
    [*_floats("joules", "ticks", "head", "tail", "ahead"), ("leading", np.int64), ("vector", np.int64)]
)
"""A segment up to one of its kernels, as `price` adds it up.

``head``, ``tail``: ticks by which its begin and its end can overlap with another pass. ``ahead``: steps of
the begin that are left. ``leading``: all so far ran on one unit. ``vector``: the kernel runs on the vector
unit."""


class Terms(NamedTuple):
    """Figures of the chip and of the batch.

    Parameters
    ----------
    batch, limit : int
        Items of the batch, and of one pass at most.
    dram_J, dram_ticks : float
        Of a bit between DRAM and chip.
    sram_ticks : float
        Of a bit in the on-chip memory.
    tick_J : float
        What a tick is worth.
    start : float
        Ticks that start a kernel: see `hwsim.machine.sections.Kernels`.
    layerwise : bool
        Each kernel takes the whole batch.
    ahead : float
        Steps that a unit can be ahead of the other: slots for decoded weights, but one.
    """

    batch: int
    limit: int
    dram_J: float
    dram_ticks: float
    sram_ticks: float
    tick_J: float
    start: float
    layerwise: bool
    ahead: float


class Tables(NamedTuple):
    """What the search sees of every kernel.

    Parameters
    ----------
    kernels, edges : ndarray
        See `hwsim.mapping.graph.Graph`.
    weights : ndarray of WEIGHTS, shape (kernels,)
    fetches : ndarray of float64, shape (kernels,)
        Times each input comes in, where the array's own mapping says so.
    starts : ndarray of float64, shape (kernels,)
        Ticks that start a pass; none where a kernel starts with an earlier one.
    powers : ndarray of float64, shape (powers,)
        Numbers of passes: 1 first, the batch last.
    works : ndarray of WORK, shape (powers, kernels)
        Of a batch in so many passes.
    stripe : ndarray of WORK, shape (kernels,)
        More for another stripe of an item.
    blocks : ndarray of BLOCKS, shape (spaces, kernels)
        For each working memory.
    need : ndarray of float64
        See `hwsim.mapping.room.stripes_need`.
    """

    kernels: NDArray[np.void]
    edges: NDArray[np.void]
    weights: NDArray[np.void]
    fetches: NDArray[np.float64]
    starts: NDArray[np.float64]
    powers: NDArray[np.float64]
    works: NDArray[np.void]
    stripe: NDArray[np.void]
    blocks: NDArray[np.void]
    need: NDArray[np.float64]

    def as_records(self) -> Tables:
        """Return them as plain Python takes them: see `hwsim.compiled.Records`."""
        tables: Any = self
        records: Any = [Records(table) if table.dtype.names else table for table in tables]
        return Tables(*records)


@njit(cache=True, error_model="numpy")
def run_of(t, terms, first, k, mode, amount):  # type: ignore[no-untyped-def]
    """How kernel `k` of the segment from `first` runs.

    Returns ticks that start it, core ticks, on-chip bits, joules, passages of its weights, loads of them.
    `amount` is the number of passes (`WHOLE`), of stripes of an item (`STRIPES`), or the position of the
    working memory (`CUT`).
    """
    if mode == CUT:
        b = t.blocks[amount, k]
        loads = b.passes * b.fetches
        return b.passes * t.starts[k], b.core, b.sram, b.joules, loads, loads
    last = len(t.powers) - 1
    if mode == STRIPES:
        w, more = t.works[last, k], t.stripe[k]
        extra = terms.batch * (min(amount, max(t.kernels[k].rows, 1)) - 1.0)
        return (
            terms.start if k == first else 0.0,
            w.core + extra * more.core,
            w.sram + extra * more.sram,
            w.joules + extra * more.joules,
            float(amount * terms.batch),
            1.0,
        )
    at = 0
    while at + 1 < last and t.powers[at + 1] <= amount:
        at += 1
    w, end = t.works[at, k], t.works[min(at + 1, last), k]
    part = (amount - t.powers[at]) / max(t.powers[min(at + 1, last)] - t.powers[at], 1.0)
    return (
        amount * t.starts[k],
        w.core + part * (end.core - w.core),
        w.sram + part * (end.sram - w.sram),
        w.joules + part * (end.joules - w.joules),
        float(amount),
        float(amount),
    )


@njit(cache=True, error_model="numpy")
def price(t, terms, first, begin, end, mode, amount, bits, early, pinned, sums):  # type: ignore[no-untyped-def]
    """Joules of the segment from `first` to `end`, and its ticks.

    `bits` move between DRAM and chip for each kernel; `early` ones of them must be there before it begins.
    `sums` keeps what was added up after each kernel: see `SUM`. Kernels before `begin` are what they were
    when it was last filled in, so that only those from there on are added.
    """
    joules = ticks = head = tail = 0.0
    ahead = terms.ahead
    leading, before = True, t.kernels[first].groups == 0
    if begin > first:
        s = sums[begin - 1]
        joules, ticks, head, tail, ahead = s.joules, s.ticks, s.head, s.tail, s.ahead
        leading, before = s.leading != 0, s.vector != 0
    for k in range(begin, end):
        start, core, sram, spent, passes, loads = run_of(t, terms, first, k, mode, amount)
        w = t.weights[k]
        own = max(
            start + max(core, (sram + passes * w.read_bits + bits[k]) * terms.sram_ticks),
            passes * w.pass_decode + loads * (1.0 - pinned[k]) * w.load_decode,
            (bits[k] - early[k]) * terms.dram_ticks,
        )
        own += early[k] * terms.dram_ticks
        vector = t.kernels[k].groups == 0
        if vector != before:
            leading, before, tail = False, vector, 0.0
        tail = own * terms.ahead / w.steps if w.steps > terms.ahead else tail + own
        if leading:
            head += own * min(1.0, ahead / w.steps)
            ahead = max(0.0, ahead - w.steps)
        ticks += own
        joules += spent + passes * w.pass_J + bits[k] * terms.dram_J
        joules += loads * (1.0 - pinned[k]) * w.load_J
        s = sums[k]
        s.joules, s.ticks, s.head, s.tail, s.ahead = joules, ticks, head, tail, ahead
        s.leading, s.vector = int(leading), int(before)
    if mode == WHOLE and (t.kernels[first].groups == 0) != before:
        ticks -= min(head, tail) * (amount - 1) / amount
    return joules, ticks
