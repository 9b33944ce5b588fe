"""Row-stationary mapping of a convolution onto a spatial array (Eyeriss, JSSC 2017).

One PE convolves one filter row with one input row; a *set* of R x e PEs makes e output rows of
one channel of one filter. Parameters carry the names of the paper's Table II:

======  =====================================================================================
``m``   filters whose partial sums stay in the global buffer
``n``   batch items processed in one pass
``e``   output rows of a set; a set wider than the array is folded into stacked pieces
``p``   filters interleaved in one PE (partial-sum and filter scratchpads)
``q``   channels interleaved in one PE (input and filter scratchpads)
``r``   sets stacked vertically that add up different channels through the local network
``t``   sets that work on different filters
======  =====================================================================================

``m`` divides the filters, ``t`` divides ``m``, ``p`` divides ``m / t`` and ``n`` the batch, as in the
paper's Table III. The search keeps mappings with at least 90% of the most PEs any mapping lights,
then those within 5% of the least DRAM reads, and takes the least (buffer accesses x cycles):
DRAM first and the buffer second, as their energies per access (200 and 6 times a MAC, ISCA 2016
Table IV). Outputs are written once whatever the mapping, so they are no part of the choice.

Filter counts of the paper are multiples of 32, and divide well. Any other count runs on the mapping of the
count, up to the next multiple of 32, that takes the fewest cycles; ties go to the fewest DRAM reads. Its last
places stay empty.

That is the rule of the paper, which the validated tables follow. `better_mapping` looks beside it for fewer
accesses x cycles and no more DRAM reads: at any share of PEs, and any filter count up to a whole block more.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from hwsim.compiled import njit
from hwsim.whole import ceil_div

KEEP_ACTIVE = 0.9
"""Least share of the best PE use that a mapping must reach."""

DRAM_SLACK = 1.05
"""How many more than the least DRAM reads are acceptable."""


FILTER_BLOCK = 32
"""Filter counts that are a multiple of it keep the mapping of their own divisors."""


class Fabric(NamedTuple):
    """The machine as the mapping sees it: PEs, words of each memory, words per cycle of each port."""

    rows: int
    cols: int
    buffer_words: int
    row_outputs: int
    filter_spad: int
    input_spad: int
    psum_spad: int
    filter_port: int
    input_port: int
    psum_port: int


class Shape(NamedTuple):
    """One group of a convolution: channels, filters, kernel, stride, input and output, batch."""

    channels: int
    filters: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    in_h: int
    in_w: int
    pad_h: int
    pad_w: int
    out_h: int
    out_w: int
    batch: int


class Mapping(NamedTuple):
    """A mapping and what follows from it, in words and cycles of one group.

    Parameters
    ----------
    m, n, e, p, q, r, t : int
        See the module.
    f : int
        Outputs of a row made in one go.
    active_pes : int
    passes : int
        Times filters are loaded into the PEs.
    channel_passes : int
        Times each partial sum visits the buffer.
    filter_passes : int
        Times each input word is read from the buffer, without halos.
    input_words, psum_words : int
        Input words into the array, and partial sums out of it (as many come in).
    dram_input_words, dram_filter_words : int
    mac_cycles, psum_cycles, input_cycles, filter_cycles : int
        Cycles of the MACs and of each port; all but the last overlap.
    """

    m: int
    n: int
    e: int
    p: int
    q: int
    r: int
    t: int
    f: int
    active_pes: int
    passes: int
    channel_passes: int
    filter_passes: int
    input_words: int
    psum_words: int
    dram_input_words: int
    dram_filter_words: int
    mac_cycles: int
    psum_cycles: int
    input_cycles: int
    filter_cycles: int

    @property
    def dram_reads(self) -> int:
        """Words that come from DRAM."""
        return self.dram_input_words + self.dram_filter_words

    @property
    def accesses(self) -> int:
        """Words in and out of the buffer."""
        return self.input_words + 2 * self.psum_words

    @property
    def cycles(self) -> int:
        """Cycles of one group: filters load before a pass, everything else overlaps."""
        return max(self.mac_cycles, self.psum_cycles, self.input_cycles) + self.filter_cycles


@lru_cache(maxsize=4096)
def best_mapping(fabric: Fabric, shape: Shape) -> Mapping | None:
    """Choose the mapping of `shape` on `fabric`; None if not even one set fits.

    Words of empty places are not moved: only their cycles are paid.
    """
    block_end = ceil_div(shape.filters, FILTER_BLOCK) * FILTER_BLOCK
    counts = [shape.filters] if shape.filters == block_end else range(shape.filters, block_end + 1)
    found = [
        mapping._replace(
            psum_words=mapping.psum_words // count * shape.filters,
            dram_filter_words=mapping.dram_filter_words // count * shape.filters,
        )
        for count in counts
        if (mapping := _own_mapping(fabric, shape._replace(filters=count)))
    ]
    return min(found, key=lambda mapping: (mapping.cycles, mapping.dram_reads), default=None)


@lru_cache(maxsize=4096)
def better_mapping(fabric: Fabric, shape: Shape) -> Mapping | None:
    """Find the mapping of no more DRAM reads than `best_mapping` and the least accesses x cycles.

    Returns None where that is no less than with `best_mapping`, or nothing fits.
    """
    own = best_mapping(fabric, shape)
    if own is None:
        return None
    least, found = own.accesses * own.cycles, None
    for count in range(shape.filters, shape.filters + FILTER_BLOCK + 1):
        padded = shape._replace(filters=count)
        _, _, best = _search(fabric, padded, shape.filters, 0.0, float(own.dram_reads))
        mapping = Mapping(*best)
        if mapping.passes and mapping.accesses * mapping.cycles < least:
            least, found = mapping.accesses * mapping.cycles, mapping
    return found


@lru_cache(maxsize=65536)
def _own_mapping(fabric: Fabric, shape: Shape) -> Mapping | None:
    """Choose among the mappings whose parameters divide the filters."""
    filters = shape.filters
    most, least, _ = _search(fabric, shape, filters, 0.0, 1e300)
    if most == 0:
        return None
    _, least, _ = _search(fabric, shape, filters, KEEP_ACTIVE * most, 1e300)
    _, _, best = _search(fabric, shape, filters, KEEP_ACTIVE * most, DRAM_SLACK * least)
    return Mapping(*best)


_ceil_div = njit(cache=True)(ceil_div)


@njit(cache=True)
def _largest_divisor(number: int, limit: int) -> int:
    divisor = min(number, limit)
    while number % divisor:
        divisor -= 1
    return divisor


@njit(cache=True)
def _covered(size: int, pad: int, outputs: int, tile: int, stride: int, kernel: int) -> tuple[int, int]:
    """Input rows (or columns) that tiles of `tile` outputs touch in all: with padding, and without."""
    padded = real = 0
    for first in range(0, outputs, tile):
        last = min(outputs, first + tile) - 1
        begin, end = first * stride, last * stride + kernel
        padded += end - begin
        real += max(min(end, size + pad) - max(begin, pad), 0)
    return padded, real


@njit(cache=True)
def _search(
    fabric: Fabric, shape: Shape, filters: int, active_floor: float, dram_ceiling: float
) -> tuple[int, float, tuple[int, ...]]:
    """Most active PEs, least DRAM reads and best mapping among those within the two bounds.

    Words are moved for the first `filters` of the shape's; the places of the others are empty.
    """
    most, least, best_score = 0, 1e300, 1e300
    best = (0,) * 20
    width_tiles = _ceil_div(shape.out_w, fabric.row_outputs)
    f = _ceil_div(shape.out_w, width_tiles)
    padded_cols, real_cols = _covered(shape.in_w, shape.pad_w, shape.out_w, f, shape.stride_w, shape.kernel_w)
    tile_cols = (f - 1) * shape.stride_w + shape.kernel_w
    outputs = filters * shape.out_h * shape.out_w * shape.batch
    weights = filters * shape.channels * shape.kernel_h * shape.kernel_w
    for e in range(1, shape.out_h + 1):
        pieces = _ceil_div(e, fabric.cols)
        stacked = fabric.rows // shape.kernel_h // pieces
        beside = fabric.cols // e if pieces == 1 else 1
        if stacked == 0:
            break
        strips = _ceil_div(shape.out_h, e)
        if e > _ceil_div(shape.out_h, strips) and e > fabric.cols:
            continue
        padded_rows, real_rows = _covered(
            shape.in_h, shape.pad_h, shape.out_h, e, shape.stride_h, shape.kernel_h
        )
        tile_rows = (e - 1) * shape.stride_h + shape.kernel_h
        for n in range(1, shape.batch + 1):
            if shape.batch % n:
                continue
            rounds = shape.batch // n
            for m in range(1, shape.filters + 1):
                if shape.filters % m or m * n * e * f > fabric.buffer_words:
                    continue
                dram_input = real_rows * real_cols * shape.channels * shape.batch * (shape.filters // m)
                dram_filter = weights * strips * width_tiles * rounds
                dram = dram_input + dram_filter
                if dram > dram_ceiling:
                    continue
                for r in range(1, stacked + 1):
                    for t in range(1, min(stacked // r * beside, m) + 1):
                        active = shape.kernel_h * e * r * t
                        if m % t or active < active_floor:
                            continue
                        for q in range(1, min(shape.channels, fabric.input_spad // shape.kernel_w) + 1):
                            held = m * n * e * f + n * q * r * tile_rows * tile_cols
                            room = min(fabric.psum_spad, fabric.filter_spad // (q * shape.kernel_w))
                            if held > fabric.buffer_words or room == 0 or (r - 1) * q >= shape.channels:
                                break
                            p = _largest_divisor(m // t, room)
                            most = max(most, active)
                            least = min(least, dram)
                            channel_passes = _ceil_div(shape.channels, q * r)
                            filter_passes = shape.filters // (p * t)
                            passes = strips * width_tiles * rounds * channel_passes * filter_passes
                            psum = outputs * channel_passes
                            inputs = padded_rows * padded_cols * shape.channels * shape.batch * filter_passes
                            # every row of every output costs one more cycle: adding the incoming sum
                            mac = passes * n * f * p * (q * shape.kernel_w + 1)
                            psum_cycles = _ceil_div(psum, fabric.psum_port)
                            input_cycles = _ceil_div(inputs, fabric.input_port)
                            per_pass = p * t * q * r * shape.kernel_h * shape.kernel_w
                            filter_cycles = passes * _ceil_div(per_pass, fabric.filter_port)
                            cycles = max(mac, psum_cycles, input_cycles) + filter_cycles
                            score = float(2 * psum + inputs) * cycles
                            if score < best_score:
                                best_score = score
                                best = (
                                    m,
                                    n,
                                    e,
                                    p,
                                    q,
                                    r,
                                    t,
                                    f,
                                    active,
                                    passes,
                                    channel_passes,
                                    filter_passes,
                                    inputs,
                                    psum,
                                    dram_input,
                                    dram_filter,
                                    mac,
                                    psum_cycles,
                                    input_cycles,
                                    filter_cycles,
                                )
    return most, least, best
