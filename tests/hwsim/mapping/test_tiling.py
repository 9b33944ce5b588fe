"""Tiling: traffic counted by a loop nest over sets of elements, closed forms, the lower bound."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.mapping.problem import Problem, gemm_problem, lower_bound_bits, problem_of
from hwsim.mapping.tiling import BUFFERINGS, ORDERS, best_of_each_order, best_tiling
from hwsim.mapping.windows import Axis
from hwsim.workload.layer import Layer, conv, dense_storage, fc

PSUM_BITS = 32


def ranges(length, block):
    return [range(start, min(start + block, length)) for start in range(0, length, block)]


def lines(axis, outputs):
    """Inputs that a block of outputs fetches along one axis."""
    windows = [range(o * axis.stride - axis.pad, o * axis.stride - axis.pad + axis.kernel) for o in outputs]
    used = {i for window in windows for i in window if 0 <= i < axis.inputs}
    if not axis.whole:
        return used
    following = (outputs[-1] + 1) * axis.stride - axis.pad
    last = axis.inputs if outputs[-1] + 1 == axis.outputs else following
    first = max(0, outputs[0] * axis.stride - axis.pad)
    return {i for i in range(first, max(last, windows[-1][-1] + 1)) if i < axis.inputs}


def walk(p, t):
    """Traffic in bits, and the most elements of a weight, input and output block, by moving sets of elements.

    Inputs that follow on the block before fetch what that one had not; any other block comes in whole.
    """
    rows, columns = ranges(p.rows.outputs, t.rows), ranges(p.columns.outputs, t.columns)
    places = list(product(ranges(p.items, t.items), range(len(columns)), range(len(rows))))
    filters, channels = ranges(p.filters, t.filters), ranges(p.channels, t.channels)
    loops = {"m": range(len(places)), "n": range(len(filters)), "k": range(len(channels))}

    def inputs_of(place, channel_block):
        items, column, row = places[place]
        down, across = lines(p.rows, rows[row]), lines(p.columns, columns[column])
        return set(product(items, channel_block, down, across))

    def has_before(place):
        """The block above, or left of it where blocks are as high as the map."""
        _, column, row = places[place]
        if len(rows) > 1:
            return row > 0
        return column > 0

    bits, seen, most = 0.0, set(), [0, 0, 0]
    last = dict.fromkeys(("weights", "inputs", "outputs"))
    for indices in product(*(loops[loop] for loop in t.order)):
        at = dict(zip(t.order, indices, strict=True))
        items, column, row = places[at["m"]]
        positions = set(product(items, rows[row], columns[column]))
        counts = (
            len(filters[at["n"]]) * len(channels[at["k"]]) * p.area,
            len(inputs_of(at["m"], channels[at["k"]])),
            len(positions) * len(filters[at["n"]]),
        )
        most = [max(pair) for pair in zip(most, counts, strict=True)]
        if last["weights"] != (at["n"], at["k"]):
            bits += counts[0] * p.weight_bits
        if last["inputs"] != (at["m"], at["k"]):
            needed = inputs_of(at["m"], channels[at["k"]])
            if t.keeps_halo and has_before(at["m"]):
                needed -= inputs_of(at["m"] - 1, channels[at["k"]])
            bits += len(needed) * p.input_bits
        if last["outputs"] != (at["m"], at["n"]):
            again = (at["m"], at["n"]) in seen
            bits += counts[2] * (2 * PSUM_BITS if again else p.output_bits)
            seen.add((at["m"], at["n"]))
        last = {"weights": (at["n"], at["k"]), "inputs": (at["m"], at["k"]), "outputs": (at["m"], at["n"])}
    return bits * p.groups, most


@st.composite
def axes(draw, whole):
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    pad = draw(st.integers(0, kernel - 1))
    inputs = draw(st.integers(max(1, kernel - 2 * pad), 9))
    return Axis((inputs + 2 * pad - kernel) // stride + 1, inputs, kernel, stride, pad, whole)


@st.composite
def problems(draw):
    numbers = (draw(st.integers(1, high)) for high in (3, 3))
    depth = (draw(st.integers(1, 6)) for _ in range(2))
    widths = (draw(st.sampled_from([3.0, 8.0, 9.5])), draw(st.sampled_from([8.0, 16.0])), 8)
    return Problem(*numbers, draw(axes(False)), draw(axes(True)), *depth, *widths)


bufferings = st.sampled_from(BUFFERINGS)
spaces = st.integers(300, 20_000)


@given(problem=problems(), space=spaces, buffering=bufferings, order=st.sampled_from(["", *ORDERS]))
def test_traffic_and_memory_are_what_walking_the_loops_moves(problem, space, buffering, order):
    try:
        tiling = best_tiling(problem, space, buffering, order)
    except InputError:
        return
    traffic, most = walk(problem, tiling)
    assert traffic == pytest.approx(tiling.traffic_bits, rel=1e-12)
    assert tiling.needed_bits <= space
    elements = zip(most, (problem.weight_bits, problem.input_bits, PSUM_BITS), strict=True)
    one_buffer = sum(count * width for count, width in elements)
    assert one_buffer <= tiling.needed_bits * (1 + 1e-12)
    if buffering == "single" and tiling.groups == 1 and tiling.channels == problem.channels:
        assert one_buffer == pytest.approx(tiling.needed_bits, rel=1e-12)


def every_gemm_traffic(p, space):
    """Least traffic with single buffers over all blocks and orders, by the loop nest's closed form."""
    best = float("inf")
    for m, n, k in product(range(1, p.m + 1), range(1, p.n + 1), range(1, p.k + 1)):
        if n * k * p.weight_bits + m * k * p.input_bits + m * n * PSUM_BITS > space:
            continue
        trips = {"m": -(-p.m // m), "n": -(-p.n // n), "k": -(-p.k // k)}
        for order in ORDERS:

            def moves(loop, order=order, trips=trips):
                inside = order[order.index(loop) + 1 :]
                return trips[loop] if any(trips[other] > 1 for other in inside) else 1

            outputs = p.output_bits + 2 * PSUM_BITS * (moves("k") - 1)
            traffic = (
                p.n * p.k * p.weight_bits * moves("m")
                + p.m * p.k * p.input_bits * moves("n")
                + p.m * p.n * outputs
            )
            best = min(best, traffic)
    return best * p.groups


small = st.integers(1, 12)


@given(m=small, n=small, k=small, groups=st.integers(1, 2), space=st.integers(60, 3_000))
def test_no_block_and_order_of_a_product_moves_less(m, n, k, groups, space):
    problem = gemm_problem(m, n, k, groups, 8.0, 8.0, 8)
    assert best_tiling(problem, space, "single").traffic_bits == every_gemm_traffic(problem, space)


@given(problem=problems(), space=spaces, more=st.integers(0, 4_000), buffering=bufferings)
def test_more_memory_never_moves_more(problem, space, more, buffering):
    try:
        before = best_tiling(problem, space, buffering).traffic_bits
    except InputError:
        return
    assert best_tiling(problem, space + more, buffering).traffic_bits <= before * (1 + 1e-12)


@given(
    m=st.integers(1, 5_000),
    n=st.integers(1, 5_000),
    k=st.integers(1, 5_000),
    space=st.integers(2_000, 4_000_000),
    more=st.floats(1.0, 3.0),
)
def test_more_memory_never_moves_more_of_a_large_product(m, n, k, space, more):
    problem = gemm_problem(m, n, k, 1, 8.0, 8.0, 8)
    before = best_tiling(problem, space).traffic_bits
    assert best_tiling(problem, int(space * more)).traffic_bits <= before * (1 + 1e-12)


@given(problem=problems(), space=spaces)
def test_fewer_second_buffers_never_move_more(problem, space):
    try:
        single, streaming, double = (best_tiling(problem, space, kind).traffic_bits for kind in BUFFERINGS)
    except InputError:
        return
    assert single <= streaming * (1 + 1e-12)
    assert streaming <= double * (1 + 1e-12)


@given(problem=problems(), space=spaces, buffering=bufferings)
def test_the_best_order_is_the_least_of_all_orders(problem, space, buffering):
    try:
        best, *others = best_of_each_order(problem, space, buffering)
    except InputError:
        return
    assert len({best.order, *(tiling.order for tiling in others)}) == 1 + len(others)
    assert all(best.traffic_bits <= tiling.traffic_bits * (1 + 1e-12) for tiling in others)


@given(problem=problems(), space=spaces)
def test_no_tiling_of_a_convolution_is_below_the_bound(problem, space):
    try:
        tiling = best_tiling(problem, space, "single")
    except InputError:
        return
    assert tiling.above_bound >= 1 - 1e-12


@given(
    m=st.integers(1, 4000),
    n=st.integers(1, 4000),
    k=st.integers(1, 40),
    groups=st.integers(1, 3),
    widths=st.tuples(st.floats(0.1, 32), st.floats(0.1, 32), st.sampled_from([4, 8, 16, 32])),
    space=st.integers(400, 40_000),
)
def test_no_tiling_of_a_product_is_below_the_bound(m, n, k, groups, widths, space):
    assert best_tiling(gemm_problem(m, n, k, groups, *widths), space).above_bound >= 1 - 1e-12


def test_what_fits_moves_once_in_one_buffer():
    problem = gemm_problem(10, 20, 30, 1, 32.0, 32.0, 32)
    tiling = best_tiling(problem, 32 * (600 + 300 + 200))
    assert tiling.traffic_bits == tiling.needed_bits == 32 * (600 + 300 + 200)
    assert tiling.above_bound == 1.0


def test_a_batch_too_large_for_the_chip_worked_by_hand():
    """1,024 rows x 64 inputs x 64 outputs with room for 64 rows: weights stay, rows pass once."""
    problem = gemm_problem(1024, 64, 64, 1, 32.0, 32.0, 32)
    tiling = best_tiling(problem, 2 * 32 * (64 * 64 + 64 * 64 + 64 * 64))
    assert (tiling.weight_fetches, tiling.input_fetches, tiling.psum_passes) == (1, 1.0, 1)
    assert tiling.traffic_bits == 32 * (64 * 64 + 2 * 1024 * 64)


def test_buffers_of_a_large_matrix_worked_by_hand():
    """64 x 4096 by 4096 x 4096 in 64 KiB, sums stay: 241 filters a block, or 125 if all buffers are double.

    Sums of 64 x 241 take 61,696 bytes, and leave 3,840 for a sliver of both operands; 17 blocks of
    filters read the inputs 17 times. Two buffers of sums leave room for 64 x 125, which is 33 blocks.
    """
    problem = problem_of(int8(fc("fc", 4096, 4096)), 64)
    single, streaming, double = (best_tiling(problem, 64 * 8192, kind) for kind in BUFFERINGS)
    assert [t.n for t in (single, streaming, double)] == [241, 241, 125]
    assert [t.traffic_bits / 8 for t in (streaming, double)] == [
        4096 * 4096 + (fetches + 1) * 64 * 4096 for fetches in (17, 33)
    ]


def test_a_small_memory_forces_more_traffic_than_every_tensor_once():
    problem = gemm_problem(1000, 1000, 1000, 1, 32.0, 32.0, 32)
    small_memory = lower_bound_bits(problem, 32 * 100)
    assert small_memory == pytest.approx(32 * (2e9 / 10 - 2 * 100))
    assert best_tiling(problem, 32 * 100).traffic_bits >= small_memory


def test_the_bound_of_a_shallow_layer_is_nearly_reached_by_weights_that_stay():
    """K = 2 weights of 45 filters stay while all rows pass: outputs leave done, nothing comes back."""
    problem = gemm_problem(100_000, 9_000, 2, 1, 32.0, 32.0, 32)
    words = 2 * 45 + 2 + 1  # weights, a row of inputs, a partial sum
    moved = 32 * (9_000 * 2 + 200 * 100_000 * 2 + 100_000 * 9_000)
    assert moved / 1.01 < lower_bound_bits(problem, 32 * words) <= moved


def test_no_room_at_all_is_refused():
    with pytest.raises(InputError, match="hold no block"):
        best_tiling(gemm_problem(4, 4, 4, 1, 32.0, 32.0, 32), 90)


def test_a_layer_of_a_great_many_rows_is_cut_at_once():
    assert best_tiling(gemm_problem(1 << 56, 4, 4, 1, 32.0, 32.0, 32), 32 * 1000).weight_fetches == 1


def int8(layer):
    return Layer(**(vars(layer) | {"arithmetic": "int8", "weights": dense_storage(layer.weight_count, 8)}))


def test_a_stride_beyond_the_kernel_fetches_the_rows_it_uses():
    """1x1, stride 2, over 64 maps of 112 x 112 int8: half of the rows, each of them whole."""
    problem = problem_of(int8(conv("d", 64, (112, 112), 128, (1, 1), stride=(2, 2))), 1)
    tiling = best_tiling(problem, 1 << 20)
    assert tiling.input_bits == 3_211_264
    assert 64 * problem.rows.used * problem.columns.used * 8 == 1_605_632


def test_stripes_keep_their_halo_and_thin_blocks_with_room_for_nothing_else_fetch_it_again():
    """One filter 3x3 over one 8 x 8 map of bytes, no padding: 6 x 6 outputs."""
    problem = Problem(1, 1, Axis(6, 8, 3), Axis(6, 8, 3, whole=True), 1, 1, 8.0, 8.0, 8)
    stripe = best_tiling(problem, 8 * (9 + 3 * 8 + 4 * 6), "single")
    assert (stripe.rows, stripe.columns, stripe.keeps_halo) == (1, 6, True)
    assert stripe.input_bits == 8 * 64
    window = best_tiling(problem, 8 * (9 + 9 + 4), "single")
    assert (window.rows, window.columns) == (1, 1)
    assert window.input_bits == 8 * 6 * 3 * 8  # six strips, three wide, each row of them once


def test_groups_that_fit_go_together():
    """144 channels of 56 x 56 bytes, each a group: three maps in, and out at 32 bits, fit 64 KiB once."""
    layer = int8(conv("dw", 144, (56, 56), 144, (3, 3), pad=(1, 1), groups=144))
    tiling = best_tiling(problem_of(layer, 1), 64 * 8192, "single")
    assert tiling.groups == 4
    assert tiling.needed_bits == 4 * 8 * (9 + 56 * 56 * 5)
    assert tiling.traffic_bits == 8 * (144 * 9 + 2 * 144 * 56 * 56)
    half = best_tiling(problem_of(layer, 1), 8 * 8192, "single")
    assert (half.groups, half.traffic_bits) == (1, tiling.traffic_bits)


def test_tensors_that_stay_on_chip_cost_nothing():
    problem = problem_of(int8(conv("c", 16, (28, 28), 16, (3, 3), pad=(1, 1))), 1)
    alone = problem._replace(weight_bits=0.0, output_bits=0)
    assert best_tiling(alone, 1 << 16).traffic_bits == 8 * 16 * 28 * 28
