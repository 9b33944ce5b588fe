"""Structured sparsity: skipping and gating are separate, and only kept rules are rewarded."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.arrays.gemm import GemmArray
from hwsim.arrays.nm import StructuredArray
from hwsim.errors import InputError
from hwsim.workload.layer import Layer, fc

ARRAY = StructuredArray(tiles=2, rows=8, cols=8, load_words_per_cycle=8, accumulator_rows=64, kept=2, group=4)
DENSE = GemmArray(2, 8, 8, 8, 64)
LOAD_CYCLES = 8
HALF = fc("f", 256, 64, weight_density=0.5)


def test_two_of_four_halves_the_folds():
    assert ARRAY.cost(HALF, 32).compute_cycles - 14 == (DENSE.cost(HALF, 32).compute_cycles - 14) // 2
    cost = ARRAY.cost(HALF, 32)
    assert cost.macs == 128 * 64 * 32
    assert cost.useful_macs == cost.macs
    assert cost.counts["weights", "array_port", "word"] == 128 * 64
    assert (
        cost.counts["activations", "sram", "read_bit"]
        == DENSE.cost(HALF, 32).counts["activations", "sram", "read_bit"]
    )


def test_indices_are_read_with_the_weights():
    cost = ARRAY.cost(HALF, 32)
    packed = DENSE.cost(fc("f", 128, 64), 32)
    shifted = ("weights", "register", "latch_bit")
    assert cost.counts[shifted] - packed.counts[shifted] == 2 * (128 * 64 * (LOAD_CYCLES + 1) // 2)


def test_switches_are_separate():
    gates_only = replace(ARRAY, skip_zeros=False)
    skips_only = replace(ARRAY, gate_zeros=False)
    neither = replace(ARRAY, skip_zeros=False, gate_zeros=False)
    layer = replace(HALF, input_density=0.5)
    multiplies = {
        array: array.cost(layer, 4).counts["mac", "mac", "multiply_fp32"]
        for array in (ARRAY, gates_only, skips_only, neither)
    }
    all_macs = 256 * 64 * 4
    assert multiplies[neither] == all_macs
    assert multiplies[skips_only] == all_macs // 2
    assert multiplies[gates_only] == multiplies[ARRAY] == all_macs // 4
    assert gates_only.cost(layer, 4).cycles == neither.cost(layer, 4).cycles
    assert skips_only.cost(layer, 4).cycles == ARRAY.cost(layer, 4).cycles


def test_a_pattern_that_breaks_the_rule_runs_dense():
    kept = np.tile([True, False, False, True], (64, 64))
    broken = kept.copy()
    broken[5, 8:12] = [True, True, True, False]
    follows = replace(HALF, pattern=kept)
    breaks = replace(HALF, pattern=broken)
    assert ARRAY.skips(follows)
    assert not ARRAY.skips(breaks)
    assert ARRAY.cost(breaks, 1) == DENSE.cost(breaks, 1)


def test_dense_layers_and_attention_run_dense():
    assert not ARRAY.skips(fc("f", 256, 64, weight_density=0.51))
    scores = Layer("s", "matmul", 4, 4, 4, 32, 16, weight_density=0.5)
    assert ARRAY.cost(scores, 1) == DENSE.cost(scores, 1)


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.floats(0, 0.5),
    st.floats(0, 1),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_contract(inputs, outputs, density, input_density, batch, skip, gate):
    layer = fc("f", inputs, outputs, weight_density=density, input_density=input_density)
    cost = replace(ARRAY, skip_zeros=skip, gate_zeros=gate).cost(layer, batch)
    assert cost.cycles >= max(cost.compute_cycles, cost.load_cycles)
    assert 0 < cost.utilisation <= 1
    assert cost.useful_macs <= cost.macs
    assert cost.cycles <= DENSE.cost(layer, batch).cycles


def test_refuses_impossible_rules():
    with pytest.raises(InputError, match="kept is 5, expected 1 to group = 4"):
        replace(ARRAY, kept=5)
    with pytest.raises(InputError, match="tiles is 0"):
        replace(ARRAY, tiles=0)
