"""Fit the constants of families to the published figures of boards.

Each run of `hwsim.analysis.boards` and of `hwsim.analysis.board_response` is simulated once, and then costed
again with the constants that are tried (`hwsim.analysis.recosting`): same plan, same solver of the cap.
Rows that are left out, and watts of the wall, are not fitted. ``python -m experiments.bench.fit_boards``
prints the constants, and the errors with them; `data/families.csv` holds them, rounded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.optimize import least_squares

from experiments.console import print_line
from hwsim.analysis.board_response import responded, responses
from hwsim.analysis.boards import Served, by_class, compared, measured, reports_of
from hwsim.analysis.recosting import recosted
from hwsim.machine.chip import load_chip
from hwsim.machine.families import base_of, constants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hwsim.analysis.board_response import Response
    from hwsim.analysis.boards import Measured
    from hwsim.machine.chip import Chip
    from hwsim.machine.families import Constant
    from hwsim.report import Report

FAMILY = "gpu"
BOUNDS = {
    "kernels.time_us": (1.0, 30.0),
    "kernels.efficiency": (0.3, 1.0),
    "dram.efficiency": (0.5, 1.0),
    "power.clock_W": (0.01, 0.8),
    "dram.energy_pJ_per_bit": (1.0, 5.0),
}
"""Range of each constant, in the units of ``data/families.csv``. No energy is below that of its table."""

RESPONSE_WEIGHT = 1.2
"""What an error of a response counts beside the logarithm of a ratio: there are few responses, and an error
of the level of a row does not touch them."""

SCALE = 0.1
"""Errors below count by their square, those above by their size."""


@dataclass(frozen=True)
class Simulated:
    """A published run, simulated once.

    Parameters
    ----------
    run : Measured
    chip : Chip
        The board under its limit.
    parts : tuple of (Report, float)
        Simulated batches, and how often each of them runs.
    items : float
    """

    run: Measured
    chip: Chip
    parts: tuple[tuple[Report, float], ...]
    items: float

    @classmethod
    def of(cls, run: Measured) -> Simulated:
        """Simulate a run."""
        reports, items = reports_of(run)
        return cls(run, run.chip, tuple(reports), items)

    def at(self, values: Mapping[str, float]) -> Served:
        """Figures at other constants."""
        held = {c.key: values[c.key] * self._base(c) for c in constants() if c.family == FAMILY}
        chip = self.chip.replace(**held)
        return Served([(recosted(report, chip), times) for report, times in self.parts], self.items)

    def _base(self, constant: Constant) -> float:
        base = base_of(lambda key: attrgetter(key)(self.chip), constant.per)
        assert base is not None
        return base


@dataclass(frozen=True)
class Fit:
    """What is fitted: judged rows and responses of a family, and their runs."""

    rows: Sequence[Measured]
    answers: Sequence[Response]
    runs: Sequence[Simulated]

    @classmethod
    def of_family(cls) -> Fit:
        """Simulate all runs of the family that are judged."""
        rows = [row for row in measured() if row.judged and _is_fitted(row)]
        answers = [response for response in responses() if _is_fitted(response.before)]
        ends = [end for response in answers for end in (response.before, response.after)]
        runs = dict.fromkeys(row.run for row in (*rows, *ends))
        return cls(rows, answers, Parallel(n_jobs=2)(delayed(Simulated.of)(run) for run in runs))

    def at(self, values: Mapping[str, float]) -> dict[Measured, Served]:
        """Figures of all runs at some constants."""
        return {simulated.run: simulated.at(values) for simulated in self.runs}

    def errors(self, values: Mapping[str, float]) -> list[float]:
        """Logarithms of the ratios of rows, and weighted errors of responses."""
        found = self.at(values)
        ratios = [log(found[row.run].figure(row.metric) / row.value) for row in self.rows]
        table = responded(self.answers, found)
        return [*ratios, *(RESPONSE_WEIGHT * table["error"]).tolist()]

    def best(self) -> dict[str, float]:
        """Constants of least error."""
        keys = list(BOUNDS)
        start = np.log([next(c.value for c in constants() if (c.family, c.key) == (FAMILY, k)) for k in keys])

        def errors(logs: NDArray[np.float64]) -> list[float]:
            return self.errors(dict(zip(keys, np.exp(logs).tolist(), strict=True)))

        low, high = np.log(list(BOUNDS.values())).T
        found = least_squares(
            errors, np.clip(start, low + 1e-3, high - 1e-3), bounds=(low, high), loss="soft_l1",
            f_scale=SCALE, diff_step=[0.01] * len(keys), xtol=1e-3, ftol=1e-4,
        )  # fmt: skip
        return dict(zip(keys, np.exp(found.x).tolist(), strict=True))


def _is_fitted(row: Measured) -> bool:
    return load_chip(row.board).kernels.family == FAMILY


def main() -> None:
    """Fit, and print the constants and the errors with them."""
    fit = Fit.of_family()
    values = fit.best()
    found = fit.at(values)
    table = compared([replace(row, left_out="") for row in fit.rows], found)
    columns = ["kind", "board", "power_limit_W", "arithmetic", "network", "batch", "metric", "ratio"]
    answers = responded(fit.answers, found)[["kind", "board", "after", "published", "simulated", "verdict"]]
    with pd.option_context("display.max_rows", None, "display.width", 200):
        for part in (table[columns], by_class(table), answers):
            print_line(part.to_string(float_format="{:.3f}".format))
    print_line(", ".join(f"{key} {value:.4g}" for key, value in values.items()))


if __name__ == "__main__":
    main()
