"""Tables of what was tried, in ``results/runs/trust/``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from compress.io.files import write_text

FOLDER = Path("results/runs/trust")


def write(table: str, frame: pd.DataFrame) -> None:
    """Write a table as a whole."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_text(FOLDER / table, frame.to_csv(index=False, lineterminator="\n"))


def merge(table: str, key: str, row: dict[str, object]) -> None:
    """Put `row` in a table, in place of the one with the same `key`."""
    path = FOLDER / table
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    kept = [old for old in rows if old[key] != row[key]]
    write(table, pd.DataFrame([*kept, row]).sort_values(key))
