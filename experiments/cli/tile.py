"""`hwsim tile`: blocks and loop orders, layer by layer, and how far from the least traffic they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson, Wide, quoted
from hwsim.units import engineering

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

LEVELS = ["layer", "loops", "block (m, n, k)", "DRAM", "SRAM", "scratchpads", "registers", "energy", "cycles"]
TENSORS = [
    "layer", "weights", "inputs", "outputs", "partial sums", "MACs per weight", "per input", "per output",
    "traffic/bound", "goal/bound",
]  # fmt: skip
PLANS = [
    "layer", "block (items, rows, columns)", "weights in", "inputs in", "outputs out", "memory",
    "next best loops", "its DRAM", "its goal/best",
]  # fmt: skip
ORDERS = [
    "layer", "loops", "block (m, n, k)", "weights in", "inputs in", "outputs out", "memory", "DRAM",
    "traffic/bound", "energy", "cycles",
]  # fmt: skip


def tile(
    chip: Annotated[str, typer.Argument(help="A shipped chip (see `hwsim chips`) or a chip file.")],
    network: Annotated[
        str, typer.Argument(help="A built-in network, a .dcz file, or a .csv table of layers.")
    ],
    goal: Annotated[str, typer.Option(help="What to minimise: energy, cycles, edp or traffic.")] = "energy",
    stage: Annotated[str, typer.Option(help="Stage of a built-in network.", show_default="dense")] = "",
    batch: Annotated[int, typer.Option(help="Items per batch.")] = 1,
    orders: Annotated[
        bool, typer.Option("--orders", help="Also show the best blocks of every loop order.")
    ] = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Find the best tiling and loop order of each layer, alone on the chip: traffic, reuse, lower bound."""
    from experiments.cli.mapping_tables import print_mappings
    from experiments.console import print_ending, print_json, print_table, require_choice
    from experiments.runs.workloads import open_workloads
    from hwsim.analysis.layer_tilings import GOALS, best_tilings, orders_table, tiling_table
    from hwsim.analysis.own_mappings import own_mappings
    from hwsim.machine.chip import load_chip

    require_choice("--goal", goal, GOALS)
    machine, workload = load_chip(chip), open_workloads(network, stage)[0]
    tilings = best_tilings(machine, workload, batch)
    table = tiling_table(tilings, goal)  # type: ignore[arg-type]
    every = orders_table(tilings)
    own = own_mappings(machine.array, workload.layers, batch)
    if as_json:
        shown = every if orders else table if own.empty else table.merge(own, how="left", on="layer")
        print_json(shown.astype(object).where(shown.notna(), None).to_dict("records"))
        return
    what = f"{workload.name}, {workload.stage}, on {machine.name}, batch {batch}, least {goal}"
    print_table(
        f"{what}: loops outermost first, bytes moved at each level",
        LEVELS,
        _levels(table),
        optional=("registers", "scratchpads", "SRAM"),
        wide=wide,
    )
    print_table(
        "DRAM bytes by tensor, reuse, and distance from the lower bound",
        TENSORS,
        _tensors(table),
        optional=("goal/bound", "per output", "per input", "MACs per weight"),
        wide=wide,
    )
    print_table(
        "Blocks, how often each tensor moves, memory, and the next best loop order",
        PLANS,
        _plans(table),
        optional=("its goal/best", "its DRAM", "next best loops"),
        wide=wide,
    )
    if orders:
        print_table(
            "Best blocks of every loop order",
            ORDERS,
            _orders(every),
            optional=("cycles", "memory", "weights in", "inputs in", "outputs out"),
            wide=wide,
        )
    print_mappings(own, "Mappings of the array", wide=wide)
    above = table["dram_bits"].sum() / table["least_dram_bits"].sum()
    print_ending(
        f"Layer by layer, the network moves {engineering(float(table['dram_bits'].sum()) / 8, 'B')} to and "
        f"from DRAM, {above:.3g} times the lower bound.",
        f"hwsim run {quoted(chip)} {quoted(network)} --explain mapping",
    )


def _levels(table: pd.DataFrame) -> list[list[str]]:
    bits = ("dram_bits", "sram_bits", "scratchpad_bits", "register_bits")
    rows = [
        [
            row["layer"],
            " ".join(row["order"]),
            f"{row['block_m']} x {row['block_n']} x {row['block_k']}",
            *(engineering(row[name] / 8, "B") for name in bits),
            engineering(row["energy_J"], "J"),
            f"{row['cycles']:,.0f}",
        ]
        for row in table.to_dict("records")
    ]
    sums = [engineering(float(table[name].sum()) / 8, "B") for name in bits]
    energy = engineering(float(table["energy_J"].sum()), "J")
    return [*rows, ["all", "", "", *sums, energy, f"{table['cycles'].sum():,.0f}"]]


def _tensors(table: pd.DataFrame) -> list[list[str]]:
    bits = ("weight_dram_bits", "input_dram_bits", "output_dram_bits", "psum_dram_bits")
    rows = [
        [
            row["layer"],
            *(engineering(row[name] / 8, "B") for name in bits),
            *(f"{row[name]:,.4g}" for name in ("weight_reuse", "input_reuse", "output_reuse")),
            f"{row['above_bound']:.3f}",
            f"{row['goal_above_bound']:.3f}",
        ]
        for row in table.to_dict("records")
    ]
    sums = [engineering(float(table[name].sum()) / 8, "B") for name in bits]
    ratio = table["dram_bits"].sum() / table["least_dram_bits"].sum()
    return [*rows, ["all", *sums, "", "", "", f"{ratio:.3f}", ""]]


def _plans(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            row["layer"],
            f"{row['block_items']} x {row['block_rows']} x {row['block_columns']}",
            *_times(row),
            *(
                [
                    " ".join(row["next_order"]),
                    engineering(row["next_dram_bits"] / 8, "B"),
                    f"{row['next_above_best']:.3f}",
                ]
                if isinstance(row["next_order"], str)
                else ["", "", ""]
            ),
        ]
        for row in table.to_dict("records")
    ]


def _orders(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            row["layer"],
            " ".join(row["order"]),
            f"{row['block_m']} x {row['block_n']} x {row['block_k']}",
            *_times(row),
            engineering(row["dram_bits"] / 8, "B"),
            f"{row['above_bound']:.3f}",
            engineering(row["energy_J"], "J"),
            f"{row['cycles']:,.0f}",
        ]
        for row in table.to_dict("records")
    ]


def _times(row: dict[Hashable, Any]) -> list[str]:
    """How often weights and inputs come in and outputs leave, and the memory that blocks take."""
    return [
        f"{row['weight_fetches']}x",
        f"{row['input_fetches']:.2f}x",
        f"{row['psum_passes']}x",
        engineering(row["needed_bits"] / 8, "B"),
    ]
