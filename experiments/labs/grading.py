"""Grade a lab: run its cells, and judge every answer they check."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from experiments.labs.notebooks import cells_of, lab_names, questions_of, source_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


VERDICTS = {"right": "right", "not yet": "wrong", "no answer": "no answer"}
VERDICT = re.compile(rf"^(\d+\.\d+)  ({'|'.join(VERDICTS)})", re.MULTILINE)
"""What `experiments.labs.kit.check` prints of an answer."""
LONGEST_S = 600


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
    code = "\n".join(_codes(path))
    lab = _lab_of(code, path)
    found, error = _run(code)
    grades = []
    for question in questions_of(source_of(lab)):
        said = found.get(question, error or "no answer")
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
    asked = questions_of(code)
    for lab in lab_names():
        if asked and set(asked) <= set(questions_of(source_of(lab))):
            return lab
    raise InputError(f"{path}: checks no questions of one lab, expected a notebook of `hwsim labs`")


def _run(code: str) -> tuple[dict[str, str], str]:
    """Run a lab in a process of its own: what `check` said of each answer, and the error at its end."""
    with TemporaryDirectory() as folder:
        script = Path(folder) / "lab.py"
        script.write_text(code, encoding="utf-8")
        try:
            ended = subprocess.run(
                [sys.executable, str(script)],
                env=os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {}, f"not done after {LONGEST_S} seconds"
    said = {question: VERDICTS[verdict] for question, verdict in VERDICT.findall(ended.stdout)}
    return said, ended.stderr.strip().splitlines()[-1] if ended.returncode else ""
