"""Search of a plan: which kernels run together, how often, and what stays on chip meanwhile.

The kernels, in order, are divided into *segments*. A segment runs in one of three ways:

* ``WHOLE``: some items of the batch at a time, kernel after kernel. What passes between its kernels
  stays on chip; its weights come from DRAM for every pass, or are pinned.
* ``STRIPES``: depth-first. A stripe of rows goes through all its kernels before the next one; of what
  passes between them only the rows that are still needed are on chip (Alwani et al., "Fused-layer CNN
  accelerators", MICRO 2016). All its weights are on chip meanwhile, and come in once per batch.
* ``CUT``: a single kernel in blocks (`hwsim.mapping.tiling`), in one pass or more.

Where each kernel takes the whole batch, the segments of ``WHOLE`` and ``CUT`` have one kernel and one pass.

What passes between segments goes through DRAM. For a given working memory the best division follows by
dynamic programming. Memory that is left then keeps what saves most (`hwsim.mapping.filling`). The search
tries several sizes of working memory. A plan costs joules, plus time valued at `Terms.tick_J`
(`hwsim.mapping.law`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hwsim.compiled import Records, njit, tiered
from hwsim.mapping.filling import fill
from hwsim.mapping.law import CUT, STRIPES, SUM, WHOLE, price
from hwsim.mapping.room import HEIGHTS, HOLD, LONGEST_STRIPES, enter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.mapping.law import Tables, Terms

LONGEST = 48
"""Kernels of a segment, at most, except for the one that runs to the last kernel."""
SPLITS = 8
"""More passes than memory asks for that are tried: 1, 2, 4, ... times as many, while they pay."""
WAYS = SPLITS + 2
"""To run a segment: so often in passes (`WHOLE`), then ``CUT``, then ``STRIPES``."""

KNOWN, KNOWN_PASSES = 1 << 22, 64
"""Costs of segments that are remembered, at most, and passes up to which they are."""

ROUNDS, REFINED = 2, 3
"""The best plans are divided anew with the weights that they pin, so often, and so many of them."""


class Division(NamedTuple):
    """Kernels divided into segments.

    Parameters
    ----------
    first, mode, amount : tuple of int
        Per segment: its first kernel, how it runs, and the passes of a batch (`WHOLE`), the stripes of an
        item (`STRIPES`) or the position of the working memory (`CUT`).
    """

    first: tuple[int, ...]
    mode: tuple[int, ...]
    amount: tuple[int, ...]


class Outlay(NamedTuple):
    """What a batch takes: joules, and ticks."""

    joules: float
    ticks: float

    def cost(self, tick_J: float) -> float:
        """Joules, time included."""
        return self.joules + self.ticks * tick_J


class Found(NamedTuple):
    """A plan.

    Parameters
    ----------
    division : Division
    space : int
        Position of the working memory that it was found for.
    held_bits : float
        Most bits on chip at a time, except pinned ones.
    need_bits : float
        Bits that its largest segment needs.
    pinned, kept : ndarray of float64, shape (kernels,)
        Fraction of the weights, and of the output, that stays on chip.
    outlay : Outlay
    cost : float
        Joules, time included.
    """

    division: Division
    space: int
    held_bits: float
    need_bits: float
    pinned: NDArray[np.float64]
    kept: NDArray[np.float64]
    outlay: Outlay
    cost: float


@tiered(patience_s=2.0, turns=lambda t: 8 * len(t.kernels) ** 2)
@njit(cache=True, error_model="numpy")
def divide(t, terms, at, space, capacity, pinned, kept, depth_first, attention, known, hold, sums):  # type: ignore[no-untyped-def]
    """Divide the kernels into segments that work in `space` of `capacity` bits, by dynamic programming.

    `at` is the position of that space among those of `Tables.blocks`. `pinned` and `kept` are the fractions
    of each kernel's weights, and of its output, that are on chip, beside that space. What a segment costs,
    and what an item of it holds, depend on no space, and are worked out once: see `_unknown`. `hold` is room
    for a record of each kernel, and `sums` for one of each way and kernel. A segment that grows by a kernel
    is priced from the first kernel on that moves other bits: the one that `begin` says of each way.

    Returns, by last kernel: first kernel, mode, amount, and the least cost up to there, infinite if it cannot
    be done.
    """
    count = len(t.kernels)
    best = np.zeros(count + 1)
    for k in range(count):
        best[k + 1] = np.inf
    how = np.zeros((count, 3), np.int64)
    for k in range(count):
        hold[k].seen = -1
    bits, early = np.zeros(count), np.zeros(count)
    begin, numbers = np.zeros(WAYS, np.int64), np.zeros(WAYS, np.int64)
    for first in range(count):
        if best[first] == np.inf:
            continue
        most, together, products = float(terms.limit), False, True
        stored = apart = item_bits = 0.0
        entered = first - 1
        begin[:] = first
        for last in range(first, count):
            row = t.kernels[last]
            length = last - first + 1
            remembered = length <= known.shape[1]
            together = together or not row.each
            products = products and row.groups >= 0
            stored += t.weights[last].stored_bits
            apart += pinned[last] * t.weights[last].stored_bits
            if remembered and not np.isnan(known[first, length - 1, HEIGHTS]):
                item_bits = known[first, length - 1, HEIGHTS]
                if item_bits > 0:
                    most = min(most, np.floor(space / item_bits))
            else:
                most, item_bits = _let_in(t, kept, first, entered, last, space, most, item_bits, hold, begin)
                entered = last
                if remembered and item_bits < np.inf:
                    known[first, length - 1, HEIGHTS] = item_bits
            ways = 0
            least = 1
            whole = most >= (terms.batch if together or terms.layerwise else 1)
            if (
                whole
                and (length == 1 or not terms.layerwise)
                and (length <= LONGEST or last == count - 1 or most >= terms.limit)
            ):
                ways, least = 1 if together or terms.layerwise else SPLITS, int(np.ceil(terms.batch / most))
            height = HEIGHTS
            if (depth_first or (attention and products)) and length <= LONGEST_STRIPES and row.rows:
                height = HEIGHTS - 1
                room = min(space + apart, capacity) - stored
                while height >= 0 and t.need[first, length - 1, height] > room:
                    height -= 1
            value, before, mode, amount = np.inf, np.inf, WHOLE, 0
            way = -1
            while way < SPLITS + 1:
                way += 1
                slot = -1
                if way < SPLITS:
                    kind, number, loads = WHOLE, least << way, float(least << way)
                    if way >= ways or number > terms.batch:
                        way = SPLITS - 1
                        continue
                    if HEIGHTS + number < known.shape[2]:
                        slot = HEIGHTS + number
                elif way == SPLITS:
                    kind, number = CUT, int(t.blocks[at, last].first)
                    loads = t.blocks[at, last].passes * t.blocks[at, last].fetches
                    if length > 1 or t.blocks[at, last].bits == np.inf:
                        continue
                else:
                    if height < 0 or height == HEIGHTS:
                        continue
                    kind, number, loads = STRIPES, (row.rows + (1 << height) - 1) >> height, 1.0
                    slot = height
                if not remembered:
                    slot = -1
                cost = np.nan if slot < 0 else known[first, length - 1, slot]
                if np.isnan(cost):
                    _let_in(t, kept, first, entered, last, space, most, item_bits, hold, begin)
                    entered = last
                    if numbers[way] != number:
                        begin[way], numbers[way] = first, number
                    for k in range(begin[way], last + 1):
                        moved = terms.batch * hold[k].item + hold[k].whole
                        if kind == CUT:
                            moved = t.blocks[at, k].bits - _kept_bits(t, terms, k, kept)
                        early[k] = 0.0
                        if kind == WHOLE:
                            early[k] = terms.batch * hold[k].item_in + hold[k].whole_in
                        bits[k] = moved + (1 - pinned[k]) * loads * t.weights[k].fetched_bits
                    joules, ticks = price(
                        t, terms, first, begin[way], last + 1, kind, number, bits, early, pinned, sums[way]
                    )
                    begin[way] = last + 1
                    cost = joules + ticks * terms.tick_J
                    if slot >= 0:
                        known[first, length - 1, slot] = cost
                if cost < value:
                    value, mode, amount = cost, kind, number
                if kind == WHOLE and cost >= before:
                    ways = 0
                before = cost
            if best[first] + value < best[last + 1]:
                best[last + 1] = best[first] + value
                how[last, 0], how[last, 1], how[last, 2] = first, mode, amount
            if (most < 1 and length > LONGEST_STRIPES) or (terms.layerwise and not products):
                break
    return how, best[count]


@njit(cache=True, error_model="numpy")
def _let_in(t, kept, first, entered, last, space, most, item_bits, hold, begin):  # type: ignore[no-untyped-def]
    """Let the kernels after the one that has `entered` into the segment from `first`.

    Returns the items that `space` holds, at `most`, and the most bits that an item holds, at least
    `item_bits`; infinite where something is held for all items together. Lowers `begin` to the first kernel
    whose traffic changes.
    """
    for k in range(entered + 1, last + 1):
        low, changed = enter(t.kernels, t.edges, t.fetches, kept, first, k, hold)
        for way in range(WAYS):
            begin[way] = min(begin[way], changed)
        for u in range(low, k + 1):
            item_bits = max(item_bits, hold[u].live if hold[u].once == 0 else np.inf)
            if hold[u].once > space:
                most = 0.0
            elif hold[u].live > 0:
                most = min(most, np.floor((space - hold[u].once) / hold[u].live))
    return most, item_bits


@njit(cache=True, error_model="numpy")
def _kept_bits(t, terms, k, kept):  # type: ignore[no-untyped-def]
    """Bits of activations that kernel `k`, alone in its segment, need not move."""
    row = t.kernels[k]
    saved = kept[k] * row.out_bits * (terms.batch if row.out_each else 1)
    for e in range(row.edges, row.edges_end):
        made = t.edges[e].source
        saved += (
            kept[made] * t.edges[e].bits * t.fetches[k] * (terms.batch if t.kernels[made].out_each else 1)
        )
    return saved


@tiered(patience_s=1.0)
@njit(cache=True, error_model="numpy")
def _fill(t, terms, capacity, first, mode, amount, may_pin, both, hold, sums):  # type: ignore[no-untyped-def]
    """See `fill`: the better of `both` orders, or the order of worth alone."""
    least = np.inf
    for order in range(2 if both else 1):  # one call: each place of a call is compiled by itself
        found = fill(t, terms, capacity, first, mode, amount, may_pin, order == 1, hold, sums)
        cost = found[4][0] + found[4][1] * terms.tick_J
        if order == 0 or cost < least:
            filled, least = found, cost
    return filled


def search(
    tables: Tables,
    terms: Terms,
    capacity: float,
    spaces: NDArray[np.float64],
    may_pin: bool,
    fusion: str,
) -> list[Found]:
    """Find plans, best first.

    Parameters
    ----------
    tables : Tables
    terms : Terms
    capacity : float
        Bits on chip, without the streaming buffers.
    spaces : ndarray of float64
        Working memories to try, in bits, largest first.
    may_pin : bool
        Whether weights may stay on chip.
    fusion : {"none", "elementwise", "depth-first"}
        Kernels without stored weights (products of activations, and softmax between them) run by stripes
        unless it is ``"none"``; all may if it is ``"depth-first"``.
    """
    divided, filled, count = divide.chosen(tables), _fill.compiled, len(tables.kernels)
    seen: Tables = tables
    hold: Any = np.zeros(count, HOLD)
    sums: Any = np.zeros((WAYS, count), SUM)
    if divided != divide.compiled:
        filled = _fill.in_python
        seen, hold, sums = tables.as_records(), Records(hold), Records(sums)
    found: dict[Division, Found] = {}
    ways = fusion == "depth-first", fusion != "none"

    def finish(
        at: int,
        pinned: NDArray[np.float64],
        kept: NDArray[np.float64],
        known: NDArray[np.float64],
        *,
        both: bool = False,
    ) -> float:
        """Note a plan; bits that its largest segment needs, infinite without one."""
        space = float(spaces[at])
        how, cost = divided(seen, terms, at, space, capacity, pinned, kept, *ways, known, hold, sums)
        if cost == np.inf:
            return np.inf
        division = _division(how)
        if both or division not in found:
            segments = map(np.array, division)
            left, stay, held, need, spent = filled(
                seen, terms, capacity, *segments, may_pin, both, hold, sums[0]
            )
            outlay = Outlay(*spent)
            cost = outlay.cost(terms.tick_J)
            if division not in found or cost < found[division].cost:
                found[division] = Found(division, at, held, float(need), stay, left, outlay, cost)
        return found[division].need_bits

    none, all_weights = np.zeros(count), np.ones(count)
    inner = (tables.kernels["last_use"] < count).astype(float)
    for pinned in (none, all_weights)[: 1 + may_pin]:
        for kept in (none, inner):
            known, enough = _unknown(tables, terms), np.inf
            for at, space in enumerate(spaces.tolist()):
                if kept is inner and at and not terms.layerwise:
                    break  # segments of more kernels keep what is between
                if space < enough:  # else the division of a larger space fits this one, too: it is best here
                    enough = finish(at, pinned, kept, known)
    refined: set[Division] = set()
    for _ in range(ROUNDS):
        for plan in _best_of(found)[:REFINED]:
            if plan.division not in refined:
                refined.add(plan.division)
                kept = plan.kept if terms.layerwise else none
                finish(plan.space, plan.pinned, kept, np.empty((count, 0, 0)), both=True)
    return _best_of(found)


def _division(how: NDArray[np.int64]) -> Division:
    """Follow the segments that `divide` has found back from the last one."""
    rows, segments, last = how.tolist(), [], len(how) - 1
    while last >= 0:
        segments.append(rows[last])
        last = rows[last][0] - 1
    return Division(*zip(*reversed(segments), strict=True))


def _unknown(tables: Tables, terms: Terms) -> NDArray[np.float64]:
    """Costs of segments, not a number while they are not known.

    By first kernel, length, and way to run: heights of stripes, then passes, from one on. Between them is
    what an item of the segment holds.
    """
    count = len(tables.kernels)
    ways = HEIGHTS + 1 + min(terms.batch, KNOWN_PASSES, max(KNOWN // count**2 - HEIGHTS, SPLITS))
    return np.full((count, min(count, max(LONGEST, KNOWN // (count * ways))), ways), np.nan)


def _best_of(found: dict[Division, Found]) -> list[Found]:
    return sorted(found.values(), key=lambda plan: plan.cost)
