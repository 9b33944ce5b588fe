"""Files of AlexNet and VGG-16: a panel each, a bar for each way of writing, the published sizes as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.runs import labels
from experiments.runs.phrases import listed, span, times

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NETWORKS = ("alexnet", "vgg16")
WAYS = {"P+Q": "pruned and shared\n(P+Q)", "P+Q+H": "and Huffman-coded\n(P+Q+H)"}
"""Ways of the paper, in words; others are called what they are."""

MASKS = {"independent": style.SERIES[0], "clustered": style.SERIES[4]}


def draw(files: pd.DataFrame) -> Figure:
    """Draw bytes of the file by way of writing.

    Parameters
    ----------
    files : DataFrame
        `network`, `mask`, `way`, `bytes`, `ratio`, `published_ratio`.
    """
    coded = files[files["way"] == "P+Q+H"].groupby("network")["ratio"]
    told = [f"{labels.network(name)} {span(coded.get_group(name), times)} smaller" for name in NETWORKS]
    title = f"The published pipeline makes {listed(told)}"
    with style.applied():
        figure, axes = canvas(title, 3.3, ncols=len(NETWORKS), sharey=True)
        for panel, network in zip(axes, NETWORKS, strict=True):
            _panel(panel, files[files["network"] == network])
            panel.set_title(labels.NETWORKS[network])
        legend(figure, axes[0].get_legend_handles_labels()[0], columns=2)
    return figure


def _panel(axes: Axes, files: pd.DataFrame) -> None:
    ways = list(dict.fromkeys(files["way"]))
    for offset, (mask, colour) in zip((-0.19, 0.19), MASKS.items(), strict=True):
        chosen = files[files["mask"] == mask].set_index("way").loc[ways]
        places = [index + offset for index in range(len(ways))]
        axes.barh(places, chosen["bytes"] / 1e6, 0.36, color=colour, label=f"{mask} masks")
        for place, size, ratio, paper in zip(
            places, chosen["bytes"] / 1e6, chosen["ratio"], published_MB(chosen), strict=True
        ):
            end = paper if size < paper < 1.1 * size else size  # beyond the mark of the paper, not across it
            label = f"{size:.2g} MB, {ratio:.0f}×"
            axes.annotate(label, (end, place), (5, 0), textcoords="offset points", va="center", size="small")
    papers = published_MB(files.drop_duplicates("way"))
    for index, size in enumerate(papers):
        if size == size:
            axes.plot([size, size], [index - 0.42, index + 0.42], color=style.INK, linewidth=1.6)
            axes.text(size, index - 0.44, f"paper: {size:.1f}", ha="center", va="bottom", size="small")
    axes.set_yticks(range(len(ways)), [WAYS.get(way, way.replace(", ", ",\n")) for way in ways])
    axes.set_ylim(len(ways) - 0.4, -0.75)
    axes.set_xlim(0, 1.75 * files["bytes"].max() / 1e6)
    axes.set_xlabel("file (MB)")


def published_MB(files: pd.DataFrame) -> pd.Series:
    """Size that the paper's ratio gives the same network; NaN where it has none."""
    return files["bytes"] / 1e6 * files["ratio"] / files["published_ratio"]
