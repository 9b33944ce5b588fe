"""Figures of the report: inputs by parser, mutants by module, branches by folder."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, legend, patches, rows, stack

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

GOOD, BAD, KNOWN = style.SERIES[0], style.SERIES[1], style.SERIES[4]
MUTANTS = {"killed": ("killed by a test", GOOD), "known": ("explained", KNOWN), "left": ("unexplained", BAD)}
TARGET_PCT = 95
ROW_IN = 0.25


def inputs(table: pd.DataFrame) -> Figure:
    """Draw how many inputs each parser was fed."""
    table = table.sort_values("inputs", ascending=False)
    tried, crashed = table["inputs"].sum(), table["crashes"].sum()
    title = f"{tried:,} hostile inputs to {len(table)} parsers: {crashed} crashes"
    with style.applied():
        figure, axes = canvas(title, ROW_IN * len(table) + 0.5)
        counts = table["inputs"].to_numpy(float)
        axes.barh(range(len(table)), counts, color=[BAD if n else GOOD for n in table["crashes"]])
        texts = [
            f"{row['inputs']:,}" + (f", {row['crashes']} crashes" if row["crashes"] else "")
            for row in table.to_dict("records")
        ]
        beside(axes, counts.tolist(), texts, size="small")
        rows(axes, list(table["target"]))
        axes.set_xscale("log")
        axes.set_xlim(100, counts.max() * 30)
        axes.set_xlabel("inputs tried in the last run (log)")
    return figure


def mutants(table: pd.DataFrame) -> Figure:
    """Draw how many mutants of each module a test noticed."""
    table = table.assign(known=~table["killed"] & (table["why"] != ""), left=~table["killed"])
    found = table.groupby(["group", "module"])[["killed", "known", "left"]].sum().reset_index("group")
    found["left"] -= found["known"]
    title = f"{table['killed'].sum()} of {len(table)} mutants are killed, {found['known'].sum()} explained"
    with style.applied():
        figure, axes = canvas(title, ROW_IN * len(found) + 0.8)
        stack(axes, [(found[kind].to_numpy(float), colour) for kind, (_, colour) in MUTANTS.items()])
        rows(axes, list(found.index))
        axes.set_xlabel("mutants")
        legend(figure, patches(MUTANTS.values()), columns=3)
    return figure


def coverage(table: pd.DataFrame) -> Figure:
    """Draw the share of branches that the suite takes, by folder."""
    modules = table[table["module"] != "all"]
    folders = modules.groupby(modules["module"].map(lambda name: str(PurePosixPath(name).parent)))
    sums = folders[["branches", "branches_taken"]].sum()
    sums.loc["all"] = sums.sum()
    shares = 100 * sums["branches_taken"] / sums["branches"]
    title = f"The tests take {shares['all']:.1f}% of {sums.loc['all', 'branches']:,} branches"
    with style.applied():
        figure, axes = canvas(title, ROW_IN * len(sums) + 0.5)
        axes.barh(range(len(sums)), shares, color=[GOOD if s >= TARGET_PCT else BAD for s in shares])
        beside(axes, shares.tolist(), [f"{share:.1f}%" for share in shares], size="small")
        rows(axes, [str(name) for name in sums.index])
        axes.axvline(TARGET_PCT, color=style.INK, linestyle=":")
        axes.set_xlim(0, 115)
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.set_xlabel(f"share of branches taken, % (dotted: the aim of {TARGET_PCT}%)")
    return figure
