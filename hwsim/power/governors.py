"""Governors: strategies that keep a chip under its power cap.

A governor has `levels` operating points. The last one is nominal; level x runs at ``x / levels`` of the
nominal rate. Between two steps of the clock a governor dithers: it changes between them so often that a
window sees their mean. At every window the governor sees the energy of the past window and chooses the
next level. An operation that exceeds the energy budget of its window is not started at any level
(`hwsim.power.governed`), so the cap always holds. `hwsim.power.steady` solves the steady state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from hwsim.energy.constants import thermal_constants
from hwsim.engine.timeline import COMPUTE, DECODE
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hwsim.machine.cap import Cap
    from hwsim.machine.chip import Chip

DITHER = 64
"""Parts of a clock step that a governor reaches by changing between two neighbouring clocks."""

Ticks = TypeVar("Ticks", int, "NDArray[np.int64]")


@dataclass(frozen=True)
class VoltageCurve:
    """Clock against supply voltage by the alpha-power law, ``f = k (V - Vt)^alpha / V``.

    Parameters
    ----------
    nominal_V, threshold_V, least_V : float
        Voltage of the nominal clock, of the transistors' threshold, and the least at which
        memories hold their content: below its clock only the clock goes down.
    alpha : float
        Velocity saturation: 2 for long channels, near 1.3 for short ones (Sakurai and Newton,
        IEEE J. Solid-State Circuits 25, 1990).
    """

    nominal_V: float
    threshold_V: float
    least_V: float
    alpha: float

    @classmethod
    def of(cls, chip: Chip) -> VoltageCurve:
        """Curve through a chip's nominal voltage; the shipped constants where the chip file says nothing."""
        curve, power = cls.default(chip.process.voltage_V), chip.power
        said = {"threshold_V": power.threshold_V, "least_V": power.least_V}
        return replace(curve, **{name: volts for name, volts in said.items() if volts is not None})

    @classmethod
    def default(cls, nominal_V: float) -> VoltageCurve:
        """Curve of the shipped constants through a nominal voltage."""
        value = {name: constant.value for name, constant in thermal_constants().items()}
        return cls(
            nominal_V,
            value["alpha_power.threshold"],
            value["alpha_power.least"],
            value["alpha_power.exponent"],
        )

    def __post_init__(self) -> None:
        if not 0 < self.threshold_V < self.least_V <= self.nominal_V:
            raise InputError(
                f"voltages are threshold {self.threshold_V:g}, least {self.least_V:g}, nominal "
                f"{self.nominal_V:g} V, expected them to rise in this order"
            )

    def speed(self, voltage_V: float) -> float:
        """Fraction of the nominal clock that `voltage_V` allows."""
        return self._drive(voltage_V) / self._drive(self.nominal_V)

    def voltage_V(self, speed: float) -> float:
        """Least voltage for `speed`, a fraction of the nominal clock in 0..1."""
        if speed <= self.speed(self.least_V):
            return self.least_V
        if speed >= 1.0:
            return self.nominal_V
        from scipy.optimize import brentq  # here, because the import is slow and only DVFS needs it

        root = brentq(lambda volts: self.speed(volts) - speed, self.least_V, self.nominal_V, xtol=1e-15)
        return float(root)

    def _drive(self, voltage_V: float) -> float:
        return (voltage_V - self.threshold_V) ** self.alpha / voltage_V


@dataclass(frozen=True)
class Window:
    """Measurements of the window that has just ended.

    Parameters
    ----------
    core_pJ, other_pJ : float
        Dynamic energy spent, on the core's supply at its nominal voltage, and elsewhere.
    active : float
        Fraction of the window in which any operation was under way.
    held : bool
        Whether the budget kept an operation from starting.
    """

    core_pJ: float
    other_pJ: float
    active: float
    held: bool


@dataclass(frozen=True)
class Waiting:
    """An operation that the budget delays: its energy and its nominal duration."""

    phase: int
    ticks: int
    core_pJ: float
    other_pJ: float


@dataclass(frozen=True)
class Governor:
    """A strategy; subclasses say what a level does.

    Parameters
    ----------
    levels : int
        Operating points, equally spaced in speed.
    """

    levels: int = 1

    slows: ClassVar[tuple[int, ...]] = ()
    """Stages that a lower level stretches."""
    obeys_cap: ClassVar[bool] = True
    pauses: ClassVar[bool] = False
    """Whether work stops where the lowest level still draws more than the cap."""

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise InputError(f"{type(self).__name__}: {self.levels} levels, expected at least 1")

    def ticks(self, phase: int, nominal: Ticks, level: Ticks) -> Ticks:
        """Duration of operations started at `level`: whole ticks, rounded up."""
        return ceil_div(nominal * self.levels, level) if phase in self.slows else nominal

    def core_scale(self, level: int) -> float:
        """Energy of a core action at `level` relative to nominal."""
        return 1.0

    def next_level(self, level: int, past: Window, waiting: Sequence[Waiting], cap: Cap) -> int:
        """Level of the next window.

        Feedback: the past window, had it been active throughout, would have cost
        ``energy / active``, and energy goes with the speed; so the highest level is taken that
        fits the budget: a lower one if anything was held back, else this one or a higher.
        Feed-forward: what waits to start must not draw more than the budget all alone.
        """

        def fits(candidate: int) -> bool:
            spent = past.core_pJ * self.core_scale(candidate) + past.other_pJ
            return candidate * spent <= level * cap.window_budget_pJ * (past.active if past.held else 1.0)

        wanted = level
        if past.active and past.held:
            wanted = max(highest(fits, level - 1), 1)
        elif past.active:
            wanted = max(highest(fits, self.levels), level)
        return min([wanted, *(self.coolest(operation, cap) for operation in waiting)])

    def coolest(self, operation: Waiting, cap: Cap) -> int:
        """Highest level at which an operation alone keeps to the budget.

        The lowest if there is none, and the highest if the operation cannot be slowed.
        """
        if operation.phase not in self.slows or operation.ticks == 0:
            return self.levels

        def fits(level: int) -> bool:
            ticks = self.ticks(operation.phase, operation.ticks, level)
            pJ = operation.core_pJ * self.core_scale(level) + operation.other_pJ
            return pJ * min(cap.window_ticks, ticks) <= cap.window_budget_pJ * ticks

        return max(highest(fits, self.levels), 1)


def highest(fits: Callable[[int], bool], levels: int) -> int:
    """Highest level up to `levels` that fits, 0 if none does; whatever is below one that fits does."""
    low, high = 0, levels
    trial = levels  # most often the highest fits
    while low < high:
        if fits(trial):
            low = trial
        else:
            high = trial - 1
        trial = (low + high + 1) // 2
    return low


def highest_near(fits: Callable[[int], bool], levels: int, expected: Callable[[int], int]) -> int:
    """As `highest`, in fewer trials where `expected` knows well from the last one what fits.

    Where it does not, each trial is at least twice as far from the last one as that was from the one before,
    until half of what is left is nearer.
    """
    low, high, trial, far = 0, levels, levels, 1 / 4
    while low < high:
        if fits(trial):
            low = trial
            trial = max(expected(trial), low + math.ceil(far))
        else:
            high = trial - 1
            trial = min(expected(trial), high + 1 - math.ceil(far))
        far *= 2
        if far > high - low:
            trial = (low + high + 1) // 2
        trial = min(max(trial, low + 1), high)
    return low


@dataclass(frozen=True)
class FixedClock(Governor):
    """The nominal clock whatever it draws: the baseline the others are held against."""

    obeys_cap: ClassVar[bool] = False


@dataclass(frozen=True)
class RaceToIdle(Governor):
    """The nominal clock until the window's budget is spent, then nothing until the next."""

    pauses: ClassVar[bool] = True


@dataclass(frozen=True)
class ClockScaling(Governor):
    """A slower core clock at the same voltage: the energy of an action stays.

    Parameters
    ----------
    levels : int
        Clocks that are reached, those between two steps by dithering.
    parts : int
        Levels of one step of the clock: 1 without dithering.
    """

    levels: int = 100
    parts: int = 1
    slows: ClassVar[tuple[int, ...]] = (DECODE, COMPUTE)

    @classmethod
    def of(cls, chip: Chip) -> Self:
        """The governor of a chip, which dithers between its clock steps."""
        return cls(chip.power.clock_steps * DITHER, DITHER)


@dataclass(frozen=True)
class TileGating(Governor):
    """Fewer active tiles, `levels` of them in all: compute stretches, the energy of an action stays."""

    levels: int = 48
    slows: ClassVar[tuple[int, ...]] = (COMPUTE,)


@dataclass(frozen=True)
class Dvfs(ClockScaling):
    """A slower core clock at the least voltage for it: core energy goes with the voltage squared.

    DRAM energy, leakage and standby are left as they are. Between two steps of the clock, a part of the work
    is done at either; below the first step, the clock of the first step stops for a part of the time.
    """

    curve: VoltageCurve = field(kw_only=True)

    @classmethod
    def of(cls, chip: Chip) -> Self:
        """The governor of a chip, with its clock steps and its curve."""
        return cls(chip.power.clock_steps * DITHER, DITHER, curve=VoltageCurve.of(chip))

    def core_scale(self, level: int) -> float:
        """Energy of a core action at `level` relative to nominal: the square of the voltages' ratio."""
        below, above = level // self.parts, ceil_div(level, self.parts)
        if below == above or not below:
            return self._at_step(above)
        faster = (1 / below - self.parts / level) / (1 / below - 1 / above)
        return faster * self._at_step(above) + (1 - faster) * self._at_step(below)

    def _at_step(self, step: int) -> float:
        return _squared_voltage(self.curve, step * self.parts / self.levels)


@lru_cache(maxsize=4096)
def _squared_voltage(curve: VoltageCurve, speed: float) -> float:
    return (curve.voltage_V(speed) / curve.nominal_V) ** 2


BOARD: dict[str, type[ClockScaling]] = {"clock": ClockScaling, "dvfs": Dvfs}
"""Governors that a chip file can name as its board's."""


def governor_of(chip: Chip) -> ClockScaling:
    """Return the governor that a chip file says its board has."""
    return BOARD[chip.power.governor].of(chip)
