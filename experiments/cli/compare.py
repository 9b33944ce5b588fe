"""`hwsim compare`: two runs side by side, and what the result is most sensitive to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson, Show, Wide
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd

    from experiments.runs.compare import Comparison, Side
    from experiments.runs.point import Point

LABELS = {
    "weight_bytes": ("weights", "B"),
    "weights_home": ("weight location", ""),
    "die_mm2": ("die area, mm2", ""),
    "node_nm": ("node, nm", ""),
    "inferences_per_s": ("inferences/s", "/s"),
    "power_W": ("power", "W"),
    "rest_W": ("power at rest", "W"),
    "energy_J": ("energy/inf", "J"),
    "inferences_per_J": ("inferences/J", "/J"),
    "latency_s": ("latency", "s"),
    "dram_bytes": ("DRAM/inf", "B"),
}
"""What figures are called in the table, and their units, where that is not their name."""
TORNADO = ["parameter", "{} lower", "{} higher", "stated range", "at its ends", "stated by"]


def compare(
    a: Annotated[str, typer.Argument(help="CHIP:NETWORK[:STAGE][:BATCH][:KEY=VALUE], or a saved .json.")],
    b: Annotated[str, typer.Argument(help="The other run, written the same way.")],
    hold: Annotated[
        str, typer.Option(help="Quantity that is equal in both runs: throughput, power, area or accuracy.")
    ] = "nothing",
    spread: Annotated[
        float, typer.Option(min=1, max=99, help="Percent by which each parameter is changed.")
    ] = 20.0,
    dataset: Annotated[str, typer.Option(help="Test images, when accuracy is held.")] = "mnist",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Run folder.", show_default="results/runs/compare")
    ] = None,
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Compare two runs with one thing held equal, and find what the answer is most sensitive to."""
    import pandas as pd

    from experiments.cli.show import show_figures
    from experiments.console import print_ending, print_json, print_line, print_remarks
    from experiments.figures import tornado as figures
    from experiments.figures.style import save
    from experiments.runs.compare import HOLDS
    from experiments.runs.compare import compare as held_equal
    from experiments.runs.names import parse_run
    from experiments.runs.record import recording
    from experiments.runs.tornado import tornado
    from hwsim.errors import InputError

    if hold not in HOLDS:
        raise InputError(f"--hold {hold!r}: expected one of {', '.join(HOLDS[1:])}")
    points = [parse_run(text) for text in (a, b)]
    first, second = _equally_accurate(points, dataset) if hold == "accuracy" else _sides(points)
    found = held_equal(first, second, hold)
    columns = pd.DataFrame({name: _column(side) for name, side in (("a", found.a), ("b", found.b))})
    hangs_on = tornado(found, spread / 100)
    with recording("compare", output) as run:
        run.note_files(name for point in points for name in (point.chip, point.network))
        run.write_csv("compare.csv", columns.rename_axis("figure").reset_index())
        run.write_csv("tornado.csv", hangs_on)
        title = f"{found.b.label}\nagainst {found.a.label}, {_held(found)}"
        save(figures.draw(hangs_on, found.gain, spread / 100, title, found.merit), run.folder / "tornado")
    if show:
        show_figures(run.target)
    if as_json:
        print_json(_plain(found, hangs_on))
        return
    _print_columns(found)
    _print_tornado(hangs_on, found, spread, wide)
    for name, side in (("A", found.a), ("B", found.b)):
        print_remarks(*([f"{name}: {text}" for text in texts] for texts in _remarks(side).values()))
    print_line(f"Tables and figure: {run.target}")
    most = hangs_on.iloc[0]["parameter"]
    print_ending(
        f"B against A, {_held(found)}: {found.gain:.3g} {found.merit}. It is most sensitive to {most}.",
        "hwsim page -o page",
    )


def _sides(points: list[Point]) -> list[Side]:
    from experiments.runs.compare import Side
    from experiments.runs.names import label_of, report_of

    return [Side(label_of(point), report_of(point)) for point in points]


def _equally_accurate(points: list[Point], dataset: str) -> tuple[Side, Side]:
    """Execute every model of both sides on the test images, and choose."""
    from dataclasses import replace

    from compress.format.container import read
    from compress.format.execution import executable
    from compress.nn.datasets import load_dataset
    from compress.nn.train import evaluate
    from experiments.runs.compare import most_frugal
    from experiments.runs.names import models_of

    models = [models_of(point) for point in points]
    images = load_dataset(dataset).test
    a, b = (
        [
            replace(side, test_error=evaluate(executable(read(Path(point.network))[0]), images))
            for point, side in zip(candidates, _sides(candidates), strict=True)
        ]
        for candidates in models
    )
    return most_frugal((a, b))


def _held(found: Comparison) -> str:
    return "each at its best" if found.hold == "nothing" else f"at equal {found.hold}"


def _column(side: Side) -> dict[str, Any]:
    energy = {f"energy_J_{name}": joules for name, joules in side.energy_by_component().items()}
    return side.values() | energy


def _remarks(side: Side) -> dict[str, list[str]]:
    return {"notes": list(side.report.notes), "warnings": list(side.report.warnings)}


def _plain(found: Comparison, hangs_on: pd.DataFrame) -> dict[str, Any]:
    rows = hangs_on.astype(object).where(hangs_on.notna(), None).to_dict("records")
    return {
        "hold": found.hold,
        "how": found.how,
        "merit": found.merit,
        "gain": found.gain,
        "a": _column(found.a) | _remarks(found.a),
        "b": _column(found.b) | _remarks(found.b),
        "tornado": rows,
    }


def _print_columns(found: Comparison) -> None:
    from experiments.console import print_table

    a, b = _column(found.a), _column(found.b)
    rows = [[_name(key), _cell(key, a.get(key)), _cell(key, b.get(key)), _ratio(a.get(key), b.get(key))]
            for key in dict.fromkeys((*a, *b))]  # fmt: skip
    shown = [row for row in rows if row[1] or row[2]]
    print_table(f"Held equal: {found.hold} ({found.how})", ["", "A", "B", "B / A"], shown)


def _name(key: str) -> str:
    from hwsim.energy.components import look_of

    if key.startswith("energy_J_"):
        return f"energy/inf: {look_of(key.removeprefix('energy_J_'))[0]}"
    return LABELS.get(key, (key.replace("_", " "), ""))[0]


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    unit = "J" if key.startswith("energy_J") else LABELS.get(key, ("", ""))[1]
    if unit:
        return engineering(value, unit)
    if key == "test_error":
        return f"{value:.2%}"
    return f"{value:,.4g}" if isinstance(value, int | float) else str(value)


def _ratio(a: Any, b: Any) -> str:
    numbers = all(isinstance(value, int | float) for value in (a, b))
    return f"{b / a:,.3g}" if numbers and a else ""


def _print_tornado(table: pd.DataFrame, found: Comparison, spread: float, wide: bool) -> None:
    from experiments.console import print_table

    header = [name.format(f"{spread:g}%") for name in TORNADO]
    rows = []
    for row in table.to_dict("records"):
        stated = row["source"] != ""
        rows.append(
            [
                row["parameter"],
                *(_times(row[name]) for name in ("gain_low", "gain_high")),
                f"{row['stated_low']:.2g} to {row['stated_high']:.2g} of it" if stated else "",
                f"{_times(row['gain_stated_low'])} to {_times(row['gain_stated_high'])}" if stated else "",
                row["source"],
            ]
        )
    title = f"B against A: {found.gain:.4g} {found.merit}. Most sensitive to"
    print_table(title, header, rows, optional=("stated range",), sources=(TORNADO[-1],), wide=wide)


def _times(gain: float) -> str:
    return f"{gain:.4g}" if gain == gain else "cannot run"
