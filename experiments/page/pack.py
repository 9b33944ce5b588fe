"""Tables as small files that a page reads without a server: scripts that hand over typed arrays."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from experiments.page.grid import Grid

NO_ROW = 0xFFFF
"""In the index of a grid: from here downwards, refusals."""


def script(kind: str, name: str, data: Any) -> str:
    """Write a script that puts `data` where the page looks for it: ``hwsim.KIND[NAME]``."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return f"hwsim.{kind}[{json.dumps(name)}] = {text};\n"


def packed(grid: Grid) -> dict[str, Any]:
    """Turn a grid into columns: numbers of seven digits, texts as positions in a list of them.

    A column of zeros is left out.

    Raises
    ------
    ValueError
        If there are more runs than the index can tell apart.
    """
    if len(grid.rows) + len(grid.refused) > NO_ROW:
        raise ValueError(f"{len(grid.rows)} runs and {len(grid.refused)} refusals, at most {NO_ROW} fit")
    names = sorted({name for row in grid.rows for name in row})
    kinds = {name: {type(row[name]) for row in grid.rows if name in row} for name in names}
    texts = [name for name in names if kinds[name] == {str}]
    return {
        "index": _base64(np.array([at if at >= 0 else NO_ROW + 1 + at for at in grid.index], "<u2")),
        "numbers": {
            name: _base64(np.array([row.get(name, 0.0) for row in grid.rows], "<f4"))
            for name in names
            if name not in texts and any(row.get(name) for row in grid.rows)
        },
        "texts": {name: _coded([row[name] for row in grid.rows]) for name in texts},
        "refused": grid.refused,
    }


def _coded(column: Sequence[str]) -> dict[str, Any]:
    known = sorted(set(column))
    return {"values": known, "codes": _base64(np.array([known.index(text) for text in column], "u1"))}


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
