"""Labs as notebooks: from scripts in cells to ``.ipynb`` files, for students and for instructors."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from compress.io.files import make_folder, write_text
from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Version = Literal["student", "instructor"]

LEFT_OUT = {"student": "solution", "instructor": "answer"}
"""Tag of the cells that a version does without."""

MARKER = re.compile(r"^# %%(?P<markdown> \[markdown\])?(?: tags=\[(?P<tags>.*)\])?$", re.MULTILINE)


class Cell(NamedTuple):
    """One cell of a lab."""

    kind: Literal["markdown", "code"]
    tags: tuple[str, ...]
    text: str


def lab_names() -> list[str]:
    """Names of the labs, in order."""
    return sorted(script.name.removesuffix(".py") for script in _scripts().iterdir() if script.is_file())


def source_of(lab: str) -> str:
    """Return the script of a lab."""
    return str((_scripts() / f"{lab}.py").read_text(encoding="utf-8"))


def _scripts() -> Any:
    """Folder of the scripts: no package, so that nothing imports and thereby runs them."""
    return resources.files("experiments.labs") / "scripts"


def cells_of(source: str) -> list[Cell]:
    """Split a script in the percent format into its cells."""
    marks = list(MARKER.finditer(source))
    ends = [mark.start() for mark in marks[1:]] + [len(source)]
    cells = []
    for mark, end in zip(marks, ends, strict=True):
        text = source[mark.end() : end].strip("\n")
        tags = tuple(re.findall(r'"(\w+)"', mark["tags"] or ""))
        if mark["markdown"]:
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())
        cells.append(Cell("markdown" if mark["markdown"] else "code", tags, text))
    return cells


def questions_of(code: str) -> list[str]:
    """Numbers of the questions that the code of a lab checks, in order."""
    return list(dict.fromkeys(re.findall(r'^check\("(\S+?)",', code, re.MULTILINE)))


def for_version(cells: list[Cell], version: Version) -> list[Cell]:
    """Return the cells that students, or instructors, are to see."""
    return [cell for cell in cells if LEFT_OUT[version] not in cell.tags]


def notebook_of(cells: list[Cell]) -> dict[str, Any]:
    """Build a notebook (format 4.5) that has not been run."""
    return {
        "cells": [_cell(number, cell) for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(number: int, cell: Cell) -> dict[str, Any]:
    common = {
        "cell_type": cell.kind,
        "id": f"cell-{number}",
        "metadata": ({"tags": list(cell.tags)} if cell.tags else {}) | _for_nbgrader(number, cell),
        "source": cell.text.splitlines(keepends=True),
    }
    return common | ({"execution_count": None, "outputs": []} if cell.kind == "code" else {})


def _for_nbgrader(number: int, cell: Cell) -> dict[str, Any]:
    """Metadata by which nbgrader knows cells that students fill, and those whose questions give points."""
    asked = questions_of(cell.text) if cell.kind == "code" else []
    if not asked and "answer" not in cell.tags:
        return {}
    known = {
        "schema_version": 3,
        "grade_id": f"question-{'-'.join(asked)}".replace(".", "_") if asked else f"answer-{number}",
        "grade": bool(asked),
        "locked": bool(asked),
        "solution": not asked,
        "task": False,
    }
    return {"nbgrader": known | ({"points": len(asked)} if asked else {})}


def write_labs(folder: Path, version: Version) -> list[Path]:
    """Write all labs into a folder, and return the files.

    Raises
    ------
    InputError
        If one is there already, with somebody's answers perhaps, or cannot be written.
    """
    there = [path for lab in lab_names() if (path := folder / f"{lab}.ipynb").exists()]
    if there:
        raise InputError(f"{there[0]} is there already, expected a folder without labs to write to")
    make_folder(folder)
    written = []
    for lab in lab_names():
        notebook = notebook_of(for_version(cells_of(source_of(lab)), version))
        path = folder / f"{lab}.ipynb"
        write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        written.append(path)
    return written
