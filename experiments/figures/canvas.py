"""Figures as wide as half a slide: a title that says the result, and panels that make room for their text.

Everything is laid out by matplotlib's constrained layout, so that a figure fits for any numbers, names and
size of letters.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import font_scalings
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.figures import style
from hwsim.plotting import WHITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray


LETTER = 0.6
"""Width of a bold letter against its height, on average."""


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
    size_pt = mpl.rcParams["font.size"] * font_scalings[mpl.rcParams["figure.titlesize"]]
    text = textwrap.fill(title, int(72 * style.HALF_PAGE_IN / (LETTER * size_pt)), break_on_hyphens=False)
    lines = text.count("\n") + 1
    height = height_in + lines * 1.2 * size_pt / 72
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
    figure = Figure(figsize=(style.HALF_PAGE_IN, height), layout=layout)
    figure.suptitle(text, x=0.01, ha="left")
    return figure, figure.subplots(**grid)


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


def beside(axes: Axes, ends: Sequence[float], texts: Sequence[str], **look: Any) -> None:
    """Write a text behind the end of each row's bar, and make room for it."""
    for row, (end, text) in enumerate(zip(ends, texts, strict=True)):
        axes.annotate(text, (end, row), (4, 0), textcoords="offset points", va="center", **look)


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
