"""The GEMM array against cycles and counts worked out by hand, and its contract as properties."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.arrays.counting import Gemm, gemm_of
from hwsim.arrays.gemm import GemmArray
from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.layer import Layer, conv, fc, vector

ONE_TILE = GemmArray(tiles=1, rows=4, cols=4, load_words_per_cycle=4, accumulator_rows=100)
REFERENCE = GemmArray(tiles=48, rows=32, cols=32, load_words_per_cycle=32, accumulator_rows=256)

arrays = st.builds(
    GemmArray,
    tiles=st.integers(1, 12),
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    load_words_per_cycle=st.integers(1, 12),
    accumulator_rows=st.integers(1, 20),
    gate_zeros=st.booleans(),
)
densities = st.floats(0, 1)


@st.composite
def layers(draw):
    kind = draw(st.sampled_from(["conv", "fc", "matmul"]))
    m, n, k, groups = (draw(st.integers(1, 40)) for _ in range(4))
    if kind == "fc":
        m = groups = 1
    return Layer(
        "random",
        kind,
        m,
        n,
        k,
        m * k,
        m * n * groups,
        groups,
        weight_density=draw(densities),
        input_density=draw(densities),
    )


def test_one_tile_streaming_bound_by_hand():
    # K = 8 and N = 4 make two folds; 10 rows stream through each while 4 cycles load the next
    cost = ONE_TILE.cost(fc("f", 8, 4), batch=10)
    assert cost.load_cycles == 8
    assert cost.compute_cycles == 2 * 10 + 6
    assert cost.cycles == 4 + 2 * 10 + 6
    assert cost.macs == 8 * 4 * 10


def test_one_tile_loading_bound_by_hand():
    # two rows stream faster than the next fold loads: load, load, stream the last one, drain
    cost = ONE_TILE.cost(fc("f", 8, 4), batch=2)
    assert cost.cycles == 4 + 4 + 2 + 6


def test_counts_of_one_tile_by_hand():
    counts = ONE_TILE.cost(fc("f", 8, 4), batch=10).counts
    macs, loaded, outputs = 320, 32, 40
    assert counts == {
        ("weights", "array_port", "word"): loaded,
        ("weights", "register", "latch_bit"): 32 * loaded * 5 // 2,  # a fold shifts in for 4 cycles
        ("activations", "register", "latch_bit"): 32 * macs,
        ("psums", "register", "latch_bit"): 32 * macs,
        ("activations", "sram", "read_bit"): 32 * 10 * 8,
        ("activations", "sram", "write_bit"): 32 * outputs,
        ("psums", "scratchpad", "read_bit"): 32 * outputs,
        ("psums", "scratchpad", "write_bit"): 32 * outputs,
        ("mac", "mac", "multiply_fp32"): macs,
        ("mac", "mac", "add_fp32"): macs,
    }


def test_rows_beyond_the_scratchpad_load_the_weights_again():
    short = GemmArray(1, 4, 4, 4, accumulator_rows=5)
    cost = short.cost(fc("f", 8, 4), batch=10)
    assert cost.counts["weights", "array_port", "word"] == 2 * 32
    assert cost.cycles == 4 + 4 * 5 + 6


def test_splitting_depth_reduces_through_shared_memory():
    # one block of columns, two of depth, one row: only the depth can be shared by two tiles
    pair = GemmArray(2, 4, 4, 1, accumulator_rows=100)
    cost = pair.cost(fc("f", 8, 4), batch=1)
    assert pair.grid(Gemm(1, 4, 8, 1))[:3] == (1, 2, 1)
    assert cost.counts["psums", "sram", "write_bit"] == 4 * 32
    assert cost.counts["psums", "sram", "read_bit"] == 4 * 32
    assert cost.counts["psums", "mac", "add_fp32"] == 4
    assert cost.cycles == 16 + 1 + 6 + 1


def test_splitting_rows_loads_the_same_weights_in_several_tiles():
    pair = GemmArray(2, 4, 4, 4, accumulator_rows=100)
    counts = pair.cost(fc("f", 4, 4), batch=40).counts
    assert counts["weights", "array_port", "word"] == 2 * 16


def test_int8_adds_into_32_bits():
    counts = ONE_TILE.cost(fc("f", 8, 4, arithmetic="int8"), batch=1).counts
    assert counts["mac", "mac", "add_int32"] == counts["mac", "mac", "multiply_int8"] == 32
    assert counts["psums", "register", "latch_bit"] == 32 * 32
    assert counts["activations", "register", "latch_bit"] == 8 * 32


def test_a_tensor_core_adds_several_products_before_it_touches_the_register_file():
    # depth 10 is three dot products of 4, each with a read and a write of 4 sums of 32 bits
    core = GemmArray(1, 4, 4, 4, accumulator_rows=100, gate_zeros=False, dot_length=4)
    counts = core.cost(fc("f", 10, 4, arithmetic="int8"), batch=1).counts
    assert counts["psums", "register", "access_bit"] == 2 * 3 * 4 * 32
    assert ("psums", "register", "latch_bit") not in counts
    assert counts["weights", "register", "latch_bit"] == 40 * 8  # delivered, not shifted in


def test_gating_saves_actions_but_no_cycles():
    layer = fc("f", 64, 64, weight_density=0.25, input_density=0.5)
    gated = ONE_TILE.cost(layer, 1)
    plain = GemmArray(1, 4, 4, 4, 100, gate_zeros=False).cost(layer, 1)
    assert gated.cycles == plain.cycles
    assert gated.useful_macs == plain.useful_macs == 64 * 64 // 8
    assert gated.counts["mac", "mac", "multiply_fp32"] == 64 * 64 // 8
    assert plain.counts["mac", "mac", "multiply_fp32"] == 64 * 64


def test_batch_of_attention_scores_has_an_operand_per_item():
    scores = Layer("scores", "matmul", 16, 16, 8, 256, 256, groups=2)
    assert gemm_of(scores, 3) == Gemm(16, 16, 8, 6)
    counts = ONE_TILE.cost(scores, 3).counts
    assert counts["activations", "array_port", "word"] == 16 * 8 * 6
    assert not any(tensor == "weights" for tensor, _, _ in counts)


def test_reference_chip_is_bound_by_loading_for_a_fully_connected_layer():
    cost = REFERENCE.cost(fc("fc6", 9216, 4096), batch=1)
    assert cost.load_cycles == 288 * 128 // 48 * 32
    assert cost.cycles < 1.01 * cost.load_cycles


def test_a_multicast_serves_tiles_side_by_side():
    # 3 groups of 2 column blocks over rounds of 4 columns: group 2 is cut by no round boundary
    layer = conv("c", 12, (8, 8), 24, (1, 1), groups=3)
    array = GemmArray(4, 4, 4, 16, accumulator_rows=100)
    assert array.grid(gemm_of(layer, 1))[:3] == (2, 1, 2)
    assert array.cost(layer, 1).counts["activations", "sram", "read_bit"] == 32 * 64 * 12


@given(arrays, layers(), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_contract(array, layer, batch):
    cost = array.cost(layer, batch)
    assert cost.cycles >= max(cost.compute_cycles, cost.load_cycles)
    assert 0 < cost.utilisation <= 1
    assert 0 <= cost.useful_macs <= cost.macs == layer.macs * batch
    assert all(isinstance(count, int) and count > 0 for count in cost.counts.values())


@given(arrays, layers(), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_the_grid_covers_the_layer(array, layer, batch):
    gemm = gemm_of(layer, batch)
    grid = array.grid(gemm)
    assert grid.column_split * grid.depth_split * grid.row_split <= array.tiles
    assert grid.chunk <= array.accumulator_rows
    assert grid.chunk * grid.chunks * grid.row_split >= gemm.m
    blocks = ceil_div(gemm.n, array.cols) * gemm.groups * ceil_div(gemm.k, array.rows) * grid.chunks
    assert grid.folds * grid.column_split * grid.depth_split >= blocks


@given(layers())
@settings(max_examples=100, deadline=None)
def test_more_tiles_never_take_longer(layer):
    cycles = [GemmArray(tiles, 4, 4, 4, 16).cost(layer, 2).cycles for tiles in (1, 2, 3, 6, 13)]
    assert cycles == sorted(cycles, reverse=True)


def test_refuses_what_it_cannot_run():
    with pytest.raises(InputError, match=r"layer pool: a vector layer cannot run on a gemm array"):
        ONE_TILE.cost(vector("pool", 4, 1, 4), 1)
    with pytest.raises(InputError, match="batch is 0"):
        ONE_TILE.cost(fc("f", 4, 4), 0)
    with pytest.raises(InputError, match="tiles is 0"):
        GemmArray(0, 4, 4, 4, 4)


def test_operands_wider_than_the_multipliers_are_refused():
    array = GemmArray(1, 4, 4, 4, 16, operand_bits=16)
    array.cost(fc("f", 8, 8, arithmetic="bf16"), 1)
    with pytest.raises(InputError, match=r"the multipliers .* do not have fp32, expected fp16 or"):
        array.cost(fc("f", 8, 8), 1)


@pytest.mark.parametrize(
    ("arithmetic", "accumulator", "sum_bits"),
    [("fp64", "fp64", 64), ("tf32", "fp32", 32), ("fp8", "fp32", 32)],
)
def test_partial_sums_are_as_wide_as_their_accumulator(arithmetic, accumulator, sum_bits):
    """One tile of 4 x 4 on 8 inputs and 4 outputs: 32 products, each sum clocked into a latch."""
    counts = GemmArray(1, 4, 4, 4, 16, operand_bits=64).cost(fc("f", 8, 4, arithmetic=arithmetic), 1).counts
    assert counts["mac", "mac", f"multiply_{arithmetic}"] == 32
    assert counts["mac", "mac", f"add_{accumulator}"] == 32
    assert counts["psums", "register", "latch_bit"] == 32 * sum_bits
    assert counts["psums", "scratchpad", "read_bit"] == 4 * sum_bits


def test_rows_go_in_chunks_as_equal_as_they_can_be():
    """Nine rows and four accumulators: chunks of 3, not 4 + 4 + 1; ten rows: 4 + 3 + 3, and not 3 x 4."""
    array = GemmArray(1, 4, 4, 4, 4)
    for rows, chunk in ((9, 3), (10, 4)):
        grid = array.grid(Gemm(rows, 4, 4, 1))
        assert (grid.chunks, grid.chunk, grid.streamed) == (3, chunk, rows)
        # each of the loads takes 4 cycles, the last chunk streams 3 rows
        assert grid.paced == 4 + 4 + 3


def test_a_slow_memory_prefers_the_grid_that_reads_less():
    """16 rows, 3 tiles: three blocks of columns at once need 16 reads a channel; rows apart need 48."""
    layer = conv("c", 4, (4, 4), 12, (1, 1), arithmetic="int8")
    array = GemmArray(3, 4, 4, 4, 64)
    fast, slow = array.cost_beside(layer, 1, inf), array.cost_beside(layer, 1, 1.0)
    read = "activations", "sram", "read_bit"
    assert slow.counts[read] == 16 * 4 * 8
    assert slow.counts[read] <= fast.counts[read]
    assert array.cost(layer, 1) == fast


@given(arrays, layers(), st.integers(1, 5), st.floats(1, 1e4))
def test_more_tiles_beside_a_memory_are_never_slower(array, layer, batch, bits_per_cycle):
    """The longer of the two, the array and the memory, never grows with another tile."""

    def cycles(tiles):
        cost = replace(array, tiles=tiles).cost_beside(layer, batch, bits_per_cycle)
        moved = sum(count for (_, component, _), count in cost.counts.items() if component == "sram")
        return max(cost.cycles, moved / bits_per_cycle)

    assert cycles(array.tiles + 1) <= 1.05 * cycles(array.tiles)


def test_a_grid_counts_what_its_pieces_share():
    """Rows in 85 pieces would stream for less time than in two blocks of 42, but fetch a halo for each."""
    layer = conv("c", 64, (56, 56), 64, (3, 3), pad=(1, 1), arithmetic="fp32")
    read = "activations", "sram", "read_bit"
    array = GemmArray(84, 32, 32, 32, 512, activation_B=65_536)
    even, odd = (replace(array, tiles=tiles).cost_beside(layer, 1, 65_536.0) for tiles in (84, 85))
    pieces = array._bits_of_a_window(layer, gemm_of(layer, 1), 85) * 56 * 56 * 64 * 9
    assert pieces > 1.5 * even.counts[read]
    assert odd.counts[read] == even.counts[read]
