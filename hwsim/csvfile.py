"""Strict CSV reader. Errors name file, line and column, the value found and what was expected."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from importlib.resources.abc import Traversable
    from pathlib import Path

MAX_BYTES = 16 << 20
"""Larger files are refused: no table of this project comes near."""

MAX_WHOLE = 1 << 31
"""Largest whole number of a cell."""


@dataclass(frozen=True)
class Row:
    """One line of a CSV file, with getters that check what they read.

    Parameters
    ----------
    where : str
        ``file:line``, for errors.
    cells : dict of str to str
        Column name -> text without surrounding blanks; every column of the header is there.
    """

    where: str
    cells: dict[str, str]

    def error(self, column: str, expected: str) -> InputError:
        """Error that says what was found in `column` and what was expected."""
        return InputError(
            f"{self.where}: column {column}: found {self.cells.get(column, '')!r}, expected {expected}"
        )

    def text(self, column: str, choices: Collection[str] = (), default: str = "") -> str:
        """Text of `column`, one of `choices` if any are given; `default` if the cell is empty."""
        found = self.cells.get(column, "") or default
        if choices and found not in choices:
            raise self.error(column, f"one of {', '.join(choices)}")
        if not found:
            raise self.error(column, "some text")
        return found

    def number(
        self,
        column: str,
        low: float = 0.0,
        high: float = math.inf,
        default: float | None = None,
    ) -> float:
        """Finite number of `column` within ``low..high``; `default` if the cell is empty."""
        found = self.cells.get(column, "")
        if not found and default is not None:
            return default
        try:
            value = float(found)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not low <= value <= high:
            bound = f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
            raise self.error(column, f"a number, {bound}")
        return value

    def integer(self, column: str, low: int = 0, high: int = MAX_WHOLE, default: int | None = None) -> int:
        """Whole number of `column` within ``low..high``; `default` if the cell is empty."""
        found = self.cells.get(column, "")
        if not found and default is not None:
            return default
        if not low <= _whole(found) <= high:
            bound = f"at least {low}" if high == MAX_WHOLE else f"{low} to {high}"
            raise self.error(column, f"a whole number, {bound}")
        return _whole(found)

    def pair(self, column: str, low: int, default: int | None = None) -> tuple[int, int]:
        """Height and width of `column`, written ``3`` or ``1x7``; `default` if the cell is empty."""
        found = self.cells.get(column, "")
        if not found and default is not None:
            return default, default
        parts = found.split("x")
        sizes = [_whole(part) for part in parts]
        if len(sizes) > 2 or not all(low <= size <= MAX_WHOLE for size in sizes):
            raise self.error(column, f"a whole number of at least {low} or two of them as in 1x7")
        return sizes[0], sizes[-1]


def _whole(text: str) -> int:
    """Value of plain decimal digits, -1 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_WHOLE)) else -1


def read_rows(
    path: Traversable | Path, required: Collection[str], optional: Collection[str] = ()
) -> list[Row]:
    """Read a CSV file with a header; lines that are empty or start with ``#`` are skipped.

    Raises
    ------
    InputError
        If the file cannot be read, is not UTF-8 text, lacks a column, has an unknown or repeated
        one, or a row has not as many cells as the header.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a CSV file") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: {len(data)} bytes, expected a CSV file of at most {MAX_BYTES}")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text, expected a CSV file") from error
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not numbered:
        raise InputError(f"{path}: empty, expected a header with columns {', '.join(required)}")
    parsed = [(n, _cells(line, f"{path}:{n}")) for n, line in numbered]
    (header_line, header), *body = parsed
    _check_header(header, required, optional, f"{path}:{header_line}")
    rows = []
    for n, cells in body:
        if len(cells) != len(header):
            raise InputError(f"{path}:{n}: {len(cells)} cells, expected {len(header)} as in the header")
        rows.append(Row(f"{path}:{n}", dict(zip(header, cells, strict=True))))
    return rows


def _cells(line: str, where: str) -> list[str]:
    try:
        (cells,) = csv.reader([line], strict=True)
    except csv.Error as error:
        raise InputError(f"{where}: not a line of CSV ({error})") from error
    return [cell.strip() for cell in cells]


def _check_header(header: list[str], required: Collection[str], optional: Iterable[str], where: str) -> None:
    known = [*required, *optional]
    for column in header:
        if column not in known:
            raise InputError(f"{where}: unknown column {column!r}, expected some of {', '.join(known)}")
        if header.count(column) > 1:
            raise InputError(f"{where}: column {column!r} is there twice, expected once")
    for column in required:
        if column not in header:
            raise InputError(f"{where}: no column {column!r}, expected {', '.join(required)}")
