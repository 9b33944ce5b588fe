"""Boards of today: simulated / published by class of rows, and how boards respond to cap and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, dots, legend
from experiments.runs import labels
from experiments.runs.phrases import percent
from hwsim.analysis.boards import KINDS, WITHIN

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TICKS = (0.1, 0.2, 0.5, 0.7, 1.0, 1.4, 2.0, 5.0, 10.0)
MARGIN = 1.1
"""Room beyond the outermost dot, as a factor."""
SPREAD = 0.32
"""Half of the height over which the dots of a class are spread, so that they do not cover one another."""

PUBLISHED, SIMULATED = style.INK, style.SERIES[0]
WALL = style.SERIES[4]


def draw(rows: pd.DataFrame, classes: pd.DataFrame, responses: pd.DataFrame) -> Figure:
    """Draw the tables of the study, one panel of ratios and two of responses."""
    kinds = [kind for kind in KINDS if (rows["kind"] == kind).any()]
    every: Any = classes.set_index("kind").loc["all"]
    title = (
        f"Boards of today: the mean error of {every['rows']:.0f} published figures is "
        f"{percent(every['mean_error'])}, and {percent(every['within'])} are within {WITHIN:.0%}"
    )
    with style.applied():
        figure, grid = canvas(title, 3.9, nrows=2, ncols=2, width_ratios=(1.5, 1), height_ratios=(2, 1))
        whole = grid[0, 0].get_gridspec()[:, 0]
        grid[1, 0].remove()
        grid[0, 0].set_subplotspec(whole)
        _ratios(grid[0, 0], rows, classes, kinds)
        caps, weights = (responses[responses["kind"] == kind] for kind in ("cap", "weights"))
        _pairs(grid[0, 1], caps, "elasticity to the cap", 0.0)
        _pairs(grid[1, 1], weights, "gain of narrow weights", 1.0)
        legend(figure, dots([("published", PUBLISHED), ("simulated", SIMULATED)]), columns=2)
    return figure


def _ratios(axes: Axes, rows: pd.DataFrame, classes: pd.DataFrame, kinds: list[str]) -> None:
    means = dict(zip(classes["kind"], classes["geometric_mean"], strict=True))
    axes.axvspan(1 - WITHIN, 1 + WITHIN, color=style.PALE, linewidth=0)
    axes.axvline(1, color=style.INK, linewidth=0.6)
    for place, kind in enumerate(kinds):
        ratios = rows.loc[(rows["kind"] == kind) & (rows["left_out"].fillna("") == ""), "ratio"].tolist()
        steps = [SPREAD * (2 * (index + 0.5) / len(ratios) - 1) for index in range(len(ratios))]
        axes.plot(
            ratios,
            [place + step for step in steps],
            linestyle="",
            marker="o",
            markersize=3.2,
            color=WALL if kind == "wall" else SIMULATED,
            alpha=0.75,
            markeredgewidth=0,
        )
        if kind in means:
            axes.plot([means[kind]] * 2, [place - 0.42, place + 0.42], color=style.SERIES[1], linewidth=1.8)
    low, high = rows["ratio"].min() / MARGIN, rows["ratio"].max() * MARGIN
    shown = [tick for tick in TICKS if low <= tick <= high]
    axes.set(xscale="log", xlim=(low, high))
    axes.set_xticks(shown, [f"{tick:g}×" for tick in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(kinds)), [_label(kind) for kind in kinds])
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="y", labelsize="small")
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_title("simulated / published")
    axes.set_xlabel(f"bar: mean; band: within {WITHIN:.0%}")


def _label(kind: str) -> str:
    return KINDS[kind].replace(", ", ",\n")


def _pairs(axes: Axes, responses: pd.DataFrame, title: str, start: float) -> None:
    """Draw a pair of dots for each response, joined by a line as long as the error."""
    lines = responses.to_dict("records")
    for place, line in enumerate(lines):
        ends = [line["published"], line["simulated"]]
        axes.plot(ends, [place] * 2, color=style.INK, linewidth=0.6, zorder=1)
        for value, colour in zip(ends, (PUBLISHED, SIMULATED), strict=True):
            axes.plot([value], [place], "o", color=colour, markersize=4)
    axes.set_yticks(range(len(lines)), [_pair_label(line) for line in lines])
    axes.tick_params(axis="y", length=0, labelsize="small")
    axes.tick_params(axis="x", labelsize="small")
    axes.set_ylim(len(lines) - 0.5, -0.5)
    highest = float(responses[["published", "simulated"]].max().max())
    axes.set_xlim(start, start + MARGIN * (highest - start))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" + ("×" if start else "")))
    axes.set_title(title, x=1.0, ha="right")


def _pair_label(line: dict[Any, Any]) -> str:
    if line["kind"] == "weights":
        return str(line["after"])
    return f"{labels.chip(line['board'])}\n{line['before'].removesuffix(' W')} to {line['after']}"
