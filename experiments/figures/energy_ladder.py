"""The energy ladder, and the wall between SRAM and DRAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, legend, rows
from experiments.figures.labels import leader, spread
from experiments.runs.phrases import number, span, times
from hwsim.units import engineering, memory_size

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = {
    "arithmetic": style.COMPONENTS["mac"][1],
    "on chip": style.COMPONENTS["sram"][1],
    "DRAM": style.COMPONENTS["dram"][1],
    "links": style.COMPONENTS["decoder"][1],
    "networks": style.COMPONENTS["vector"][1],
}
NODES = {"45 nm": "o", "7 nm": "v", "7 nm by rule": "|"}
ROW_IN = 0.235
UNIT = "multiply, fp32"
"""Rung in whose multiples the others are told."""


def ladder(rungs: pd.DataFrame) -> Figure:
    """Draw one row a rung: energy of a word at 45 nm, at 7 nm, and at 7 nm by a scaling rule."""
    labels = list(dict.fromkeys(rungs["label"]))
    words = rungs[rungs["node"] == "45 nm"].set_index("label")["energy_pJ"]
    dram = words["DRAM"]
    title = (
        f"A 32-bit word from DRAM costs as much as {number(dram / (words[UNIT] + words['add, fp32']))} fp32 "
        f"multiply-adds, and {number(dram / words['SRAM, 32 KiB'])} words from a 32 KiB SRAM"
    )
    with style.applied():
        figure, axes = canvas(title, ROW_IN * len(labels) + 0.9)
        multiply = float(words[UNIT])
        for row, label in enumerate(labels):
            points = rungs[rungs["label"] == label]
            _rung(axes, row, points)
            axes.annotate(
                _times(float(points["energy_pJ"].iloc[0]) / multiply),
                (1.0, row),
                (4, 0),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                va="center",
                annotation_clip=False,
            )
        axes.set_title(f"beside: in {UNIT}", x=1.0, ha="right", weight="normal")
        axes.set_xscale("log")
        axes.set_xlim(float(rungs["energy_pJ"].min()) / 2, float(rungs["energy_pJ"].max()) * 60)
        rows(axes, labels)
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0,), numticks=20))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _sparse(value)))
        axes.grid(axis="x")
        axes.set_xlabel("energy of an operation, or of moving a 32-bit word")
        legend(figure, _key(), columns=2)
    return figure


def _rung(axes: Axes, row: int, points: pd.DataFrame) -> None:
    for point in points.to_dict("records"):
        colour = GROUPS[str(point["group"])]
        axes.plot(
            [point["energy_pJ"]],
            [row],
            marker=NODES[str(point["node"])],
            markersize=6 if point["node"] == "45 nm" else 5,
            color=colour,
            markerfacecolor="white" if point["low_confidence"] else colour,
            markeredgewidth=1.2,
            linestyle="",
            zorder=3,
        )
    rightmost = points.iloc[points["energy_pJ"].argmax()]
    axes.annotate(
        engineering(1e-12 * float(rightmost["energy_pJ"]), "J"),
        (float(rightmost["energy_pJ"]), row),
        (7, 0),
        textcoords="offset points",
        va="center",
        size="small",
    )
    axes.plot([points["energy_pJ"].min(), points["energy_pJ"].max()], [row, row], color=style.PALE, zorder=1)


def _times(ratio: float) -> str:
    return f"{ratio:.2g}×" if ratio < 9.95 else engineering(float(f"{ratio:.3g}"), "") + "×"


def _key() -> list[Line2D]:
    names = {
        "45 nm": "45 nm (links as built)",
        "7 nm": "7 nm, measured",
        "7 nm by rule": "7 nm by a scaling rule",
    }
    handles = [
        Line2D([], [], color=style.INK, marker=NODES[node], linestyle="", markersize=5.5, label=label)
        for node, label in names.items()
    ]
    low = Line2D([], [], color=style.INK, marker="o", markerfacecolor="white", linestyle="", markersize=5.5)
    low.set_label("open: estimate")
    return [*handles, low]


def _sparse(pJ: float) -> str:
    """Every third power of ten has a name."""
    return engineering(1e-12 * pJ, "J") if round(np.log10(pJ)) % 3 == 0 else ""


def wall(ratios: pd.DataFrame, rule: pd.DataFrame) -> Figure:
    """Draw how many SRAM words one DRAM word costs, and gains from 45 to 7 nm, promised and measured."""
    line = ratios[ratios["model"] == "45nm table"].sort_values("capacity_B")
    title = (
        f"A DRAM word costs {number(line['ratio'].iloc[0])} words of a small SRAM and "
        f"{number(line['ratio'].iloc[-1])} of a large one; 7 nm gained "
        f"{span(rule['measured_gain'], times)}, not {number(rule['rule_gain'].iloc[0])}"
    )
    with style.applied():
        figure, (left, right) = canvas(title, 3.5, ncols=2, width_ratios=(1.25, 1))
        _ratios(left, ratios)
        _gains(right, rule)
    return figure


def _ratios(axes: Axes, ratios: pd.DataFrame) -> None:
    names = {
        "45nm table": "EIE, root law",
        "45nm_horowitz table": "Horowitz",
        "CACTI, 45 nm": "CACTI, 45 nm",
        "7nm table": "7 nm, HBM2*",
    }
    ends = {}
    for (model, label), colour in zip(names.items(), style.SERIES, strict=False):
        line = ratios[ratios["model"] == model].sort_values("capacity_B")
        axes.plot(line["capacity_B"], line["ratio"], color=colour)
        ends[label] = (float(line["capacity_B"].iloc[-1]), float(line["ratio"].iloc[-1]), colour)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([1 << shift for shift in (13, 18, 23)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: memory_size(value)))
    axes.tick_params(axis="x", labelsize="small")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(1, 500)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.set_xlabel("capacity read through one port")
    axes.set_title("one DRAM word in SRAM words")
    axes.grid(axis="y")
    famous = ratios[(ratios["model"] == "45nm table") & (ratios["capacity_B"] == 32768)]["ratio"].iloc[0]
    axes.plot([32768], [famous], "o", color=style.SERIES[0])
    axes.annotate(f"the famous {famous:.0f}×", (32768, famous), (6, 5), textcoords="offset points")
    heights = spread([np.log10(end) for _, end, _ in ends.values()], 0.24)
    for (label, (x, y, colour)), height in zip(ends.items(), heights, strict=True):
        axes.annotate(
            f"{label}: {y:.1f}×",
            (x, y),
            (x * 1.7, 10**height),
            color=colour,
            va="center",
            size="small",
            annotation_clip=False,
            arrowprops=leader(colour),
        )


def _gains(axes: Axes, rule: pd.DataFrame) -> None:
    names = [_readable(action) for action in rule["action"]]
    axes.barh(range(len(rule)), rule["measured_gain"], color=style.SERIES[2], height=0.7)
    for row, (gain, low) in enumerate(zip(rule["measured_gain"], rule["low_confidence"], strict=True)):
        axes.text(gain + 0.3, row, f"{gain:.1f}×{'*' if low else ''}", va="center", size="small")
    promised = float(rule["rule_gain"].iloc[0])
    axes.axvline(promised, color=style.SERIES[1])
    rows(axes, names)
    axes.set_xlim(0, 1.05 * promised)
    axes.set_title("gain, 45 to 7 nm", x=1.0, ha="right")
    axes.set_xlabel(f"line: the rule, {promised:.0f}× (* estimate)", x=1.0, ha="right")


def _readable(action: str) -> str:
    """Turn ``sram_32KiB_read_64b`` into ``SRAM 32 KiB`` and ``add_fp32`` into ``add fp32``."""
    words = action.removesuffix("_read_64b").split("_")
    return " ".join(words).replace("sram", "SRAM").replace("KiB", " KiB").replace("MiB", " MiB")
