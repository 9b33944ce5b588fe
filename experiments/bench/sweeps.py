"""Benchmarks of sweeps: what book-keeping adds to simulation, what a second worker gains, what dask costs."""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from statistics import median
from typing import NamedTuple

from experiments.bench.measuring import Child, Measurement, run_child
from experiments.sweep.file import load_sweep
from experiments.sweep.points import values_of

SWEEP = "design-space"
WORKERS = 2
LIMIT_S = 180
ROUNDS = 3
"""What is compared takes turns; ratios are medians over rounds, since other work slows single runs."""


class Round(NamedTuple):
    """One run of each: simulation and nothing else, then sweeps."""

    bare: Child
    alone: Child
    together: Child
    on_dask: Child | None


def sweeps() -> list[Measurement]:
    """The shipped sweep of 10,240 points: alone, with workers, and on a dask cluster of this machine.

    Comparisons of times by the clock need as many idle cores as workers.
    """
    rounds = [_round() for _ in range(ROUNDS)]
    together_s = median(one.together.wall_s for one in rounds)
    overhead = median(one.alone.cpu_s / one.bare.cpu_s for one in rounds)
    speed_up = median(one.alone.wall_s / one.together.wall_s for one in rounds)
    more_cpu = median(one.together.cpu_s / one.alone.cpu_s for one in rounds)
    over_processes = [one.on_dask.wall_s / one.together.wall_s for one in rounds if one.on_dask]
    found = [
        Measurement(f"points of the sweep {SWEEP}", len(load_sweep(SWEEP).samples()), "points"),
        Measurement("hwsim sweep, 1 worker, over simulation and nothing else", overhead, "x", 1.05, "less"),
        Measurement("hwsim sweep, 1 worker", median(one.alone.wall_s for one in rounds), "s by the clock"),
        Measurement(f"hwsim sweep, {WORKERS} workers", together_s, "s by the clock", LIMIT_S, "less"),
        Measurement(f"speed-up by {WORKERS} workers", speed_up, "x", 1.7),
        Measurement(f"CPU time, {WORKERS} workers over 1", more_cpu, "x"),
    ]
    if over_processes:
        found.append(Measurement("dask over processes", median(over_processes), "x", 1.1, "less"))
    return found


def simulate_all() -> None:
    """Simulate the points of the sweep, and do nothing else."""
    for point in load_sweep(SWEEP).samples():
        values_of(point)


def _round() -> Round:
    """Run each once, on a new dask cluster if there is dask."""
    bare = run_child([sys.executable, "-c", f"from {__name__} import simulate_all; simulate_all()"])
    alone, together = (_sweep("--workers", str(workers)) for workers in (1, WORKERS))
    if find_spec("distributed") is None:
        return Round(bare, alone, together, None)
    from distributed import LocalCluster

    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster:
        on_dask = _sweep("--backend", "dask", "--scheduler", cluster.scheduler_address)
    return Round(bare, alone, together, on_dask)


def _sweep(*options: str) -> Child:
    command = [sys.executable, "-c", "from experiments.cli.main import hwsim; hwsim()", "sweep", SWEEP]
    with tempfile.TemporaryDirectory() as folder:
        return run_child([*command, "-o", f"{folder}/swept", *options])
