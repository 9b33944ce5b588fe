"""How far simulated figures lie from published ones: a row per machine and kind, a dot per figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, legend, rows
from experiments.figures.labels import name_points
from experiments.runs import labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND_PCT = 10.0
APART, LANES = 0.13, 5
"""Dots of a row lie in so many lanes, so far apart in rows."""
ROOM = 0.25
"""Part of the axis at the right that names of figures may take."""


class Row(NamedTuple):
    """Figures of one machine that are drawn in one row: what they are called, and their metrics."""

    machine: str
    name: str
    metrics: tuple[str, ...]


ROWS = (
    Row("EIE", "time", ("time, theoretical", "time, actual")),
    Row("EIE", "energy", ("energy",)),
    Row("Eyeriss", "time", ("processing_ms",)),
    Row("Eyeriss", "power", ("power_mW",)),
    Row("Eyeriss", "DRAM traffic", ("dram_MB",)),
    Row("Eyeriss", "buffer traffic", ("buffer_MB",)),
    Row("TPU v1", "throughput", ("throughput",)),
    Row("SCALE-Sim", "cycles", ("compute_cycles",)),
    Row("SCALE-Sim", "words read", ("sram_ifmap_reads", "sram_filter_reads")),
    Row("SCALE-Sim", "words written", ("sram_ofmap_writes",)),
)


def draw(table: pd.DataFrame) -> Figure:
    """Draw the table of `hwsim.analysis.validation` with its ``verdict``."""
    figures = table[(table["published"] > 0) & (table["layer"] != "total")]
    parts = [
        figures[(figures["source"] == row.machine) & figures["metric"].isin(row.metrics)] for row in ROWS
    ]
    drawn = [(row, part) for row, part in zip(ROWS, parts, strict=True) if len(part)]
    near = [int((part["error_pct"].abs() <= BAND_PCT).sum()) for _, part in drawn]
    judged = table[table["verdict"] != "not judged"]
    title = (
        f"{sum(near)} of {sum(len(part) for _, part in drawn)} published figures are simulated within "
        f"{BAND_PCT:.0f}%; {(judged['verdict'] == 'met').sum()} of {len(judged)} bounds are met"
    )
    errors = [error for _, part in drawn for error in part["error_pct"]]
    low, high = min(*errors, -BAND_PCT), max(*errors, BAND_PCT)
    left, right = low - 0.06 * (high - low), high + ROOM * (high - low)
    with style.applied():
        figure, axes = canvas(title, 0.34 * len(drawn) + 1.3)
        axes.axvspan(-BAND_PCT, BAND_PCT, color=style.PALE, linewidth=0)
        axes.axvline(0, color=style.INK, linewidth=0.8)
        rows(axes, [f"{row.machine}, {row.name}" for row, _ in drawn])
        axes.set_xlim(left, right)
        axes.xaxis.set_major_locator(MultipleLocator(50))
        axes.xaxis.set_major_formatter(FuncFormatter(_percent))
        axes.set_xlabel("simulated against published")
        shares = [f"{count} of {len(part)}" for count, (_, part) in zip(near, drawn, strict=True)]
        beside(axes, [right] * len(drawn), shares, annotation_clip=False)
        places = [place for at, (_, part) in enumerate(drawn) for place in _dots(axes, at, part)]
        legend(figure, _legend(), columns=3)
        names = [_farthest(at, part) for at, (_, part) in enumerate(drawn)]
        name_points(axes, [*(name for name in names if name), *places])
    return figure


def _dots(axes: Axes, row: int, part: pd.DataFrame) -> list[tuple[str, str, float, float]]:
    """Draw the figures of a row, in lanes so that each is seen; their places."""
    ordered = part.sort_values("error_pct")
    lanes = APART * (np.arange(len(ordered)) % LANES - LANES // 2)
    judged = (ordered["verdict"] != "not judged").to_numpy()
    for chosen, face in ((judged, style.SERIES[0]), (~judged, "white")):
        axes.plot(
            ordered["error_pct"][chosen],
            row + lanes[chosen],
            linestyle="",
            marker="o",
            markersize=4,
            markerfacecolor=face,
            markeredgecolor=style.SERIES[0],
            markeredgewidth=0.8,
        )
    return [
        ("", style.INK, float(x), float(row + lane))
        for x, lane in zip(ordered["error_pct"], lanes, strict=True)
    ]


def _farthest(row: int, part: pd.DataFrame) -> tuple[str, str, float, float] | None:
    """Name of the figure that is farthest off, and its place; none where all are in the band."""
    ordered = part.sort_values("error_pct", ignore_index=True)
    at = int(ordered["error_pct"].abs().argmax())
    far = ordered.iloc[at]
    if abs(far["error_pct"]) <= BAND_PCT:
        return None
    network = labels.network(str(far["network"]))
    layer = "" if far["layer"] == "all" else str(far["layer"]).split(",")[0]
    name = layer if network.split("-")[0] in layer else f"{network} {layer}".strip()
    text = f"{name} {_percent(far['error_pct'])}"
    return text, style.INK, float(far["error_pct"]), row + APART * (at % LANES - LANES // 2)


def _percent(value: float, _position: object = None) -> str:
    return f"{value:+.0f}%".replace("-", "\u2212").replace("+0%", "0%")


def _legend() -> list[Line2D | Patch]:
    look: dict[str, Any] = {
        "linestyle": "",
        "marker": "o",
        "markersize": 4,
        "markeredgecolor": style.SERIES[0],
    }
    return [
        Line2D([], [], markerfacecolor=style.SERIES[0], label="with a bound", **look),
        Line2D([], [], markerfacecolor="white", label="without", **look),
        Patch(color=style.PALE, label=f"within {BAND_PCT:.0f}% (numbers at the right)"),
    ]
