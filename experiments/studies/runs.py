"""Run or check several studies, on all cores, and tell of each as it ends."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from experiments.runs.parallel import results
from experiments.studies.registry import check_study, run_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


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
    return _ended(partial(run_study, output=output, train=train), names, workers)


def check_studies(names: Sequence[str], workers: int) -> Iterator[Ended]:
    """Check studies in any order; see `experiments.studies.registry.check_study`."""
    return _ended(check_study, names, workers)


def _ended(work: Callable[[str], Any], names: Sequence[str], workers: int) -> Iterator[Ended]:
    """One study at a time has all cores to itself; several share them."""
    backend = "processes" if len(names) > 1 else "serial"
    return results(backend, _timed, [(work, name, sys.argv) for name in names], min(workers, len(names)), "")


def _timed(work: Callable[[str], Any], name: str, command: list[str]) -> Ended:
    sys.argv = command  # the manifest of a worker's run has the command that was typed
    started = time.monotonic()
    return Ended(name, work(name), time.monotonic() - started)
