"""The sparse array against a queue simulated cycle by cycle and a CSC encoded entry by entry."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.arrays.eie import EieArray
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.workload.layer import conv, fc

EIE = EieArray(
    pes=64,
    queue_depth=8,
    gap_bits=4,
    value_bits=4,
    activation_registers=64,
    pointer_bits=16,
    matrix_spad_B=131072,
    matrix_word_bits=64,
    pointer_spad_B=16384,
    activation_spad_B=2048,
)


def small(**changes):
    return replace(EIE, **{"pes": 2, "activation_registers": 1000, **changes})


def layer_of(mask, **extra):
    mask = np.asarray(mask, bool)
    rows, columns = mask.shape
    density = float(mask.mean())
    return fc("f", columns, rows, pattern=mask, weight_density=density, arithmetic="int16", **extra)


def encode(column, gap_limit):
    """Entries of one PE's column as (zeros before, is a filler)."""
    zeros, entries = 0, []
    for nonzero in column:
        if nonzero:
            entries.append((zeros, False))
            zeros = 0
        elif zeros == gap_limit - 1:
            entries.append((zeros, True))
            zeros = 0
        else:
            zeros += 1
    while entries and entries[-1][1]:
        entries.pop()  # nothing follows them
    return entries


def clock(lengths, depth):
    """Broadcast, queue and work off entries (columns x PEs), one cycle at a time."""
    columns, pes = lengths.shape
    queues = [deque() for _ in range(pes)]
    left = [0] * pes
    sent = cycle = 0
    while sent < columns or any(queues) or any(left):
        for pe in range(pes):
            if left[pe] == 0 and queues[pe]:
                left[pe] = max(lengths[queues[pe].popleft(), pe], 1)
        if sent < columns and all(len(queue) < depth for queue in queues):
            for pe in range(pes):
                if left[pe] == 0 and not queues[pe]:
                    left[pe] = max(lengths[sent, pe], 1)
                else:
                    queues[pe].append(sent)
            sent += 1
        left = [max(work - 1, 0) for work in left]
        cycle += 1
    return cycle


def test_the_example_of_the_paper():
    # section III-B: [0, 0, 1, 2, 0 x 18, 3] is stored as v = [1, 2, 0, 3], z = [2, 0, 15, 2]
    column = np.zeros((23, 1), bool)
    column[[2, 3, 22]] = True
    array = small(pes=1)
    assert encode(column[:, 0], 16) == [(2, False), (0, False), (15, True), (2, False)]
    assert array.stored_entries(layer_of(column)) == 4
    cost = array.cost(layer_of(column), 1)
    assert (cost.cycles, cost.macs, cost.useful_macs) == (4, 4, 3)


def test_counts_by_hand():
    # two PEs, three columns: PE 0 holds 2, 0, 1 entries and PE 1 holds 1, 1, 1
    mask = [[1, 0, 0], [1, 0, 1], [1, 0, 1], [0, 1, 0]]
    cost = small(matrix_word_bits=16).cost(layer_of(mask), 1)
    assert cost.cycles == 2 + 1 + 1
    assert cost.compute_cycles == 3
    assert cost.counts == {
        ("weights", "spad_matrix", "read_bit"): 16 * 4,  # PE 0: words 0, 1; PE 1: words 0, 0, 1
        ("weights", "spad_pointer", "read_bit"): 3 * 2 * 2 * 16,
        ("weights", "register", "access_bit"): 6 * 16,
        ("activations", "register", "access_bit"): 3 * 2 * 2 * 32 + 3 * 16,
        ("activations", "spad_activation", "read_bit"): 3 * 16,
        ("activations", "spad_activation", "write_bit"): 4 * 16,
        ("psums", "register", "access_bit"): 2 * 6 * 16,
        ("mac", "mac", "multiply_int16"): 6,
        ("mac", "mac", "add_int32"): 6,
    }


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 60),
    st.integers(1, 30),
    st.floats(0, 1),
    st.integers(1, 3),
    st.integers(0, 999),
)
@settings(max_examples=100, deadline=None)
def test_queues_clocked_one_cycle_at_a_time(pes, depth, rows, columns, density, gap_bits, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < density
    array = small(pes=pes, queue_depth=depth, gap_bits=gap_bits)
    columns_of_pes = [[mask[pe::pes, column] for pe in range(pes)] for column in range(columns)]
    lengths = np.array([[len(encode(own, 1 << gap_bits)) for own in own_rows] for own_rows in columns_of_pes])
    cost = array.cost(layer_of(mask), 1)
    assert cost.macs == lengths.sum()
    assert cost.useful_macs == mask.sum()
    assert cost.cycles == clock(lengths, depth)
    assert cost.cycles >= max(columns, lengths.sum(axis=0).max(), cost.compute_cycles)
    assert cost.utilisation <= 1


@given(st.integers(20, 200), st.integers(20, 200), st.floats(0.05, 0.5), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_deeper_queue_never_takes_longer(rows, columns, density, seed):
    layer = fc("f", columns, rows, weight_density=density, arithmetic="int16")
    cycles = [
        small(pes=8, queue_depth=depth, seed=seed).cost(layer, 1).cycles for depth in (1, 2, 4, 8, 64, 256)
    ]
    assert cycles == sorted(cycles, reverse=True)


def test_vectors_and_outputs_longer_than_the_registers_go_in_batches():
    mask = np.ones((8, 6), bool)
    whole, batched = small(), small(activation_registers=2)
    assert whole.cost(layer_of(mask), 1).cycles == 6 * 4
    # two blocks of 4 rows times two batches of 4 and 2 columns, two entries a column and PE
    assert batched.cost(layer_of(mask), 1).cycles == 2 * (4 * 2 + 2 * 2)


def test_zero_activations_are_skipped_or_not():
    layer = fc("f", 400, 64, weight_density=0.5, input_density=0.25, arithmetic="int16")
    skips, works = small().cost(layer, 1), small(skip_zero_activations=False).cost(layer, 1)
    assert skips.cycles < 0.3 * works.cycles
    assert skips.counts["weights", "spad_pointer", "read_bit"] == 100 * 2 * 2 * 16
    assert works.useful_macs == pytest.approx(skips.useful_macs, rel=0.1)


def test_same_seed_same_cycles_and_batch_repeats_the_item():
    layer = fc("f", 300, 100, weight_density=0.2, input_density=0.5, arithmetic="int16")
    assert small(seed=1).cost(layer, 1) == small(seed=1).cost(layer, 1)
    assert small().cost(layer, 3).cycles == 3 * small().cost(layer, 1).cycles


def test_pixels_cost_what_items_do():
    """The tokens of a sequence are vectors of their own."""
    layer = fc("tokens", 60, 90, weight_density=0.2, input_density=0.5)
    array = load_chip("eie").array
    assert array.cost(replace(layer, pixels=7), 2) == array.cost(layer, 14)


def test_nothing_to_do():
    cost = small().cost(fc("f", 30, 10, input_density=0.0, arithmetic="int16"), 1)
    assert cost.cycles == cost.macs == 0
    assert cost.utilisation == 0


def test_refuses_what_it_cannot_run():
    with pytest.raises(InputError, match="layer c: a conv layer cannot run on a eie array, expected fc"):
        EIE.cost(conv("c", 3, (8, 8), 4, (3, 3)), 1)
    with pytest.raises(InputError, match=r"pattern of shape \(2, 3\), expected \(3, 2\)"):
        EIE.cost(fc("f", 2, 3, pattern=np.ones((2, 3), bool)), 1)
    with pytest.raises(InputError, match="matrix_word_bits is 4, expected at least one entry of 8"):
        small(matrix_word_bits=4)
