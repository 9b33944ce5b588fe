"""The picture beside a link to the page: joules of one weight on its way, dense and compressed, to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from experiments.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = (1200, 630)
"""What most sites show whole."""

ROOMY = 0.5
"""Share of a bar from which on a part has room for its name."""

LABELS = {"dense": "dense", "huffman": "compressed"}


def draw(story: dict[str, Any]) -> Figure:
    """Draw the two passes of `experiments.page.story.story` as one bar each."""
    passes = story["passes"]
    dense, compressed = (passes[stage]["total_pJ"] for stage in LABELS)
    with style.applied():
        dpi = mpl.rcParams["savefig.dpi"]
        figure = Figure(figsize=(PIXELS[0] / dpi, PIXELS[1] / dpi))
        scale = PIXELS[0] / dpi / 6  # text as large as on a figure of six inches
        axes = figure.add_axes((0.05, 0.2, 0.9, 0.5))
        for row, stage in enumerate(LABELS):
            _bar(axes, -row, passes[stage], f"{LABELS[stage]}: {passes[stage]['total_pJ']:,.0f} pJ", scale)
        axes.set_xlim(0, dense)
        axes.set_ylim(-1.4, 0.75)
        axes.axis("off")
        title = f"One weight, {dense / compressed:.0f} times less energy"
        figure.text(0.05, 0.84, title, size=18 * scale, weight="bold", color=style.INK)
        said = "AlexNet's fully-connected layers on a 250 W card, batch 1, to scale. hwsim"
        figure.text(0.05, 0.08, said, size=9 * scale, color=style.INK)
    return figure


def _bar(axes: Axes, y: float, found: dict[str, Any], label: str, scale: float) -> None:
    stops = found["stops_pJ"]
    parts = [*stops.items(), ("static", found["total_pJ"] - sum(stops.values()))]
    left = 0.0
    for name, width in parts:
        said, colour = style.COMPONENTS[name]
        axes.barh(y, width, 0.5, left, color=colour)
        if width > ROOMY * sum(size for _, size in parts):
            at = left + width / 2
            axes.text(at, y, said, size=11 * scale, color=style.text_on(colour), ha="center", va="center")
        left += width
    axes.text(0, y + 0.32, label, size=11 * scale, color=style.INK)
