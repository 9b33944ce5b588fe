"""A measurement as JSON, and a device that replays one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from experiments.measure.device import Board, Reading, Refused, Sample, Settings, Unsupported
from experiments.measure.session import Measurement
from experiments.measure.tasks import PLAN
from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.measure.tasks import Task

TASKS = {task.name: task for task in PLAN}


class Recorded:
    """A device that replays what was measured before.

    Parameters
    ----------
    measurement : Measurement
    """

    def __init__(self, measurement: Measurement) -> None:
        self.board = measurement.board
        self._readings = {(one.task, one.settings): one for one in measurement.readings}
        self._choices = tuple(
            dict.fromkeys((measurement.found, *(one.settings for one in measurement.readings)))
        )
        self._now = measurement.found

    def settings(self) -> Settings:
        """Return the settings that are replayed now."""
        return self._now

    def choices(self) -> tuple[Settings, ...]:
        """Return the other settings that were recorded."""
        return self._choices[1:]

    def apply(self, settings: Settings) -> None:
        """Replay what was recorded at other settings."""
        if settings not in self._choices:
            raise Refused(f"the recording has no settings {settings}")
        self._now = settings

    def measure(self, task: Task) -> Reading:
        """Return what was recorded of a task."""
        try:
            return self._readings[task, self._now]
        except KeyError:
            raise Unsupported("it is not in the recording") from None


def as_plain(measurement: Measurement) -> dict[str, Any]:
    """Return a measurement as plain data for `read_recording`."""
    return {
        "board": asdict(measurement.board),
        "found": asdict(measurement.found),
        "readings": [_plain(reading) for reading in measurement.readings],
    }


def _plain(reading: Reading) -> dict[str, Any]:
    return {
        "task": reading.task.name,
        "settings": asdict(reading.settings),
        "launches": reading.launches,
        "seconds": reading.seconds,
        "counter_J": reading.counter_J,
        "samples": [[one.at_s, one.power_W, one.clock_MHz] for one in reading.samples],
    }


def read_recording(path: Path) -> Measurement:
    """Read a recording.

    Parameters
    ----------
    path : Path
        A ``recording.json`` that `hwsim measure` wrote.

    Raises
    ------
    InputError
        If it is not one.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        board = data["board"]
        name, driver, date = (str(board[name]) for name in ("name", "driver", "date"))
        return Measurement(
            Board(name, driver, date, tuple(map(str, board["remarks"]))),
            _settings(data["found"]),
            tuple(_reading(one) for one in data["readings"]),
            (),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: not a recording of hwsim measure ({type(error).__name__}: {error}), "
            "expected a recording.json"
        ) from error


def _settings(one: dict[str, Any]) -> Settings:
    clocks = (one[name] for name in ("clock_MHz", "memory_MHz"))
    return Settings(float(one["power_limit_W"]), *(None if clock is None else int(clock) for clock in clocks))


def _reading(one: dict[str, Any]) -> Reading:
    return Reading(
        TASKS[one["task"]],
        _settings(one["settings"]),
        int(one["launches"]),
        float(one["seconds"]),
        None if one["counter_J"] is None else float(one["counter_J"]),
        tuple(Sample(*map(float, sample)) for sample in one["samples"]),
    )
