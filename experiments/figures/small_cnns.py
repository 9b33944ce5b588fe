"""DRAM bytes of small CNNs, weights apart from activations, before and after fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.patches import Patch

from experiments.figures import style
from experiments.figures.canvas import canvas, legend, patches
from experiments.runs.phrases import percent, span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {
    "squeezenet1_0": "Squeeze\n1.0", "squeezenet1_1": "Squeeze\n1.1",
    "mobilenet_v1": "Mobile\nv1", "mobilenet_v2": "Mobile\nv2",
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
    least, most = table["weight_bits"].min(), table["weight_bits"].max()
    energy = table[table["chip"] == "edge"].pivot_table("energy_J", "network", ["fusion", "weight_bits"])
    saved = {way: 1 - energy[way, least] / energy[way, most] for way in FUSIONS}
    title = (
        f"{least}-bit weights save {span(saved['none'], percent)} of the energy of small CNNs on the edge "
        f"chip, and {span(saved['depth-first'], percent)} once layers are fused"
    )
    with style.applied():
        figure, panels = canvas(title, 3.5, ncols=len(TITLES))
        for axes, (chip, name) in zip(panels, TITLES.items(), strict=True):
            _panel(axes, table[table["chip"] == chip])
            axes.set_title(name)
            axes.set_xlabel(f"above: saved by {least} bits, not {most}", size="small")
        panels[0].set_ylabel("DRAM traffic (MB)")
        fused = Patch(facecolor=style.PALE, hatch="///", edgecolor="white", label="hatched: layers fused")
        legend(figure, [*patches([(label, colour) for _, label, colour in PARTS]), fused], columns=3)
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
