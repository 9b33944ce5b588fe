"""`hwsim labs`: the course's notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import AsJson


def labs(
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")] = Path("labs"),
    instructor: Annotated[
        bool, typer.Option("--instructor", help="With solutions in place of blanks.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the six labs of the course as notebooks, with blanks for answers that check themselves."""
    from experiments.console import print_ending, print_json, print_line
    from experiments.labs.notebooks import write_labs

    written = [str(path) for path in write_labs(output, "instructor" if instructor else "student")]
    if as_json:
        print_json(written)
    else:
        print_line("\n".join(written))
        print_ending(f"{len(written)} files; every lab checks its answers.", f"jupyter lab {output}")
