"""Windows made in a scratchpad: words by hand, and inputs counted one by one."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.arrays.gemm import GemmArray
from hwsim.arrays.windows import NOTHING, Pieces, Staged, staged
from hwsim.workload.layer import conv, fc

LAYER = conv("c", 4, (8, 8), 8, (3, 3))
WHOLE = Pieces(36, 36, 36)
LINE_B = 3 * 8 * 4
"""Three rows of eight 32-bit inputs of one channel."""


def test_words_of_a_small_convolution_by_hand():
    # depth 36 in folds of 4 cuts the windows of 9 eight times: 12 visits of a channel, 64 inputs each
    assert staged(LAYER, WHOLE, 4, 2 * LINE_B) == Staged(64 * 12, 36 * 36)
    # folds of 9 cut none
    assert staged(LAYER, WHOLE, 9, LINE_B) == Staged(64 * 4, 36 * 36)


def test_channels_whose_lines_do_not_fit_fall_back_to_the_shared_memory():
    # a fold of 4 can touch two channels; with room for the lines of one, half of the words go through it
    assert staged(LAYER, WHOLE, 4, 2 * LINE_B - 1) == Staged(64 * 6, 36 * 18)
    assert staged(LAYER, WHOLE, 4, LINE_B - 1) == NOTHING


def test_pieces_share_a_halo_by_fetching_it_twice():
    # three rows of six outputs need five rows of eight inputs
    assert staged(LAYER, Pieces(36, 36, 18), 9, LINE_B).fetched == 2 * 5 * 8 * 4
    # nine outputs, a row and a half: two rows of outputs, four of inputs, either way
    assert staged(LAYER, Pieces(36, 36, 9), 9, LINE_B).fetched == 4 * 4 * 8 * 4


@pytest.mark.parametrize("layer", [fc("f", 36, 8), conv("p", 4, (8, 8), 8, (1, 1))])
def test_what_has_no_windows_to_share_is_streamed(layer):
    assert staged(layer, Pieces(64, 64, 64), 4, 1 << 20) == NOTHING


def test_windows_that_do_not_overlap_are_streamed():
    apart = conv("a", 4, (8, 8), 8, (2, 2), stride=(2, 2))
    assert staged(apart, Pieces(16, 16, 16), 4, 1 << 20) == NOTHING


def test_counts_of_an_array_by_hand():
    # eight filters are two blocks of four columns, one after the other: two reads of everything
    array = GemmArray(1, 9, 4, 9, accumulator_rows=100, activation_B=LINE_B)
    with_pad, without = (array.cost(LAYER, 1), GemmArray(1, 9, 4, 9, 100).cost(LAYER, 1))
    assert without.counts["activations", "sram", "read_bit"] == 32 * 36 * 36 * 2
    assert with_pad.counts["activations", "sram", "read_bit"] == 32 * 64 * 4 * 2
    assert with_pad.counts["activations", "scratchpad", "write_bit"] == 32 * 64 * 4 * 2
    assert with_pad.counts["activations", "scratchpad", "read_bit"] == 32 * 36 * 36 * 2
    assert with_pad.cycles == without.cycles


def test_tiles_side_by_side_share_a_read_and_write_a_copy_each():
    pair = GemmArray(2, 9, 4, 9, accumulator_rows=100, activation_B=LINE_B)
    counts = pair.cost(LAYER, 1).counts
    assert pair.cost(LAYER, 1).counts["weights", "array_port", "word"] == 36 * 8  # the rows are not split
    assert counts["activations", "sram", "read_bit"] == 32 * 64 * 4
    assert counts["activations", "scratchpad", "write_bit"] == 32 * 64 * 4 * 2


@st.composite
def convolutions(draw):
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    hw = tuple(draw(st.integers(k, 9)) for k in kernel)
    stride = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    pad = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    return conv("c", draw(st.integers(1, 5)), hw, 4, kernel, stride, pad)


def one_by_one(layer, pieces):
    """Inputs of one channel that the pieces touch; a piece in one row of outputs, or in whole rows."""
    height, width = layer.out_hw
    total = 0
    for tile in range(0, pieces.rows, pieces.tile_rows):
        end = min(tile + pieces.tile_rows, pieces.rows)
        for begin in range(tile, end, pieces.chunk):
            pixels = [divmod(p, height * width) for p in range(begin, min(begin + pieces.chunk, end))]
            for item in {item for item, _ in pixels}:
                rows = {p // width for i, p in pixels if i == item}
                cols = {p % width for i, p in pixels if i == item} if len(rows) == 1 else range(width)
                axes = []
                for axis, outputs in enumerate((rows, cols)):
                    taps = product(outputs, range(layer.kernel[axis]))
                    touched = {o * layer.stride[axis] - layer.pad[axis] + tap for o, tap in taps}
                    axes.append(len(touched & set(range(layer.in_hw[axis]))))
                total += axes[0] * axes[1]
    return total


@given(convolutions(), st.integers(1, 3), st.integers(1, 60), st.integers(1, 30), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_inputs_are_those_counted_one_by_one(layer, batch, tile_rows, chunk, fold_rows):
    pieces = Pieces(layer.pixels * batch, tile_rows, chunk)
    found = staged(layer, pieces, fold_rows, 1 << 20)
    window = layer.kernel[0] * layer.kernel[1]
    visits = sum(
        len({k // window for k in range(first, min(first + fold_rows, layer.depth))})
        for first in range(0, layer.depth, fold_rows)
    )
    fetched, windows = one_by_one(layer, pieces) * visits, pieces.rows * layer.depth
    expected = Staged(fetched, windows) if window > 1 and fetched < windows else NOTHING
    assert found == expected


@given(convolutions(), st.integers(1, 12), st.integers(0, 2000), st.integers(0, 2000))
@settings(max_examples=100, deadline=None)
def test_a_larger_scratchpad_never_reads_more(layer, fold_rows, small, large):
    pieces = Pieces(layer.pixels, layer.pixels, layer.pixels)

    def read(capacity_B):
        found = staged(layer, pieces, fold_rows, capacity_B)
        return layer.pixels * layer.depth - found.windows + found.fetched

    small, large = sorted((small, large))
    assert read(large) <= read(small)
