"""The three roofs by hand, and that no layer breaks through them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cli import main as cli
from hwsim.analysis.roofline import Roofline, points, roofline
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import Workload, fc, vector
from hwsim.workload.networks import load_network

ROOF = Roofline(
    peak_MAC_per_s=1e12, bandwidth_B_per_s=1e11, dynamic_W=5.0, core_pJ_per_MAC=4.0, dram_pJ_per_B=160.0
)


def test_the_roofs_by_hand():
    """At 20 MACs a byte: 2 T by bandwidth; 5 W over 4 + 160 / 20 = 12 pJ are 416.7 G."""
    assert ROOF.ridge == pytest.approx(10.0, rel=1e-9)
    assert ROOF.energy_balance == pytest.approx(40.0, rel=1e-9)
    assert ROOF.bandwidth_roof(20.0) == pytest.approx(2e12, rel=1e-9)
    assert ROOF.power_roof(20.0) == pytest.approx(5e12 / 12, rel=1e-9)
    assert ROOF.attainable(20.0) == pytest.approx(5e12 / 12, rel=1e-9)
    assert ROOF.attainable(0.5) == pytest.approx(5e12 / 324, rel=1e-9)
    assert ROOF.power_roof(float("inf")) == pytest.approx(1.25e12, rel=1e-9)
    assert ROOF.attainable(float("inf")) == 1e12


@given(intensity=st.floats(1e-3, 1e6), more=st.floats(1.0, 1e3))
def test_more_reuse_never_hurts(intensity, more):
    assert ROOF.attainable(intensity * more) >= ROOF.attainable(intensity) * (1 - 1e-12)


@pytest.mark.parametrize("chip", ["reference_250w", "phone", "tpu_v1"])
@pytest.mark.parametrize("batch", [1, 16])
def test_no_layer_is_above_the_roofs(chip, batch):
    stage = "dense" if chip == "reference_250w" else "int8"
    alone = {"power.window_us": 1e-3, "power.governor": "clock"}  # no layer lends to another
    report = simulate(load_chip(chip).replace(**alone), load_network("alexnet", stage), batch)
    roof = roofline([report])
    for point in points(report):
        assert point["MAC_per_s"] <= roof.attainable(point["intensity_MAC_per_B"]) * (1 + 1e-9)


def test_a_layer_that_bandwidth_limits_lies_on_that_roof():
    """4,096 x 4,096 fp32 weights at batch 1: a MAC per 4 bytes, inputs and outputs apart."""
    workload = Workload("fc", "dense", (fc("fc", 4096, 4096),), "by hand")
    chip = load_chip("reference_250w").replace(**{"sram.holds_weights": False})
    (point,) = points(simulate(chip, workload, 1))
    weights, biases, ends = 4096 * 4096 * 4, 4096 * 4, 2 * 4096 * 4
    assert point["intensity_MAC_per_B"] == pytest.approx(4096**2 / (weights + biases + ends), rel=1e-9)
    assert point["MAC_per_s"] == pytest.approx(1.024e12 * point["intensity_MAC_per_B"], rel=1e-3)
    assert point["limiter"] == "bandwidth"


def test_a_workload_without_macs_has_no_roofline():
    workload = Workload("pool", "dense", (vector("pool", 8, 8, 8),), "by hand")
    with pytest.raises(InputError, match="no layer with MACs"):
        roofline([simulate(load_chip("edge"), workload)])


def test_the_command(capsys):
    assert cli.run(cli.HWSIM, ["roofline", "reference_250w", "--stage", "huffman"]) == 0
    told = capsys.readouterr().out
    assert "49.2 TMAC/s" in told
    assert "array load" in told
    assert cli.run(cli.HWSIM, ["roofline", "reference_250w", "--stage", "huffman", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"][-1]["intensity_MAC_per_B"] is None  # nothing but on-chip traffic
    assert found["roofs"]["ridge_MAC_per_B"] == 48.0
    assert cli.run(cli.HWSIM, ["roofline", "nowhere"]) == 2
    assert cli.run(cli.HWSIM, ["roofline", "edge", "--network", "nothing"]) == 2
