"""The heat ladder against its exponentials, throttling and runaway."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from hwsim.errors import InputError
from hwsim.power.thermal import Board, Leakage, die_heat_W, equilibrium_C, heat
from hwsim.power.trace import PowerTrace

BOARD = Board.default()
TIGHT = Leakage(0.0, 85.0, 0.0)
ONE_NODE = Board((300.0,), (0.16,), 35.0, 87.0, 89.0, 1000.0, 0.5)


def test_one_node_follows_its_exponential():
    """100 W into 300 J/K through 0.16 K/W: 16 K times 1 - exp(-t / 48 s)."""
    run = heat(ONE_NODE, np.full(200, 100.0), 1.0, TIGHT)
    expected = 35.0 + 16.0 * (1 - np.exp(-run.time_s / 48.0))
    np.testing.assert_allclose(run.node_C[:, 0], expected, rtol=1e-9)


def test_the_step_does_not_matter_while_power_is_constant():
    fine, coarse = (heat(BOARD, np.full(n, 200.0), 20.0 / n, TIGHT) for n in (2000, 4))
    np.testing.assert_allclose(fine.node_C[-1], coarse.node_C[-1], rtol=1e-9)


def test_the_ladder_agrees_with_a_general_solver():
    capacity, resistance = np.array(BOARD.capacity_J_per_K), np.array(BOARD.resistance_K_per_W)

    def flow(_time, node_C):
        out = (node_C - np.append(node_C[1:], BOARD.inlet_C)) / resistance
        return (np.append(180.0, out[:-1]) - out) / capacity

    solved = solve_ivp(flow, (0, 5), np.full(3, BOARD.inlet_C), method="LSODA", rtol=1e-10, atol=1e-10)
    run = heat(BOARD, np.full(50, 180.0), 0.1, TIGHT)
    np.testing.assert_allclose(run.node_C[-1], solved.y[:, -1], rtol=1e-7)


def test_steady_temperatures_by_hand():
    """250 W x (0.006 + 0.024 + 0.16) K/W above 35 degC: die 82.5, spreader 81, sink 75."""
    np.testing.assert_allclose(BOARD.steady_C(250.0), [82.5, 81.0, 75.0], rtol=1e-12)
    run = heat(BOARD, np.full(1000, 250.0), 1.0, TIGHT)
    np.testing.assert_allclose(run.node_C[-1], [82.5, 81.0, 75.0], rtol=1e-6)


def test_the_default_board_sustains_250_W_and_not_300_W():
    leakage = Leakage.default(7.0)
    cool, hot = (heat(BOARD, np.full(600_000, W), 1e-3, leakage) for W in (250.0, 300.0))
    assert cool.sustained
    assert cool.node_C[-1, 0] < BOARD.operating_C
    assert not hot.sustained
    assert hot.shutdown_s is None
    assert 0.05 < hot.throttled.mean() < 0.5
    assert hot.node_C[:, 0].max() == pytest.approx(BOARD.slowdown_C, abs=0.5)


@given(st.floats(0, 300), st.floats(0, 30), st.floats(0.001, 0.02))
def test_heat_comes_to_the_equilibrium(die_W, reference_W, per_K):
    leakage = Leakage(reference_W, 85.0, per_K)
    board = replace(BOARD, slowdown_C=1000.0, shutdown_C=2000.0)
    balance = equilibrium_C(board, die_W, leakage)
    assert balance == pytest.approx(board.inlet_C + 0.19 * (die_W + leakage.W(balance)), rel=1e-9)
    run = heat(board, np.full(2000, die_W), 1.0, leakage)
    assert run.node_C[-1, 0] == pytest.approx(balance, abs=1e-3)


def test_runaway_is_reported_and_ends_the_run():
    """At 0.08 per K the leakage of this die grows faster than heat flows off, clock cut or not."""
    leaky = Leakage(300.0, 85.0, 0.08)
    assert equilibrium_C(BOARD, 100.0, leaky) is None
    run = heat(BOARD, np.full(1000, 200.0), 1.0, leaky)
    assert run.runaway
    assert run.shutdown_s == run.time_s[-1] < 1000
    assert len(run.node_C) == len(run.leakage_W) == len(run.throttled) < 1000
    assert run.node_C[-1, 0] >= BOARD.shutdown_C


def test_too_much_power_shuts_down_without_running_away():
    run = heat(BOARD, np.full(1000, 700.0), 1.0, TIGHT)
    assert run.shutdown_s is not None
    assert not run.runaway


def test_a_repeated_trace_is_the_trace_repeated():
    pulse = np.array([300.0, 0.0, 100.0])
    once = heat(BOARD, np.tile(pulse, 50), 0.01, TIGHT)
    again = heat(BOARD, pulse, 0.01, TIGHT, repeats=50)
    np.testing.assert_array_equal(once.node_C, again.node_C)


def test_only_die_power_and_the_phy_share_heat_the_die():
    trace = PowerTrace(("dram", "mac", "leakage", "standby"), np.array([[100.0, 50.0, 7.0, 5.0]]), 1e-5)
    heat_W = die_heat_W(trace, {"dram": 0.2, "leakage": 0.0, "standby": 0.0})
    assert heat_W.tolist() == [70.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: heat(BOARD, np.array([]), 1.0, TIGHT), "expected one finite value"),
        (lambda: heat(BOARD, np.array([-1.0]), 1.0, TIGHT), "expected one finite value"),
        (lambda: heat(BOARD, np.array([1.0]), 0.0, TIGHT), "expected both above 0"),
        (lambda: heat(BOARD, np.array([1.0]), 1.0, TIGHT, start_C=np.zeros(2)), r"expected \(3,\)"),
        (lambda: replace(BOARD, resistance_K_per_W=(0.1,)), "as many capacities as resistances"),
        (lambda: replace(BOARD, operating_C=200.0), "expected them to rise"),
    ],
)
def test_unusable_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
