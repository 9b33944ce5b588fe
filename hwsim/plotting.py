"""Energy per inference, stacked by component: to scale, and magnified.

Stacked bars on a logarithmic axis are misleading, because the segment at the bottom always looks the
largest. So the axis is linear and the bars are drawn twice. The left axis shows them to scale, which shows
the memory wall. The right axis is cut, which shows the small bars.

This is the only module of `hwsim` that imports matplotlib. It is imported when a plot is drawn.
"""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatter, MaxNLocator

from hwsim.energy.components import look_of
from hwsim.errors import printable
from hwsim.units import engineering
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from matplotlib.axes import Axes

HALF_PAGE_IN = 7.0
"""Width of a figure in inches: readable when printed over half a page."""

INK, PALE = "#222222", "#D9D9D9"

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so that text is the same everywhere
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 200,
    "svg.hashsalt": "hwsim",
}

ROW_IN, TITLE_IN, AROUND_IN = 0.27, 0.3, 0.66
LEGEND_COLUMNS = 4
LEGEND_IN, LEGEND_ROW_IN = 0.42, 0.17
"""Height of a legend of two rows, and of each row more."""
WIDTH = 0.42
"""Of either axis against the figure: equal, so that the magnification is the ratio of their limits."""
BAR = 0.74
LABEL_ROOM = 1.55
"""Length of the axis on the left against its longest bar, whose label is put behind it."""
WIDEST = 4.0
"""Bars up to this many times the smallest are whole on the right; longer ones are cut."""
LABEL_ABOVE = 0.13
"""Parts of an axis narrower than this cannot hold a number."""


class _ShownFigure(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        with applied():
            self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


@contextmanager
def applied() -> Iterator[None]:
    """Draw in the common style inside the ``with`` block."""
    with mpl.rc_context(RC):
        yield


def literal(figure: Figure) -> None:
    """Draw every text of a figure as it is: ``$`` begins no formula, what cannot be printed is an escape.

    Powers of ten beside a logarithmic axis stay formulas.
    """
    powers: set[int] = set()
    for axis in figure.findobj(Axis):
        for ticks, formatter in (
            (axis.get_major_ticks, axis.get_major_formatter()),
            (axis.get_minor_ticks, axis.get_minor_formatter()),
        ):
            if isinstance(formatter, LogFormatter):
                powers |= {id(label) for tick in ticks() for label in (tick.label1, tick.label2)}
    for text in figure.findobj(Text):
        if isinstance(text, Text) and id(text) not in powers:
            text.set_parse_math(False)
            text.set_text("\n".join(map(printable, text.get_text().split("\n"))))


def text_on(colour: str) -> str:
    """Return black or white: the one that can be read on `colour`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else INK


def energy_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw one panel per table, one bar per row.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By title. Joules per inference: a row per bar, with its label as index, and a column per
        component, in the order of the stack. All tables have the same columns.
    """
    with applied():
        named = {
            printable(title): table.rename(index=lambda name: printable(str(name)))
            for title, table in tables.items()
        }
        figure = _figure(named)
        literal(figure)
        return figure


def _figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    components = next(iter(tables.values())).columns
    legend_in = LEGEND_IN + LEGEND_ROW_IN * max(ceil_div(len(components), LEGEND_COLUMNS) - 2, 0)
    height = legend_in + sum(ROW_IN * len(table) + AROUND_IN for table in tables.values())
    figure = _ShownFigure(figsize=(HALF_PAGE_IN, height))
    top = height - legend_in
    for title, table in tables.items():
        rows = ROW_IN * len(table)
        low, tall = (top - TITLE_IN - rows) / height, rows / height
        _to_scale(figure.add_axes((0.105, low, WIDTH, tall)), table, title)
        _magnified(figure.add_axes((0.56, low, WIDTH, tall)), table)
        top -= rows + AROUND_IN
    figure.legend(
        handles=[Patch(color=colour, label=label) for label, colour in map(look_of, components)],
        loc="upper center",
        ncols=LEGEND_COLUMNS,
        handlelength=1.0,
        columnspacing=1.4,
        borderaxespad=0.2,
    )
    return figure


def _to_scale(axes: Axes, table: pd.DataFrame, title: str) -> None:
    total = table.sum(axis=1)
    _stack(axes, table, LABEL_ROOM * total.max())
    axes.set_title(title, pad=3, x=-0.22)
    axes.set_yticks(range(len(total)), list(total.index))
    axes.set_xlabel("energy per inference, to scale", labelpad=1)
    for row, value in enumerate(total):
        text = engineering(value, "J") + (f"   {_ratio(total.iloc[0] / value)}" if row else "")
        axes.annotate(text, (value, row), (4, 0), textcoords="offset points", va="center", weight="bold")


def _magnified(axes: Axes, table: pd.DataFrame) -> None:
    total = table.sum(axis=1)
    whole = total[total <= WIDEST * total.min()]
    limit = 1.12 * whole.max()
    _stack(axes, table, limit)
    axes.set_yticks([])
    axes.set_xlabel(f"the same, magnified {LABEL_ROOM * total.max() / limit:.2g}×", labelpad=1)
    ends = table.cumsum(axis=1).clip(upper=limit)
    starts = (table.cumsum(axis=1) - table).clip(upper=limit)
    for row, stage in enumerate(table.index):
        for component in table.columns:
            start, end = starts.loc[stage, component], ends.loc[stage, component]
            if end - start >= LABEL_ABOVE * limit:
                colour = text_on(look_of(str(component))[1])
                text = engineering(table.loc[stage, component], "J")
                axes.text((start + end) / 2, row, text, ha="center", va="center", color=colour, size=7.5)
        if total[stage] > limit:
            _tear(axes, row, 0.95 * limit, 0.018 * limit)


def _stack(axes: Axes, table: pd.DataFrame, limit: float) -> None:
    """Draw the stacked bars on a linear axis from 0 to `limit` joules."""
    starts = table.cumsum(axis=1) - table
    for component in table.columns:
        axes.barh(
            range(len(table)),
            table[component],
            left=starts[component],
            height=BAR,
            color=look_of(str(component))[1],
        )
    axes.set_xlim(0, limit)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J") if value else "0"))


def _tear(axes: Axes, row: int, at: float, width: float) -> None:
    """Draw the white zigzag that says a bar goes on beyond the axis."""
    teeth = 4
    ys = [row - 0.5 + i / teeth for i in range(teeth + 1)]
    left = [(at + (i % 2) * width, y) for i, y in enumerate(ys)]
    right = [(x + width, y) for x, y in reversed(left)]
    axes.add_patch(Polygon([*left, *right], closed=True, facecolor="white", edgecolor="none", zorder=3))


def _ratio(times: float) -> str:
    """Say how a total `times` smaller than that of the first bar compares with it."""
    word, factor = ("less", times) if times >= 1 else ("more", 1 / times)
    return f"{factor:.1f}× {word}" if factor < 9.95 else f"{factor:.0f}× {word}"
