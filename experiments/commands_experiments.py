"""`hwsim experiments`: list the experiments, run them, check them against their reference."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from experiments.commands_machine import AsJson

DIFFERENT = 1
"""Exit code when a check finds another result."""

EXPERIMENTS = typer.Typer(help="List, run and check the experiments.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Experiments; see list.")]


@EXPERIMENTS.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """List the experiments and the question each of them answers."""
    from experiments.console import print_json, print_table
    from experiments.studies import STUDIES, load_study

    found = [load_study(name) for name in STUDIES]
    if as_json:
        keys = ("name", "title", "text", "minutes")
        print_json([{key: getattr(study, key) for key in keys} for study in found])
    else:
        rows = [[study.name, study.title, f"{study.minutes:g}" if study.minutes else ""] for study in found]
        print_table("Experiments", ["name", "title", "minutes of training"], rows)


@EXPERIMENTS.command()
def run(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="Run every experiment.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for one experiment.")] = None,
) -> None:
    """Run experiments into results/runs/NAME: tidy CSV, figures, manifest."""
    from experiments.console import print_line, print_note
    from experiments.studies import STUDIES, run_study

    if every == bool(names):
        raise typer.BadParameter("expected names of experiments, or --all")
    chosen = list(STUDIES) if every else names or []
    if output and len(chosen) > 1:
        raise typer.BadParameter(f"one folder for {len(chosen)} experiments", param_hint="--output")
    for number, name in enumerate(chosen, start=1):
        print_note(f"{name} ({number} of {len(chosen)}) ...")
        started = time.monotonic()
        folder = run_study(name, output)
        print_line(f"{name}: {time.monotonic() - started:.1f} s, {folder}")


@EXPERIMENTS.command()
def check(names: Names = None) -> None:
    """Run experiments again, all if none is named, and compare with results/reference/NAME.

    Those that train are concluded again from what the reference has measured.
    """
    from experiments.console import print_line, print_note
    from experiments.studies import STUDIES, check_study, load_study

    differ = False
    for name in names or STUDIES:
        print_note(f"{name} ...")
        found = check_study(name)
        differ = differ or bool(found)
        print_line("\n".join(f"{name}: {sentence}" for sentence in found or ["the same"]))
        if minutes := load_study(name).minutes:
            again = f"hwsim experiments run {name} trains {minutes:g} minutes"
            print_note(f"{name}: concluded from its shipped runs; {again}")
    if differ:
        raise typer.Exit(DIFFERENT)
