"""Energy per inference, stacked by component: to scale, and magnified.

Stacked bars on a logarithmic axis are misleading, because the segment at the bottom always looks the
largest. So the axis is linear and the bars are drawn twice. The left axis shows them to scale, which shows
the memory wall. The right axis is cut, which shows the small bars.

This is the only module of `hwsim` that imports matplotlib. It is imported when a plot is drawn.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axis import Axis
from matplotlib.colors import is_color_like, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch, Polygon
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatter, MaxNLocator

from hwsim.energy.components import look_of
from hwsim.errors import InputError, hint, printable
from hwsim.units import engineering
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

HALF_PAGE_IN = 6.67
"""Width of a figure in inches: that of a printed page, and half of a slide of 13.33 inches."""

INK, PALE = "#222222", "#D9D9D9"
WHITE, BLACK = "#FFFFFF", "#000000"
"""Of letters on a coloured bar, which are the same in every look."""


@dataclass(frozen=True)
class Look:
    """One of the variants in which every figure can be drawn.

    Parameters
    ----------
    size_pt : float
        Size of the letters.
    line_pt : float
        Width of lines.
    dpi : int
        Of raster images.
    colours : dict of str to str
        What stands for each colour of the page: ink, pale and white. Others stay.
    """

    size_pt: float = 10.0
    line_pt: float = 1.8
    dpi: int = 200
    colours: Mapping[str, str] = field(default_factory=dict)


LOOKS = {
    "light": Look(),
    "dark": Look(colours={INK: "#ECECEC", PALE: "#4C4F55", "#FFFFFF": "#16181C"}),
    "slide": Look(size_pt=11.0, line_pt=2.2, dpi=300),
}
"""Looks by name; letters of a slide have 11 points where the figure takes half of it."""

_LOOK: ContextVar[Look] = ContextVar("look", default=LOOKS["light"])

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so that text is the same everywhere
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.titlesize": "large",
    "figure.titleweight": "bold",
    "axes.titlesize": "medium",
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
    "svg.hashsalt": "hwsim",
}

ROW, AROUND, LEGEND = 1.95, 5.0, 1.7
"""Heights against the letters: of a bar, of what is around a panel, and of a row of the legend."""
LEGEND_COLUMNS = 3
BAR = 0.74
LABEL_ROOM = 1.75
"""Length of the axis on the left against its longest bar, whose label is put behind it."""
WIDEST = 4.0
"""Bars up to this many times the smallest are whole on the right; longer ones are cut."""
LABEL_ABOVE = 0.2
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
    look = _LOOK.get()
    rc = {"font.size": look.size_pt, "lines.linewidth": look.line_pt, "savefig.dpi": look.dpi}
    with mpl.rc_context(RC | rc):
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


@contextmanager
def looking(name: str) -> Iterator[None]:
    """Draw and save in one of the `LOOKS` inside the ``with`` block.

    Raises
    ------
    InputError
        If there is no such look.
    """
    if name not in LOOKS:
        raise InputError(f"style {name!r}{hint(name, LOOKS)}, expected one of {', '.join(LOOKS)}")
    token = _LOOK.set(LOOKS[name])
    try:
        yield
    finally:
        _LOOK.reset(token)


def recolour(figure: Figure) -> None:
    """Give a finished figure the page of the current look; colours that mean something stay."""
    if not (colours := _LOOK.get().colours):
        return
    figure.draw_without_rendering()  # ticks are made when they are drawn
    pages = {to_rgba(page): colour for page, colour in colours.items()}
    for artist in figure.findobj():
        for part in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            if isinstance(artist, Text) and (part != "color" or artist.get_color() in (WHITE, BLACK)):
                continue
            if hasattr(artist, f"set_{part}") and hasattr(artist, f"get_{part}"):
                _recolour(artist, part, pages)


def _recolour(artist: Artist, part: str, pages: Mapping[Any, str]) -> None:
    """Set one colour of an artist, if it is one of the page; collections have a row for each member."""
    found = getattr(artist, f"get_{part}")()
    if isinstance(found, np.ndarray) and found.ndim == 2:
        rows = {tuple(row) for row in found.tolist()}
        if len(rows) == 1 and (new := pages.get(rows.pop())):
            getattr(artist, f"set_{part}")(new)
    elif is_color_like(found) and (new := pages.get(to_rgba(found))):
        getattr(artist, f"set_{part}")(new)


def text_on(colour: str) -> str:
    """Return black or white: the one that can be read on `colour`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return WHITE if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else BLACK


def energy_figure(tables: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """Draw one panel per table, one bar per row.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By title. Joules per inference: a row per bar, with its label as index, and a column per
        component, in the order of the stack. All tables have the same columns.
    title : str
        Of the figure; lines are broken already.
    """
    with applied():
        named = {
            printable(title): table.rename(index=lambda name: printable(str(name)))
            for title, table in tables.items()
        }
        figure = _figure(named, title)
        literal(figure)
        return figure


def _figure(tables: Mapping[str, pd.DataFrame], title: str) -> Figure:
    components = next(iter(tables.values())).columns
    letter_in = mpl.rcParams["font.size"] / 72
    lines = ceil_div(len(components), LEGEND_COLUMNS) * LEGEND + 1.5 * len(title.splitlines())
    height = letter_in * (lines + sum(ROW * len(table) + AROUND for table in tables.values()))
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    figure = _ShownFigure(figsize=(HALF_PAGE_IN, height), layout=layout)
    heights = [len(table) for table in tables.values()]
    panels = figure.subplots(len(tables), 2, squeeze=False, height_ratios=heights)
    for (left, right), (name, table) in zip(panels, tables.items(), strict=True):
        _to_scale(left, table, name)
        _magnified(right, table)
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    figure.legend(
        handles=[Patch(color=colour, label=label) for label, colour in map(look_of, components)],
        loc="outside lower center",
        ncols=LEGEND_COLUMNS,
        handlelength=1.0,
        columnspacing=1.4,
    )
    return figure


def _to_scale(axes: Axes, table: pd.DataFrame, title: str) -> None:
    total = table.sum(axis=1)
    _stack(axes, table, LABEL_ROOM * total.max())
    axes.set_title(title)
    axes.set_yticks(range(len(total)), list(total.index))
    axes.set_xlabel("energy per inference, to scale")
    for row, value in enumerate(total):
        text = engineering(value, "J") + (f"   {_ratio(total.iloc[0] / value)}" if row else "")
        axes.annotate(text, (value, row), (4, 0), textcoords="offset points", va="center", weight="bold")


def _magnified(axes: Axes, table: pd.DataFrame) -> None:
    total = table.sum(axis=1)
    whole = total[total <= WIDEST * total.min()]
    limit = 1.12 * whole.max()
    _stack(axes, table, limit)
    axes.set_yticks([])
    axes.set_xlabel(f"the same, magnified {LABEL_ROOM * total.max() / limit:.2g}×")
    ends = table.cumsum(axis=1).clip(upper=limit)
    starts = (table.cumsum(axis=1) - table).clip(upper=limit)
    for row, stage in enumerate(table.index):
        for component in table.columns:
            start, end = starts.loc[stage, component], ends.loc[stage, component]
            if end - start >= LABEL_ABOVE * limit:
                colour = text_on(look_of(str(component))[1])
                text = engineering(table.loc[stage, component], "J")
                axes.text((start + end) / 2, row, text, ha="center", va="center", color=colour, size="small")
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
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
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
