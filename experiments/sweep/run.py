"""Run a sweep: skip what is stored, commit what ends, and write the table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from compress.io.files import replacing
from experiments.figures.style import save
from experiments.figures.sweep import draw
from experiments.runs import parallel as sweep_backends
from experiments.runs.record import RUNS, recording, require_replaceable
from experiments.sweep.parquet import why_no_parquet
from experiments.sweep.points import code_digest, key_of, reason_of, run_batch
from experiments.sweep.store import opened
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.runs.point import Point
    from experiments.sweep.file import Sweep
    from experiments.sweep.store import Store

MOST_POINTS = {"serial": 32, "processes": 32, "dask": 128}
"""Points that are handed out and committed together, by backend: a kill loses at most these of each worker.
A hand-out on dask costs several milliseconds, and a point hardly more."""
BATCHES_PER_WORKER = 8


@dataclass(frozen=True)
class Swept:
    """What a sweep gave.

    Parameters
    ----------
    folder : Path
        Holds ``table.csv``, ``failed.csv``, the figure ``sweep.png`` and, if pyarrow is there and works,
        ``table.parquet``.
    table : DataFrame
        A row per finished point: its parameters, then the figures of `Report.summary`.
    failed : DataFrame
        A row per failed point: its parameters, and `reason`.
    reused : int
        Points that an earlier run had finished.
    no_parquet : str
        Why there is no ``table.parquet``; empty if there is.
    """

    folder: Path
    table: pd.DataFrame
    failed: pd.DataFrame
    reused: int
    no_parquet: str


def run_sweep(
    sweep: Sweep,
    *,
    output: Path | None = None,
    backend: str = "processes",
    workers: int = 1,
    scheduler: str = "",
    file: str = "",
    show: Callable[[int, int, int], None] = lambda done, failed, total: None,
) -> Swept:
    """Run all points of `sweep` that are not stored yet and write the table of all.

    Finished points are kept in an SQLite file beside the folder of results, ``NAME.sqlite``.

    Parameters
    ----------
    output : Path, optional
        Folder of results; ``results/runs/NAME`` by default.
    backend, workers, scheduler
        See `experiments.runs.parallel.results`.
    file : str
        Where `sweep` was read from, for the manifest.
    show : callable
        Told how many points are done, failed and there in all.

    Raises
    ------
    InputError
        If there are too many workers, results cannot be written, or the workers are lost.
    """
    sweep_backends.require_workers(workers)
    target = (output or RUNS / sweep.name).resolve()
    require_replaceable(target)
    points, no_parquet = sweep.samples(), why_no_parquet()
    with opened(target.with_name(f"{target.name}.sqlite")) as store:
        keys, failed = _keyed(points, sweep.seed)
        stored = store.rows()
        todo = [(key, point) for key, point in keys.items() if key not in stored]
        reused = len(keys) - len(todo)
        report = partial(_told, show, reused, len(points))
        batches = _batches(todo, workers, MOST_POINTS[backend])
        calls = [(batch, code_digest(), Path.cwd(), sweep.seed) for batch in batches]
        outcomes = sweep_backends.results(backend, run_batch, calls, workers, scheduler)
        _collect(store, outcomes, keys, failed, report)
        stored = store.rows()
        rows = [json.loads(stored[key]) for key, point in keys.items() if point not in failed]
    columns = list(points[0].columns())
    table = _sorted(rows, columns)
    reasons = _sorted([point.columns() | {"reason": reason} for point, reason in failed.items()], columns)
    reasons = reasons.reindex(columns=[*columns, "reason"])
    with recording(sweep.name, target, seed=sweep.seed) as run:
        run.note_files([file, *(name for point in points for name in (point.chip, point.network))])
        run.write_csv("table.csv", table)
        run.write_csv("failed.csv", reasons)
        if len(table):
            save(draw(table), run.folder / "sweep")
        if not no_parquet:
            with replacing(run.folder / "table.parquet") as path:
                table.to_parquet(path, engine="pyarrow", index=False)
    return Swept(target, table, reasons, reused, no_parquet)


def _keyed(points: list[Point], seed: int) -> tuple[dict[str, Point], dict[Point, str]]:
    """Tell valid points, by key, from those that fail before they run, by reason."""
    keys, failed = {}, {}
    for point in points:
        try:
            keys[key_of(point, seed)] = point
        except (InputError, OSError) as error:
            failed[point] = reason_of(error)
    return keys, failed


def _batches(todo: list[tuple[str, Point]], workers: int, most: int) -> list[list[tuple[str, Point]]]:
    size = max(1, min(most, len(todo) // (workers * BATCHES_PER_WORKER)))
    return [todo[start : start + size] for start in range(0, len(todo), size)]


def _collect(
    store: Store,
    batches: Any,
    keys: dict[str, Point],
    failed: dict[Point, str],
    report: Callable[[int, int], None],
) -> None:
    """Commit the rows of each batch as it ends, and note the reasons of failed points."""
    done = 0
    report(done, len(failed))
    for outcomes in batches:
        store.add([(found.key, found.row) for found in outcomes if found.row is not None])
        failed |= {keys[found.key]: found.reason for found in outcomes if found.reason is not None}
        done += sum(found.row is not None for found in outcomes)
        report(done, len(failed))


def _told(show: Callable[[int, int, int], None], reused: int, total: int, done: int, failed: int) -> None:
    show(reused + done, failed, total)


def _sorted(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Sort by the parameters, column by column; numbers and text are sorted separately."""
    ordered = sorted(rows, key=lambda row: [(isinstance(row[name], str), row[name]) for name in columns])
    return pd.DataFrame(ordered, columns=None if rows else columns)
