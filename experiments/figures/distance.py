"""What an inference costs by where its weights lie, and on the phone or away from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SHOWN = ("dense", "int8", "huffman")
RADIOS = {"Wi-Fi": style.SERIES[5], "LTE": style.SERIES[4]}


def places(table: pd.DataFrame) -> Figure:
    """Draw one row a place: joules of the whole inference at three stages, beside computing alone."""
    names = list(dict.fromkeys(table["place"]))
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.6))
        axes = figure.add_axes((0.215, 0.13, 0.66, 0.74))
        for stage in SHOWN:
            rows = table[table["stage"] == stage]
            label, colour = style.STAGES[stage]
            total = rows["weights_J"] + rows["rest_J"]
            axes.plot(total, range(len(rows)), color=colour, linewidth=1.2)
            for place, (joules, low) in enumerate(zip(total, rows["low_confidence"], strict=True)):
                face = "white" if low else colour
                axes.plot([joules], [place], "o", color=colour, markerfacecolor=face, markersize=5.5)
            rest = float(rows["rest_J"].iloc[0])
            axes.axvline(rest, color=colour, linestyle=":", linewidth=1)
            axes.annotate(
                label.removeprefix("+ ") if stage != "huffman" else "compressed",
                (float(total.iloc[-1]), len(names) - 1),
                (0, -7),
                textcoords="offset points",
                color=colour,
                ha={"huffman": "right", "int8": "center"}.get(stage, "left"),
                va="top",
                annotation_clip=False,
            )
        axes.set_ylim(-0.5, len(names) - 0.1)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        _joules(axes)
        axes.grid(axis="x")
        axes.set_title("AlexNet, batch 1: energy of an inference by where its weights lie", pad=6, x=-0.3)
        axes.set_xlabel("energy per inference (dotted: without moving weights)", labelpad=2)
        figure.legend(handles=_key(), loc="lower right", fontsize=7.5, borderaxespad=0.2)
    return figure


def _key() -> list[Line2D]:
    open_one = Line2D(
        [], [], color=style.INK, marker="o", markerfacecolor="white", linestyle="", markersize=5
    )
    open_one.set_label("low confidence")
    return [open_one]


def _joules(axes: Axes, every: int = 1) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10.0**every, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))


def offload(table: pd.DataFrame, updates: pd.DataFrame) -> Figure:
    """Draw battery joules of computing and of sending, and an update of a fleet."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.3))
        _sides(figure.add_axes((0.205, 0.145, 0.36, 0.62)), table)
        _updates(figure.add_axes((0.735, 0.145, 0.17, 0.62)), updates)
    return figure


def _sides(axes: Axes, table: pd.DataFrame) -> None:
    labels = list(dict.fromkeys(table["label"]))
    for place, label in enumerate(labels):
        rows = table[table["label"] == label]
        device = rows["device_J"].iloc[0]
        axes.plot([device], [place], "o", color=style.SERIES[0], markersize=5.5, markerfacecolor="white")
        for radio, colour in RADIOS.items():
            joules = rows[rows["radio"] == radio]["battery_J"].iloc[0]
            axes.plot([joules], [place], "D", color=colour, markersize=5, markerfacecolor="white")
        cloud = rows["cloud_J"].iloc[0]
        axes.plot([cloud], [place], "|", color=style.INK, markersize=8)
        axes.text(-0.03, place, label, transform=axes.get_yaxis_transform(), ha="right", va="bottom", size=8)
        axes.text(
            -0.03,
            place + 0.04,
            f"sends {rows['what'].iloc[0]}",
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="top",
            size=6.5,
            color="#666666",
        )
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.margins(y=0.09)
    _joules(axes, 2)
    axes.grid(axis="x")
    axes.set_xlabel("energy per inference (open: low confidence)", labelpad=2)
    marks = [
        ("o", style.SERIES[0], "on the phone, int8"),
        ("D", RADIOS["Wi-Fi"], "phone's radio, Wi-Fi"),
        ("D", RADIOS["LTE"], "phone's radio, LTE"),
        ("|", style.INK, "data centre, int8"),
    ]
    handles = [
        Line2D(
            [], [], color=colour, marker=mark, markerfacecolor="white", linestyle="", markersize=5, label=name
        )
        for mark, colour, name in marks
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.59, 1.0),
        ncols=2,
        fontsize=7.5,
        handletextpad=0.2,
    )
    axes.set_title("One inference, here or away", pad=42, x=-0.54)


def _updates(axes: Axes, updates: pd.DataFrame) -> None:
    rows = updates[updates["network"] == "alexnet"].to_dict("records")
    for place, row in enumerate(rows):
        label, colour = style.STAGES[row["stage"]]
        total_kWh = row["wifi_kWh"] + row["internet_kWh"]
        axes.barh(place, total_kWh, color=colour, height=0.7)
        axes.annotate(
            f"{engineering(1e3 * total_kWh, 'Wh')}{LOW}",
            (total_kWh, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            size=7.5,
        )
        text = f"{label}\n{row['model_B'] / 1e6:.3g} MB"
        axes.text(-0.05, place, text, transform=axes.get_yaxis_transform(), ha="right", va="center", size=7.5)
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1 * max(row["wifi_kWh"] + row["internet_kWh"] for row in rows))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_title("AlexNet for a million phones,\nover the internet and Wi-Fi", pad=10, x=-0.5)
    axes.set_xlabel(f"{LOW} low confidence", labelpad=2)
