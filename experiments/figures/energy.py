"""Energy per inference of each stage, stacked by component: to scale, and magnified.

Stacked bars on a logarithmic axis mislead: the segment at the bottom always looks the largest. So
the axis is linear and the bars are drawn twice. On the left they are to scale, which shows the
memory wall; on the right the axis is broken, which shows what is left once it is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments.figures import style
from hwsim.units import engineering

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

ROW_IN, TITLE_IN, AROUND_IN, LEGEND_IN = 0.27, 0.3, 0.66, 0.42
WIDTH = 0.42
"""Of either axis against the figure: equal, so that the magnification is the ratio of their limits."""
BAR = 0.74
LABEL_ROOM = 1.55
"""Length of the axis on the left against its longest bar, whose label is put behind it."""
WIDEST = 4.0
"""Bars up to this many times the smallest are whole on the right; longer ones are cut."""
LABEL_ABOVE = 0.13
"""Parts of an axis narrower than this cannot hold a number."""


def draw(energy: pd.DataFrame) -> Figure:
    """Draw one panel per network, one row per stage.

    Parameters
    ----------
    energy : DataFrame
        Tidy: columns ``network``, ``stage``, ``component`` and ``energy_J`` (joules per inference).
        Networks are drawn in the order they appear, stages and components in the order of `style`.

    Raises
    ------
    InputError
        If a stage or component has no colour in `style`.
    """
    components = style.in_order(set(energy["component"]), style.COMPONENTS, "component")
    tables = {
        str(network): stages_by_component(rows, components)
        for network, rows in energy.groupby("network", sort=False)
    }
    with style.applied():
        return _figure(tables, components)


def save(energy: pd.DataFrame, path: Path) -> list[Path]:
    """Draw `energy` and write it to `path` as PNG and SVG; see `draw`."""
    return style.save(draw(energy), path)


def stages_by_component(energy: pd.DataFrame, components: list[str]) -> pd.DataFrame:
    """Joules of one network: stages down, components across."""
    stages = style.in_order(set(energy["stage"]), style.STAGES, "stage")
    table = energy.pivot_table(index="stage", columns="component", values="energy_J", aggfunc="sum")
    return table.reindex(index=stages, columns=components).fillna(0.0)


def _figure(tables: dict[str, pd.DataFrame], components: list[str]) -> Figure:
    height = LEGEND_IN + sum(ROW_IN * len(table) + AROUND_IN for table in tables.values())
    figure = Figure(figsize=(style.HALF_PAGE_IN, height))
    top = height - LEGEND_IN
    for network, table in tables.items():
        rows = ROW_IN * len(table)
        low, tall = (top - TITLE_IN - rows) / height, rows / height
        _to_scale(figure.add_axes((0.105, low, WIDTH, tall)), table, network)
        _magnified(figure.add_axes((0.56, low, WIDTH, tall)), table)
        top -= rows + AROUND_IN
    figure.legend(
        handles=[Patch(color=style.COMPONENTS[c][1], label=style.COMPONENTS[c][0]) for c in components],
        loc="upper center",
        ncols=4,
        handlelength=1.0,
        columnspacing=1.4,
        borderaxespad=0.2,
    )
    return figure


def _to_scale(axes: Axes, table: pd.DataFrame, network: str) -> None:
    total = table.sum(axis=1)
    _stack(axes, table, LABEL_ROOM * total.max())
    axes.set_title(network, pad=3, x=-0.22)
    axes.set_yticks(range(len(total)), [style.STAGES[str(stage)][0] for stage in total.index])
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
                colour = style.text_on(style.COMPONENTS[component][1])
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
            color=style.COMPONENTS[component][1],
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
    """Say how a total `times` smaller than the dense one compares with it."""
    word, factor = ("less", times) if times >= 1 else ("more", 1 / times)
    return f"{factor:.1f}× {word}" if factor < 9.95 else f"{factor:.0f}× {word}"
