"""What a board is to a measurement: the contract of devices, and what they return."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

from hwsim.errors import InputError

if TYPE_CHECKING:
    from experiments.measure.tasks import Task


class Unsupported(Exception):
    """A board cannot run a task. The message says why."""


class Refused(InputError):
    """A board does not let this user change its clock or power limit."""


@dataclass(frozen=True)
class Board:
    """A board that is measured.

    Parameters
    ----------
    name, driver : str
    date : str
        Day of the measurement, ISO 8601.
    remarks : tuple of str
        What makes its figures doubtful, a sentence each.
    """

    name: str
    driver: str
    date: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Power limit and clocks that a board is set to.

    Parameters
    ----------
    power_limit_W : float
    clock_MHz, memory_MHz : int or None
        Clocks of applications; None where they are not set, and the driver chooses.
    """

    power_limit_W: float
    clock_MHz: int | None = None
    memory_MHz: int | None = None


@dataclass(frozen=True)
class Sample:
    """Power and clock of the cores at a moment."""

    at_s: float
    power_W: float
    clock_MHz: float


@dataclass(frozen=True)
class Reading:
    """What a board did with one task.

    Parameters
    ----------
    task : Task
    settings : Settings
        At which it was measured.
    launches : int
        Kernels that ran; 0 where none did.
    seconds : float
        That all of them took.
    counter_J : float or None
        Joules by the board's energy counter; None where it has none.
    samples : tuple of Sample
    """

    task: Task
    settings: Settings
    launches: int
    seconds: float
    counter_J: float | None
    samples: tuple[Sample, ...]

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise InputError(f"{self.task.name}: took {self.seconds:g} s, expected more than 0")
        if self.counter_J is None and len(self.samples) < 2:
            raise InputError(
                f"{self.task.name}: no energy counter and {len(self.samples)} samples of power, "
                "expected at least two"
            )
        if not self.samples:
            raise InputError(f"{self.task.name}: no sample of the clock, expected at least one")

    @property
    def power_W(self) -> float:
        """Mean power: by the counter, or else the integral of the sampled power over its time."""
        if self.counter_J is not None:
            return self.counter_J / self.seconds
        joules = sum(
            (one.power_W + other.power_W) / 2 * (other.at_s - one.at_s)
            for one, other in pairwise(self.samples)
        )
        return joules / (self.samples[-1].at_s - self.samples[0].at_s)

    @property
    def clock_GHz(self) -> float:
        """Mean clock of the cores."""
        return fmean(sample.clock_MHz for sample in self.samples) / 1000

    @property
    def time_us(self) -> float | None:
        """Microseconds of one launch; None where none ran."""
        return 1e6 * self.seconds / self.launches if self.launches else None


class Device(Protocol):
    """A board, or a recording of one."""

    @property
    def board(self) -> Board:
        """Which one it is."""
        ...

    def settings(self) -> Settings:
        """Return what it is set to now."""
        ...

    def choices(self) -> tuple[Settings, ...]:
        """Return other settings worth measuring at.

        Raises
        ------
        Refused
            If the board does not tell what it takes.
        """
        ...

    def apply(self, settings: Settings) -> None:
        """Set power limit and clocks, those that differ.

        Raises
        ------
        Refused
            If this user may not.
        """
        ...

    def measure(self, task: Task) -> Reading:
        """Repeat a task for some seconds and read what it took.

        Raises
        ------
        Unsupported
            If the board cannot run it.
        """
        ...
