"""Grade a lab: run its cells, and judge every answer they check."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from experiments.labs import kit
from experiments.labs.notebooks import cells_of, lab_names, source_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Grade:
    """What became of a question.

    Parameters
    ----------
    question : str
    points, of : int
        Points that are given, and that there are.
    said : str
        ``right``, ``wrong``, ``no answer``, or the error that stopped the lab before.
    """

    question: str
    points: int
    of: int
    said: str

    def values(self) -> dict[str, Any]:
        """Return the grade as plain data."""
        return asdict(self)


def grade(path: Path) -> list[Grade]:
    """Run the code of a lab and judge its answers; this executes what the student wrote.

    Parameters
    ----------
    path : Path
        A notebook (``.ipynb``) or a script in cells (``.py``) of one of the labs.

    Returns
    -------
    list of Grade
        One per question of the lab, in order.

    Raises
    ------
    InputError
        If the file is neither, or is none of the labs.
    """
    codes = list(_codes(path))
    lab = _lab_of("\n".join(codes), path)
    found: dict[str, Any] = {}
    error = _run(codes, found)
    grades = []
    for question in kit.questions_of(source_of(lab)):
        if question not in found:
            said = error or "no answer"
        elif found[question] is None:
            said = "no answer"
        else:
            said = "right" if kit.is_right(question, found[question]) else "wrong"
        grades.append(Grade(question, int(said == "right"), 1, said))
    return grades


def _codes(path: Path) -> Iterator[str]:
    """Code of the cells of a notebook or a script."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            yield from (cell.text for cell in cells_of(text) if cell.kind == "code")
            return
        for cell in json.loads(text)["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        raise InputError(f"{path}: not a notebook, expected an .ipynb or .py file of a lab") from None


def _lab_of(code: str, path: Path) -> str:
    """Name of the lab that asks the questions of some code."""
    asked = kit.questions_of(code)
    for lab in lab_names():
        if asked and set(asked) <= set(kit.questions_of(source_of(lab))):
            return lab
    raise InputError(f"{path}: checks no questions of one lab, expected a notebook of `hwsim labs`")


def _run(codes: list[str], found: dict[str, Any]) -> str:
    """Run cells one after another and note what they check; returns the first error, which ends the run."""
    import matplotlib as mpl

    mpl.use("agg")
    names: dict[str, Any] = {"__name__": "lab"}
    with patch.object(kit, "check", found.__setitem__), redirect_stdout(io.StringIO()):
        for code in codes:
            try:
                exec(compile(code, "lab", "exec"), names)
            except Exception as error:
                return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return ""
