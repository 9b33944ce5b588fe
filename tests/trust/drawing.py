"""Figures of the report: inputs by parser, faults, mutants by module, branches by folder."""

from __future__ import annotations

import textwrap
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from experiments.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

GOOD, BAD, KNOWN = style.SERIES[0], style.SERIES[1], style.SERIES[4]
TARGET_PCT = 95


def _rows(names: list[str], left: float, row_in: float = 0.24) -> tuple[Figure, Axes]:
    """A figure of one row a name, the first at the top."""
    height = row_in * len(names) + 0.9
    figure = Figure(figsize=(style.HALF_PAGE_IN, height))
    axes = figure.add_axes((left, 0.5 / height, 0.97 - left, 1 - 0.9 / height))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    return figure, axes


def inputs(table: pd.DataFrame) -> Figure:
    """Draw how many inputs each parser was fed."""
    table = table.sort_values("inputs", ascending=False)
    with style.applied():
        figure, axes = _rows(list(table["target"]), 0.13)
        axes.barh(range(len(table)), table["inputs"], color=[BAD if n else GOOD for n in table["crashes"]])
        for at, row in enumerate(table.itertuples()):
            cpu = f", {float(row.cpu_seconds):.0f} s of CPU" if row.cpu_seconds != "" else ""
            text = f" {row.inputs:,}, {row.branches} branches{cpu}"
            axes.text(row.inputs, at, text + (f", {row.crashes} crash" if row.crashes else ""), va="center")
        axes.set_xscale("log")
        axes.set_xlim(left=100, right=float(table["inputs"].max()) * 2000)
        axes.set_xlabel("inputs tried in the last run of each parser")
        total = f"{table['inputs'].sum():,} inputs to {len(table)} parsers, crashes: {table['crashes'].sum()}"
        axes.set_title(total, x=-0.1)
    return figure


def faults(table: pd.DataFrame) -> Figure:
    """Draw one line a fault: what was broken, and how it ended."""
    names = [textwrap.shorten(text, 60) for text in table["fault"]]
    with style.applied():
        figure, axes = _rows(names, 0.49)
        for at, row in enumerate(table.itertuples()):
            axes.plot([0], [at], "o" if row.held else "X", color=GOOD if row.held else BAD, markersize=6)
            axes.text(0.03, at, textwrap.shorten(row.found, 70), va="center", fontsize=7)
        axes.tick_params(axis="y", labelsize=7)
        axes.set_xlim(-0.02, 1)
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_title(f"{table['held'].sum()} of {len(table)} kinds of fault ended as they must", x=-0.9)
    return figure


def mutants(table: pd.DataFrame) -> Figure:
    """Draw how many mutants of each module a test noticed."""
    names = list(dict.fromkeys(table.sort_values(["group", "module"])["module"]))
    with style.applied():
        figure, axes = _rows(names, 0.34)
        for at, name in enumerate(names):
            rows = table[table["module"] == name]
            known = int((~rows["killed"] & (rows["why"] != "")).sum())
            parts = (int(rows["killed"].sum()), known, int((~rows["killed"]).sum()) - known)
            start = 0
            for count, colour in zip(parts, (GOOD, KNOWN, BAD), strict=True):
                axes.barh(at, count, left=start, color=colour)
                if count:
                    axes.text(
                        start + count / 2, at, count, ha="center", va="center", color=style.text_on(colour)
                    )
                start += count
        killed, known = table["killed"].sum(), (~table["killed"] & (table["why"] != "")).sum()
        axes.set_xlabel("killed by a test (blue), explained (orange), unexplained (red)")
        axes.set_title(f"{killed} of {len(table)} mutants killed, {known} survivors explained", x=-0.4)
    return figure


def coverage(table: pd.DataFrame) -> Figure:
    """Draw the share of branches that the suite takes, by folder."""
    modules = table[table["module"] != "all"]
    folders = modules.groupby(modules["module"].map(lambda name: str(PurePosixPath(name).parent)))
    sums = folders[["branches", "branches_taken"]].sum()
    sums.loc["all"] = sums.sum()
    shares = 100 * sums["branches_taken"] / sums["branches"]
    with style.applied():
        figure, axes = _rows(list(sums.index), 0.17)
        axes.barh(range(len(sums)), shares, color=[GOOD if s >= TARGET_PCT else BAD for s in shares])
        for at, (share, row) in enumerate(zip(shares, sums.itertuples(), strict=True)):
            axes.text(
                share - 0.3, at, f"{share:.1f}% of {row.branches}", ha="right", va="center", color="white"
            )
        axes.axvline(TARGET_PCT, color=style.INK, linestyle=":")
        axes.set_xlim(80, 100)
        axes.set_xlabel(f"branches that the suite takes, % (from 80; dotted: the aim of {TARGET_PCT}%)")
        axes.set_title(f"{shares['all']:.1f}% of branches in Python are taken", x=-0.17)
    return figure
