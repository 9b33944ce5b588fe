"""`hwsim bench`: how fast and how small, beside what others need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.commands_machine import AsJson

if TYPE_CHECKING:
    from experiments.measuring import Measurement

MISSED = 1
"""Exit code when a target is missed."""

HEADER = ["benchmark", "quantity", "value", "unit", "target", "verdict"]


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="scalesim, engines, reports, start, memory; all if none."),
    ] = None,
    peer_python: Annotated[
        str, typer.Option(help="Python that has SCALE-Sim 3.0.0; `make bench` provides one.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Measure speed and memory, and compare with SCALE-Sim: results/bench/NAME."""
    from experiments.bench import NAMES, OWN, RESULTS, produce, scalesim, to_frame
    from experiments.console import print_json, print_note, print_table
    from experiments.results import recording

    unknown = sorted(set(names or ()) - set(NAMES))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r}, expected some of {', '.join(NAMES)}", param_hint="NAME")
    measured: dict[str, list[Measurement]] = {}
    for name in names or NAMES:
        if name == "scalesim" and not peer_python:
            print_note("scalesim: skipped, for want of SCALE-Sim 3.0.0; `make bench` installs it")
            continue
        print_note(f"{name} ...")
        with recording(name, RESULTS / name) as run:
            measured[name] = scalesim(peer_python) if name == "scalesim" else OWN[name]()
            produce(run, measured[name])
    if as_json:
        print_json({name: to_frame(found).to_dict("records") for name, found in measured.items()})
    else:
        rows = [_cells(name, found) for name, several in measured.items() for found in several]
        print_table("Benchmarks", HEADER, rows)
    if any(found.verdict == "missed" for several in measured.values() for found in several):
        raise typer.Exit(MISSED)


def _cells(name: str, found: Measurement) -> list[str]:
    sign = "≥" if found.better == "more" else "≤"
    return [
        name,
        found.quantity,
        f"{found.value:,.4g}",
        found.unit,
        f"{sign} {found.target:,g}" if found.target is not None else "",
        found.verdict,
    ]
