"""`hwsim labs`: the course's notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import AsJson, quoted


def labs(
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")] = Path("labs"),
    instructor: Annotated[
        bool, typer.Option("--instructor", help="With solutions in place of blanks.")
    ] = False,
    grade: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Grade a notebook instead. This executes the code that is in it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the seven labs of the course as notebooks, with blanks for answers that check themselves."""
    from experiments.console import print_ending, print_json, print_line
    from experiments.labs.notebooks import write_labs

    if grade:
        _grade(grade, as_json)
        return
    written = [str(path) for path in write_labs(output, "instructor" if instructor else "student")]
    if as_json:
        print_json(written)
    else:
        print_line("\n".join(written))
        print_ending(f"{len(written)} files; every lab checks its answers.", f"jupyter lab {quoted(output)}")


def _grade(path: Path, as_json: bool) -> None:
    """Print the points of each question of a notebook."""
    from experiments.console import print_ending, print_json, print_table
    from experiments.labs.grading import grade

    grades = grade(path)
    points, of = sum(one.points for one in grades), sum(one.of for one in grades)
    if as_json:
        print_json({"file": str(path), "points": points, "of": of, "questions": [g.values() for g in grades]})
        return
    rows = [[one.question, f"{one.points} of {one.of}", one.said] for one in grades]
    print_table(str(path), ["question", "points", "answer"], rows)
    print_ending(f"{points} of {of} points.", f"hwsim labs --grade {quoted(path)} --json")
