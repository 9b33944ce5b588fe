"""Studies of what compression gives: knees to the byte, gains that end at one, queues by hand."""

import numpy as np
import pandas as pd
import pytest

from compress.format.container import Artifact
from compress.lowering import workload_of
from compress.nn.datasets import load_dataset
from compress.nn.lenets import build
from compress.nn.statistics import input_densities
from experiments.figures import residency_cliff as cliff_figure
from experiments.figures import small_cnns as cnns_figure
from experiments.studies import fifo_depth, residency_cliff, small_cnns, sparsity_bits, waterfall, when_not
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network


def test_a_knee_is_the_least_memory_to_the_byte():
    case = residency_cliff.CASES[0]
    found = residency_cliff.knee(case, "huffman")
    workload = load_network(case.network, "huffman")

    def home(capacity_B):
        return simulate(residency_cliff.with_memory(load_chip(case.chip), capacity_B), workload).weights_home

    assert home(found["sram_B"]) == "on chip"
    assert home(found["sram_B"] - 1) != "on chip"


def test_a_memory_of_four_times_the_size_has_wires_of_twice_the_length():
    chip = load_chip("edge")
    larger = residency_cliff.with_memory(chip, 4 * chip.sram.capacity_B)
    assert larger.sram.wire_mm == 2 * chip.sram.wire_mm


def test_the_knee_lies_on_its_line():
    lines = pd.DataFrame(
        [
            {"chip": chip, "network": network, "stage": "dense", "sram_B": sram_B, "energy_J": energy_J}
            for chip, network in cliff_figure.TITLES
            for sram_B, energy_J in ((1 << 10, 4.0), (1 << 14, 1.0))
        ]
    )
    knees = lines.drop_duplicates("chip").assign(sram_B=1 << 12, energy_J=0.5)
    curve, dot = cliff_figure.draw(lines, knees).axes[0].lines
    assert curve.get_xydata().tolist() == [[1 << 10, 4.0], [1 << 12, 0.5], [1 << 14, 1.0]]
    assert dot.get_xydata().tolist() == [[1 << 12, 0.5]]


def test_the_waterfall_falls_and_its_error_does_not_rise():
    table = pd.DataFrame(waterfall.steps())
    assert len(table) == 4 * len(waterfall.CHIPS)
    for _, rows in table.groupby("network"):
        assert rows["stage"].tolist() == list(waterfall.STAGES)
        assert (np.diff(rows["weight_bytes"]) < 0).all()
        assert rows["top1_error_pct"].iloc[-1] <= rows["top1_error_pct"].iloc[0]
    printed = table.dropna(subset="published_bytes")
    assert printed["weight_bytes"].to_numpy() == pytest.approx(printed["published_bytes"].to_numpy(), rel=0.2)


def test_huffman_coding_does_not_pay_beside_a_small_bank():
    table = pd.DataFrame(when_not.by_bank()).set_index(["bank_B", "stage"])
    smallest, largest = when_not.BANKS_B[0], when_not.BANKS_B[-1]
    assert table.loc[(smallest, "huffman"), "gain"] < 1 < table.loc[(smallest, "shared"), "gain"]
    assert table.loc[(largest, "huffman"), "gain"] > 1
    shared, coded = (table.loc[(smallest, stage)] for stage in ("shared", "huffman"))
    saved = (shared["weights_J"] - shared["decoder_J"]) - (coded["weights_J"] - coded["decoder_J"])
    assert 0 < saved < coded["decoder_J"] - shared["decoder_J"]
    assert saved < coded["static_J"] - shared["static_J"]


def test_gains_by_layer_go_with_the_uses_of_a_weight():
    table = pd.DataFrame(when_not.by_layer())
    assert table[table["kind"] == "fc"]["uses_of_a_weight"].eq(1).all()
    assert table[table["kind"] == "fc"]["gain"].min() > 7 * table[table["kind"] == "conv"]["gain"].max()


def test_what_depth_gains_by_hand():
    """Two layers, busy 50% and 80% with a queue of one, 75% and 80% with two: 1.25 times faster."""
    balance = pd.DataFrame(
        {"layer": ["a", "a", "b", "b"], "queue_depth": [1, 2, 1, 2], "load_balance": [0.5, 0.75, 0.8, 0.8]}
    )
    table = fifo_depth.by_depth(balance).set_index("queue_depth")
    assert table.loc[1, "idle_mean"] == pytest.approx(0.35)
    assert table.loc[1, "idle_most"] == pytest.approx(0.5)
    assert table.loc[2, "speedup_mean"] == pytest.approx(1.25)
    assert table.loc[1, "of_deepest_mean"] == pytest.approx((0.5 / 0.75 + 1) / 2)


def test_points_of_the_grid_are_the_simulators(tmp_path):
    """Stored bits of a file, told layer by layer, cost the joules of the file itself, segments apart."""
    network = build("lenet300", np.random.default_rng(0))
    dataset = load_dataset("mnist", validation=59_000)
    artifact = Artifact.of(network, "dense")
    rows = pd.DataFrame(sparsity_bits.rows_of(artifact, dataset))
    told = sparsity_bits.workload(rows, "dense")
    densities = input_densities(network, dataset.train.x[: sparsity_bits.DENSITY_IMAGES])
    real = workload_of(artifact, input_density=densities)
    assert told.weight_bits == real.weight_bits
    chip = load_chip(sparsity_bits.CHIP).replace(**sparsity_bits.CHANGES)
    joules = [simulate(chip, workload).energy_per_inference_J for workload in (told, real)]
    assert joules[0] == pytest.approx(joules[1], rel=0.01)


def test_a_recipe_leaves_out_the_steps_that_change_nothing():
    assert [step.kind for step in sparsity_bits.recipe(1.0, 32).steps] == ["train"]
    assert [step.kind for step in sparsity_bits.recipe(0.1, 32).steps] == ["train", "prune"]
    kinds = [step.kind for step in sparsity_bits.recipe(0.1, 3).steps]
    assert kinds == ["train", "prune", "share", "encode"]
    assert sparsity_bits.recipe(1.0, 3).steps[1].values == dict.fromkeys(sparsity_bits.LAYERS, 7)


def test_weights_in_half_the_bits_are_half_of_the_bits():
    whole = load_network("squeezenet1_1", "int8")
    halved = small_cnns.in_few_bits(whole, 4)
    for layer, small in zip(whole.layers, halved.layers, strict=True):
        assert (small.macs, small.arithmetic) == (layer.macs, layer.arithmetic)
        if layer.weights:
            assert 2 * small.weights.payload_bits == layer.weights.payload_bits


def test_smaller_weights_save_more_once_layers_are_fused():
    whole = load_network("squeezenet1_1", "int8")
    saved = {}
    for fusion in small_cnns.FUSIONS:
        before, after = (
            small_cnns.figures("edge", workload, fusion)
            for workload in (whole, small_cnns.in_few_bits(whole, 4))
        )
        saved[fusion] = 1 - after["energy_J"] / before["energy_J"]
    assert saved["depth-first"] > 2 * saved["none"] > 0


def test_the_figure_of_small_cnns_says_what_is_saved():
    rows = [
        {
            "chip": chip, "network": network, "fusion": fusion, "weight_bits": bits,
            "weights_B": 1e6 * bits, "activations_B": 2e6, "energy_J": 1.0 if bits == 8 else 0.75,
        }
        for chip in cnns_figure.TITLES
        for network in cnns_figure.NAMES
        for fusion in cnns_figure.FUSIONS
        for bits in (8, 4)
    ]  # fmt: skip
    axes = cnns_figure.draw(pd.DataFrame(rows)).axes[0]
    assert {text.get_text() for text in axes.texts} == {"25%"}
    assert len(axes.texts) == 8
    assert max(patch.get_y() + patch.get_height() for patch in axes.patches) == pytest.approx(10)
