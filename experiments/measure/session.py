"""Measure everything on a board, and leave its settings as they were found."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.measure.device import Refused, Unsupported
from experiments.measure.tasks import PLAN, REPEATED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from experiments.measure.device import Board, Device, Reading, Settings
    from experiments.measure.tasks import Task

ENDING = ("SIGTERM", "SIGHUP")
"""Signals that would end the program before it has restored the settings."""


@dataclass(frozen=True)
class Measurement:
    """What was measured on a board.

    Parameters
    ----------
    board : Board
    found : Settings
        What the board was set to.
    readings : tuple of Reading
    notes : tuple of str
        What could not be measured, a sentence each.
    """

    board: Board
    found: Settings
    readings: tuple[Reading, ...]
    notes: tuple[str, ...]

    def of(self, task: Task) -> Reading | None:
        """Reading of a task at the settings as found; None if it was not measured."""
        return next((one for one in self.readings if (one.task, one.settings) == (task, self.found)), None)


def measure_all(
    device: Device,
    arithmetics: Collection[str],
    *,
    set_clocks: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Measurement:
    """Measure all tasks at the settings as found, and some of them at others.

    Parameters
    ----------
    device : Device
    arithmetics : collection of str
        What the simulated chip multiplies; other tasks are left out. Empty: everything.
    set_clocks : bool
        Whether the power limit and the clocks may be set. They are restored afterwards in every case.
    say : callable
        Takes a line for each task that begins.

    Raises
    ------
    InputError
        If the board cannot be read, or its settings cannot be restored.
    """
    notes: list[str] = []
    found = device.settings()
    readings = _measured(device, _fitting(PLAN, arithmetics), found, found, notes, say)
    if set_clocks:
        with restoring(device, found):
            try:
                for settings in device.choices():
                    device.apply(settings)
                    readings += _measured(
                        device, _fitting(REPEATED, arithmetics), settings, found, notes, say
                    )
            except Refused as refused:
                notes.append(f"other settings are not measured: {refused}")
    return Measurement(device.board, found, tuple(readings), (*device.board.remarks, *notes))


def _fitting(tasks: Iterable[Task], arithmetics: Collection[str]) -> list[Task]:
    """Tasks that a chip can run, too."""
    return [task for task in tasks if not task.workload or not arithmetics or task.arithmetic in arithmetics]


def _measured(
    device: Device,
    tasks: Iterable[Task],
    settings: Settings,
    found: Settings,
    notes: list[str],
    say: Callable[[str], None],
) -> list[Reading]:
    where, readings = described(settings, found), []
    for task in tasks:
        say(f"{task.name}, {where}")
        try:
            readings.append(device.measure(task))
        except Unsupported as reason:
            notes.append(f"{task.name}, {where}, is not measured: {reason}")
    return readings


def described(settings: Settings, found: Settings) -> str:
    """Name what differs from the settings as found."""
    parts = []
    if settings.power_limit_W != found.power_limit_W:
        parts.append(f"{settings.power_limit_W:g} W")
    if settings.clock_MHz != found.clock_MHz:
        parts.append(f"{settings.clock_MHz} MHz" if settings.clock_MHz else "the default clock")
    return ", ".join(parts) or "as found"


@contextmanager
def restoring(device: Device, found: Settings) -> Iterator[None]:
    """Restore the settings of a board at the end, after an error or a signal, too."""
    with _ends_by_exception():
        try:
            yield
        finally:
            device.apply(found)


@contextmanager
def _ends_by_exception() -> Iterator[None]:
    """Let signals that end the program raise `SystemExit`; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    before = {number: signal.signal(number, _leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
