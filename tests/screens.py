"""What a command prints on a terminal, and the file that keeps it."""

import io
import re
import shlex
from contextlib import chdir, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from experiments.cli import main as cli

WIDTHS = (80, 120)
"""Columns of a terminal."""


def printed(command: str, width: int, folder: Path) -> str:
    """What a command of `hwsim`, or of `dcz` where that is said, prints when it is typed in a folder."""
    out, words = io.StringIO(), shlex.split(command)
    app = cli.DCZ if words[0] == "dcz" else cli.HWSIM
    words = words[1:] if words[0] in ("dcz", "hwsim") else words
    with patch.dict("os.environ", {"COLUMNS": str(width)}), redirect_stdout(out), chdir(folder):
        assert cli.run(app, words) == 0, command
    return out.getvalue()


def file_of(golden: Path, command: str, width: int) -> Path:
    """Where the golden screen of a command is kept."""
    return golden / f"{re.sub('[^a-z0-9_]+', '-', command)}.{width}.txt"
