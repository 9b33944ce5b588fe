"""The power cap by hand: what counts on a board and on a die, and what is left for work."""

from dataclasses import replace

import pytest

from hwsim.errors import InputError
from hwsim.machine.cap import Cap
from hwsim.machine.chip import load_chip

CHIP = load_chip("edge").replace(
    **{
        "process.clock_GHz": 0.5,
        "power.cap_W": 10.0,
        "power.leakage_W": 1.5,
        "power.board_W": 2.0,
        "power.window_us": 100.0,
        "dram.standby_W": 0.25,
    }
)


def test_a_board_counts_everything():
    """1.5 W of leakage, 2 W of board and 0.25 W of standby leave 6.25 of 10 W."""
    cap = Cap.of(CHIP.replace(**{"power.scope": "board"}))
    assert (cap.limit_W, cap.static_W, cap.budget_W) == (10.0, 3.75, 6.25)
    assert cap.counts("dram")
    assert cap.counts("mac")


def test_a_die_counts_neither_dram_nor_its_standby_nor_the_board():
    cap = Cap.of(CHIP.replace(**{"power.scope": "die"}))
    assert (cap.limit_W, cap.static_W, cap.budget_W) == (10.0, 1.5, 8.5)
    assert not cap.counts("dram")
    assert all(cap.counts(component) for component in ("mac", "sram", "decoder"))


def test_a_window_is_whole_ticks_and_no_shorter_than_one():
    """100 us at 0.5 GHz are 50,000 ticks of 2 ns; 6.25 W over 100 us are 625 uJ."""
    cap = Cap.of(CHIP.replace(**{"power.scope": "board"}))
    assert (cap.window_ticks, cap.tick_s) == (50_000, 2e-9)
    assert cap.window_s == pytest.approx(100e-6, rel=1e-12)
    assert cap.window_budget_pJ == pytest.approx(625e6, rel=1e-12)
    assert Cap.of(CHIP.replace(**{"power.window_us": 1e-6})).window_ticks == 1
    with pytest.raises(InputError, match="power window is 0 ticks, expected at least 1"):
        replace(cap, window_ticks=0)


def test_power_drawn_is_static_and_what_a_period_spends():
    cap = Cap.of(CHIP.replace(**{"power.scope": "die"}))
    assert cap.drawn_W(3.0, 2.0) == 3.0


@pytest.mark.parametrize("limit_W", [1.0, 3.75])
def test_a_cap_that_leaves_nothing_says_what_is_drawn_at_rest(limit_W):
    cap = Cap.of(CHIP.replace(**{"power.scope": "board", "power.cap_W": limit_W}))
    expected = f"chip edge: power cap is {limit_W:g} W, expected more than the 3.75 W of leakage and standby"
    with pytest.raises(InputError, match=expected):
        cap.require_budget()
