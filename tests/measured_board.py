"""A board that obeys the simulator's laws with known constants, as a measurement would record it."""

from dataclasses import replace

from experiments.measure.compared import at
from experiments.measure.device import Board, Reading, Sample, Settings
from experiments.measure.session import Measurement
from experiments.measure.tasks import IDLE, PLAN, REPEATED
from hwsim.machine.chip import load_chip
from hwsim.run import simulate

CHIP = "a100_pcie"
BOARD = Board("Board of known constants", "0.0", "2026-01-01")
FOUND = Settings(250.0)
OTHERS = (Settings(250.0, 705, 1215), Settings(200.0))
KNOWN = {
    "kernels.time_us": 4.2,
    "kernels.efficiency": 0.62,
    "dram.efficiency": 0.66,
    "power.leakage_W": 28.0,
    "power.board_W": 14.0,
    "power.clock_W": 71.0,
}
"""Far from those of the chip file and its family. At rest half of the leakage flows, 14 W, and the
board's own 14 W."""
STANDBY_W = 12.0
"""Of the DRAM of the chip file."""
SECONDS = 4.0


def reading(task, settings=FOUND, *, counter=True):
    """What a board of the `KNOWN` constants would do with a task."""
    board = at(load_chip(CHIP).replace(**KNOWN), settings)
    clock_MHz, launches, seconds = 1000 * board.process.clock_GHz, 0, SECONDS
    if task is IDLE:
        power_W, clock_MHz = STANDBY_W + 14.0 + 28.0 / 2, 210.0
    elif task.workload is None:
        power_W = STANDBY_W + 14.0 + 28.0 + board.power.clock_W
    else:
        report = simulate(board, task.workload)
        launches = round(SECONDS / report.period_s)
        seconds = launches * report.period_s
        power_W, clock_MHz = report.power_W, clock_MHz * report.clock
    wobble = (0.98, 1.02, 1.0, 1.02, 0.98)  # its integral by trapezoids is 1.005
    samples = tuple(
        Sample(seconds * place / 4, power_W * share / 1.005, clock_MHz) for place, share in enumerate(wobble)
    )
    joules = round(1000 * power_W * seconds) / 1000 if counter else None
    return Reading(task, settings, launches, seconds, joules, samples)


def measurement(*, counter=True, others=()):
    """All tasks as found, and some at other settings."""
    readings = [reading(task, counter=counter) for task in PLAN]
    readings += [reading(task, settings, counter=counter) for settings in others for task in REPEATED]
    return Measurement(BOARD, FOUND, tuple(readings), ())


class FakeDevice:
    """A device whose settings are watched; it fails where it is told to."""

    def __init__(self, *, refuses=None, fails=None):
        self.board, self.now, self.applied = BOARD, FOUND, []
        self.refuses, self.fails = refuses, fails

    def settings(self):
        return self.now

    def choices(self):
        return OTHERS

    def apply(self, settings):
        if self.refuses and settings != self.now:
            raise self.refuses
        if settings != self.now:
            self.applied.append(settings)
        self.now = settings

    def measure(self, task):
        if self.fails and self.now != FOUND:
            raise self.fails
        return replace(IDLE_READING, task=task, settings=self.now)


IDLE_READING = Reading(IDLE, FOUND, 0, 1.0, 40.0, (Sample(0.0, 40.0, 210.0),))
