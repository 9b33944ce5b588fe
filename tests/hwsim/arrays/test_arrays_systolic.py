"""Systolic array: SCALE-Sim's figures, and a cycle-by-cycle array that multiplies real matrices."""

import csv
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.arrays.counting import Gemm
from hwsim.arrays.systolic import SystolicArray
from hwsim.arrays.vector import VectorUnit
from hwsim.errors import InputError
from hwsim.workload.layer import Layer, fc, vector

small = st.integers(1, 9)
dataflows = st.sampled_from(["os", "ws", "is"])


def matmul(m, n, k, groups=1):
    return Layer("random", "matmul", m, n, k, m * k, m * n * groups, groups)


def clock_output_stationary(a, b):
    """Feed a (R x T) from the left and b (T x C) from the top, skewed; return product and cycles."""
    (rows, streamed), cols = a.shape, b.shape[1]
    left, top = np.zeros((rows, cols)), np.zeros((rows, cols))
    total, cycle, done = np.zeros((rows, cols)), 0, np.zeros((rows, cols), int)
    while (done < streamed).any():
        left[:, 1:], top[1:, :] = left[:, :-1].copy(), top[:-1, :].copy()
        for row in range(rows):
            left[row, 0] = a[row, cycle - row] if 0 <= cycle - row < streamed else 0
        for col in range(cols):
            top[0, col] = b[cycle - col, col] if 0 <= cycle - col < streamed else 0
        total += left * top
        arrival = cycle - np.add.outer(np.arange(rows), np.arange(cols))
        done += (arrival >= 0) & (arrival < streamed)
        cycle += 1
    return total, cycle


def clock_weight_stationary(weights, stream):
    """Shift weights (R x C) in, then pass stream (T x R) through; return product and cycles."""
    rows, cols = weights.shape
    streamed = len(stream)
    held = np.zeros((rows, cols))
    cycle = 0
    for step in range(rows):
        held[1:] = held[:-1].copy()
        held[0] = weights[rows - 1 - step]
        cycle += 1
    acts, psums = np.zeros((rows, cols)), np.zeros((rows, cols))
    product, emitted, start = np.zeros((streamed, cols)), 0, cycle
    while emitted < streamed * cols:
        acts[:, 1:], above = acts[:, :-1].copy(), np.vstack([np.zeros(cols), psums[:-1]])
        now = cycle - start
        for row in range(rows):
            acts[row, 0] = stream[now - row, row] if 0 <= now - row < streamed else 0
        psums = above + held * acts
        for col in range(cols):
            index = now - (rows - 1) - col
            if 0 <= index < streamed:
                product[index, col] = psums[-1, col]
                emitted += 1
        cycle += 1
    return product, cycle


def blocks(total, size):
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def padded(matrix, rows, cols):
    return np.pad(matrix, ((0, rows - matrix.shape[0]), (0, cols - matrix.shape[1])))


def clock_whole_gemm(array, a, b):
    """Run every fold of a @ b on the cycle-by-cycle array, one after the other."""
    (m, k), n = a.shape, b.shape[1]
    rows, cols = array.rows, array.cols
    product, cycles = np.zeros((m, n)), 0
    if array.dataflow == "os":
        for i in blocks(m, rows):
            for j in blocks(n, cols):
                part, spent = clock_output_stationary(padded(a[i], rows, k), padded(b[:, j], k, cols))
                product[i, j] = part[: a[i].shape[0], : b[:, j].shape[1]]
                cycles += spent
        return product, cycles
    moving, held = (a, b) if array.dataflow == "ws" else (b.T, a.T)
    result = product if array.dataflow == "ws" else product.T
    for i in blocks(k, rows):
        for j in blocks(held.shape[1], cols):
            stream = padded(moving[:, i], len(moving), rows)
            part, spent = clock_weight_stationary(padded(held[i, j], rows, cols), stream)
            result[:, j] += part[:, : held[i, j].shape[1]]
            cycles += spent
    return product, cycles


@given(small, small, small, st.integers(1, 4), st.integers(1, 4), dataflows, st.integers(0, 99))
@settings(max_examples=120, deadline=None)
def test_cycles_of_an_array_that_really_multiplies(m, n, k, rows, cols, dataflow, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-5, 6, (m, k)).astype(float), rng.integers(-5, 6, (k, n)).astype(float)
    array = SystolicArray(rows, cols, dataflow)
    product, occupied = clock_whole_gemm(array, a, b)
    assert (product == a @ b).all()
    cost = array.cost(matmul(m, n, k), 1)
    assert cost.cycles == max(occupied - 1, 1)
    assert cost.cycles + cost.uncounted_cycles == occupied


def scalesim_rows():
    path = resources.files("hwsim") / "data" / "published" / "scalesim.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_every_stall_free_row_of_scalesim():
    rows = scalesim_rows()
    assert len(rows) > 100
    for row in rows:
        gemm = Gemm(int(row["M"]), int(row["N"]), int(row["K"]), 1)
        array = SystolicArray(int(row["array_rows"]), int(row["array_cols"]), row["dataflow"])
        layer = matmul(gemm.m, gemm.n, gemm.k)
        assert array.cost(layer, 1).cycles == int(row["compute_cycles"]), row
        words = array.accesses(gemm)
        double_count = int(row["folds"]) * (array.rows + array.cols) if row["dataflow"] == "os" else 0
        assert words.inputs == int(row["sram_ifmap_reads"]), row
        assert words.filters == int(row["sram_filter_reads"]), row
        assert words.outputs + words.psums == int(row["sram_ofmap_writes"]) - double_count, row


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_one_multiply_accumulate_takes_a_cycle(dataflow):
    cost = SystolicArray(1, 1, dataflow).cost(matmul(1, 1, 1), 1)
    assert cost.cycles == 1
    assert cost.cycles + cost.uncounted_cycles == (1 if dataflow == "os" else 2)


def test_counts_by_hand():
    # weight-stationary, K = 6 over 4 rows: two folds, so every output spills once and comes back
    array = SystolicArray(4, 4, "ws")
    counts = array.cost(fc("f", 6, 4, arithmetic="int8"), batch=3).counts
    macs = 6 * 4 * 3
    assert counts == {
        ("weights", "array_port", "word"): 24,
        ("activations", "sram", "read_bit"): 8 * 18,
        ("activations", "sram", "write_bit"): 8 * 12,
        ("psums", "sram", "write_bit"): 32 * 12,
        ("psums", "sram", "read_bit"): 32 * 12,
        ("weights", "register", "latch_bit"): 8 * 24 * 5 // 2,  # shifted into rows 1 to 4
        ("activations", "register", "latch_bit"): 8 * macs,
        ("psums", "register", "latch_bit"): 32 * macs,
        ("mac", "mac", "multiply_int8"): macs,
        ("mac", "mac", "add_int32"): macs,
    }


def latched(dataflow, gate_zeros=False):
    """Bits clocked into latches by 3 x 4 outputs of depth 6: half the weights, a quarter of the inputs."""
    layer = fc("f", 6, 4, arithmetic="int8", weight_density=0.5, input_density=0.25)
    counts = SystolicArray(4, 4, dataflow, gate_zeros).cost(layer, batch=3).counts
    return {tensor: n for (tensor, _, action), n in counts.items() if action == "latch_bit"}


def test_what_a_dataflow_holds_is_clocked_only_when_it_is_loaded():
    macs = 6 * 4 * 3
    assert latched("os") == {"weights": 8 * macs, "activations": 8 * macs, "psums": 32 * macs}
    assert latched("is") == {"weights": 8 * macs, "activations": 8 * 18 * 5 // 2, "psums": 32 * macs}


def test_gating_keeps_zeros_and_held_sums_where_they_are():
    macs = 6 * 4 * 3
    assert latched("os", gate_zeros=True) == {
        "weights": 8 * macs // 2,
        "activations": 8 * macs // 4,
        "psums": 32 * macs // 8,
    }
    assert latched("ws", gate_zeros=True)["psums"] == 32 * macs  # a sum that moves goes on


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(1, 3),
    st.integers(1, 300),
    st.integers(1, 300),
    dataflows,
)
@settings(max_examples=300, deadline=None)
def test_contract(m, n, k, groups, rows, cols, dataflow):
    cost = SystolicArray(rows, cols, dataflow).cost(matmul(m, n, k, groups), 1)
    assert cost.cycles + 1 >= max(cost.compute_cycles, cost.load_cycles)
    assert 0 < cost.utilisation <= 1
    assert cost.counts.get(("psums", "sram", "read_bit")) == cost.counts.get(("psums", "sram", "write_bit"))


def test_refuses_what_it_cannot_run():
    with pytest.raises(InputError, match="dataflow is 'rs', expected os, ws or is"):
        SystolicArray(4, 4, "rs")
    with pytest.raises(InputError, match="rows is 0"):
        SystolicArray(0, 4, "os")
    with pytest.raises(InputError, match="layer pool: a vector layer cannot run on a systolic array"):
        SystolicArray(4, 4, "os").cost(vector("pool", 4, 1, 4), 1)


def test_vector_unit_by_hand():
    cost = VectorUnit(lanes=8).cost(vector("pool", 100, 25, 90), batch=2)
    assert cost.cycles == 23  # 180 operations, 8 a cycle
    assert cost.utilisation == 0
    assert cost.counts == {
        ("activations", "vector", "op_fp32"): 180,
        ("activations", "sram", "read_bit"): 32 * 200,
        ("activations", "sram", "write_bit"): 32 * 50,
    }
    with pytest.raises(InputError, match="layer f: a fc layer cannot run on a vector array"):
        VectorUnit(8).cost(fc("f", 4, 4), 1)
