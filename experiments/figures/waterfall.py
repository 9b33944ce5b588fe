"""Bytes and energy of each network after each step of Deep Compression, relative to the dense network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, rows
from experiments.runs import labels
from experiments.runs.phrases import points, span, times
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {"weight_bytes": ("bytes of weights", "B"), "energy_J": ("energy, batch 1", "J")}
"""Rows of panels: column of the table, what it is, and its unit."""
ROOM = 1.75
"""Length of an axis against a bar of 100%, for the number behind a bar."""


def draw(table: pd.DataFrame) -> Figure:
    """Draw a column of panels per network and a row per quantity, bars in the order of the steps."""
    networks = [name for name in labels.NETWORKS if name in set(table["network"])]
    found = table.set_index(["network", "stage"])
    energy, errors = (found[name].unstack("stage") for name in ("energy_J", "top1_error_pct"))
    title = (
        f"Deep Compression: {span(found['ratio'].unstack('stage')['huffman'], times)} fewer bytes, "
        f"{span(energy['dense'] / energy['huffman'], times)} less energy, the error within "
        f"{points((errors['huffman'] - errors['dense']).abs().max())}"
    )
    with style.applied():
        figure, panels = canvas(title, 3.3, nrows=len(PANELS), ncols=len(networks), sharex=True)
        for across, (column, (what, unit)) in zip(panels, PANELS.items(), strict=True):
            across[0].set_ylabel(what)
            for axes, network in zip(across, networks, strict=True):
                _steps(axes, table[table["network"] == network], column, unit, named=axes is across[0])
        for axes, network in zip(panels[0], networks, strict=True):
            chip = table.loc[table["network"] == network, "chip"].iloc[0]
            axes.set_title(f"{labels.NETWORKS[network]}\n{_short(chip)}", size="small")
        for axes, network in zip(panels[-1], networks, strict=True):
            dense, coded = (float(errors[stage][network]) for stage in ("dense", "huffman"))
            axes.set_xlabel(f"error {dense:.3g} → {coded:.3g}%", size="small")
    return figure


def _short(chip: str) -> str:
    return labels.chip(chip).replace("reference ", "")


def _steps(axes: Axes, table: pd.DataFrame, column: str, unit: str, *, named: bool) -> None:
    """Draw the share of the dense network that is left after each step; its value is behind the bar."""
    stages = style.in_order(set(table["stage"]), style.STAGES, "stage")
    values = table.set_index("stage")[column].loc[stages].to_numpy(float)
    shares = values / values[0]
    axes.barh(range(len(stages)), shares, color=[style.STAGES[stage][1] for stage in stages], height=0.75)
    texts = [engineering(float(f"{value:.2g}"), unit) for value in values]
    beside(axes, shares.tolist(), texts, size="small")
    rows(axes, [style.STAGES[stage][0] for stage in stages] if named else [""] * len(stages))
    axes.set_xlim(0, ROOM)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
