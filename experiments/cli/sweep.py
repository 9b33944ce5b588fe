"""Commands about many points: `hwsim sweep` and `hwsim pareto`."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import CORES, AsJson, Show, Wide, Workers, quoted
from hwsim.units import engineering, times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from experiments.sweep.run import Swept

FAILED = 1
"""Exit code when some points failed; the table of the others is written."""
REASONS_SHOWN = 5
BEST = 10
"""Points of least energy that are printed."""


def sweep(
    file: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep.toml, or a shipped sweep.")],
    workers: Workers = CORES,
    backend: Annotated[str, typer.Option(help="serial, processes or dask.")] = "processes",
    scheduler: Annotated[str, typer.Option(help="Address of a dask scheduler: tcp://HOST:8786.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of results; results/runs/NAME by default.")
    ] = None,
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Simulate every point of a sweep; a killed sweep resumes when it is started again."""
    from experiments.cli.show import show_figures
    from experiments.console import print_json, print_line, print_note, require_choice
    from experiments.runs.parallel import BACKENDS
    from experiments.sweep.file import load_sweep
    from experiments.sweep.run import run_sweep

    require_choice("--backend", backend, BACKENDS)
    plan = load_sweep(file)
    with _progress(plan.name) as tell:
        swept = run_sweep(
            plan,
            output=output,
            backend=backend,
            workers=workers,
            scheduler=scheduler,
            file=file,
            show=tell,
        )
    _note_failures(swept.failed)
    if swept.no_parquet:
        print_note(f"no table.parquet was written: {swept.no_parquet}")
    if show:
        show_figures(swept.folder)
    counts = {"points": len(swept.table), "reused": swept.reused, "failed": len(swept.failed)}
    if as_json:
        print_json({"folder": str(swept.folder), **counts})
    else:
        print_line(", ".join(f"{count} {name}" for name, count in counts.items()))
        if len(swept.table):
            _print_best(swept, wide)
    if len(swept.failed):
        raise typer.Exit(FAILED)


def pareto(
    table: Annotated[Path, typer.Argument(help="A table.csv of `hwsim sweep`, or any CSV.")],
    minimise: Annotated[str, typer.Option(help="Columns to minimise, separated by commas.")] = "",
    maximise: Annotated[str, typer.Option(help="Columns to maximise, separated by commas.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of results; results/runs/pareto by default.")
    ] = None,
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Find the Pareto front of a table."""
    from experiments.cli.show import show_figures
    from experiments.console import print_ending, print_json, print_table
    from experiments.figures.pareto import draw
    from experiments.figures.style import save
    from experiments.runs.pareto import front, read_table
    from experiments.runs.record import recording, sha256

    objectives = [minimise.split(",") if minimise else [], maximise.split(",") if maximise else []]
    rows = read_table(table)
    best = front(rows, *objectives)
    with recording("pareto", output) as run:
        run.inputs[table.name] = sha256(table)
        run.write_csv("pareto.csv", best)
        if len(objectives[0] + objectives[1]) > 1:
            across, up = (objectives[0] + objectives[1])[:2]
            save(draw(rows, best, across, up), run.folder / "pareto")
    if show:
        show_figures(run.target)
    if as_json:
        import json

        print_json(json.loads(best.to_json(orient="records")))
        return
    chosen = [*objectives[0], *objectives[1]]
    named = [name for name in best.columns if name in (*chosen, *_names(rows))]
    cells = [[_cell(value) for value in row] for row in best[named].itertuples(index=False)]
    optional = [name for name in named[1:] if name not in chosen]
    title = f"Pareto front: {len(best)} of {len(rows)} rows"
    print_table(title, named, cells, optional=optional, wide=wide)
    print_ending(
        f"{len(best)} of {len(rows)} rows are on the front; no other is as good in every objective. See "
        f"{run.target}.",
        f"hwsim pareto {quoted(table)} --minimise energy_J,weight_bytes --show",
    )


def _names(rows: pd.DataFrame) -> list[str]:
    """Columns that tell points apart: parameters with several values."""
    last = rows.columns.get_loc("weight_bytes") if "weight_bytes" in rows else len(rows.columns)
    return [name for name in rows.columns[:last] if rows[name].nunique() > 1]


def _print_best(swept: Swept, wide: bool) -> None:
    """Print the points of least energy, and what the best of them is."""
    from experiments.console import print_ending, print_table

    table = swept.table
    parameters = list(table.columns[: table.columns.get_loc("weight_bytes")])
    varied = [name for name in parameters if table[name].nunique() > 1] or parameters[:2]
    best = table.nsmallest(BEST, "energy_J")
    rows = [
        [
            *(_cell(row[name]) for name in varied),
            engineering(row["energy_J"], "J"),
            engineering(row["inferences_per_s"], ""),
            engineering(row["power_W"], "W"),
            row["limiter"],
        ]
        for row in best.to_dict("records")
    ]
    title = f"Least energy: {len(best)} of {len(table):,} points"
    header = [*varied, "energy/inf", "inferences/s", "power", "limiter"]
    print_table(title, header, rows, optional=("power", "inferences/s"), wide=wide)
    least, most = table["energy_J"].min(), table["energy_J"].max()
    named = ", ".join(f"{name} {_cell(best.iloc[0][name])}" for name in varied)
    print_ending(
        f"The points differ {times(most / least)} in energy; the least is at {named}. See "
        f"{swept.folder / 'sweep.png'} and table.csv beside it.",
        f"hwsim pareto {quoted(swept.folder / 'table.csv')} --minimise energy_J --maximise inferences_per_s",
    )


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _note_failures(failed: pd.DataFrame) -> None:
    from experiments.console import print_note

    for reason, count in failed["reason"].value_counts(sort=False).head(REASONS_SHOWN).items():
        print_note(f"failed at {count} points: {reason}")


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int, int], None]]:
    """Show a bar of points on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} points, {task.fields[failed]} failed"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bar:
        task = bar.add_task(name, total=None, failed=0)
        yield lambda done, failed, total: bar.update(
            task, completed=done + failed, total=total, failed=failed
        )
