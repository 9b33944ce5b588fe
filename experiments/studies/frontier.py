"""Error against bytes: finished files, medians over seeds, and what others published.

A file is called ``RECIPE-SEED.dcz``. Its bytes are counted and it is executed on the test images;
nothing about it is taken from elsewhere but whether its recipe augments.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from compress.format.container import read
from compress.format.execution import executable
from compress.nn.lenets import MODELS, build
from compress.nn.train import evaluate
from compress.pipeline.recipe import Training, load_recipe, recipe_names
from experiments.runs.pareto import undominated
from hwsim.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from compress.nn.datasets import Dataset
    from compress.pipeline.recipe import Recipe

FLOAT32_B = 4
PUBLISHED_ON = "mnist"
"""Data set of the published errors."""
ROUNDING = 1e-9
"""Test errors are whole images over their number: percentages differ by far more than this or not at all."""


def files_in(places: Iterable[Path]) -> list[Path]:
    """Compressed models among files and folders, in a fixed order.

    Raises
    ------
    InputError
        If there is none.
    """
    places = list(places)
    found = [
        path for place in places for path in (sorted(place.glob("*.dcz")) if place.is_dir() else [place])
    ]
    if not found:
        raise InputError(f"no .dcz file in {', '.join(map(str, places)) or 'nothing'}, expected at least one")
    return found


def runs(paths: Iterable[Path], dataset: Dataset) -> pd.DataFrame:
    """Execute every file on the test images.

    Returns
    -------
    DataFrame
        One row a file: ``file``, ``network``, ``recipe``, ``seed`` (-1 if the name tells none),
        ``augmented`` (``moved``, ``none``, or ``unknown`` where the recipe is not a shipped one),
        ``bytes``, ``ratio``, ``nonzeros`` (weights and biases) and ``test_error_pct``.

    Raises
    ------
    InputError
        If a file cannot be read or executed.
    """
    return pd.DataFrame([_run(path, dataset) for path in paths])


def _run(path: Path, dataset: Dataset) -> dict[str, Any]:
    artifact, layout = read(path)
    network = executable(artifact)
    name, seed = _recipe_and_seed(printable(path.stem))
    recipe = load_recipe(name) if name in recipe_names() else None
    return {
        "file": printable(path.name),
        "network": network.name,
        "recipe": name,
        "seed": seed,
        "augmented": _augmented(recipe),
        "bytes": layout.file_bits // 8,
        "ratio": layout.ratio,
        "nonzeros": sum(int(np.count_nonzero(value)) for value in artifact.arrays().values()),
        "test_error_pct": 100 * evaluate(network, dataset.test),
    }


def _recipe_and_seed(stem: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.+)-(\d+)", stem)
    return (found[1], int(found[2])) if found else (stem, -1)


def _augmented(recipe: Recipe | None) -> str:
    if recipe is None:
        return "unknown"
    moved = any(step.shift_pixels for step in recipe.steps if isinstance(step, Training))
    return "moved" if moved else "none"


def medians(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over the seeds of each recipe.

    Returns
    -------
    DataFrame
        One row a recipe, sorted by network and bytes: ``network``, ``recipe``, ``augmented``,
        ``seeds``, ``bytes``, ``ratio``, ``test_error_pct``, ``best_error_pct``,
        ``worst_error_pct``, and ``on_frontier``: no other recipe has neither more bytes nor more error.
    """
    grouped = table.groupby(["network", "recipe", "augmented"], sort=True)
    rows = grouped.agg(
        seeds=("seed", "count"),
        bytes=("bytes", "median"),
        ratio=("ratio", "median"),
        test_error_pct=("test_error_pct", "median"),
        best_error_pct=("test_error_pct", "min"),
        worst_error_pct=("test_error_pct", "max"),
    ).reset_index()
    for _, part in rows.groupby("network"):
        costs = part[["bytes", "test_error_pct"]].to_numpy(np.float64)
        rows.loc[part.index, "on_frontier"] = undominated(costs)
    return rows.sort_values(["network", "bytes"], kind="stable", ignore_index=True)


def published() -> pd.DataFrame:
    """Published errors and ratios of the same networks.

    Returns
    -------
    DataFrame
        ``network``, ``method``, ``counted`` (``whole network`` or ``parameters only``), ``error_pct``,
        ``ratio``, ``bytes`` (of the dense network over the ratio), ``confidence``, ``source``.
    """
    path = resources.files("compress") / "data" / "published_lenets.csv"
    with path.open("r", encoding="utf-8") as file:
        table = pd.read_csv(file, comment="#")
    dense = {name: FLOAT32_B * build(name, np.random.default_rng(0)).parameter_count for name in MODELS}
    table.insert(5, "bytes", (table["network"].map(dense) / table["ratio"]).round().astype(int))
    return table


def verdicts(marks: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Which published marks the medians of `ours` dominate.

    Returns
    -------
    DataFrame
        `marks` with ``dominated_by``: the recipe of fewest bytes that has neither more bytes nor more
        error than the mark, or nothing; and ``at_its_error_bytes``: the fewest bytes of ours
        at no more than its error, if any.
    """
    rows = []
    for mark in marks.to_dict("records"):
        as_good = ours[
            (ours["network"] == mark["network"]) & (ours["test_error_pct"] <= mark["error_pct"] + ROUNDING)
        ].sort_values("bytes")
        smaller = as_good[as_good["bytes"] <= mark["bytes"]]
        rows.append(
            mark
            | {
                "dominated_by": smaller["recipe"].iloc[0] if len(smaller) else "",
                "at_its_error_bytes": as_good["bytes"].iloc[0] if len(as_good) else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=[*marks.columns, "dominated_by", "at_its_error_bytes"])


def within(bounds: Mapping[str, tuple[float, ...]], ours: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Smallest recipe at each error bound, and its file of median error.

    Parameters
    ----------
    bounds : dict of str to tuple of float
        Largest test error in percent, by network.
    ours, table : DataFrame
        As `medians` and `runs` give them.

    Returns
    -------
    DataFrame
        ``network``, ``bound_pct``, ``recipe``, ``bytes``, ``ratio``, ``test_error_pct`` (medians),
        ``seeds``, ``file``. A bound that no recipe keeps has no row.
    """
    rows = []
    for network, limits in bounds.items():
        for limit in limits:
            kept = ours[(ours["network"] == network) & (ours["test_error_pct"] <= limit + ROUNDING)]
            if len(kept):
                best = kept.sort_values("bytes", kind="stable").to_dict("records")[0]
                seeds = table[table["recipe"] == best["recipe"]].to_dict("records")
                middle = min(seeds, key=lambda run: abs(run["test_error_pct"] - best["test_error_pct"]))
                facts = {key: best[key] for key in ("recipe", "bytes", "ratio", "test_error_pct", "seeds")}
                rows.append({"network": network, "bound_pct": limit, **facts, "file": middle["file"]})
    columns = ["network", "bound_pct", "recipe", "bytes", "ratio", "test_error_pct", "seeds", "file"]
    return pd.DataFrame(rows, columns=columns)
