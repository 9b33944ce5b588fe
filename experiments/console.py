"""What commands print: tables and JSON on standard output, progress and errors on standard error."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from compress.io.jsontext import json_text
from experiments.tables import arranged
from hwsim.errors import InputError, hint, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from rich.progress import TaskID

    from compress.pipeline.run import Progress as Step

UNBOUNDED = 10_000
"""Columns of a table that is not on a terminal: a file or a pipe gets it without line breaks."""


def print_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    optional: Sequence[str] = (),
    sources: Sequence[str] = (),
    wide: bool = False,
) -> None:
    """Print a table and an empty line; see `experiments.tables.arranged` for what the parameters mean."""
    console = output_console()
    for part in arranged(title, header, rows, console.width, optional=optional, sources=sources, wide=wide):
        console.print(part)
    console.print()


def output_console() -> Console:
    """Console on standard output; lines of a file or a pipe have any length, unless COLUMNS is set."""
    bounded = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(markup=False, highlight=False, width=None if bounded else UNBOUNDED)


def print_ending(sentence: str, following: str) -> None:
    """Print the last lines of a command: what it found, in one sentence, and one command that follows."""
    output_console().print(printable(sentence))
    print_next(following)


def print_next(following: str) -> None:
    """Print the last line of a command: one command that follows, in one piece to be copied."""
    output_console().print(printable(f"next: {following}"), soft_wrap=True)


def print_json(data: Any) -> None:
    """Print plain data as JSON that other programs can read: see `compress.io.jsontext`."""
    sys.stdout.write(json_text(data))


def print_line(text: str) -> None:
    """Print plain text; a terminal wraps it between words."""
    output_console().print("\n".join(map(printable, text.split("\n"))))


def print_note(text: str) -> None:
    """Print one line on standard error, where it does not mix with results."""
    sys.stderr.write(printable(text) + "\n")


def print_remarks(notes: Iterable[str], warnings: Iterable[str]) -> None:
    """Print what followed from changes of a chip and what contradicts itself, a line and once each."""
    for text in dict.fromkeys(notes):
        print_line(f"follows: {text}")
    for text in dict.fromkeys(warnings):
        print_line(f"warning: {text}")


@contextmanager
def training_progress() -> Iterator[Callable[[Step], None]]:
    """Show a bar of epochs for each step of a recipe; gives what takes `compress.pipeline.run.Progress`."""
    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} epochs"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bars:
        tasks: dict[int, TaskID] = {}

        def show(at: Step) -> None:
            if at.epochs:
                if at.step not in tasks:
                    tasks[at.step] = bars.add_task(at.kind, total=at.epochs, note="")
                bars.update(tasks[at.step], completed=at.epoch, note=_note(at))

        yield show


def _note(at: Step) -> str:
    """Loss of the latest epoch, and validation error where there is a validation split."""
    loss = "" if at.loss is None else f"loss {at.loss:.4f}"
    return loss if at.validation_error is None else f"{loss}, validation error {at.validation_error:.2%}"


def require_choice(option: str, value: object, known: Collection[object]) -> None:
    """Refuse a value that an option does not know, before minutes of work and not after.

    Raises
    ------
    InputError
        If `value` is not among the `known`.
    """
    if value not in known:
        names = list(map(str, known))
        raise InputError(f"{option} {value!r}{hint(value, names)}: expected one of {', '.join(names)}")
