"""Windows of a convolution, read from a tile's scratchpad: each input comes from shared memory once.

A tile streams a piece of the output pixels, in raster order, once for every fold of the depth. The windows
of neighbouring pixels overlap, so the piece needs fewer inputs than its windows have words. A line buffer
in the tile's scratchpad, `kernel` rows of each channel of the fold, keeps an input from its first window to
its last. Pieces and folds that share an input each fetch it: the halo between pieces, and the channel whose
window two folds cut. Channels whose lines do not fit are read window by window from the shared memory.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

from hwsim.compiled import njit, tiered
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer


class Pieces(NamedTuple):
    """How the rows of a GEMM are cut: `rows` in all, `tile_rows` a tile, `chunk` at a time."""

    rows: int
    tile_rows: int
    chunk: int


class Staged(NamedTuple):
    """Words of one group that go through the scratchpad, once over all pixels and the depth.

    Parameters
    ----------
    fetched : int
        Words read from the shared memory into line buffers, halos included.
    windows : int
        Words that the windows made of them have.
    """

    fetched: int
    windows: int


NOTHING = Staged(0, 0)


def staged(layer: Layer, pieces: Pieces, fold_rows: int, capacity_B: int) -> Staged:
    """Words of one group of `layer` that a line buffer of `capacity_B` serves.

    Parameters
    ----------
    layer : Layer
    pieces : Pieces
        Of the output pixels of the whole batch.
    fold_rows : int
        Depth of one fold: channel by channel, each with its kernel.
    capacity_B : int
        Bytes of the scratchpad of one tile that hold activations.
    """
    window = layer.kernel[0] * layer.kernel[1]
    if layer.kind != "conv" or window == 1:
        return NOTHING
    channels = layer.depth // window
    together = min(
        channels, fold_rows // window if fold_rows % window == 0 else (fold_rows - 1) // window + 2
    )
    line_words = min(layer.kernel[0], layer.in_hw[0]) * layer.in_hw[1]
    held = min(together, 8 * capacity_B // (line_words * layer.operand_bits))
    cuts = ceil_div(layer.depth, fold_rows) - 1
    cut_channels = cuts - cuts // (window // gcd(window, fold_rows))
    inputs = _inputs_once(pieces, layer.in_hw, layer.out_hw, layer.kernel, layer.stride, layer.pad)
    fetched = inputs * (channels + cut_channels)
    windows = pieces.rows * layer.depth
    if fetched >= windows:
        return NOTHING
    return Staged(ceil_div(fetched * held, together), windows * held // together)


@lru_cache(maxsize=65536)
def _inputs_once(pieces: Pieces, *geometry: tuple[int, int]) -> int:
    return int(_piece_inputs(pieces, *geometry))


@tiered(turns=lambda pieces, *_: pieces.rows // pieces.chunk)
@njit(cache=True)
def _piece_inputs(
    pieces: Pieces,
    in_hw: tuple[int, int],
    out_hw: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
) -> int:
    """Inputs of one channel that the pieces touch, each piece for itself, padding left out."""
    pixels = out_hw[0] * out_hw[1]
    total = 0
    for tile in range(0, pieces.rows, pieces.tile_rows):
        tile_end = min(tile + pieces.tile_rows, pieces.rows)
        for begin in range(tile, tile_end, pieces.chunk):
            end = min(begin + pieces.chunk, tile_end)
            while begin < end:  # item by item
                item = begin // pixels
                last = min(end, (item + 1) * pixels) - 1
                top, bottom = (begin % pixels) // out_hw[1], (last % pixels) // out_hw[1]
                left, right = (begin % out_hw[1], last % out_hw[1]) if top == bottom else (0, out_hw[1] - 1)
                rows = _touched(top, bottom, in_hw[0], kernel[0], stride[0], pad[0])
                total += rows * _touched(left, right, in_hw[1], kernel[1], stride[1], pad[1])
                begin = last + 1
    return total


@njit(cache=True)
def _touched(first: int, last: int, size: int, kernel: int, stride: int, pad: int) -> int:
    """Inputs along one axis that the windows of outputs `first` to `last` touch."""
    if stride >= kernel:
        touched = 0
        for output in range(first, last + 1):
            begin = output * stride - pad
            touched += max(min(begin + kernel, size) - max(begin, 0), 0)
        return touched
    return max(min(last * stride - pad + kernel, size) - max(first * stride - pad, 0), 0)
