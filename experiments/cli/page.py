"""`hwsim page`: a story, an explorer and lessons, as a folder of files that opens from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Workers, quoted


def page(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write: new, empty or an earlier page.")
    ],
    workers: Workers = 1,
) -> None:
    """Write the page: a story, an explorer of simulated points and seven lessons, to open from disk."""
    from experiments.console import print_ending, print_note
    from experiments.page.build import build

    build(output, workers=workers, on_progress=lambda name: print_note(f"{name} ..."))
    print_ending("The page is written.", f"open {quoted(output / 'index.html')}")
