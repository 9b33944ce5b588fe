"""Floorplans: what the tiles of a die do, where weights live and how busy DRAM is, one drawing a run.

Each tile is a square. Fractions of tile-time are shown as numbers of tiles, so a drawing is a
typical moment, not a claim that the same tiles always compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from experiments.figures import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

GAP = 0.12
"""Between tiles, of the pitch."""
STRIP, ROOM = 1.0, 0.35
"""Height of the strips below the tiles, and the room around them, of the pitch."""


@dataclass(frozen=True)
class Floorplan:
    """One drawing.

    Parameters
    ----------
    shares : dict of str to float
        Fraction of tile-time in each state of `style.TILES`.
    sram_share : float
        Part of the shared memory that holds weights.
    dram_W, cap_W : float
    text : str
        Said below.
    """

    shares: dict[str, float]
    sram_share: float
    dram_W: float
    cap_W: float
    text: str


def draw(rows: Mapping[str, Sequence[Floorplan]], columns: Sequence[str], tiles: int) -> Figure:
    """Draw floorplans in a grid.

    Parameters
    ----------
    rows : mapping of str to sequence of Floorplan
        Drawings by the title of their row, one for each column.
    columns : sequence of str
        Stages.
    tiles : int
        Of the die.
    """
    across = next(n for n in range(int(tiles**0.5) + 1, tiles + 1) if tiles % n == 0)
    down = tiles // across
    tall = down + 2 * (STRIP + ROOM)
    pitch_in = (style.HALF_PAGE_IN - 0.3) / len(columns) / (across + 1.6)
    top_in, row_in = 0.42, pitch_in * tall + 0.52
    height = top_in + row_in * len(rows)
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, height))
        for row, (title, plans) in enumerate(rows.items()):
            low = height - top_in - row_in * (row + 1) + 0.3
            figure.text(0.012, (low + pitch_in * tall + 0.06) / height, title, weight="bold")
            for column, plan in enumerate(plans):
                left = 0.15 + column * pitch_in * (across + 1.6)
                width, tall_in = pitch_in * across, pitch_in * tall
                axes = figure.add_axes(
                    (left / style.HALF_PAGE_IN, low / height, width / style.HALF_PAGE_IN, tall_in / height)
                )
                _plan(axes, plan, across, down)
                label = style.STAGES[columns[column]][0]
                axes.text(across / 2, -0.25, f"{label}: {plan.text}", ha="center", va="top", size=7.5)
        figure.legend(
            handles=_legend(),
            loc="upper center",
            ncols=4,
            handlelength=1.0,
            columnspacing=1.4,
            borderaxespad=0.2,
        )
    return figure


def counts(shares: dict[str, float], tiles: int) -> dict[str, int]:
    """Whole tiles in each state, by largest remainder; they sum to `tiles`."""
    exact = {state: shares[state] * tiles for state in style.TILES}
    whole = {state: int(value) for state, value in exact.items()}
    by_remainder = sorted(style.TILES, key=lambda state: whole[state] - exact[state])
    for state in by_remainder[: tiles - sum(whole.values())]:
        whole[state] += 1
    return whole


def _plan(axes: Axes, plan: Floorplan, across: int, down: int) -> None:
    number = counts(plan.shares, across * down)
    states = [state for state in style.TILES for _ in range(number[state])]
    tall = down + 2 * (STRIP + ROOM)
    for index, state in enumerate(states):
        column, row = index % across, index // across
        at = (column + GAP / 2, tall - 1 - row + GAP / 2)
        axes.add_patch(Rectangle(at, 1 - GAP, 1 - GAP, facecolor=style.TILES[state][1]))
    strips = (
        ("sram", "SRAM", plan.sram_share),
        ("dram", f"DRAM {plan.dram_W:.0f} W", plan.dram_W / plan.cap_W),
    )
    for place, (component, label, share) in enumerate(strips):
        low = (STRIP + ROOM) * (1 - place)
        colour = style.COMPONENTS[component][1]
        axes.add_patch(Rectangle((0, low), across * share, STRIP, facecolor=colour, edgecolor="none"))
        axes.add_patch(Rectangle((0, low), across, STRIP, fill=False, edgecolor=style.INK, linewidth=0.6))
        axes.text(across / 2, low + STRIP / 2, label, ha="center", va="center", size=7)
    axes.set_xlim(0, across)
    axes.set_ylim(0, tall)
    axes.axis("off")


def _legend() -> list[Patch]:
    tiles = [Patch(color=colour, label=label) for label, colour in style.TILES.values()]
    sram, dram = style.COMPONENTS["sram"][1], style.COMPONENTS["dram"][1]
    return [
        *tiles,
        Patch(color=sram, label="SRAM that holds weights"),
        Patch(color=dram, label="DRAM power, of the cap"),
    ]
