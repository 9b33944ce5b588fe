"""The study of temperature: limits in closed form against the simulated board, heat by stage."""

import numpy as np
import pytest

from experiments.studies import temperature as study
from hwsim.power.thermal import Board, Leakage, equilibrium_C, heat

BOARD = Board.default()


@pytest.mark.parametrize("leakage_W", [2.0, 7.0, 60.0])
def test_the_limits_of_power_are_where_the_board_s_equilibrium_says(leakage_W):
    leakage = Leakage.default(leakage_W)
    sustained, runaway = study.sustained_W(BOARD, leakage), study.runaway_W(BOARD, leakage)
    assert sustained < runaway
    assert equilibrium_C(BOARD, sustained, leakage) == pytest.approx(BOARD.operating_C, rel=1e-9)
    assert equilibrium_C(BOARD, runaway * (1 - 1e-9), leakage) is not None
    assert equilibrium_C(BOARD, runaway * (1 + 1e-9), leakage) is None


def test_sustained_power_by_hand():
    """52 K over 0.19 K/W is 273.7 W, less 7 W exp(0.015 x 2 K)."""
    assert study.sustained_W(BOARD, Leakage.default(7.0)) == pytest.approx(
        52 / 0.19 - 7 * np.exp(0.03), rel=1e-9
    )


def test_compression_heats_the_die_and_the_default_board_bears_all_that_it_draws():
    """The die gets what DRAM and the board do not draw: 276 W of 300 W, and it may heat up by 273 W."""
    table, curves = study.every_cap()
    found = table.set_index(["stage", "cap_W"])
    assert (found.loc["huffman"]["die_W"] > found.loc["dense"]["die_W"]).all()
    assert found.loc[("huffman", 300.0), "sustained"]
    assert found.loc[("huffman", 350.0), "die_W"] == found.loc[("huffman", 300.0), "die_W"]
    assert found.loc[("huffman", 350.0), "sustained"]
    assert found["sustained"].equals(found["throttled_share"] == 0)
    cool = found[found["sustained"]]
    assert cool["hottest_C"].to_numpy() == pytest.approx(
        cool["equilibrium_C"].to_numpy(dtype=float), rel=1e-3
    )
    assert set(curves["stage"]) == set(study.STAGES)
    assert curves["die_C"].between(BOARD.inlet_C, BOARD.shutdown_C).all()
    assert heat(BOARD, np.array([1.0]), 1.0, Leakage.default(7.0)).sustained
