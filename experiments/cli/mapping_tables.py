"""Print the mappings of an array that has its own rule, beside those that the rule passes over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from experiments.console import print_line, print_table
from hwsim.units import times

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

HEADER = [
    "layer", "DRAM words", "accesses", "cycles", "better: DRAM words", "its accesses", "its cycles",
    "its accesses x cycles",
]  # fmt: skip


def print_mappings(table: pd.DataFrame, what: str, *, wide: bool) -> None:
    """Print a table of `hwsim.analysis.own_mappings`; nothing where it has no rows."""
    if table.empty:
        return
    found = table.to_dict("records")
    rows = [_cells(row) for row in found]
    title = f"{what}: the array's own rule, and the best mapping of no more DRAM words"
    print_table(title, HEADER, rows, optional=("its cycles", "its accesses", "DRAM words"), wide=wide)
    better = [row for row in found if not math.isnan(row["product"])]
    if not better:
        print_line("The rule passes over no better mapping.")
        return
    best = min(better, key=lambda row: row["product"])
    print_line(
        f"The rule passes over a better mapping in {len(better)} of {len(table)} layers; in {best['layer']} "
        f"its accesses x cycles are {times(1 / best['product'])} fewer. Runs keep the rule."
    )


def _cells(row: dict[Hashable, Any]) -> list[str]:
    own = [f"{row[name]:,}" for name in ("dram_words", "accesses", "cycles")]
    if math.isnan(row["product"]):
        return [row["layer"], *own, "", "", "", ""]
    better = [f"{row[f'better_{name}']:,.0f}" for name in ("dram_words", "accesses", "cycles")]
    return [row["layer"], *own, *better, f"{row['product']:.3f}"]
