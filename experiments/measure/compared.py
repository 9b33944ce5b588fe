"""What was measured beside what is simulated, with the chip as it is and with the measured keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.measure.keys import COLD_LEAKAGE, clock_share
from hwsim.power.governors import VoltageCurve
from hwsim.power.steady import CapTooLow
from hwsim.run import simulate

if TYPE_CHECKING:
    import pandas as pd

    from experiments.measure.device import Reading, Settings
    from experiments.measure.keys import Suggestions
    from experiments.measure.session import Measurement
    from hwsim.machine.chip import Chip


def compared(chip: Chip, measurement: Measurement, suggestions: Suggestions) -> pd.DataFrame:
    """Simulate every reading, at its power limit and clock.

    Parameters
    ----------
    chip : Chip
    measurement : Measurement
    suggestions : Suggestions
        From `keys.suggested`.

    Returns
    -------
    DataFrame
        One row for each reading. ``keyed_us`` and ``keyed_W`` are simulated with the suggested keys. Times
        are missing where no kernel runs, and simulated figures where the chip cannot keep the power limit.
    """
    import pandas as pd

    keyed = chip.replace(**suggestions.values)
    rows: list[dict[str, Any]] = []
    for reading in measurement.readings:
        settings = reading.settings
        time_us, power_W = simulated(at(chip, settings), reading)
        keyed_us, keyed_W = simulated(at(keyed, settings), reading)
        rows.append(
            {
                "task": reading.task.name,
                "power_limit_W": settings.power_limit_W,
                "set_clock_MHz": settings.clock_MHz,
                "mean_clock_MHz": 1000 * reading.clock_GHz,
                "measured_us": reading.time_us,
                "simulated_us": time_us,
                "keyed_us": keyed_us,
                "measured_W": reading.power_W,
                "simulated_W": power_W,
                "keyed_W": keyed_W,
            }
        )
    figures = [name for name in rows[0] if name.endswith(("_us", "_W"))] if rows else []
    return pd.DataFrame(rows).astype(dict.fromkeys(figures, float))


def at(chip: Chip, settings: Settings) -> Chip:
    """Return a chip at a board's power limit, and at the clock that is set, if it is a lower one.

    The voltage follows by the chip's curve, the power of the clock tree by V^2 f.
    """
    changes: dict[str, Any] = {"power.cap_W": settings.power_limit_W}
    clock_GHz = (settings.clock_MHz or 0) / 1000
    if 0 < clock_GHz < chip.process.clock_GHz:
        curve, speed = VoltageCurve.of(chip), clock_GHz / chip.process.clock_GHz
        changes |= {
            "process.clock_GHz": clock_GHz,
            "process.voltage_V": curve.voltage_V(speed),
            "power.clock_W": chip.power.clock_W * clock_share(chip, clock_GHz),
            "kernels.time_us": chip.kernels.time_us / speed,
        }
    return chip.replace(**changes)


def simulated(chip: Chip, reading: Reading) -> tuple[float | None, float | None]:
    """Return microseconds of one launch, if any, and watts; neither if the chip cannot keep its limit."""
    workload = reading.task.workload
    if workload is not None:
        try:
            report = simulate(chip, workload)
        except CapTooLow:
            return None, None
        return 1e6 * report.period_s, report.power_W
    if reading.task.kind == "idle":
        return None, chip.static_W - (1 - COLD_LEAKAGE) * chip.power.leakage_W
    return None, chip.static_W + chip.power.clock_W * clock_share(chip, reading.clock_GHz)
