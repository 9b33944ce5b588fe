"""Pareto front of the rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

HEIGHT_IN = 4.2
LOG_FROM = 30
"""Ratio of largest to smallest value from which an axis is logarithmic."""


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV table.

    Raises
    ------
    InputError
        If it cannot be read, or has no rows.
    """
    try:
        table = pd.read_csv(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a CSV table") from None
    except ValueError as error:
        raise InputError(f"{path}: not a CSV table: {' '.join(str(error).split())}") from None
    if table.empty:
        raise InputError(f"{path}: no rows, expected at least one")
    return table


def front(table: pd.DataFrame, minimise: Sequence[str], maximise: Sequence[str]) -> pd.DataFrame:
    """Return the rows that no other row beats, sorted by the objectives.

    A row beats another if it is no worse in any objective and better in one; equal rows stay together.

    Raises
    ------
    InputError
        If there are fewer than two objectives, one is named twice, or a column is missing or holds
        something other than finite numbers.
    """
    objectives = [*minimise, *maximise]
    if len(set(objectives)) != len(objectives) or len(objectives) < 2:
        raise InputError(
            f"objectives {', '.join(objectives) or 'none'}: expected two or more different columns"
        )
    for name in objectives:
        _check_column(table, name)
    signs = [1.0] * len(minimise) + [-1.0] * len(maximise)
    costs = table[objectives].to_numpy(dtype=np.float64) * signs
    best = table[undominated(costs)]
    return best.sort_values(objectives, ascending=[sign > 0 for sign in signs], kind="stable")


def undominated(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which rows of `costs`, all to be small, no other row beats.

    Rows are visited in lexicographic order, in which no row is beaten by a later one (Kung, Luccio
    and Preparata 1975, "On finding the maxima of a set of vectors"): each is compared with the front
    so far.

    Parameters
    ----------
    costs : array of shape (rows, objectives)

    Returns
    -------
    array of bool of shape (rows,)
    """
    kept = np.zeros(len(costs), dtype=np.bool_)
    best = np.empty_like(costs)
    size = 0
    for index in np.lexsort(costs.T[::-1]):
        row = costs[index]
        beaten = (best[:size] <= row).all(axis=1) & (best[:size] < row).any(axis=1)
        if not beaten.any():
            best[size] = row
            size += 1
            kept[index] = True
    return kept


def _check_column(table: pd.DataFrame, name: str) -> None:
    if name not in table:
        raise InputError(f"column {name!r}: not in the table, expected one of {', '.join(table.columns)}")
    numeric = pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name])
    if not numeric or not np.isfinite(table[name].to_numpy(dtype=np.float64)).all():
        raise InputError(f"column {name!r}: expected finite numbers in every row")
