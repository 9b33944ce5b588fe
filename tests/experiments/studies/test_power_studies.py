"""The studies about power, in small: what they must find, and how their drawings count."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.figures import floorplan
from experiments.runs.scenes import AS_IT_IS, CHIP, SCENES, VARIANTS, chip_of
from experiments.studies import cap_sweep, hand_model, relight
from hwsim.machine.chip import load_chip
from hwsim.tile_states import TileStates

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

FC = replace(SCENES["alexnet_fc"], batches=(1, 64), varied_at=(64,))


@pytest.fixture(scope="module")
def tables():
    """Dense and Huffman-coded fully-connected layers of AlexNet at batch 1 and 64."""
    parts = [relight.evaluate(FC, stage) for stage in ("dense", "huffman")]
    return tuple(pd.DataFrame([row for part in parts for row in part[index]]) for index in range(3))


@pytest.fixture(scope="module")
def runs(tables):
    return hand_model.Runs(tables[0])


def test_the_stack_of_every_run_sums_to_the_cap(tables):
    stacks = tables[1].groupby(["stage", "batch"])["power_W"].sum()
    assert stacks.to_numpy() == pytest.approx(250.0, rel=1e-9)


def test_compression_gives_back_the_watts_of_dram(runs):
    assert runs("dram_W", "dense") > 10 * runs("dram_W", "huffman")
    assert 2.0 < runs.gain("inferences_per_s") < 3.0
    assert runs("peak_share", "huffman") > 2 * runs("peak_share", "dense")


def test_at_batch_1_dense_tiles_are_stalled_not_dark(runs):
    assert runs("stalled_share", "dense", 1) > 0.5
    assert runs("power_gated_share", "dense", 1) == runs("throttled_share", "dense", 1) == 0.0
    assert runs("headroom_W", "dense", 1) > 0


def test_the_cap_is_to_blame_at_batch_64_not_bandwidth(runs):
    as_it_is = runs("inferences_per_s", "dense")
    assert runs("inferences_per_s", "dense", variant="infinite bandwidth") < 1.02 * as_it_is
    assert runs("inferences_per_s", "dense", variant="no cap") > 1.1 * as_it_is


def test_dimming_with_voltage_beats_gating(runs):
    for stage in ("dense", "huffman"):
        by_voltage = runs("inferences_per_s", stage, strategy="DVFS")
        assert by_voltage > 1.15 * runs("inferences_per_s", stage, strategy="gating")


def test_layers_say_what_limits_them(tables):
    layers = tables[2].set_index(["stage", "batch", "layer"])["limiter"]
    assert layers["dense", 1, "fc6"] == "bandwidth"
    assert layers["huffman", 1, "fc6"] == "array load"
    assert layers["dense", 64, "fc6"] == "bandwidth"  # at the lower voltage, the cap costs 2% of the clock


def test_variants_change_the_chip_they_say():
    assert chip_of() == load_chip(CHIP)
    assert chip_of("zero gating").array.gate_zeros
    assert all(chip_of(name) != chip_of() for name in VARIANTS if name != AS_IT_IS)


def test_every_claim_of_the_hand_model_has_a_reason():
    assert all(claim.why and claim.expected >= 0 for claim in hand_model.CLAIMS)


def test_a_cap_that_cannot_be_kept_is_a_row_with_a_reason(monkeypatch):
    monkeypatch.setattr(cap_sweep, "CAPS_W", [1.0, 250.0])
    rows = list(cap_sweep.swept(FC.workload("dense"), 64))
    assert [row["strategy"] for row in rows] == ["none", "dimming", "DVFS"]
    assert "15 W of leakage and standby" in rows[0]["refused"]


@given(st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5).filter(lambda parts: sum(parts) > 0.1))
def test_a_floorplan_has_all_its_tiles(parts):
    shares = {state: part / sum(parts) for state, part in zip(TileStates._fields, parts, strict=True)}
    counts = floorplan.counts(shares, 48)
    assert sum(counts.values()) == 48
    assert all(abs(counts[state] - 48 * share) < 1 for state, share in shares.items())
