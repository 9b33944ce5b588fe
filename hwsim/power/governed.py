"""The event engine under a power cap, with an energy budget per window and a governor.

Before an operation starts, its energy is reserved in every window it will span. If one of them
has not enough left, the operation waits for the next window. The governor is one more process: at
every window it sees what the last one cost and chooses a level for operations yet to start.

A single operation may need more energy than the budget of a whole window. It then starts when nothing is
reserved in any window that it spans. The later windows pay back the excess. A window exceeds the cap only
by the excess of one such operation, the run's `allowance_W`. The long-run average never exceeds the cap.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hwsim.engine.event import Machine
from hwsim.engine.timeline import PHASES, READ, WRITE
from hwsim.errors import InputError
from hwsim.power.governors import Waiting, Window
from hwsim.power.trace import OperationEnergy, power_trace

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from simpy import Event

    from hwsim.engine.event import Process
    from hwsim.engine.stream import TileStream
    from hwsim.engine.timeline import Timeline
    from hwsim.machine.cap import Cap
    from hwsim.power.governors import Governor

ROUNDING = 1e-12
"""Sums of shares may exceed the budget by this part of it."""


@dataclass(frozen=True)
class GovernedRun:
    """A run under a cap.

    Parameters
    ----------
    timeline : Timeline
    energy : OperationEnergy
        As spent: core energy at the voltage each operation ran at.
    levels : ndarray of int64, shape (windows,)
        Level the governor had chosen for each window.
    level_of : ndarray of int64, shape (4, n)
        Level each operation started at.
    window_W : ndarray of float, shape (windows,)
        Average power that counts against the cap, static of the whole window included.
    overshoot_W : float
        How far the worst window exceeds the cap.
    allowance_W : float
        How far it may: what the hungriest operation alone draws above the budget of a window.
    """

    timeline: Timeline
    energy: OperationEnergy
    levels: NDArray[np.int64]
    level_of: NDArray[np.int64]
    window_W: NDArray[np.float64]
    overshoot_W: float
    allowance_W: float


def run_governed(stream: TileStream, energy: OperationEnergy, governor: Governor, cap: Cap) -> GovernedRun:
    """Run `stream` from a cold start with `governor` keeping it under `cap`.

    Raises
    ------
    InputError
        If the cap leaves nothing for work, or `energy` is of another stream or charges a transfer of
        zero ticks.
    """
    cap = cap.awake
    cap.require_budget()
    if energy.pJ.shape[1] != len(stream):
        raise InputError(f"operation energy has {energy.pJ.shape[1]} steps, expected {len(stream)}")
    for phase, ticks in ((READ, stream.read), (WRITE, stream.write)):
        if energy.pJ[phase][ticks == 0].any():
            raise InputError(
                f"operation energy: a {PHASES[phase]} of zero ticks has energy, expected none to be charged"
            )
    machine = GovernedMachine(stream, energy, governor, cap)
    timeline = machine.run()
    level_of = np.array(machine.level_of, np.int64).reshape(4, len(stream))
    scale = np.array([governor.core_scale(level) for level in range(1, governor.levels + 1)])
    spent = np.where(energy.core, scale[level_of - 1][:, :, None], 1.0) * energy.pJ
    drawn_pJ = spent[:, :, energy.counted(cap)].sum(axis=2, keepdims=True)
    seen = OperationEnergy(("all",), drawn_pJ, np.array([False]))
    window_W = cap.static_W + power_trace(timeline, seen, {}, cap.window_ticks, cap.tick_s).total_W
    stretches = np.maximum(np.stack(timeline.ticks), 1)
    largest_pJ = (drawn_pJ[:, :, 0] * np.minimum(1.0, cap.window_ticks / stretches)).max(initial=0.0)
    return GovernedRun(
        timeline,
        replace(energy, pJ=spent),
        np.array(machine.levels[: len(window_W)], np.int64),
        level_of,
        window_W,
        max(float(window_W.max()) - cap.limit_W, 0.0),
        max(float(largest_pJ) - cap.window_budget_pJ, 0.0) / cap.window_budget_pJ * cap.budget_W,
    )


class Budget:
    """Dynamic energy reserved in each window, never more than `limit_pJ`.

    Parameters
    ----------
    limit_pJ : float
        What one window may spend.
    window_ticks : int
    """

    def __init__(self, limit_pJ: float, window_ticks: int) -> None:
        self.limit_pJ = limit_pJ
        self.window_ticks = window_ticks
        self.reserved_pJ: defaultdict[int, float] = defaultdict(float)
        self.first_free = 0  # windows before it pay for an operation too big for its own

    def shares(self, start: int, ticks: int, pJ: float) -> dict[int, float]:
        """Energy by window of an operation that starts at `start`."""
        length, end = self.window_ticks, start + ticks
        first = start // length
        if end <= (first + 1) * length:
            return {first: pJ}
        return {
            window: pJ * (min(end, (window + 1) * length) - max(start, window * length)) / ticks
            for window in range(first, (end - 1) // length + 1)
        }

    def next_try(self, start: int, ticks: int, pJ: float, may_exceed: bool) -> int:
        """`start` if an operation may start then, else the tick at which to ask again.

        That is the next window, or so late in this one that what is left of its budget pays for
        the part inside it.

        Parameters
        ----------
        may_exceed : bool
            Whether it may start if it is too big for windows in which nothing is reserved.
        """
        first = start // self.window_ticks
        if pJ == 0:
            return start
        if first < self.first_free:
            return self.first_free * self.window_ticks
        shares = self.shares(start, ticks, pJ)
        room = {window: self.limit_pJ - self.reserved_pJ.get(window, 0.0) for window in shares}
        full = [window for window in shares if shares[window] > room[window] + self.limit_pJ * ROUNDING]
        if not full or (may_exceed and min(room.values()) == self.limit_pJ):
            return start
        boundary = (full[0] + 1) * self.window_ticks
        inside = int(max(room[first], 0.0) / pJ * ticks) if full[0] == first and pJ <= self.limit_pJ else 0
        return max(start + 1, boundary - inside)

    def reserve(self, shares: dict[int, float]) -> None:
        """Book an operation; what is too much for its windows is left for later ones to pay."""
        excess = 0.0
        for window, pJ in shares.items():
            wanted = self.reserved_pJ[window] + pJ + excess
            self.reserved_pJ[window] = min(wanted, self.limit_pJ)
            excess = wanted - self.reserved_pJ[window]
        if excess > self.limit_pJ * ROUNDING:
            self.first_free = max(shares) + 1 + int(excess // self.limit_pJ)
            self.reserved_pJ[self.first_free] += excess % self.limit_pJ


class GovernedMachine(Machine):
    """The machine with a limiter in front of every operation and a governor beside it."""

    def __init__(self, stream: TileStream, energy: OperationEnergy, governor: Governor, cap: Cap) -> None:
        super().__init__(stream)
        self.governor = governor
        self.cap = cap
        self.budget = Budget(cap.window_budget_pJ, cap.window_ticks)
        counted = energy.counted(cap)
        self.core_pJ = energy.pJ[:, :, counted & energy.core].sum(axis=2).tolist()
        self.other_pJ = energy.pJ[:, :, counted & ~energy.core].sum(axis=2).tolist()
        self.level = governor.levels
        self.levels: list[int] = []
        self.level_of = [[governor.levels] * len(stream) for _ in PHASES]
        self.spent_pJ: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.active_ticks = 0  # in which any operation is under way, up to `active_until`
        self.active_until = 0
        self.held = False
        self.waiting: dict[tuple[int, int], Waiting] = {}
        self.env.process(self.governing())

    def operation(self, phase: int, step: int) -> Event:
        """Start now if the budget allows it, else when it does."""
        next_try = self._ask(phase, step)
        if next_try > self.env.now:
            return self.env.process(self._hold(phase, step, next_try))
        return self._start(phase, step)

    def governing(self) -> Process:
        """Choose a level at the start of every window in which anything can start."""
        active_before = window = 0
        while True:
            following = max(window + 1, self.budget.first_free)
            self.levels += [self.level] * (following - window)
            yield self.env.timeout((following - window) * self.cap.window_ticks)
            active = self.active_ticks - max(self.active_until - int(self.env.now), 0)
            core_pJ, other_pJ = self.spent_pJ[following - 1]
            past = Window(core_pJ, other_pJ, (active - active_before) / self.cap.window_ticks, self.held)
            if self.governor.obeys_cap:
                self.level = self.governor.next_level(self.level, past, [*self.waiting.values()], self.cap)
            active_before, self.held, window = active, bool(self.waiting), following

    def _ask(self, phase: int, step: int) -> int:
        """Tick at which the operation may start, or ask again; now, if the cap is not obeyed."""
        now, governor = int(self.env.now), self.governor
        if not governor.obeys_cap:
            return now
        ticks, core_pJ, other_pJ = self._cost(phase, step)
        may_exceed = phase not in governor.slows or self.level == 1 or ticks == 0
        return self.budget.next_try(now, ticks, core_pJ + other_pJ, may_exceed)

    def _cost(self, phase: int, step: int) -> tuple[int, float, float]:
        """Ticks, core and other energy of an operation started at the present level."""
        ticks = self.governor.ticks(phase, self.ticks[phase][step], self.level)
        scale = self.governor.core_scale(self.level)
        return ticks, self.core_pJ[phase][step] * scale, self.other_pJ[phase][step]

    def _hold(self, phase: int, step: int, next_try: int) -> Process:
        self.held = True
        self.waiting[phase, step] = Waiting(
            phase, self.ticks[phase][step], self.core_pJ[phase][step], self.other_pJ[phase][step]
        )
        while next_try > self.env.now:
            yield self.env.timeout(next_try - self.env.now)
            next_try = self._ask(phase, step)
        del self.waiting[phase, step]
        yield self._start(phase, step)

    def _start(self, phase: int, step: int) -> Event:
        now = int(self.env.now)
        ticks, core_pJ, other_pJ = self._cost(phase, step)
        shares = self.budget.shares(now, ticks, core_pJ + other_pJ)
        self.budget.reserve(shares)
        for window in shares:
            fraction = shares[window] / (core_pJ + other_pJ) if core_pJ + other_pJ else 0.0
            self.spent_pJ[window][0] += fraction * self.core_pJ[phase][step]
            self.spent_pJ[window][1] += fraction * other_pJ
        self.ticks[phase][step] = ticks
        self.level_of[phase][step] = self.level
        self.active_ticks += max(now + ticks - max(now, self.active_until), 0)
        self.active_until = max(self.active_until, now + ticks)
        return self.env.timeout(ticks)
