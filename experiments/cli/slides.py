"""`hwsim slides`: two lectures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import AsJson, quoted


def slides(
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder without lectures.")] = Path(
        "slides"
    ),
    as_json: AsJson = False,
) -> None:
    """Write two lectures as slides with notes: what a weight costs, and dark silicon."""
    from experiments.console import print_ending, print_json, print_line
    from experiments.slides.build import write_slides

    written = [str(path) for path in write_slides(output)]
    if as_json:
        print_json(written)
        return
    print_line("\n".join(written))
    print_ending("Arrow keys move, n shows the notes, printing gives a PDF.", f"open {quoted(written[0])}")
