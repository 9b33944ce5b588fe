"""Tables of text that fit the terminal: nothing breaks inside a number or a name.

Cells with digits and the first column never wrap; text wraps between words. A table that is too wide loses
its optional columns, the last one first. One that is still too wide is printed as blocks, one per row.
Columns of sources become numbers of footnotes, each source once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hwsim.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

GAP = 2
"""Spaces between columns."""
NARROW = 24
"""Least width of a column of running text, if its cells are that long."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
    cells : tuple of str
    first : bool
        Whether it is the first column, which names the row.
    """

    name: str
    cells: tuple[str, ...]
    first: bool = False

    @property
    def numeric(self) -> bool:
        """Whether every cell that is not empty begins with a digit or a sign."""
        return any(self.cells) and all(_is_figure(cell) for cell in self.cells if cell)

    @property
    def wraps(self) -> bool:
        """Whether its cells are running text, without figures."""
        return not self.first and any(len(cell) > NARROW for cell in self.cells)

    @property
    def width(self) -> int:
        """Least width, in characters: of the longest cell, or of a few words where text may wrap."""
        words = max(map(len, self.name.split()), default=0)
        longest = max(map(len, self.cells), default=0)
        if not self.wraps:
            return max(words, longest)
        parts = (len(word) for cell in self.cells for word in cell.split())
        return max(words, min(longest, NARROW), *parts)


def _is_figure(cell: str) -> bool:
    return cell.lstrip("+-±<>≤≥ ")[:1].isdigit()


def arranged(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    optional: Sequence[str] = (),
    sources: Sequence[str] = (),
    wide: bool = False,
) -> Iterator[RenderableType]:
    """Lay a table out for a terminal.

    Parameters
    ----------
    title : str
    header : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells, one per column.
    width : int
        Characters of a line.
    optional : sequence of str
        Columns that may be left out where the table is too wide; the last is left out first.
    sources : sequence of str
        Columns that name sources; they become footnotes.
    wide : bool
        Whether to keep all columns.

    Yields
    ------
    RenderableType
        What a `rich.console.Console` prints.
    """
    columns = [
        Column(printable(name), tuple(map(printable, cells)), first=index == 0)
        for index, (name, *cells) in enumerate(zip(header, *rows, strict=True))
    ]
    columns, notes = _with_footnotes(columns, sources)
    dropped: list[str] = []
    for name in () if wide else reversed(optional):
        if _total(columns) <= width:
            break
        dropped.insert(0, name)
        columns = [column for column in columns if column.name != name]
    if _total(columns) <= width:
        yield _table(title, columns, _widths(columns, width))
    else:
        yield from _blocks(title, columns)
    yield from notes
    if dropped:
        yield Text(f"Not shown: {', '.join(dropped)} (--wide).", style="dim")


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _with_footnotes(columns: list[Column], sources: Sequence[str]) -> tuple[list[Column], list[Text]]:
    """Number the sources of the columns that name them."""
    numbers: dict[str, int] = {}
    for column in columns:
        for cell in column.cells if column.name in sources else ():
            if cell:
                numbers.setdefault(cell, len(numbers) + 1)
    shown = [
        Column(column.name, tuple(f"[{numbers[cell]}]" if cell else "" for cell in column.cells))
        if column.name in sources
        else column
        for column in columns
    ]
    return shown, [Text(f"[{number}] {source}") for source, number in numbers.items()]


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Characters of each column: its least width, and what is left for running text, then for headers."""
    found = [column.width for column in columns]
    for longest in (lambda column: max(map(len, column.cells), default=0), lambda column: len(column.name)):
        for index, column in enumerate(columns):
            left = width - sum(found) - GAP * (len(columns) - 1)
            found[index] = max(found[index], min(longest(column), found[index] + left))
    return found


def _table(title: str, columns: Sequence[Column], widths: Sequence[int]) -> Table:
    table = Table(
        title=printable(title),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column, characters in zip(columns, widths, strict=True):
        table.add_column(
            column.name,
            justify="right" if column.numeric and not column.first else "left",
            width=characters,
            overflow="fold",
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def _blocks(title: str, columns: Sequence[Column]) -> Iterator[RenderableType]:
    """One block per row: its first cell, then a line for every other one."""
    yield Text(printable(title), style="bold")
    first, *others = columns
    for index, name in enumerate(first.cells):
        yield Text(f"\n{name}" if name else "")
        block = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        block.add_column(no_wrap=True, style="dim")
        block.add_column()
        for column in others:
            if column.cells[index]:
                block.add_row(f"  {column.name}", column.cells[index])
        yield block
