"""`hwsim dark`: how much of a die a cap can power, by node, beside what is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson, Show, Wide
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

NODES = [
    "node", "energies", "stage", "tiles", "clock", "per MAC", "DRAM share", "active", "dark", "MAC/s",
    f"or all throttled at {LOW}", f"MAC/s, throttled {LOW}", "fed by DRAM",
]  # fmt: skip
NODE_OPTIONAL = (
    "fed by DRAM", "DRAM share", "energies", "MAC/s", "per MAC", f"MAC/s, throttled {LOW}",
    f"or all throttled at {LOW}",
)  # fmt: skip
PUBLISHED = [
    "published by",
    "figure",
    "node",
    "published",
    "ours",
    "ours/published",
    "how",
    "why they differ",
]
SIGNS = {"below": "<", "equal": "", "above": ">"}


def dark(
    die_mm2: Annotated[float | None, typer.Option(help="Area of the die.", show_default="750")] = None,
    cap: Annotated[float | None, typer.Option(help="Power cap in watts.", show_default="250")] = None,
    batch: Annotated[int, typer.Option(help="Items per batch; it sets the DRAM traffic.")] = 64,
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Scale the 250 W reference chip from 45 to 7 nm: active, throttled and power-gated tiles."""
    from experiments.cli.show import show_figures
    from experiments.console import print_ending, print_json, print_line, print_table
    from experiments.studies.dark_silicon import BATCH, CHIP, NETWORK, by_node
    from hwsim.analysis.dark_published import compare
    from hwsim.machine.chip import load_chip

    chip = load_chip(CHIP)
    table, others = by_node(chip, die_mm2, cap, batch), compare()
    folder = _written(table, as_it_is=(die_mm2, cap, batch) == (None, None, BATCH))
    if show:
        show_figures(folder)
    if as_json:
        print_json({"by_node": table.to_dict("records"), "published": others.to_dict("records")})
        return
    area = chip.process.die_mm2 if die_mm2 is None else die_mm2
    watts = chip.power.cap_W if cap is None else cap
    title = f"{NETWORK}, batch {batch}, on {area:g} mm2 of {CHIP} under {watts:g} W"
    rows = table.to_dict("records")
    print_table(title, NODES, [_node(row) for row in rows], optional=NODE_OPTIONAL, wide=wide)
    print_table(
        "Published figures beside ours",
        PUBLISHED,
        _compared(others),
        optional=("how",),
        sources=("why they differ", "how"),
        wide=wide,
    )
    print_line(f"{LOW} rests on a figure of low confidence; so do all voltages (alpha-power law)")
    print_line(f"Written to {folder}")
    last = rows[-1]
    print_ending(
        f"At {last['node_nm']:g} nm, {last['stage']}, {last['dark']:.0%} of the tiles are dark under "
        f"{watts:g} W.",
        "hwsim relight",
    )


def _written(table: pd.DataFrame, as_it_is: bool) -> Path:
    """Write the study, or the part of it that a changed die is about; return the folder."""
    from experiments.figures.dark_silicon import strategies
    from experiments.figures.style import save
    from experiments.runs.record import recording
    from experiments.studies.registry import run_study

    if as_it_is:
        return run_study("dark_silicon")
    with recording("dark") as run:
        run.write_csv("by_node.csv", table)
        save(strategies(table), run.folder / "gated_throttled_specialised")
    return run.target


def _node(row: dict[Any, Any]) -> list[str]:
    return [
        f"{row['node_nm']:g} nm",
        row["energies"],
        row["stage"],
        f"{row['tiles']:,}",
        engineering(1e9 * row["clock_GHz"], "Hz"),
        engineering(1e-12 * (row["core_pJ"] + row["dram_pJ"]), "J") + _mark(row["low_confidence"]),
        f"{row['dram_pJ'] / (row['core_pJ'] + row['dram_pJ']):.0%}",
        f"{row['active']:.1%}",
        f"{row['dark']:.1%}",
        engineering(row["active_MAC_per_s"], ""),
        f"{row['throttled_speed']:.0%} clock, {row['throttled_voltage_V']:.2f} V",
        engineering(row["throttled_MAC_per_s"], ""),
        f"{row['fed']:.0%}",
    ]


def _mark(low_confidence: bool) -> str:
    return f" {LOW}" if low_confidence else ""


def _compared(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            row["source"].partition(",")[0],
            f"{row['quantity'].partition('_')[2]} ({row['unit']})",
            f"{row['node_nm']:g} nm",
            f"{SIGNS[row['relation']]} {row['published']:g}".strip() + _mark(row["low_confidence"]),
            f"{row['ours']:.3g}" + _mark(row["ours_low_confidence"]),
            f"{row['ratio']:.2f}{', holds' if row['holds'] and row['relation'] != 'equal' else ''}",
            row["how"],
            row["why"],
        ]
        for row in table.to_dict("records")
    ]
