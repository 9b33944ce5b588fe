"""Mixed bits: the best choice within a budget, against all choices."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.format.execution import executable
from compress.methods.allocate import allocations, assembled, quantize_within, tensor_losses
from compress.methods.quantize import quantize_network
from compress.nn.lenets import lenet_300_100
from compress.nn.network import Network, Node
from hwsim.errors import InputError

BITS = (2, 4, 8)


def total(table, bits):
    return sum(table[layer][width] for layer, width in bits.items())


def test_the_layer_that_loses_most_gets_the_bits_first():
    losses = {"a": {2: 9.0, 4: 1.0, 8: 0.0}, "b": {2: 0.2, 4: 0.1, 8: 0.0}}
    costs = {layer: {bits: 100.0 * bits for bits in BITS} for layer in losses}
    assert allocations(losses, costs) == [
        {"a": 2, "b": 2},
        {"a": 4, "b": 2},  # 8 for 200
        {"a": 8, "b": 2},  # 1 for 400
        {"a": 8, "b": 4},  # 0.1 for 200
        {"a": 8, "b": 8},  # 0.1 for 400
    ]


def test_another_cost_is_another_order():
    losses = {"wide": {2: 1.0, 8: 0.0}, "busy": {2: 0.9, 8: 0.0}}
    in_bytes = {layer: {2: 2.0 * size, 8: 8.0 * size} for layer, size in {"wide": 10, "busy": 1}.items()}
    in_joules = {layer: {2: 2.0 * size, 8: 8.0 * size} for layer, size in {"wide": 1, "busy": 10}.items()}
    assert allocations(losses, in_bytes)[1] == {"wide": 2, "busy": 8}
    assert allocations(losses, in_joules)[1] == {"wide": 8, "busy": 2}


tables = st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=1, max_size=4)


@given(tables, st.lists(st.integers(1, 9), min_size=4, max_size=4))
def test_nothing_beats_what_is_on_the_path(losses, sizes):
    known = {str(i): dict(zip(BITS, map(float, row), strict=True)) for i, row in enumerate(losses)}
    costs = {layer: {bits: float(bits * sizes[int(layer)]) for bits in BITS} for layer in known}
    path = allocations(known, costs)
    assert all(total(costs, a) < total(costs, b) for a, b in pairwise(path))
    assert all(total(known, a) > total(known, b) for a, b in pairwise(path))
    others = [dict(zip(known, widths, strict=True)) for widths in product(BITS, repeat=len(known))]
    points = [(total(costs, other), total(known, other)) for other in others]
    assert total(known, path[-1]) == min(loss for _, loss in points)
    for chosen in path:
        cost, loss = total(costs, chosen), total(known, chosen)
        assert not any((x <= cost and y < loss) or (x < cost and y <= loss) for x, y in points)


def sizes(artifact):
    """Bytes by tensor that are not those of the container."""
    return {
        tensor.name.removesuffix(".weight"): tensor.total_bits / 8 for tensor in artifact.layout().tensors
    }


def trained():
    rng = np.random.default_rng(0)
    return lenet_300_100(rng, (20, 10)), rng.random((60, 1, 28, 28), dtype=np.float32)


def test_the_most_that_a_budget_allows():
    network, x = trained()
    whole = {bits: sum(sizes(quantize_network(network, x, bits)).values()) for bits in range(2, 9)}
    assert quantize_within(network, x, whole[8], sizes).stage == "int8"
    assert quantize_within(network, x, whole[4], sizes, 4).stage == "int4"
    budget = (whole[2] + whole[8]) / 2
    mixed = quantize_within(network, x, budget, sizes)
    assert whole[2] < sum(sizes(mixed).values()) <= budget
    with pytest.raises(InputError, match=f"costs {whole[2]:.4g} with the fewest bits, expected a budget"):
        quantize_within(network, x, whole[2] - 1, sizes)


def test_costs_that_do_not_add_up_are_still_within_the_budget():
    network, x = trained()

    def falling_off(artifact):
        parts = sizes(artifact)
        return parts | {"cliff": 1e6 * (sum(parts.values()) > 12_000)}

    mixed = quantize_within(network, x, 100_000.0, falling_off)
    assert 8_000 < sum(sizes(mixed).values()) <= 12_000


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_is_more_than_zero(budget):
    with pytest.raises(InputError, match="expected more than zero"):
        quantize_within(*trained(), budget, sizes)


def tied():
    """Two layers of the same weights, between layers of their own."""
    rng = np.random.default_rng(3)
    nodes = (
        Node("in", "fc", params=("v",)),
        Node("a", "fc", ("in",), params=("w",)),
        Node("b", "fc", ("a",), params=("w",)),
        Node("out", "fc", ("b",), params=("u",)),
    )
    params = {name: rng.standard_normal((20, 20)).astype(np.float32) for name in "vwu"}
    return Network("tied", (20,), nodes, params), rng.standard_normal((8, 20)).astype(np.float32)


def test_layers_of_the_same_weights_get_the_same_bits():
    network, x = tied()

    def layer_bytes(artifact):
        of = sizes(artifact)
        return {"in": of["v"], "a": of["w"], "b": 0.0, "out": of["u"]}

    whole = {bits: sum(sizes(quantize_network(network, x, bits)).values()) for bits in (2, 8)}
    seen = set()
    for budget in np.linspace(whole[2], whole[8], 9)[:-1]:
        mixed = quantize_within(network, x, budget, layer_bytes)
        assert sum(sizes(mixed).values()) <= budget
        seen |= {mixed.tensors["w"].bits}
        assert np.isfinite(executable(mixed).forward(x)).all()
    assert len(seen) > 2


def test_layers_of_the_same_weights_cannot_have_different_bits():
    network, x = tied()
    assert quantize_network(network, x, {"a": 4, "b": 4}).stage == "mixed"
    message = "layer 'b' has 3 bits, expected the 4 of a layer with the same"
    with pytest.raises(InputError, match=message):
        quantize_network(network, x, {"a": 4, "b": 3})


def test_what_is_assembled_is_what_would_be_quantized():
    network, x = trained()
    uniform = {bits: quantize_network(network, x, bits) for bits in (3, 8)}
    bits = {"fc1.weight": 3, "fc3.weight": 8}
    expected = quantize_network(network, x, {"fc1": 3, "fc3": 8})
    assert assembled(network, uniform, bits).to_bytes() == expected.to_bytes()
    everywhere = dict.fromkeys(("fc1.weight", "fc2.weight", "fc3.weight"), 3)
    assert assembled(network, uniform, everywhere) is uniform[3]


def test_losses_are_measured_and_mixed_networks_execute():
    network, x = trained()
    uniform = {bits: quantize_network(network, x, bits, calibration="mse") for bits in (2, 5, 8)}
    losses = tensor_losses(network, x, uniform)
    assert losses.keys() == {"fc1.weight", "fc2.weight", "fc3.weight"}
    assert all(100 * known[8] < 10 * known[5] < known[2] for known in losses.values())
    alone = executable(quantize_network(network, x, {"fc2": 5}, calibration="mse")).forward(x)
    assert losses["fc2.weight"][5] == pytest.approx(((alone - network.forward(x)) ** 2).sum())
    mixed = quantize_network(network, x, {"fc1": 8, "fc3": 3})
    assert mixed.stage == "mixed"
    integers, emulated = (executable(mixed, accumulator=kind).forward(x) for kind in ("int32", "float64"))
    assert integers.tobytes() == emulated.tobytes()
    with pytest.raises(InputError, match="no layer 'fc9', expected one of fc1"):
        quantize_network(network, x, {"fc9": 8})
