"""`hwsim demo`: the main job in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import AsJson, Show, Wide
from hwsim.units import engineering

if TYPE_CHECKING:
    from experiments.studies.demo import Row

HEADER = [
    "stage", "file", "ratio", "test error", "location", "requested", "transferred", "energy/inf",
    "latency", "inferences/s", "power", "limiter",
]  # fmt: skip

OPTIONAL = ("power", "inferences/s", "requested", "transferred", "latency", "limiter")


def demo(
    network: Annotated[str, typer.Option(help="lenet300 (minutes) or lenet5 (longer).")] = "lenet300",
    quick: Annotated[bool, typer.Option("--quick", help="A fraction of the epochs, the same path.")] = False,
    dataset: Annotated[str, typer.Option(help="mnist, an npz file, or a folder of IDX files.")] = "mnist",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Run folder.", show_default="results/runs/demo")] = None,
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Train, compress, execute and simulate: from images to joules."""
    from compress.nn.datasets import load_dataset
    from compress.pipeline.recipe import load_recipe, recipe_names
    from experiments.cli.show import show_figures
    from experiments.console import print_ending, print_json, print_line, training_progress
    from experiments.runs.record import recording
    from experiments.studies.demo import run_demo, shortened
    from hwsim.errors import InputError

    recipes = {name.removesuffix("-demo"): name for name in recipe_names() if name.endswith("-demo")}
    if network not in recipes:
        raise InputError(f"--network {network!r}: expected one of {', '.join(recipes)}")
    recipe = load_recipe(recipes[network])
    if quick:
        recipe = shortened(recipe)
    data = load_dataset(dataset, validation=recipe.validation)
    with recording("demo", output, seed=seed) as run, training_progress() as show_epoch:
        run.inputs[data.name] = data.sha256
        rows = run_demo(run, recipe, data, seed, show_epoch)
    if show:
        show_figures(run.target)
    if as_json:
        print_json([row.values() for row in rows])
        return
    _print_runs(rows, wide)
    print_line(f"Written to {run.target}: {', '.join(sorted(path.name for path in run.target.iterdir()))}")
    print_ending(_summary(rows, run.target), "hwsim page -o page")


def _summary(rows: list[Row], folder: Path) -> str:
    """Say what the smallest file gains: bytes, joules, points of error."""
    executed = [row for row in rows if row.file_bytes is not None]
    dense, best = executed[0], min(executed, key=lambda row: row.file_bytes or 0)
    less = dense.report.energy_per_inference_J / best.report.energy_per_inference_J
    points = (best.test_error_pct or 0.0) - (dense.test_error_pct or 0.0)
    return (
        f"{best.ratio or 1:.0f}x smaller, {less:.2g}x less energy, {points:+.2f} points of error; see "
        f"{folder / 'energy.png'}."
    )


def _print_runs(rows: list[Row], wide: bool) -> None:
    from experiments.console import print_table

    for label in dict.fromkeys(row.label for row in rows):
        cells = [_cells(row) for row in rows if row.label == label]
        print_table(label, HEADER, cells, optional=OPTIONAL, wide=wide)


def _cells(row: Row) -> list[str]:
    report, executed = row.report, row.file_bytes is not None
    return [
        report.workload.stage,
        engineering(row.file_bytes if executed else report.workload.weight_bits / 8, "B"),  # type: ignore[arg-type]
        f"{row.ratio:.1f}" if row.ratio else "",
        f"{row.test_error_pct:.2f}%" if row.test_error_pct is not None else "",
        report.weights_home,
        engineering(report.requested_weight_bits / report.batch, "bit"),
        engineering(report.transferred_weight_bits / report.batch, "bit"),
        engineering(report.energy_per_inference_J, "J"),
        engineering(report.latency_s, "s"),
        engineering(report.inferences_per_s, ""),
        engineering(report.power_W, "W"),
        report.limiter,
    ]
