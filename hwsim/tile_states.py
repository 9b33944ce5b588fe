"""States of the tiles of an array: where the time of all MACs goes.

Over the period of a batch, each second of each tile is in exactly one state:

===========  =========================================================================================
state        a tile
===========  =========================================================================================
computing    executes MACs at its peak rate
loading      is occupied by its own overhead at the nominal clock: loading weights, filling and draining
             its pipeline, or rows, columns, lanes and whole tiles that the layer leaves empty
stalled      waits for data from DRAM, a decoder, the on-chip memory or the vector unit
throttled    loses time to the power cap: its clock is below nominal, or work pauses
power_gated  is switched off by the power cap
===========  =========================================================================================

The states sum to 1. The share of computing is the *peak share*: MACs executed, divided by the peak rate of
all tiles at the nominal clock times the period. *Dark* is what does not compute for lack of power: throttled
and power-gated.

At a fraction `c` of the nominal clock, a tile does in one second the work of `c` seconds. These `c` seconds
count as computing, loading or waiting for the on-chip memory; the other ``1 - c`` count as throttled. Between
steps an array is idle. Idle time counts as stalled up to the idle time of the same run at the nominal clock.
Idle time beyond that is throttled: the cap slows a decoder or the vector unit, or work pauses. Tiles that a
layer does not need stay switched on, so they count as loading. Tiles gated for a layer stay off while the
other tiles wait for that layer's data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.engine.fast import run_fast, steady_period
from hwsim.engine.stream import MAC_ARRAY
from hwsim.engine.timeline import COMPUTE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.engine.stream import TileStream
    from hwsim.power.steady import Capped
    from hwsim.report import Report

WARM_UP = 3
"""Repetitions of a run before the one whose idle time is split over the layers."""


class TileStates(NamedTuple):
    """Fractions of tile-time in each state; they sum to 1."""

    computing: float
    loading: float
    stalled: float
    throttled: float
    power_gated: float

    @property
    def dark(self) -> float:
        """Fraction of tile-time without computation for lack of power: throttled and power-gated."""
        return self.throttled + self.power_gated


def tile_states(report: Report, capped: Capped, tiles: NDArray[np.float64]) -> TileStates:
    """Return the states of the tiles in a run under one strategy.

    Parameters
    ----------
    report : Report
        The run, with its schedule at the nominal clock.
    capped : Capped
        The stream and the period of the strategy.
    tiles : ndarray of float64, shape (layers,)
        Fraction of the chip's tiles that are not power-gated in each layer.
    """
    period, layers = capped.period_ticks, len(report.runs)
    nominal = array_ticks(report.schedule.stream, layers)
    actual = array_ticks(capped.stream, layers)
    wanted = np.array([run.work.ticks.get("array", 0) for run in report.runs])
    peak = report.chip.array.peak_macs_per_cycle
    computing = np.array(_macs_at_base_rate(report)) / (peak * tiles)
    # an array may leave a cycle out of its count by convention (`ArrayCost.uncounted_cycles`)
    computing = np.minimum(computing, wanted)
    idle = period - float(actual.sum())
    stalled = min(idle, float(steady_period(report.schedule.stream)) - float(nominal.sum()))
    on = _idle_on(capped.stream, tiles)
    return TileStates(
        computing=float((computing * tiles).sum()) / period,
        loading=float(((wanted - computing) * tiles).sum()) / period,
        stalled=(float(((nominal - wanted) * tiles).sum()) + stalled * on) / period,
        throttled=(float(((actual - nominal) * tiles).sum()) + (idle - stalled) * on) / period,
        power_gated=(float((actual * (1.0 - tiles)).sum()) + idle * (1.0 - on)) / period,
    )


def peak_share(report: Report, period_ticks: float) -> float:
    """Return the MACs executed per batch, divided by those that all tiles execute in `period_ticks`.

    The peak is that of each layer's arithmetic.
    """
    peak = report.chip.array.peak_macs_per_cycle
    return sum(_macs_at_base_rate(report)) / (peak * period_ticks)


def _macs_at_base_rate(report: Report) -> list[float]:
    """MACs of each layer; those of an arithmetic with twice the rate of the base precision count half."""
    base = report.chip.array.peak_macs_per_cycle
    peaks = [run.work.cost.peak_macs_per_cycle or base for run in report.runs]
    return [run.macs * base / peak for run, peak in zip(report.runs, peaks, strict=True)]


def array_ticks(stream: TileStream, layers: int) -> NDArray[np.float64]:
    """Return the ticks in which each layer occupies the arrays, shape (layers,)."""
    array = stream.unit == MAC_ARRAY
    return np.bincount(stream.layer[array], stream.compute[array], layers).astype(np.float64)


def _idle_on(stream: TileStream, tiles: NDArray[np.float64]) -> float:
    """Fraction of the tiles that are not gated, averaged over the arrays' idle time.

    Idle time before a step belongs to the layer of that step.
    """
    if (tiles == 1.0).all():
        return 1.0
    repeated = stream.repeat(WARM_UP + 1)
    timeline = run_fast(repeated)
    steps = np.flatnonzero(repeated.unit == MAC_ARRAY)
    free = np.concatenate([[0], timeline.end[COMPUTE][steps][:-1]])
    idle = (timeline.start[COMPUTE][steps] - free)[steps >= WARM_UP * len(stream)]
    on = tiles[stream.layer[stream.unit == MAC_ARRAY]]
    return float((idle * on).sum() / idle.sum()) if idle.any() else float(on.mean())
