"""Dark silicon: laws worked by hand, published figures reproduced, impossible caps refused."""

import json
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cli import main as cli
from experiments.figures import dark_silicon as figures
from experiments.studies import dark_silicon
from hwsim.analysis.dark import Die, Work, carried, powered, work_of
from hwsim.analysis.dark_published import (
    active_by_operators,
    by_rule,
    compare,
    post_dennard,
    published,
    roadmaps,
)
from hwsim.errors import InputError
from hwsim.machine.cap import Cap
from hwsim.machine.chip import load_chip
from hwsim.power.governors import VoltageCurve
from hwsim.run import simulate
from hwsim.workload.networks import load_network

CHIP = load_chip("reference_250w")
DIE = Die(45, 10, 1000, 1.0, 0.9, 1e15)
"""10^13 MACs per second, bandwidth to spare."""


def cap_of(limit_W):
    """Cap of which 20 W are drawn at rest."""
    return Cap(chip="by hand", limit_W=limit_W, static_W=20.0, scope="board", window_ticks=1, tick_s=1.0)


def test_active_tiles_under_a_cap_by_hand():
    """100 W at full clock for 10 pJ a MAC: 70 W of work power 70%."""
    found = powered(DIE, Work(8.0, 2.0, 0.0), cap_of(90.0))
    assert found.active == pytest.approx(0.7, rel=1e-12)
    assert found.dark == pytest.approx(0.3, rel=1e-12)
    assert found.active_MAC_per_s == pytest.approx(7e12, rel=1e-12)
    assert found.fed == 1.0


def test_a_cap_that_does_not_bind_powers_everything():
    found = powered(DIE, Work(8.0, 2.0, 0.0), cap_of(120.0))
    assert (found.active, found.throttled_speed, found.throttled_voltage_V) == (1.0, 1.0, 0.9)


def test_throttling_spends_the_same_watts_by_the_alpha_power_law():
    work, cap = Work(8.0, 2.0, 0.0), 60.0
    found = powered(DIE, work, cap_of(cap))
    curve = VoltageCurve.default(0.9)
    assert curve.speed(found.throttled_voltage_V) == pytest.approx(found.throttled_speed, rel=1e-9)
    core_W = 80.0 * found.throttled_speed * (found.throttled_voltage_V / 0.9) ** 2
    assert 20 + core_W + 20.0 * found.throttled_speed == pytest.approx(cap, rel=1e-9)


def test_bandwidth_stalls_what_power_would_allow():
    narrow = Die(45, 10, 1000, 1.0, 0.9, 2e12)
    found = powered(narrow, Work(8.0, 2.0, 1.0), cap_of(90.0))
    assert found.fed == pytest.approx(0.2)
    assert found.active == pytest.approx(0.7)
    assert found.active_MAC_per_s == pytest.approx(2e12)


@given(
    st.floats(0.1, 100),
    st.floats(0, 100),
    st.floats(20.001, 2000),
    st.floats(0.61, 1.5),
    st.floats(1e9, 1e16),
)
def test_throttling_computes_no_less_than_gating_and_never_exceeds_the_cap(core, dram, cap, volts, bandwidth):
    die = Die(45, 10, 1000, 1.0, volts, bandwidth)
    found = powered(die, Work(core, dram, 0.1), cap_of(cap))
    assert 0 < found.active <= 1
    assert found.throttled_MAC_per_s >= found.active_MAC_per_s * (1 - 1e-9)
    core_W = 10 * core * found.throttled_speed * (found.throttled_voltage_V / volts) ** 2
    assert 20 + core_W + 10 * dram * found.throttled_speed <= cap * (1 + 1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: powered(DIE, Work(1.0, 0.0, 0.0), cap_of(20.0)), "more than the 20 W"),
        (lambda: carried(CHIP, 45, 0.0), "die of 0 mm2"),
        (lambda: carried(CHIP, 45, math.nan), "die of nan mm2"),
        (lambda: carried(CHIP, 3), "outside the scaling rule"),
        (lambda: carried(load_chip("eyeriss"), 45), "no tiles"),
    ],
)
def test_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_at_its_own_node_a_chip_is_itself_and_shrinks_by_the_area_table():
    here = carried(CHIP, 45)
    assert (here.tiles, here.clock_GHz, here.voltage_V) == (48, 1.0, 0.9)
    assert carried(CHIP, 45, 375.0).tiles == 24
    assert carried(CHIP, 32).tiles == round(48 / 0.46)


def test_work_of_a_run_is_its_joules_over_its_macs():
    report = simulate(CHIP, load_network("alexnet"), 4)
    work = work_of(report)
    joules = report.energy_by("component")
    macs = report.workload.macs
    total = 1e-12 * macs * (work.core_pJ + work.dram_pJ) + joules["static"]
    assert total == pytest.approx(report.energy_per_inference_J, rel=1e-9)
    assert work.dram_pJ == pytest.approx(work.dram_bits * CHIP.dram.energy_pJ_per_bit, rel=1e-9)


def test_a_generation_at_constant_voltage_halves_what_may_be_used():
    found = post_dennard(2**0.5)
    assert found.capability == pytest.approx(2 * 2**0.5)
    assert found.usable == pytest.approx(2**0.5)
    assert found.shortfall == pytest.approx(2.0)
    assert tuple(by_rule(45)) == pytest.approx((1, 1, 1))


def test_the_naive_sums_of_the_roadmaps():
    naive = {(found.roadmap, found.node_nm): found.dark for found in roadmaps()}
    assert naive["ITRS", 22] == pytest.approx(1 - 1 / (0.54 * 4))
    assert naive["ITRS", 8] == pytest.approx(0.74, abs=0.005)
    assert naive["conservative", 8] == pytest.approx(0.858, abs=0.001)
    assert naive["ITRS", 45] == 0


def test_a_die_full_of_operators_by_hand():
    """300 mm2 of 3,632 um2 each 3.2 pJ at 5.2 GHz is 1,374 W."""
    watts = 300e6 / 3632 * 3.2e-12 * 5.2e9
    assert active_by_operators(45, 300, 80, 5.2) == pytest.approx(80 / watts, rel=1e-9)


def test_published_bounds_are_kept_and_every_figure_but_conditions_is_compared():
    table = compare()
    bounds = table[table["relation"] != "equal"]
    assert bounds["holds"].all()
    assert set(bounds["source"].str.partition(" ")[0]) == {"Venkatesh", "Esmaeilzadeh"}
    conditions = {"venkatesh_area", "venkatesh_power", "venkatesh_clock"}
    assert set(table["quantity"]) == {found.quantity for found in published()} - conditions
    own_laws = table[table["how"].str.startswith("shrink")]
    assert own_laws["holds"].all()
    assert (table["why"].str.len() > 0).all()


def test_the_die_gets_darker_with_every_node_and_compression_always_lights_it():
    table = dark_silicon.by_node(CHIP)
    ruled = table[table["energies"] == "rule"].pivot_table(index="node_nm", columns="stage", values="dark")
    assert (ruled.sort_index(ascending=False)["dense"].diff().dropna() > 0).all()
    assert (ruled["huffman"] < ruled["dense"]).all()
    assert (ruled["int8"] < ruled["huffman"]).all()
    at_7nm = table[(table["node_nm"] == 7) & (table["stage"] == "dense")].set_index("energies")["dark"]
    assert at_7nm["measured"] > at_7nm["rule"]


def test_a_die_as_it_is_built_is_less_dark_in_proportion():
    """Watts at full clock go with multipliers x clock: 98 tiles at 1.41 GHz draw 1/22.9 of 814 at 3.9 GHz."""
    table = dark_silicon.as_built(CHIP).set_index(["energies", "stage", "density", "clock"])
    built, ruled = (table.loc["measured", "dense", name, name] for name in ("built", "rule"))
    assert built["macs"] == round(110_592 / 826 * 750 / 1024) * 1024
    assert built["clock_GHz"] == 1.41
    watts = ruled["macs"] * ruled["clock_GHz"] / (built["macs"] * built["clock_GHz"])
    assert built["active"] == pytest.approx(ruled["active"] * watts)
    by_node = dark_silicon.by_node(CHIP)
    last = by_node[(by_node["node_nm"] == 7) & (by_node["energies"] == "measured")].set_index("stage")
    assert ruled["active"] == last.loc["dense", "active"]


def test_figures_show_every_published_figure():
    table = dark_silicon.by_node(CHIP)
    roads = pd.DataFrame([found._asdict() | {"dark": found.dark} for found in roadmaps()])
    texts = "\n".join(text.get_text() for text in figures.dark(table, roads, published()).axes[0].texts)
    assert all(part in texts for part in ("21%", "> 50%", "> 93%", "> 96.5%", "roadmap, ITRS: 74%"))
    assert len(figures.strategies(table).axes[0].texts) == 3


def test_the_command_answers_for_another_die(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(cli.HWSIM, ["dark", "--die-mm2", "300", "--cap", "80", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["by_node"]
    assert rows[0]["tiles"] == 19
    assert cli.run(cli.HWSIM, ["dark", "--die-mm2", "300", "--cap", "80"]) == 0
    assert "300 mm2 of reference_250w under 80 W" in capsys.readouterr().out
    assert cli.run(cli.HWSIM, ["dark", "--cap", "10"]) == 2
    assert "15 W" in capsys.readouterr().err


def test_throttling_below_the_least_voltage_is_proportional_to_the_watts():
    """At the least voltage only the clock goes down: half the watts, half the speed."""
    work = Work(8.0, 2.0, 0.0)
    few, fewer = powered(DIE, work, cap_of(22.0)), powered(DIE, work, cap_of(21.0))
    assert few.throttled_voltage_V == fewer.throttled_voltage_V == VoltageCurve.default(0.9).least_V
    assert few.throttled_speed == pytest.approx(2 * fewer.throttled_speed, rel=1e-12)


def test_low_confidence_is_marked(capsys):
    table = dark_silicon.by_node(CHIP)
    assert set(table[table["low_confidence"]]["energies"]) == {"measured"}
    assert table[table["energies"] == "measured"]["low_confidence"].all()
    assert cli.run(cli.HWSIM, ["run", "p40", "lenet300", "--stage", "int8"]) == 0
    assert "* energies of low confidence: sram read_bit" in capsys.readouterr().out
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--stage", "int8"]) == 0
    assert "low confidence" not in capsys.readouterr().out
