"""`dcz frontier`: error against bytes of finished files, beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson, Data, Show, Wide, quoted

if TYPE_CHECKING:
    import pandas as pd

RECIPES = ["network", "recipe", "augmentation", "seeds", "bytes", "ratio", "test error", "seeds' errors", ""]
MARKS = ["network", "published", "counted", "bytes", "ratio", "error", "dominated by", "ours at its error"]


def frontier(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Compressed models called RECIPE-SEED.dcz, or folders of them."
        ),
    ],
    dataset: Data = "mnist",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Run folder.", show_default="results/runs/frontier"),
    ] = None,
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Execute finished files and draw their error against their bytes, on MNIST beside published results."""
    from compress.nn.datasets import load_dataset
    from experiments.cli.show import show_figures
    from experiments.console import print_ending, print_json, print_table
    from experiments.figures import style
    from experiments.runs.record import recording, sha256
    from experiments.runs.tables import Tables
    from experiments.studies.compression import draw, write_tables
    from experiments.studies.frontier import files_in

    paths = files_in(models)
    data = load_dataset(dataset)
    with recording("frontier", output) as run:
        run.inputs |= {str(path): sha256(path) for path in paths} | {data.name: data.sha256}
        tables = write_tables(run, paths, data)
        for name, figure in draw(Tables(run.folder)).items():
            style.save(figure, run.folder / name)
    if show:
        show_figures(run.target)
    if as_json:
        print_json({name: _plain(table) for name, table in tables.items()})
        return
    recipes, marks = tables["recipes"].to_dict("records"), tables["marks"].to_dict("records")
    print_table(
        "Medians over seeds",
        RECIPES,
        [_recipe_row(row) for row in recipes],
        optional=("ratio", "seeds", "augmentation"),
        wide=wide,
    )
    if marks:
        print_table(
            "Published results",
            MARKS,
            [_mark_row(row) for row in marks],
            optional=("ours at its error", "counted", "ratio"),
            wide=wide,
        )
    print_ending(f"Tables and figure: {run.target}.", f"hwsim run edge {quoted(paths[0])}")


def _plain(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows without missing values, as JSON holds them."""
    return [
        {str(key): value for key, value in row.items() if value == value}
        for row in table.astype(object).to_dict("records")
    ]


def _recipe_row(row: dict[Any, Any]) -> list[str]:
    return [
        row["network"],
        row["recipe"],
        row["augmented"],
        str(row["seeds"]),
        f"{row['bytes']:,.0f}",
        f"{row['ratio']:.1f}x",
        f"{row['test_error_pct']:.2f}%",
        f"{row['best_error_pct']:.2f} to {row['worst_error_pct']:.2f}%",
        "on the frontier" if row["on_frontier"] else "",
    ]


def _mark_row(row: dict[Any, Any]) -> list[str]:
    ours = row["at_its_error_bytes"]
    return [
        row["network"],
        row["method"],
        row["counted"],
        f"{row['bytes']:,}",
        f"{row['ratio']:g}x",
        f"{row['error_pct']:.2f}%",
        row["dominated_by"],
        f"{ours:,.0f}" if ours == ours else "",
    ]
