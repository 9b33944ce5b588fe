"""Benchmarks of sweeps: what book-keeping adds to simulation, what a second worker gains, what dask costs."""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.measuring import Measurement, run_child
from experiments.sweep import load_sweep
from experiments.sweep_points import figures_of
from experiments.sweep_run import run_sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.sweep import Sweep

SWEEP = "design-space"
WORKERS = 2
LIMIT_S = 180


def sweeps() -> list[Measurement]:
    """The shipped sweep of 10,240 points: alone, with workers, and on a dask cluster of this machine.

    Comparisons of times by the clock need as many idle cores as workers.
    """
    plan = load_sweep(SWEEP)
    with tempfile.TemporaryDirectory() as folder:
        return [*_processes(Path(folder)), *_dask(plan, Path(folder))]


def simulate_all() -> None:
    """Simulate the points of the sweep, and do nothing else."""
    for point in load_sweep(SWEEP).samples():
        figures_of(point)


def _processes(folder: Path) -> list[Measurement]:
    python = [sys.executable, "-c"]
    bare = run_child([*python, "from experiments.bench_sweep import simulate_all; simulate_all()"])
    command = [*python, "from experiments.cli import hwsim; hwsim()", "sweep", SWEEP, "-o"]
    alone, together = (
        run_child([*command, str(folder / f"with_{workers}"), "--workers", str(workers)])
        for workers in (1, WORKERS)
    )
    return [
        Measurement(f"points of the sweep {SWEEP}", len(load_sweep(SWEEP).samples()), "points"),
        Measurement("their simulation and nothing else, one process", bare.cpu_s, "CPU s"),
        Measurement("hwsim sweep, 1 worker, over that", alone.cpu_s / bare.cpu_s, "x", 1.05, "less"),
        Measurement("hwsim sweep, 1 worker", alone.wall_s, "s by the clock"),
        Measurement(f"hwsim sweep, {WORKERS} workers", together.wall_s, "s by the clock", LIMIT_S, "less"),
        Measurement(f"speed-up by {WORKERS} workers", alone.wall_s / together.wall_s, "x", 1.7),
        Measurement(f"CPU time, {WORKERS} workers over 1", together.cpu_s / alone.cpu_s, "x"),
    ]


def _dask(plan: Sweep, folder: Path) -> list[Measurement]:
    """Skipped without dask, which is an extra."""
    if find_spec("distributed") is None:
        return []
    from distributed import LocalCluster

    run = partial(run_sweep, plan, workers=WORKERS)
    here_s = _spent(partial(run, output=folder / "here"))
    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster:
        on_dask = partial(run, backend="dask", scheduler=cluster.scheduler_address)
        there_s = _spent(partial(on_dask, output=folder / "there"))
    return [Measurement("dask over processes", there_s / here_s, "x", 1.1, "less")]


def _spent(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started
