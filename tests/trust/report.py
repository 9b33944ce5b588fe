"""Tables of what was tried, in ``results/runs/trust/``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from compress.files import write_text

FOLDER = Path("results/runs/trust")


def merge(table: str, key: str, row: dict[str, object]) -> None:
    """Put `row` in a table, in place of the one with the same `key`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / table
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    kept = [old for old in rows if old[key] != row[key]]
    frame = pd.DataFrame([*kept, row]).sort_values(key)
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))
