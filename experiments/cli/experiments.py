"""`hwsim experiments`: list the experiments, run them, check them against their reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import CORES, AsJson, Show, Workers
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.studies.runs import Ended

DIFFERENT = 1
"""Exit code when a check finds another result."""

EXPERIMENTS = typer.Typer(help="List, run and check the experiments.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Experiments; see list.")]


@EXPERIMENTS.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """List the experiments and the question each of them answers."""
    from experiments.console import print_ending, print_json, print_table
    from experiments.studies.registry import STUDIES, load_study

    found = [load_study(name) for name in STUDIES]
    if as_json:
        keys = ("name", "title", "text", "minutes")
        print_json([{key: getattr(study, key) for key in keys} for study in found])
    else:
        rows = [[study.name, study.title, f"{study.minutes:g}" if study.minutes else ""] for study in found]
        print_table("Experiments", ["name", "title", "minutes of training"], rows)
        print_ending(
            f"{len(rows)} experiments; each answers a question.",
            f"hwsim experiments run {rows[-1][0]} --show",
        )


@EXPERIMENTS.command()
def run(
    names: Names = None,
    every: Annotated[
        bool, typer.Option("--all", help="Run every experiment; those that train, from their shipped runs.")
    ] = False,
    train: Annotated[bool, typer.Option("--train", help="With --all, train again.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for one experiment.")] = None,
    workers: Workers = CORES,
    show: Show = False,
    as_json: AsJson = False,
) -> None:
    """Run experiments into results/runs/NAME, tidy CSV, figures, manifest, and print their answers."""
    from experiments.cli.show import show_figures
    from experiments.console import print_json, print_line, print_next
    from experiments.runs.tables import Tables
    from experiments.studies.registry import STUDIES, is_at_hand, load_study
    from experiments.studies.runs import run_studies

    if every == bool(names):
        raise InputError("no experiment to run: expected names, or --all and none")
    if train and not every:
        raise InputError("--train: named experiments train anyway, expected it with --all")
    chosen = [name for name in STUDIES if train or is_at_hand(name)] if every else names or []
    if output and len(chosen) > 1:
        raise InputError(f"--output: one folder for {len(chosen)} experiments, expected one experiment")
    done: dict[str, dict[str, Any]] = {}
    for ended in _told(run_studies(chosen, workers, output=output, train=train or not every), chosen):
        done[ended.name] = {"folder": str(ended.outcome), "elapsed_s": ended.elapsed_s}
        if show:
            show_figures(ended.outcome)
        bullets = load_study(ended.name).answer(Tables(ended.outcome))
        done[ended.name]["answer"] = list(bullets)
        if not as_json:
            print_line(f"{ended.name}: {ended.elapsed_s:.1f} s, {ended.outcome}")
            print_line("\n".join(f"- {bullet}" for bullet in bullets))
    if not train and every:
        _note_shipped(chosen)
        _note_left_out([name for name in STUDIES if name not in chosen])
    if as_json:
        print_json(done)
    else:
        print_next(f"hwsim experiments draw {chosen[0]} --style slide")


@EXPERIMENTS.command()
def draw(
    names: Names = None,
    look: Annotated[
        str, typer.Option("--style", help="light, dark, or slide: larger letters, for half of a slide.")
    ] = "light",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder; results/figures/STYLE by default.", show_default=False),
    ] = None,
    show: Show = False,
    as_json: AsJson = False,
) -> None:
    """Draw figures again, of all experiments if none is named, from the tables of their last runs.

    What has not been run is drawn from the tables in results/reference.
    """
    from compress.io.files import make_folder
    from experiments.cli.show import show_file
    from experiments.console import print_ending, print_json, print_line
    from experiments.figures.style import looking
    from experiments.studies.registry import STUDIES, latest, load_study, save_figures

    folder = output or Path("results") / "figures" / look
    drawn = []
    with looking(look):
        for name in names or STUDIES:
            study, source = load_study(name), latest(name)
            make_folder(folder / name)
            drawn += save_figures(study, source, folder / name)
    pictures = [path for path in drawn if path.suffix == ".png"]
    for path in pictures if show else ():
        show_file(path)
    if as_json:
        print_json([str(path) for path in drawn])
        return
    print_line("\n".join(map(str, pictures)))
    print_ending(
        f"{len(pictures)} figures as PNG and SVG, style {look}.",
        f"hwsim experiments draw {(names or STUDIES)[0]} --style {'light' if look == 'slide' else 'slide'}",
    )


@EXPERIMENTS.command()
def check(names: Names = None, workers: Workers = CORES, as_json: AsJson = False) -> None:
    """Run experiments again, all if none is named, and compare with results/reference/NAME.

    Those that train are concluded again from what the reference has measured.
    """
    from experiments.console import print_json, print_line, print_next
    from experiments.studies.registry import STUDIES
    from experiments.studies.runs import check_studies

    chosen = names or list(STUDIES)
    differ = {}
    for ended in _told(check_studies(chosen, workers), chosen):
        differ[ended.name] = ended.outcome
        if not as_json:
            told = ended.outcome or [f"the same, {ended.elapsed_s:.1f} s"]
            print_line("\n".join(f"{ended.name}: {sentence}" for sentence in told))
    _note_shipped(chosen)
    if as_json:
        print_json(differ)
    else:
        print_next(f"hwsim experiments run {chosen[0]}")
    if any(differ.values()):
        raise typer.Exit(DIFFERENT)


def _told(ending: Iterator[Ended], names: list[str]) -> Iterator[Ended]:
    """Say how many are left whenever one has ended."""
    from experiments.console import print_note

    left = list(names)
    print_note(f"{', '.join(left)} ...")
    for ended in ending:
        yield ended
        left.remove(ended.name)
        if left:
            print_note(f"{len(names) - len(left)} of {len(names)} done, left: {', '.join(left)} ...")


def _note_left_out(names: list[str]) -> None:
    """Say which experiments have no shipped run here, and how to train those that do."""
    from experiments.console import print_note
    from experiments.studies.registry import load_study

    for name in names:
        study = load_study(name)
        trains = f"; hwsim experiments run {name} trains {study.minutes:g} minutes" if study.minutes else ""
        print_note(f"left out {name}: results/reference has no run of it here{trains}")


def _note_shipped(names: list[str]) -> None:
    """Say which experiments were concluded from shipped runs, and how to train them anew."""
    from experiments.console import print_note
    from experiments.studies.registry import load_study

    for name in names:
        if minutes := load_study(name).minutes:
            again = f"hwsim experiments run {name} trains {minutes:g} minutes"
            print_note(f"{name}: concluded from its shipped runs; {again}")
