"""What `hwsim validate` prints first: boards of today, by class, with cap, weights and fitted constants."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.console import print_table
from hwsim.analysis.boards import ALL_MEAN_ERROR, ALL_MEDIAN_ERROR, ALL_WITHIN, CLASS_MEAN, KINDS, WITHIN

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ["class", "rows", "geometric mean", "mean error", "median error", f"within {WITHIN:.0%}",
           "worst row", "aim", "verdict"]  # fmt: skip
UNJUDGED = ["rows", "verdict", "count"]
RESPONSES = [
    "response",
    "board",
    "network",
    "before",
    "after",
    "published",
    "simulated",
    "error",
    "aim",
    "verdict",
]
CONSTANTS = ["family", "key", "value", "meaning", "rows", "mean error", "without it", "buys"]
RESPONSE_NAMES = {"cap": "elasticity to the cap", "weights": "gain of narrow weights"}
TABLES = ("rows", "classes", "responses", "constants")


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of the study `boards` from its folder."""
    texts = {"left_out": str, "note": str, "per": str}
    return {
        name: pd.read_csv(folder / f"{name}.csv", dtype=texts).fillna(dict.fromkeys(texts, ""))
        for name in TABLES
    }


def print_boards(tables: dict[str, pd.DataFrame], wide: bool) -> None:
    """Print the tables of the study `boards`; its rows as counts of what is not judged."""
    classes, constants = tables["classes"], tables["constants"]
    print_table(
        "Boards of today: simulated / published",
        CLASSES,
        [_class(row) for row in _rows(classes)],
        optional=("verdict", "aim", "worst row"),
        wide=wide,
    )
    bounds = tables["rows"][~tables["rows"]["verdict"].isin(["within", "off"])]
    counts = Counter(zip(bounds["kind"], bounds["verdict"], strict=True))
    print_table(
        "Rows that are not judged",
        UNJUDGED,
        [[KINDS[kind], verdict, f"{count}"] for (kind, verdict), count in counts.items()],
    )
    print_table(
        "Two runs of one board",
        RESPONSES,
        [_response(row) for row in _rows(tables["responses"])],
        optional=("aim", "network"),
        wide=wide,
    )
    title = f"Constants fitted to these rows: {len(constants)}, by family of chips, none of them to a row"
    print_table(
        title,
        CONSTANTS,
        [_constant(row) for row in _rows(constants)],
        optional=("rows",),
        sources=("meaning",),
        wide=wide,
    )


def _rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def _class(row: dict[Any, Any]) -> list[str]:
    whole = row["kind"] == "all"
    low, high = CLASS_MEAN
    aim = f"mean {ALL_MEAN_ERROR:.0%}, median {ALL_MEDIAN_ERROR:.0%}, {ALL_WITHIN:.0%} within"
    return [
        "all" if whole else KINDS[row["kind"]],
        f"{row['rows']}",
        f"{row['geometric_mean']:.2f}×",
        f"{row['mean_error']:.0%}",
        f"{row['median_error']:.0%}",
        f"{row['within']:.0%}",
        row["worst"],
        aim if whole else f"{low:g} to {high:g}×",
        row["verdict"],
    ]


def _response(row: dict[Any, Any]) -> list[str]:
    cap = row["kind"] == "cap"
    return [
        RESPONSE_NAMES[row["kind"]],
        row["board"],
        row["network"],
        row["before"],
        row["after"],
        f"{row['published']:.2f}" + ("" if cap else "×"),
        f"{row['simulated']:.2f}" + ("" if cap else "×"),
        f"{row['error']:+.2f}" if cap else f"{row['error']:+.0%}",
        f"±{row['bound']:g}" if cap else f"±{row['bound']:.0%}",
        row["verdict"],
    ]


def _constant(row: dict[Any, Any]) -> list[str]:
    errors = [row["error_with"], row["error_without"], row["buys"]]
    value = f"{row['value']:g}" + (f" × {row['per']}" if row["per"] else "")
    shown = [f"{error:.0%}" for error in errors] if row["rows"] else ["", "", ""]
    return [row["family"], row["key"], value, row["meaning"], f"{row['rows']}", *shown]
