"""Tiling: traffic counted by a loop nest, closed forms, the lower bound."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.mapping.tiling import Problem, best_tiling, lower_bound_bits


def walked_traffic(problem, tiling):
    """Move blocks by really walking the loops: a block moves when it differs from the last one."""
    sizes = {"m": (problem.m, tiling.m), "n": (problem.n, tiling.n), "k": (problem.k, tiling.k)}
    last = {"weights": None, "inputs": None, "outputs": None}
    seen, bits = set(), 0.0

    def extent(loop, index):
        length, block = sizes[loop]
        return min(block, length - index * block)

    loops = [range(-(-sizes[loop][0] // sizes[loop][1])) for loop in tiling.order]
    for indices in product(*loops):
        at = dict(zip(tiling.order, indices, strict=True))
        m, n, k = (extent(loop, at[loop]) for loop in "mnk")
        if last["weights"] != (at["n"], at["k"]):
            bits += n * k * problem.weight_bits
        if last["inputs"] != (at["m"], at["k"]):
            bits += m * k * problem.input_bits
        if last["outputs"] != (at["m"], at["n"]):
            if (at["m"], at["n"]) in seen:
                bits += 2 * 32 * m * n
            else:
                bits += problem.output_bits * m * n
            seen.add((at["m"], at["n"]))
        last = {
            "weights": (at["n"], at["k"]),
            "inputs": (at["m"], at["k"]),
            "outputs": (at["m"], at["n"]),
        }
    return bits * problem.groups


sizes = st.integers(1, 40)


@given(m=sizes, n=sizes, k=sizes, groups=st.integers(1, 3), space=st.integers(400, 40_000))
def test_traffic_is_what_walking_the_loops_moves(m, n, k, groups, space):
    problem = Problem(m, n, k, groups, 9.0, 32.0, 32)
    tiling = best_tiling(problem, space)
    assert walked_traffic(problem, tiling) == pytest.approx(tiling.traffic_bits, rel=1e-12)
    assert tiling.above_bound >= 1 - 1e-12
    assert 2 * (tiling.n * tiling.k * 9.0 + tiling.m * tiling.k * 32.0 + tiling.m * tiling.n * 32) <= space


def test_what_fits_moves_once():
    problem = Problem(10, 20, 30, 1, 32.0, 32.0, 32)
    tiling = best_tiling(problem, 2 * 32 * (600 + 300 + 200))
    assert tiling.traffic_bits == 32 * (600 + 300 + 200)
    assert tiling.above_bound == 1.0


def test_a_batch_too_large_for_the_chip_worked_by_hand():
    """1,024 rows x 64 inputs x 64 outputs with room for 64 rows: weights stay, rows pass once."""
    problem = Problem(1024, 64, 64, 1, 32.0, 32.0, 32)
    tiling = best_tiling(problem, 2 * 32 * (64 * 64 + 64 * 64 + 64 * 64))
    assert (tiling.weight_fetches, tiling.input_fetches, tiling.psum_passes) == (1, 1, 1)
    assert tiling.traffic_bits == 32 * (64 * 64 + 2 * 1024 * 64)


def test_a_small_memory_forces_more_traffic_than_every_tensor_once():
    problem = Problem(1000, 1000, 1000, 1, 32.0, 32.0, 32)
    small = lower_bound_bits(problem, 32 * 100)
    assert small == pytest.approx(32 * (2e9 / 10 - 2 * 100))
    assert best_tiling(problem, 32 * 100).traffic_bits >= small


def test_the_bound_of_a_shallow_layer_is_nearly_reached_by_weights_that_stay():
    """K = 2 weights of 45 filters stay while all rows pass: outputs leave done, nothing comes back."""
    problem = Problem(100_000, 9_000, 2, 1, 32.0, 32.0, 32)
    words = 2 * 45 + 2 + 1  # weights, a row of inputs, a partial sum
    moved = 32 * (9_000 * 2 + 200 * 100_000 * 2 + 100_000 * 9_000)
    assert moved / 1.01 < lower_bound_bits(problem, 32 * words) <= moved


@given(
    m=st.integers(1, 4000),
    n=st.integers(1, 4000),
    k=st.integers(1, 40),
    groups=st.integers(1, 3),
    widths=st.tuples(st.floats(0.1, 32), st.floats(0.1, 32), st.sampled_from([4, 8, 16, 32])),
    space=st.integers(400, 40_000),
)
def test_no_tiling_is_below_the_bound(m, n, k, groups, widths, space):
    assert best_tiling(Problem(m, n, k, groups, *widths), space).above_bound >= 1 - 1e-12


def test_no_room_at_all_is_refused():
    with pytest.raises(InputError, match="hold no block"):
        best_tiling(Problem(4, 4, 4, 1, 32.0, 32.0, 32), 100)


def test_a_layer_of_a_great_many_rows_is_cut_at_once():
    assert best_tiling(Problem(1 << 56, 4, 4, 1, 32.0, 32.0, 32), 32 * 1000).weight_fetches == 1
