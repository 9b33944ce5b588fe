"""Run or check several studies, on all cores, and tell of each as it ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs.parallel import results
from experiments.runs.record import command_line
from experiments.studies.registry import check_study, run_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True)
class Ended:
    """A study that has ended.

    Parameters
    ----------
    name : str
    outcome : Path or list of str
        Its folder if it was run, how it differs if it was checked.
    elapsed_s : float
    """

    name: str
    outcome: Any
    elapsed_s: float


def run_studies(
    names: Sequence[str], workers: int, *, output: Path | None = None, train: bool = True
) -> Iterator[Ended]:
    """Run studies in any order; see `experiments.studies.registry.run_study`."""
    work = partial(run_study, output=output, train=train, root=Path.cwd(), command=command_line())
    return _ended(work, names, workers)


def check_studies(names: Sequence[str], workers: int) -> Iterator[Ended]:
    """Check studies in any order; see `experiments.studies.registry.check_study`."""
    return _ended(partial(check_study, root=Path.cwd()), names, workers)


def _ended(work: Callable[[str], Any], names: Sequence[str], workers: int) -> Iterator[Ended]:
    """One study at a time has all cores to itself; several share them.

    A worker may have been started from another folder, by another command: `work` says all that it needs.
    """
    backend = "processes" if len(names) > 1 else "serial"
    return results(backend, _timed, [(work, name) for name in names], min(workers, len(names)), "")


def _timed(work: Callable[[str], Any], name: str) -> Ended:
    started = time.monotonic()
    return Ended(name, work(name), time.monotonic() - started)
