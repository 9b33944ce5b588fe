"""Figures as wide as half a slide: a title that says the result, and panels that make room for their text.

Everything is laid out by matplotlib's constrained layout, so that a figure fits for any numbers, names and
size of letters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, font_scalings
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import TextPath

from experiments.figures import style
from hwsim.errors import printable
from hwsim.plotting import WHITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray


WORDS = re.compile(r" (?!(?:W|MB|GB|pJ|times)\b)")
"""Between words: a number stays with its unit."""

WIDTH_PT = 72 * (style.HALF_PAGE_IN - 0.4)
"""Longest line of a title."""


def canvas(title: str, height_in: float, **grid: Any) -> tuple[Figure, Any]:
    """Start a figure in the common style; call it and draw within `style.applied`.

    Parameters
    ----------
    title : str
        The result in one sentence; it wraps.
    height_in : float
        Without the title, whose lines are added.
    **grid
        As for `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    figure : Figure
    axes : Axes or array of Axes
    """
    figure = begin(title, height_in)
    return figure, figure.subplots(**grid)


def begin(title: str, height_in: float) -> Figure:
    """Start a figure without panels; see `canvas`."""
    text, size_pt = broken(title), _title_pt()
    height = height_in + (text.count("\n") + 1) * 1.2 * size_pt / 72
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    figure = Figure(figsize=(style.HALF_PAGE_IN, height), layout=layout)
    figure.suptitle(text, x=0.01, ha="left")
    return figure


def broken(title: str) -> str:
    """Break a title between words into lines that fit the figure."""
    return "\n".join(_lines(title))


def _title_pt() -> float:
    size: float = mpl.rcParams["font.size"] * font_scalings[mpl.rcParams["figure.titlesize"]]
    return size


def _lines(title: str) -> Iterator[str]:
    font = FontProperties(family=mpl.rcParams["font.family"], weight="bold", size=_title_pt())
    line = ""
    for word in map(printable, WORDS.split(title)):
        longer = f"{line} {word}".strip()
        if line and TextPath((0, 0), longer, prop=font).get_extents().width > WIDTH_PT:
            yield line
            longer = word
        line = longer
    yield line


def patches(looks: Iterable[tuple[str, str]]) -> list[Patch]:
    """Entries of a legend: a coloured square for each label and colour."""
    edges = {WHITE: style.INK}
    return [
        Patch(facecolor=colour, label=label, edgecolor=edges.get(colour, "none"), linewidth=0.6)
        for label, colour in looks
    ]


def dots(looks: Iterable[tuple[str, str]], marker: str = "o") -> list[Line2D]:
    """Entries of a legend: a coloured dot for each label and colour."""
    return [
        Line2D([], [], marker=marker, linestyle="", markersize=6, color=colour, label=label)
        for label, colour in looks
    ]


def rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a panel of horizontal bars, the first at the top."""
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def stack(axes: Axes, parts: Sequence[tuple[NDArray[np.float64], str]], height: float = 0.72) -> None:
    """Draw one horizontal bar per row, made of parts: their widths and colours."""
    left = np.zeros(len(parts[0][0]))
    for widths, colour in parts:
        axes.barh(range(len(left)), widths, left=left, color=colour, height=height)
        left = left + widths


def beside(
    axes: Axes,
    ends: Sequence[float],
    texts: Sequence[str],
    places: Sequence[float] | None = None,
    **look: Any,
) -> None:
    """Write a text behind the end of each bar: one bar in each row, or bars at the `places` given."""
    for place, end, text in zip(places or range(len(ends)), ends, texts, strict=True):
        axes.annotate(text, (end, place), (4, 0), textcoords="offset points", va="center", **look)


def legend(figure: Figure, handles: Sequence[Any], *, columns: int, where: str = "lower") -> None:
    """Write one legend for all panels, below them or between them and the title (``upper``)."""
    place: Any = f"outside {where} center"
    figure.legend(
        handles=list(handles),
        loc=place,
        ncols=columns,
        handlelength=1.2,
        columnspacing=1.4,
        handletextpad=0.5,
    )
