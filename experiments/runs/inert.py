"""Changed keys of a chip on which no figure of a run depends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hwsim.machine.chip import Chip
    from hwsim.report import Report


def inert_changes(chip: Chip, changes: Mapping[str, Any], reports: Sequence[Report]) -> tuple[str, ...]:
    """Say which changes change nothing: each is left out in turn, and the runs are made again.

    Parameters
    ----------
    chip : Chip
        Before the changes.
    changes : mapping of str to value
        Dotted keys, and what they became.
    reports : sequence of Report
        Runs on the changed chip.

    Returns
    -------
    tuple of str
        A sentence for each key without which every run has the same time, energy and traffic.
    """
    return tuple(
        f"{key} = {value} changes no time, energy or traffic of this run"
        for key, value in changes.items()
        if not _matters(chip, {k: v for k, v in changes.items() if k != key}, reports)
    )


def _matters(chip: Chip, others: Mapping[str, Any], reports: Sequence[Report]) -> bool:
    try:
        without = chip.replace(**others)
        return any(
            _figures(simulate(without, report.workload, report.batch)) != _figures(report)
            for report in reports
        )
    except InputError:
        return True


def _figures(report: Report) -> tuple[object, ...]:
    named = {name: value for name, value in report.summary().items() if name != "chip"}
    return (named, report.cold_start_s, report.joules_by("component"))
