"""Floorplans: what the tiles of a die do, where weights live and how busy DRAM is, one drawing a run.

Each tile is a square. Fractions of tile-time are shown as numbers of tiles, so a drawing is a
typical moment, not a claim that the same tiles always compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.patches import Patch, Rectangle

from experiments.figures import style
from experiments.figures.canvas import begin, legend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = 0.12
"""Between tiles, of the pitch."""
ROW_IN = 2.0
"""Height of a row of drawings."""
STRIP, ROOM = 1.6, 0.35
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


def draw(title: str, rows: Mapping[str, Sequence[Floorplan]], columns: Sequence[str], tiles: int) -> Figure:
    """Draw floorplans in a grid.

    Parameters
    ----------
    title : str
        The result.
    rows : mapping of str to sequence of Floorplan
        Drawings by the title of their row, one for each column.
    columns : sequence of str
        Stages.
    tiles : int
        Of the die.
    """
    across = next(n for n in range(int(tiles**0.5) + 1, tiles + 1) if tiles % n == 0)
    down = tiles // across
    with style.applied():
        figure = begin(title, ROW_IN * len(rows) + 0.8)
        parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
        for part, (name, plans) in zip(parts, rows.items(), strict=True):
            part.suptitle(name, x=0.01, ha="left", size="medium")
            grid = part.subplots(1, len(plans))
            for axes, stage, plan in zip(grid, columns, plans, strict=True):
                _plan(axes, plan, across, down)
                axes.set_title(
                    f"{style.STAGES[stage][0]}\n{plan.text}", size="small", loc="center", weight="normal"
                )
        legend(figure, _legend(), columns=3)
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
        axes.text(across / 2, low + STRIP / 2, label, ha="center", va="center", size="x-small")
    axes.set_xlim(0, across)
    axes.set_ylim(0, tall)
    axes.set_aspect("equal")
    axes.axis("off")


def _legend() -> list[Patch]:
    tiles = [Patch(color=colour, label=label) for label, colour in style.TILES.values()]
    sram, dram = style.COMPONENTS["sram"][1], style.COMPONENTS["dram"][1]
    return [
        *tiles,
        Patch(color=sram, label="SRAM with weights"),
        Patch(color=dram, label="DRAM power, of the cap"),
    ]
