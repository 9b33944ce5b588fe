"""What commands print: tables and JSON on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

UNBOUNDED = 10_000
"""Columns of a table that is not on a terminal: a file or a pipe gets it without line breaks."""


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns whose cells all begin with a digit are aligned to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name, *cells in zip(header, *rows, strict=True):
        numeric = any(cells) and all(cell[:1].isdigit() for cell in cells if cell)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    output_console().print(table)


def output_console() -> Console:
    """Console on standard output, as wide as needed where that is not a terminal."""
    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else UNBOUNDED)


def print_json(data: Any) -> None:
    """Print plain data as JSON that other programs can read."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_line(text: str) -> None:
    """Print one line of plain text."""
    sys.stdout.write(text + "\n")


def print_note(text: str) -> None:
    """Print one line on standard error, where it does not mix with results."""
    sys.stderr.write(text + "\n")


def progress() -> Progress:
    """Progress bars on standard error, gone from the screen once they are full."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
