"""Tilings of whole layers: traffic adds up, bounds hold, prices by hand."""

import pytest

from hwsim.analysis.layer_tilings import GOALS, best_tilings, orders_table, tiling_table
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.mapping.problem import problem_of
from hwsim.mapping.tiling import best_tiling
from hwsim.run import simulate
from hwsim.workload.layer import Workload, fc
from hwsim.workload.networks import load_network

EDGE = load_chip("edge")
ALEXNET = load_network("alexnet")
TINY = Workload("tiny", "dense", (fc("fc", 64, 32),), "by hand")


@pytest.mark.parametrize("goal", GOALS)
def test_traffic_is_the_sum_over_tensors_and_never_below_its_bound(goal):
    table = tiling_table(best_tilings(EDGE, ALEXNET), goal)
    tensors = table[["weight_dram_bits", "input_dram_bits", "output_dram_bits", "psum_dram_bits"]].sum(axis=1)
    assert tensors.tolist() == pytest.approx(table["dram_bits"].tolist(), rel=1e-12)
    assert (table["above_bound"] >= 1 - 1e-12).all()
    assert (table["goal_above_bound"] >= 1 - 1e-12).all()
    assert table["layer"].tolist() == [layer.name for layer in ALEXNET.layers if layer.macs]


@pytest.mark.parametrize(
    ("network", "batch"), [("resnet50", 1), ("squeezenet1_0", 1), ("squeezenet1_0", 4), ("bert_layer", 1)]
)
def test_traffic_of_shallow_layers_is_not_below_its_bound(network, batch):
    tilings = best_tilings(EDGE, load_network(network), batch)
    ratios = {found.layer.name: found.tiling.above_bound for found in tilings}
    assert {name: ratio for name, ratio in ratios.items() if ratio < 1 - 1e-12} == {}


@pytest.mark.parametrize("goal", GOALS)
def test_least_traffic_is_best_for_every_goal(goal):
    for found in best_tilings(EDGE, ALEXNET, 4):
        values = [found.objective.value(goal, t.traffic_bits) for t in (found.tiling, *found.others)]
        assert values == sorted(values)


def test_every_order_is_shown_and_the_next_best_costs_more():
    tilings = best_tilings(EDGE, ALEXNET, 4)
    orders, table = orders_table(tilings), tiling_table(tilings, "energy")
    assert len(orders) == 6 * len(tilings)
    best = orders.groupby("layer", sort=False)["dram_bits"].min()
    assert best.tolist() == table["dram_bits"].tolist()
    assert (orders["needed_bits"] <= 8 * EDGE.sram.capacity_B).all()
    other = table.dropna(subset=["next_order"])
    assert len(other)
    assert (other["next_dram_bits"] > other["dram_bits"]).all()
    assert (other["next_above_best"] > 1).all()
    for row in other.itertuples():
        of_layer = orders[(orders["layer"] == row.layer) & (orders["order"] == row.next_order)]
        assert of_layer["dram_bits"].item() == row.next_dram_bits


def test_a_layer_that_fits_moves_every_tensor_once():
    (found,) = best_tilings(EDGE, TINY)
    row = tiling_table([found], "energy").iloc[0]
    weights = 32 * 64 * 32 + 32 * 32  # with one bias a filter
    assert row["weight_dram_bits"] == pytest.approx(weights)
    assert row["input_dram_bits"] == 64 * 32
    assert row["output_dram_bits"] == 32 * 32
    assert row["psum_dram_bits"] == 0
    assert (row["weight_reuse"], row["input_reuse"], row["output_reuse"]) == (1, 32, 64)
    assert row["above_bound"] == pytest.approx(1.0)


def test_cycles_are_those_of_the_slower_of_array_and_dram():
    (found,) = best_tilings(EDGE, TINY)
    bits_per_cycle = 8 * EDGE.dram.bandwidth_GB_per_s / EDGE.process.clock_GHz
    assert found.objective.cycles(1e9) == pytest.approx(1e9 / bits_per_cycle)
    assert found.objective.cycles(0.0) == found.cost.cycles


@pytest.mark.parametrize(
    ("batch", "expected"), [(0, "batch is 0"), (4097, "batch is 4097, expected 1 to 4096")]
)
def test_refused(batch, expected):
    with pytest.raises(InputError, match=expected):
        best_tilings(EDGE, TINY, batch)


def test_an_unknown_goal_is_refused():
    with pytest.raises(InputError, match="goal 'speed', expected one of traffic, energy, cycles, edp"):
        tiling_table(best_tilings(EDGE, TINY), "speed")


def test_a_chip_too_small_for_one_block_names_the_layer():
    slot = {"buffers.slot_B": 64, "buffers.fetch_depth": 1, "buffers.decode_depth": 1}
    with pytest.raises(InputError, match="layer fc: tiling: 0 bits"):
        best_tilings(EDGE.replace(**slot, **{"sram.capacity_B": 128}), TINY)


@pytest.mark.parametrize("layer", ["scores", "context"])
def test_a_product_of_activations_moves_each_operand_once_where_it_can(layer):
    """12 heads of 128 x 64 by 64 x 128: queries and keys 98,304 words each, scores 196,608; at fp32."""
    chip, workload = load_chip("edge"), load_network("bert_layer")
    (found,) = (row for row in best_tilings(chip, workload) if row.layer.name == layer)
    moved = (found.tiling.weight_bits, found.tiling.input_bits, found.tiling.output_bits)
    words = (98_304, 98_304, 196_608) if layer == "scores" else (98_304, 196_608, 98_304)
    assert moved == tuple(32 * count for count in words)


def test_a_layer_that_a_run_cuts_is_cut_by_the_same_search():
    """AlexNet on a chip too small for its maps: tilings of the run are the search's in the room it has."""
    chip = EDGE.replace(**{"sram.capacity_B": 1 << 16})
    residency = simulate(chip, ALEXNET).schedule.residency
    cut = [(layer, t) for layer, t in zip(ALEXNET.layers, residency.tilings, strict=True) if t]
    assert cut
    for layer, tiling in cut:
        found = best_tiling(problem_of(layer, 1), 8 * residency.activations_B)
        assert (found.traffic_bits, found.order) == (tiling.traffic_bits, tiling.order)
