"""DRAM bytes of small CNNs, weights apart from activations, before and after fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from experiments.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NAMES = {
    "squeezenet1_0": "Squeeze-\nNet 1.0", "squeezenet1_1": "Squeeze-\nNet 1.1",
    "mobilenet_v1": "Mobile-\nNet v1", "mobilenet_v2": "Mobile-\nNet v2",
}  # fmt: skip
TITLES = {"edge": "edge chip, 128 KiB", "phone": "phone chip, 1 MiB"}
PARTS = (("weights_B", "weights", style.SERIES[0]), ("activations_B", "activations", style.SERIES[5]))
FUSIONS = ("none", "depth-first")
WIDTH = 0.36
"""Of a bar; networks are 1 apart."""


def draw(table: pd.DataFrame) -> Figure:
    """Draw a panel per chip of columns ``network``, ``fusion``, ``weight_bits``, bytes and ``energy_J``.

    Bars are of weights in the most bits; above each pair stand the joules that fewer bits save.
    """
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.6))
        for place, (chip, title) in enumerate(TITLES.items()):
            axes = figure.add_axes((0.085 + 0.48 * place, 0.2, 0.42, 0.65))
            _panel(axes, table[table["chip"] == chip])
            axes.set_title(title, pad=6)
        figure.axes[0].set_ylabel("DRAM traffic per inference (MB)", labelpad=2)
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="upper right", ncols=2, handlelength=1)
        said = "plain: layer by layer; hatched: fused; above: energy saved by weights in {} bits, not {}"
        widths = table["weight_bits"].min(), table["weight_bits"].max()
        figure.text(0.5, 0.02, said.format(*widths), size=6.5, ha="center")
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    most, least = table["weight_bits"].max(), table["weight_bits"].min()
    tops = []
    for place, network in enumerate(NAMES):
        for side, fusion in enumerate(FUSIONS):
            rows = table[(table["network"] == network) & (table["fusion"] == fusion)].set_index("weight_bits")
            x, bottom = place + (side - 0.5) * (WIDTH + 0.04), 0.0
            for column, label, colour in PARTS:
                height = rows.loc[most, column] / 1e6
                named = label if place == side == 0 else ""
                hatch = "///" if side else ""
                axes.bar(x, height, WIDTH, bottom, color=colour, hatch=hatch, edgecolor="white", label=named)
                bottom += height
            saved = 100 * (1 - rows.loc[least, "energy_J"] / rows.loc[most, "energy_J"])
            axes.annotate(f"{saved:.0f}%", (x, bottom), (0, 2), textcoords="offset points", ha="center")
            tops.append(bottom)
    axes.set_ylim(0, 1.15 * max(tops))
    axes.set_xticks(range(len(NAMES)), list(NAMES.values()))
    axes.grid(axis="y")
