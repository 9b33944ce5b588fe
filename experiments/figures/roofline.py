"""Rooflines with a power roof: layers under it, what the cap powers of each chip, and stages of a network."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, legend, patches, stack
from experiments.figures.canvas import rows as name_rows
from experiments.figures.labels import leader, name_points, spread
from experiments.runs import labels
from experiments.runs.phrases import times
from hwsim.analysis.roofline import Roofline
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DARK = style.PALE
"""What the peak and bandwidth would allow and the cap does not."""
BLUE = style.SERIES[0]
LIT, OFF = style.TILES["computing"][1], style.TILES["power_gated"][1]
CAP = (0, (3, 1.5))
"""Dashes of the roof that the cap makes."""
CHIP, NETWORK = "reference_250w", "alexnet"
"""The chip that is drawn large, and the network whose layers are named."""
SHAPES = {"conv": "o", "fc": "s", "matmul": "^"}
KINDS = {"conv": "convolution", "fc": "fully-connected", "matmul": "attention"}


def panels(roofs: pd.DataFrame, layers: pd.DataFrame) -> Figure:
    """Draw the layers of one network under the roofs of one chip, a panel per batch.

    Parameters
    ----------
    roofs : DataFrame
        Fields of `Roofline` by `chip`, with `active_at_ridge`.
    layers : DataFrame
        `chip`, `network`, `batch`, `layer`, `kind`, `intensity_MAC_per_B`, `MAC_per_s`, `limiter`.
    """
    shown = layers[(layers["chip"] == CHIP) & (layers["network"] == NETWORK)]
    batches = sorted(shown["batch"].unique().tolist())
    bound = shown["limiter"].eq("bandwidth").groupby(shown["batch"]).sum()
    limited = shown["limiter"].eq("power").groupby(shown["batch"]).sum()
    first, last = batches[0], batches[-1]
    title = (
        f"AlexNet, {labels.chip(CHIP)}: {bound[first]} of {len(shown) // len(batches)} layers are "
        f"memory-bound at batch {first}, {limited[last]} power-limited at batch {last}"
    )
    finite = shown["intensity_MAC_per_B"].replace(np.inf, np.nan)
    low, high = float(finite.min()) / 2, float(finite.max()) * 2
    with style.applied():
        figure, pair = canvas(title, 3.4, ncols=len(batches), sharey=True)
        for axes, batch in zip(pair, batches, strict=True):
            _roofs(axes, _roofline(roofs, CHIP), low, high, float(shown["MAC_per_s"].min()))
            _scatter(axes, shown[shown["batch"] == batch], high, BLUE)
            axes.xaxis.set_major_formatter(FuncFormatter(_short))
            axes.set(title=f"batch {batch}", xlabel="MACs per DRAM byte")
        pair[0].set_ylabel("MACs per second")
        kinds = [kind for kind in SHAPES if kind in set(shown["kind"])]
        legend(figure, _legend(kinds), columns=3)
        for axes, batch in zip(pair, batches, strict=True):
            _name(axes, shown[shown["batch"] == batch], high)
    return figure


def _name(axes: Axes, points: pd.DataFrame, high: float) -> None:
    """Write the names of layers beside them, off the roofs."""
    names = [
        (_series(found["layer"].tolist()), BLUE, min(float(found["intensity_MAC_per_B"].mean()), high), rate)
        for found, rate in _together(points, high)
    ]
    name_points(axes, [*names, *_dots(points, high), *_along(axes)])


def _series(names: list[str]) -> str:
    """Say names that end in successive numbers by the first and the last: conv3 to 5."""
    told: list[tuple[str, list[int]]] = []
    for name in names:
        word = name.rstrip("0123456789")
        number = int(name[len(word) :] or 0)
        if told and told[-1][0] == word and told[-1][1][-1] + 1 == number:
            told[-1][1].append(number)
        else:
            told.append((word, [number]))
    return ", ".join(
        f"{word}{found[0]}\u2013{found[-1]}" if len(found) > 1 else f"{word}{found[0] or ''}"
        for word, found in told
    )


def _together(points: pd.DataFrame, high: float) -> Iterator[tuple[pd.DataFrame, float]]:
    """Layers of one batch that lie on one another, and their mean rate: they share a label."""
    near = (2 * np.log10(points["intensity_MAC_per_B"].clip(upper=high))).round().astype(str)
    rate = (2 * np.log10(points["MAC_per_s"])).round().astype(str)
    for _, found in points.groupby([points["batch"], near, rate], sort=False):
        yield found, float(found["MAC_per_s"].mean())


def _dots(points: pd.DataFrame, high: float) -> list[tuple[str, str, float, float]]:
    """Places that labels leave free."""
    places = zip(points["intensity_MAC_per_B"].clip(upper=high), points["MAC_per_s"], strict=True)
    return [("", style.INK, float(x), float(y)) for x, y in places]


def _along(axes: Axes) -> list[tuple[str, str, float, float]]:
    """Places along the lines of axes that labels leave free."""
    left, right = np.log10(axes.get_xlim())
    grid = np.logspace(left, right, 60)
    return [
        ("", style.INK, float(x), float(y))
        for line in axes.lines
        if len(line.get_xdata()) > 1 and line.get_linestyle() != "None"  # type: ignore[arg-type]
        for x, y in zip(grid, _at(line, grid), strict=True)
        if np.isfinite(y)
    ]


def _at(line: Line2D, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights of a line that goes from left to right; not a number beside it."""
    x, y = np.log10(np.asarray(line.get_xydata(), float)).T
    return 10 ** np.interp(np.log10(grid), x, y, left=np.nan, right=np.nan)


def powered(roofs: pd.DataFrame) -> Figure:
    """Draw which share of its MACs each chip can power where arrays and DRAM are both busy.

    Parameters
    ----------
    roofs : DataFrame
        As for `panels`.
    """
    rows = roofs.sort_values("active_at_ridge", ascending=False)
    limited = rows[rows["active_at_ridge"] < 1]
    least = rows.iloc[-1]
    title = (
        f"{len(limited)} of {len(rows)} chips cannot power all MACs while DRAM is busy: the "
        f"{labels.chip(str(least['chip']))} powers {least['active_at_ridge']:.0%}"
    )
    with style.applied():
        figure, axes = canvas(title, 0.32 * len(rows) + 1.1)
        active = rows["active_at_ridge"].to_numpy()
        stack(axes, [(active, LIT), (1 - active, OFF)])
        texts = [
            f"{share:.0%}{LOW if low else ''}"
            for share, low in zip(active, rows["low_confidence"], strict=True)
        ]
        beside(axes, [1.0] * len(rows), texts)
        name_rows(axes, [labels.chip(str(chip)) for chip in rows["chip"]])
        axes.set_xlim(0, 1.12)
        axes.set_xticks([0, 0.5, 1])
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(f"MACs that the cap can power at the ridge ({LOW} estimate)")
        legend(figure, patches([("active", LIT), ("dark by the cap", OFF)]), columns=2)
    return figure


def _roofline(roofs: pd.DataFrame, chip: str) -> Roofline:
    row: Any = roofs.set_index("chip").loc[chip]
    return Roofline(**{field.name: row[field.name] for field in fields(Roofline)})


def journey(roofs: pd.DataFrame, points: pd.DataFrame) -> Figure:
    """Draw one chip and where each stage of a network lies, a line through its batch sizes.

    Parameters
    ----------
    roofs : DataFrame
        As for `panels`.
    points : DataFrame
        `stage`, `batch`, `intensity_MAC_per_B`, `MAC_per_s`: one row per stage and batch.
    """
    roof = _roofline(roofs, CHIP)
    low = float(points["intensity_MAC_per_B"].min()) / 2
    high = float(points["intensity_MAC_per_B"].max()) * 3
    stages = style.in_order(set(points["stage"]), style.STAGES, "stage")
    table = points.set_index(["stage", "batch"])["intensity_MAC_per_B"]
    one, many = points["batch"].min(), points["batch"].max()
    gain = table["shared", one] / table["dense", one]
    title = (
        f"Sharing lets the fully-connected layers of AlexNet do {times(gain)} as many MACs per DRAM byte at "
        f"batch {one}, {times(table['shared', many] / table['dense', many])} at batch {many:,}"
    )
    with style.applied():
        figure, axes = canvas(title, 3.6)
        _roofs(axes, roof, low, high, float(points["MAC_per_s"].min()))
        named = []
        for stage in stages:
            label, ink = style.STAGES[stage]
            chosen = points[points["stage"] == stage].sort_values("batch")
            axes.plot(chosen["intensity_MAC_per_B"], chosen["MAC_per_s"], "-o", color=ink, markersize=4)
            ends = chosen.iloc[[0, -1]].to_dict("records")
            texts = (f"{label}, batch {ends[0]['batch']:,}", f"{ends[1]['batch']:,}")
            named += [
                (text, ink, end["intensity_MAC_per_B"], end["MAC_per_s"])
                for text, end in zip(texts, ends, strict=True)
            ]
        axes.xaxis.set_major_formatter(FuncFormatter(_short))
        axes.set(xlabel="MACs per DRAM byte", ylabel="MACs per second")
        legend(figure, _legend([]), columns=3)
        name_points(axes, [*named, *_dots(points, high), *_along(axes)])
    return figure


def one_chip(roof: Roofline, points: pd.DataFrame, title: str) -> Figure:
    """Draw one chip and the layers of one run, each by its name.

    Parameters
    ----------
    points : DataFrame
        `layer`, `kind`, `intensity_MAC_per_B`, `MAC_per_s`.
    """
    points = points.sort_values("MAC_per_s", ignore_index=True)
    finite = [value for value in points["intensity_MAC_per_B"] if value < np.inf]
    low, high = min([*finite, roof.ridge / 10]) / 2, max([*finite, roof.ridge]) * 6
    with style.applied():
        figure, axes = canvas(title, 3.6)
        _roofs(axes, roof, low, high, float(points["MAC_per_s"].min()))
        _scatter(axes, points, high, BLUE)
        bottom, top = np.log10(axes.get_ylim())
        heights = np.log10(points["MAC_per_s"])
        beside = spread(heights.tolist(), (top - bottom) / 22, bottom, top)
        for row, y in zip(points.to_dict("records"), beside, strict=True):
            place = (min(row["intensity_MAC_per_B"], high), row["MAC_per_s"])
            axes.annotate(
                row["layer"],
                place,
                (1.03, (y - bottom) / (top - bottom)),
                textcoords="axes fraction",
                va="center",
                size="small",
                annotation_clip=False,
                arrowprops=leader(style.PALE),
            )
        axes.xaxis.set_major_formatter(FuncFormatter(_short))
        axes.set_xlabel("MACs per DRAM byte; no DRAM at all at the right edge")
        axes.set_ylabel("MACs per second")
        kinds = [kind for kind in SHAPES if kind in set(points["kind"])]
        legend(figure, _legend(kinds), columns=3)
    return figure


def _roofs(axes: Axes, roof: Roofline, low: float, high: float, least: float) -> None:
    """Draw the roofs, and shade what the cap takes away."""
    grid = np.geomspace(low, high, 200)
    bandwidth_or_peak = np.minimum(roof.peak_MAC_per_s, roof.bandwidth_B_per_s * grid)
    power = np.array([roof.power_roof(value) for value in grid])
    axes.fill_between(grid, np.minimum(power, bandwidth_or_peak), bandwidth_or_peak, color=DARK, linewidth=0)
    axes.plot(grid, power, color=style.INK, linewidth=1.6, linestyle=CAP)
    axes.plot(grid, bandwidth_or_peak, color=style.INK, linewidth=1.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(least / 3, 3.5 * roof.peak_MAC_per_s)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,), numticks=5))
    axes.yaxis.set_major_formatter(FuncFormatter(_short))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def _short(value: float, _position: object = None) -> str:
    return engineering(value, "").replace(" ", "")


def _scatter(axes: Axes, points: pd.DataFrame, high: float, face: str) -> None:
    """Draw layers; those that need no DRAM stand at the right edge."""
    for kind, marker in SHAPES.items():
        chosen = points[points["kind"] == kind]
        if chosen.empty:  # an empty line that is not clipped would claim room at the corner
            continue
        axes.plot(
            chosen["intensity_MAC_per_B"].clip(upper=high),
            chosen["MAC_per_s"],
            marker,
            markersize=4.5,
            color=face,
            markeredgecolor=BLUE,
            markeredgewidth=0.8,
            clip_on=False,
        )


def _legend(kinds: Sequence[str]) -> list[Line2D | Patch]:
    shape: dict[str, Any] = {"linestyle": "", "color": style.PALE, "markeredgecolor": style.INK}
    return [
        Line2D([], [], color=style.INK, linewidth=1.6, label="bandwidth and peak"),
        Line2D([], [], color=style.INK, linewidth=1.6, linestyle=CAP, label="power cap"),
        Patch(color=DARK, label="dark by the cap"),
        *(Line2D([], [], marker=SHAPES[kind], label=KINDS[kind], **shape) for kind in kinds),
    ]
