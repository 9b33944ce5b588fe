"""`hwsim experiments`: list the experiments, run them, check them against their reference."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from experiments.commands_machine import AsJson
from experiments.showing import Show

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
    show: Show = False,
    as_json: AsJson = False,
) -> None:
    """Run experiments into results/runs/NAME: tidy CSV, figures, manifest."""
    from experiments.console import print_json, print_line, print_note
    from experiments.showing import show_figures
    from experiments.studies import STUDIES, run_study

    if every == bool(names):
        raise typer.BadParameter("expected names of experiments, or --all")
    chosen = list(STUDIES) if every else names or []
    if output and len(chosen) > 1:
        raise typer.BadParameter(f"one folder for {len(chosen)} experiments", param_hint="--output")
    done = {}
    for number, name in enumerate(chosen, start=1):
        print_note(f"{name} ({number} of {len(chosen)}) ...")
        started = time.monotonic()
        folder = run_study(name, output)
        done[name] = {"folder": str(folder), "elapsed_s": time.monotonic() - started}
        if show:
            show_figures(folder)
        if not as_json:
            print_line(f"{name}: {done[name]['elapsed_s']:.1f} s, {folder}")
    if as_json:
        print_json(done)


@EXPERIMENTS.command()
def check(names: Names = None, as_json: AsJson = False) -> None:
    """Run experiments again, all if none is named, and compare with results/reference/NAME.

    Those that train are concluded again from what the reference has measured.
    """
    from experiments.console import print_json, print_line, print_note
    from experiments.studies import STUDIES, check_study, load_study

    differ = {}
    for name in names or STUDIES:
        print_note(f"{name} ...")
        differ[name] = check_study(name)
        if not as_json:
            print_line("\n".join(f"{name}: {sentence}" for sentence in differ[name] or ["the same"]))
        if minutes := load_study(name).minutes:
            again = f"hwsim experiments run {name} trains {minutes:g} minutes"
            print_note(f"{name}: concluded from its shipped runs; {again}")
    if as_json:
        print_json(differ)
    if any(differ.values()):
        raise typer.Exit(DIFFERENT)
