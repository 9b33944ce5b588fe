"""Mixed bits: the best choice within a budget, against all choices."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.allocate import choose_bits, layer_costs, layer_losses
from compress.models import lenet_300_100
from compress.quantize import integer_network, quantize_network
from hwsim.workload import InputError

BITS = (2, 4, 8)


def total(table, bits):
    return sum(table[layer][width] for layer, width in bits.items())


def test_the_layer_that_loses_most_gets_the_bits():
    losses = {"a": {2: 9.0, 4: 1.0, 8: 0.0}, "b": {2: 0.2, 4: 0.1, 8: 0.0}}
    costs = layer_costs(losses, BITS, lambda layer, bits: 100 * bits)
    assert choose_bits(losses, costs, 400) == {"a": 2, "b": 2}
    assert choose_bits(losses, costs, 650) == {"a": 4, "b": 2}
    assert choose_bits(losses, costs, 1000) == {"a": 8, "b": 2}
    assert choose_bits(losses, costs, 1600) == {"a": 8, "b": 8}


def test_another_cost_is_another_choice():
    losses = {"wide": {2: 1.0, 8: 0.0}, "busy": {2: 0.9, 8: 0.0}}
    in_bytes = layer_costs(losses, (2, 8), lambda layer, bits: bits * {"wide": 10, "busy": 1}[layer])
    in_joules = layer_costs(losses, (2, 8), lambda layer, bits: bits * {"wide": 1, "busy": 10}[layer])
    assert choose_bits(losses, in_bytes, 60) == {"wide": 2, "busy": 8}
    assert choose_bits(losses, in_joules, 60) == {"wide": 8, "busy": 2}


tables = st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=1, max_size=4)


@given(tables, st.lists(st.integers(1, 9), min_size=4, max_size=4), st.integers(0, 400))
def test_on_the_hull_nothing_is_better(losses, sizes, slack):
    known = {str(i): dict(zip(BITS, map(float, row), strict=True)) for i, row in enumerate(losses)}
    costs = layer_costs(known, BITS, lambda layer, bits: float(bits * sizes[int(layer)]))
    budget = sum(row[2] for row in costs.values()) + slack
    chosen = choose_bits(known, costs, budget)
    assert total(costs, chosen) <= budget
    reached, spent = total(known, chosen), total(costs, chosen)
    for widths in product(BITS, repeat=len(known)):
        other = dict(zip(known, widths, strict=True))
        # whoever does better has to spend more than the largest step of one layer beyond what was left
        if total(known, other) < reached - 1e-9 and total(costs, other) <= spent:
            largest = max(costs[layer][8] - costs[layer][2] for layer in known)
            assert budget - spent < largest


def test_bad_budgets_and_tables_are_refused():
    losses = {"a": {2: 1.0, 8: 0.0}}
    with pytest.raises(InputError, match="budget of 1 is too small, expected at least 2"):
        choose_bits(losses, {"a": {2: 2.0, 8: 8.0}}, 1)
    with pytest.raises(InputError, match="different layers or choices"):
        choose_bits(losses, {"a": {2: 2.0}}, 10)


def test_losses_are_measured_and_mixed_networks_execute():
    rng = np.random.default_rng(0)
    network = lenet_300_100(rng, (20, 10))
    x, y = rng.random((60, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 60)
    losses = layer_losses(network, x, y, (2, 8))
    assert losses.keys() == {"fc1", "fc2", "fc3"}
    assert all(abs(known[8]) < 0.01 < abs(known[2]) + 0.01 for known in losses.values())
    mixed = quantize_network(network, x, {"fc1": 8, "fc3": 3})
    assert mixed.stage == "mixed"
    integers, emulated = (integer_network(mixed, kind).forward(x) for kind in ("int32", "float64"))
    assert integers.tobytes() == emulated.tobytes()
    with pytest.raises(InputError, match="no layer 'fc9', expected one of fc1"):
        quantize_network(network, x, {"fc9": 8})
