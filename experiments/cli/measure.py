"""`hwsim measure`: a real board beside its simulation, and the chip keys that follow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd

    from experiments.measure.device import Device
    from experiments.measure.keys import Suggestions
    from experiments.measure.session import Measurement

TASKS = [
    "task", "limit", "clock", "time", "simulated", "with keys", "power", "simulated power", "with keys",
]  # fmt: skip
KEYS = ["key", "measured", "chip file", "source"]


def measure(
    chip: Annotated[
        str, typer.Option(help="The chip to compare with: a shipped chip or a chip file.", show_default=False)
    ],
    set_clocks: Annotated[
        bool,
        typer.Option(
            "--set-clocks",
            help="Also measure at two lower clocks and a lower power limit, and restore them. Needs root.",
        ),
    ] = False,
    recording: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Analyse a recording.json of an earlier run; no board is used."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Run folder.", show_default="results/runs/measure")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the NVIDIA board of this machine, compare it with a simulated chip, and suggest chip keys."""
    from compress.io.files import write_text
    from experiments.console import print_json, print_line, print_note
    from experiments.measure.compared import compared
    from experiments.measure.keys import as_toml, suggested
    from experiments.measure.recording import as_plain
    from experiments.measure.session import measure_all
    from experiments.runs.record import recording as recording_run
    from hwsim.machine.chip import load_chip

    machine = load_chip(chip)
    device = _device(recording)
    found = measure_all(
        device, machine.arithmetics, set_clocks=set_clocks or recording is not None, say=print_note
    )
    suggestions = suggested(machine, found)
    table = compared(machine, found, suggestions)
    with recording_run("measure", output) as run:
        run.note_files(str(name) for name in (chip, recording) if name)
        run.write_json("recording.json", as_plain(found))
        run.write_csv("measured.csv", table)
        write_text(run.folder / "keys.toml", as_toml(suggestions))
    if as_json:
        print_json(_plain(found, suggestions, table, machine.name))
        return
    _print(found, suggestions, table, machine.name)
    print_line(f"tables, recording and keys: {run.target}")


def _device(recording: Path | None) -> Device:
    from experiments.measure.nvidia import NvidiaBoard
    from experiments.measure.recording import Recorded, read_recording

    return Recorded(read_recording(recording)) if recording else NvidiaBoard()


def _plain(found: Measurement, suggestions: Suggestions, table: pd.DataFrame, chip: str) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "board": asdict(found.board),
        "chip": chip,
        "measured": table.astype(object).where(table.notna(), None).to_dict("records"),
        "keys": [asdict(one) for one in suggestions.keys],
        "notes": [*found.notes, *suggestions.notes],
    }


def _print(found: Measurement, suggestions: Suggestions, table: pd.DataFrame, chip: str) -> None:
    from experiments.console import print_line, print_table

    rows = [
        [
            row["task"],
            engineering(row["power_limit_W"], "W"),
            engineering(1e6 * row["mean_clock_MHz"], "Hz"),
            *(_cell(1e-6 * row[f"{name}_us"], "s") for name in ("measured", "simulated", "keyed")),
            *(_cell(row[f"{name}_W"], "W") for name in ("measured", "simulated", "keyed")),
        ]
        for row in table.to_dict("records")
    ]
    print_table(f"{found.board.name} beside {chip}, {found.board.date}", TASKS, rows, optional=("limit",))
    keys = [[one.key, f"{one.value:g}", f"{one.now:.4g}", one.source] for one in suggestions.keys]
    print_table("Keys for a chip file of this board", KEYS, keys, sources=("source",))
    for note in (*found.notes, *suggestions.notes):
        print_line(f"note: {note}")


def _cell(value: float, unit: str) -> str:
    """A figure with its unit; empty where there is none."""
    return engineering(value, unit) if value == value else ""
