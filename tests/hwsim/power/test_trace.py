"""Power over time, governors under a cap, and the closed forms they must reach."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import streams, uniform

from hwsim.engine.fast import run_fast, steady_period
from hwsim.engine.timeline import COMPUTE, DECODE, READ, WRITE
from hwsim.errors import InputError
from hwsim.machine.cap import Cap
from hwsim.power.governed import Budget, run_governed
from hwsim.power.governors import (
    ClockScaling,
    Dvfs,
    FixedClock,
    RaceToIdle,
    TileGating,
    VoltageCurve,
    Window,
)
from hwsim.power.steady import LayerNeed, settle, slowed
from hwsim.power.trace import OperationEnergy, power_trace

TICK_S = 1e-9
CURVE = VoltageCurve(nominal_V=1.0, threshold_V=0.2, least_V=0.4, alpha=2.0)
GOVERNORS = (RaceToIdle(), ClockScaling(), TileGating(), Dvfs(curve=VoltageCurve.default(0.9)))


def cap_of(limit_W, static_W, window_ticks):
    """Cap on a board by hand."""
    return Cap(
        chip="by hand",
        limit_W=limit_W,
        static_W=static_W,
        scope="board",
        window_ticks=window_ticks,
        tick_s=TICK_S,
    )


def energy_of(stream, **pJ):
    """Energy of each operation of a phase that takes time, on components ``dram`` and ``mac``."""
    energy = np.zeros((4, len(stream), 2))
    for phase, (name, ticks) in enumerate(
        (
            ("read", stream.read),
            ("decode", stream.decode),
            ("compute", stream.compute),
            ("write", stream.write),
        )
    ):
        energy[phase, :, 0 if phase in (READ, WRITE) else 1] = pJ.get(name, 0.0) * (ticks > 0)
    return OperationEnergy(("dram", "mac"), energy, np.array([False, True]))


@dataclass(frozen=True)
class Watching(RaceToIdle):
    """Keeps what it is told of every window."""

    seen: list[Window] = field(default_factory=list)

    def next_level(self, level, past, waiting, cap):
        self.seen.append(past)
        return super().next_level(level, past, waiting, cap)


@st.composite
def loads(draw):
    """A stream and random energies, none for transfers that do not happen."""
    stream = draw(streams(most=25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pJ = rng.random((4, len(stream), 3)) * 10.0 ** draw(st.integers(1, 5))
    pJ[READ, stream.read == 0] = 0.0
    pJ[WRITE, stream.write == 0] = 0.0
    return stream, OperationEnergy(("dram", "sram", "mac"), pJ, np.array([False, True, True]))


def test_a_trace_worked_by_hand():
    """Read 0..4 of 8 pJ, compute 4..10 of 12 pJ, windows of 4 ns, 1 mW of leakage to the end."""
    stream = uniform(1, read=4, compute=6)
    trace = power_trace(
        run_fast(stream), energy_of(stream, read=8.0, compute=12.0), {"leakage": 1e-3}, 4, TICK_S
    )
    assert trace.components == ("dram", "mac", "leakage")
    expected = np.array([[2e-3, 0, 1e-3], [0, 2e-3, 1e-3], [0, 1e-3, 0.5e-3]])
    np.testing.assert_allclose(trace.W, expected, rtol=1e-12)
    assert trace.joules == pytest.approx({"dram": 8e-12, "mac": 12e-12, "leakage": 10e-12}, rel=1e-12)
    frame = trace.to_frame()
    assert frame["start_s"].tolist() == pytest.approx([0.0, 4e-9, 8e-9])
    assert frame["mac"].sum() * 4e-9 == pytest.approx(12e-12)


def test_a_run_that_ends_with_a_window_has_none_behind_it():
    """Read 0..4 and compute 4..8: two windows of 4 ns, and three of 3 ns, the last one partly filled."""
    stream = uniform(1, read=4, compute=4)
    timeline, energy = run_fast(stream), energy_of(stream, read=8.0, compute=0.0)
    traces = [power_trace(timeline, energy, {"leakage": 1e-3}, window, TICK_S) for window in (4, 3)]
    assert [len(trace.W) for trace in traces] == [2, 3]


def test_an_operation_without_duration_is_an_impulse_where_it_ends():
    stream = uniform(1, read=8)
    pJ = np.zeros((4, 1, 1))
    pJ[DECODE] = 5.0
    trace = power_trace(run_fast(stream), OperationEnergy(("mac",), pJ, np.array([True])), {}, 4, TICK_S)
    np.testing.assert_allclose(trace.total_W * 4e-9, [0, 0, 5e-12])


@settings(max_examples=150)
@given(loads(), st.integers(1, 300), st.floats(0, 100))
def test_energy_under_the_trace_is_the_total(load, window, static_W):
    stream, energy = load
    timeline = run_fast(stream)
    trace = power_trace(timeline, energy, {"static": static_W}, window, TICK_S)
    for index, name in enumerate(energy.components):
        assert trace.joules[name] == pytest.approx(energy.pJ[:, :, index].sum() * 1e-12, rel=1e-9)
    assert trace.joules["static"] == pytest.approx(static_W * timeline.makespan * TICK_S, rel=1e-9)


def test_alpha_power_law_by_hand():
    """f = k (V - 0.2)^2 / V: at 0.6 V (0.16 / 0.6) / (0.64 / 1.0) = 5/12 of the clock."""
    assert CURVE.speed(0.6) == pytest.approx(5 / 12, rel=1e-9)
    assert CURVE.voltage_V(5 / 12) == pytest.approx(0.6, rel=1e-9)
    assert CURVE.voltage_V(1.0) == 1.0
    assert CURVE.voltage_V(CURVE.speed(0.4) / 2) == 0.4


@given(st.floats(0.01, 1.0), st.floats(0.7, 1.2))
def test_a_voltage_allows_the_clock_it_was_chosen_for(speed, nominal_V):
    curve = VoltageCurve.default(nominal_V)
    voltage = curve.voltage_V(speed)
    assert curve.least_V <= voltage <= nominal_V
    assert curve.speed(voltage) == pytest.approx(max(speed, curve.speed(curve.least_V)), rel=1e-9)


def test_the_fixed_clock_ignores_the_cap():
    stream = uniform(5, read=3, compute=4)
    run = run_governed(stream, energy_of(stream, compute=1e5), FixedClock(), cap_of(20.0, 15.0, 10))
    np.testing.assert_array_equal(run.timeline.end, run_fast(stream).end)
    assert run.overshoot_W > 0


def test_a_governor_learns_what_a_window_did():
    """Reads 0..4 and 4..8, computes 10..20 and 20..30 (latency 6): 8 of 10 ticks, then all."""
    stream, governor = uniform(2, read=4, compute=10, latency=6), Watching()
    energy = energy_of(stream, read=3.0, compute=5.0)
    run_governed(stream, energy, governor, cap_of(100.0, 0.0, 10))
    assert governor.seen[:2] == [Window(0.0, 6.0, 0.8, False), Window(5.0, 0.0, 1.0, False)]


def test_an_operation_waits_until_the_budget_pays_for_the_part_inside():
    """Windows of 10 ticks and 100 pJ; at 8 pJ a tick, the 40 pJ that are left pay for 5 ticks."""
    budget = Budget(100.0, 10)
    budget.reserve({0: 60.0, 2: 90.0})
    assert budget.next_try(0, 10, 80.0, False) == budget.next_try(5, 10, 80.0, False) == 5
    assert budget.next_try(10, 15, 60.0, False) == 30, "the second of its windows is full, the first is not"


@settings(max_examples=300)
@given(
    load=loads(),
    governor=st.sampled_from(GOVERNORS),
    cap_W=st.floats(1.0, 1000.0),
    static=st.floats(0.0, 0.9),
    window=st.sampled_from([1, 7, 50, 400]),
)
def test_a_cap_holds_and_energy_is_conserved(load, governor, cap_W, static, window):
    stream, energy = load
    cap = cap_of(cap_W, static * cap_W, window)
    run = run_governed(stream, energy, governor, cap)

    assert run.window_W.max() <= cap_W * (1 + 1e-9) + run.allowance_W
    drawn = run.window_W.sum() * cap.window_s
    spent = run.energy.pJ.sum() * 1e-12 + cap.static_W * len(run.window_W) * cap.window_s
    assert drawn == pytest.approx(spent, rel=1e-9)
    assert (run.energy.pJ <= energy.pJ).all()
    np.testing.assert_array_equal(run.energy.pJ[:, :, 0], energy.pJ[:, :, 0])
    for phase, nominal in ((READ, stream.read), (WRITE, stream.write)):
        np.testing.assert_array_equal(run.timeline.ticks[phase], nominal)
    for phase, nominal in ((DECODE, stream.decode), (COMPUTE, stream.compute)):
        expected = [
            governor.ticks(phase, t, x) for t, x in zip(nominal.tolist(), run.level_of[phase], strict=True)
        ]
        np.testing.assert_array_equal(run.timeline.ticks[phase], expected)

    free = run_fast(stream)
    uncapped_W = power_trace(free, energy, {}, window, TICK_S).total_W.max() + cap.static_W
    if uncapped_W <= cap_W * (1 - 1e-9):
        np.testing.assert_array_equal(run.timeline.end, free.end)
        np.testing.assert_array_equal(run.energy.pJ, energy.pJ)


@settings(max_examples=100)
@given(load=loads(), governor=st.sampled_from(GOVERNORS), cap_W=st.floats(1.0, 1000.0))
def test_long_run_power_keeps_to_the_cap_whatever_one_operation_draws(load, governor, cap_W):
    """What an operation takes too much is paid back, but for the last one in flight on each resource."""
    stream, energy = load
    cap = cap_of(cap_W, 0.5 * cap_W, 20)
    run = run_governed(stream, energy, governor, cap)
    excess_J = (run.window_W - cap_W).sum() * cap.window_s
    assert excess_J <= energy.pJ.sum(axis=2).max(initial=0.0) * 1e-12 * (1 + 1e-9)


LOADS = {
    "compute-bound": (uniform(1, read=20, decode=20, compute=64, latency=100, fetch_depth=4), 390.0, 250.0),
    "both": (uniform(1, read=64, decode=20, compute=50, latency=100, fetch_depth=4), 390.0, 250.0),
    "bandwidth-bound": (uniform(1, read=64, decode=8, compute=20, latency=100, fetch_depth=4), 390.0, 150.0),
    "writing": (
        uniform(1, read=64, decode=64, compute=64, write=8, latency=100, turnaround=10, fetch_depth=4),
        390.0,
        120.0,
    ),
}


@pytest.mark.parametrize("governor", GOVERNORS, ids=lambda governor: type(governor).__name__)
@pytest.mark.parametrize("name", LOADS)
def test_governors_reach_the_closed_form(name, governor):
    """The rate lies between the closed form's and that of the next level, within 2%."""
    step, core_W, cap_W = LOADS[name]
    ticks = {phase: getattr(step, phase).item() for phase in ("read", "decode", "compute", "write")}
    stream = step.repeat(2500)
    watts = {"read": 164.0, "compute": core_W, "write": 164.0}
    prices = {phase: W * 1e12 * TICK_S * ticks[phase] for phase, W in watts.items()}
    energy = energy_of(stream, **prices)
    cap = cap_of(cap_W, 15.0, 10_000)
    run = run_governed(stream, energy, governor, cap)

    core_J, other_J = (energy.pJ[:, 0, mask].sum() * 1e-12 for mask in (energy.core, ~energy.core))
    need = LayerNeed(0, core_J, other_J, ticks["read"] + ticks["write"], ticks["decode"], ticks["compute"])
    state = settle(governor, step, [need], cap)
    level = round(state.clocks.item() * governor.levels)
    above = slowed(step, governor, np.array([min(level + 1, governor.levels)]))
    half = len(stream) // 2
    end = run.timeline.end[COMPUTE]
    seen_s = (end[-1] - end[half]) / (len(stream) - 1 - half) * TICK_S
    period_s = state.period_ticks * TICK_S
    next_s = period_s if governor.pauses else float(steady_period(above)) * TICK_S
    assert next_s * 0.98 <= seen_s <= period_s * 1.02
    assert run.overshoot_W == run.allowance_W == 0.0


def test_a_cap_on_the_die_does_not_count_dram():
    stream = uniform(200, read=10, compute=10)
    energy = energy_of(stream, read=1e6, compute=1e6)
    board = cap_of(120.0, 0.0, 100)
    die = replace(board, scope="die")
    runs = [run_governed(stream, energy, RaceToIdle(), cap) for cap in (board, die)]
    assert [round(run.window_W.max()) for run in runs] == [120, 100]
    assert runs[1].timeline.makespan == run_fast(stream).makespan


def test_an_impossible_cap_is_refused_with_the_least_possible_one():
    stream = uniform(5, compute=4)
    with pytest.raises(InputError, match="power cap is 12 W, expected more than the 15 W of leakage"):
        run_governed(stream, energy_of(stream), RaceToIdle(), cap_of(12.0, 15.0, 10_000))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OperationEnergy(("a",), np.zeros((3, 2, 1)), np.array([True])), "pJ has shape"),
        (lambda: OperationEnergy(("a",), np.zeros((4, 2, 1)), np.array([True, False])), "core has shape"),
        (lambda: OperationEnergy(("a",), np.full((4, 2, 1), -1.0), np.array([True])), "expected 0 or more"),
        (lambda: VoltageCurve(0.9, 0.3, 1.0, 1.3), "expected them to rise"),
        (lambda: ClockScaling(0), "0 levels"),
    ],
)
def test_unusable_figures_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_energies_of_another_stream_are_refused():
    stream = uniform(3, read=2)
    cap = cap_of(10.0, 1.0, 100)
    with pytest.raises(InputError, match="has 4 steps, expected the timeline's 3"):
        power_trace(run_fast(stream), energy_of(uniform(4)), {}, 10, TICK_S)
    with pytest.raises(InputError, match="has 4 steps, expected 3"):
        run_governed(stream, energy_of(uniform(4)), RaceToIdle(), cap)
    with pytest.raises(InputError, match="read of zero ticks has energy"):
        run_governed(uniform(3), energy_of(stream, read=1.0), RaceToIdle(), cap)
