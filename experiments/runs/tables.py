"""The tables of a run, read from its CSV files: what its answer and its figures are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


class Tables:
    """CSV files of one folder by name, each read once.

    Parameters
    ----------
    folder : Path
        Folder of a run or of its reference.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> Any:
        """Return a copy of the table in ``NAME.csv``.

        Returns
        -------
        DataFrame
            Of no static type: what its cells are is known to who reads it alone.

        Raises
        ------
        InputError
            If there is no such file.
        """
        if name not in self._read:
            path = self.folder / f"{name}.csv"
            if not path.is_file():
                raise InputError(f"no table {path}, expected a run with {name}.csv")
            table = pd.read_csv(path)
            texts = table.select_dtypes(include=["object", "string"]).columns
            self._read[name] = table.assign(**{column: table[column].map(_as_written) for column in texts})
        return self._read[name].copy()


def _as_written(cell: object) -> object:
    """Take off the ``'`` that `experiments.runs.record.csv_text` puts before what looks like a formula."""
    return cell[1:] if isinstance(cell, str) and cell[:2] in ("'=", "'+", "'@", "'-") else cell
