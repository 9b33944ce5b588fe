"""`hwsim energy`: what one action costs, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson, Wide
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    from hwsim.energy.table import EnergyConstant, EnergyTable

HEADER = ["action", "energy", "per bit", "kind", "bits", "node", "voltage", "confidence", "source", "note"]
OPTIONAL = ("node", "bits", "per bit", "voltage", "kind", "note")
RULE = ["action", "45 nm", "by the rule", "measured", "gain by the rule", "measured gain", "rule/measured"]
CLAIMS = ["from", "to", "said by", "energy claimed", "by the trend", "confidence", "source"]
DRAM = [
    "type", "model", "per bit", "bandwidth", "burst", "row", "banks", "latency", "row cycle", "standby",
    "source", "timing source",
]  # fmt: skip
RULED_BASE, MEASURED = "45nm_horowitz", "7nm"
"""Tables of the same constants at two nodes: what a scaling rule is held against."""

TABLE_HELP = "A shipped table, a .csv file, or either carried over: '7nm to 5nm by published-trend'."


def energy(
    table: Annotated[str, typer.Option(help=TABLE_HELP)] = "45nm",
    op: Annotated[str, typer.Option(help="Explain one action, for example dram_read_32b.")] = "",
    dram: Annotated[bool, typer.Option("--dram", help="Print the types of DRAM instead.")] = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Print an energy table with its sources, or explain one action of it."""
    from experiments.console import print_ending, print_json, print_line, print_table
    from hwsim.energy.table import LOW_CONFIDENCE, EnergyTable
    from hwsim.energy.trend import RULE as TREND

    if dram:
        _print_dram(as_json, wide)
        return
    prices = EnergyTable.load(table)
    if op:
        _explain(prices, op, as_json, wide)
        return
    if as_json:
        print_json([_plain(constant) for constant in prices])
        return
    rows = [_cells(constant) for constant in prices]
    print_table(
        f"Energy table {prices.name}", HEADER, rows, optional=OPTIONAL, sources=("source",), wide=wide
    )
    if prices.rule == TREND:
        print_table(
            "The trend against claims for whole processes", CLAIMS, _claims(), sources=("source",), wide=wide
        )
    elif prices.rule or prices.base == MEASURED:
        print_table("A scaling rule is no measurement (stillmaker-baas to 7 nm)", RULE, _rule())
    print_line(f"{LOW} low confidence ({' or '.join(LOW_CONFIDENCE)})")
    print_ending(_summary(prices), "hwsim energy --op dram_read_32b, or hwsim energy --dram")


def _summary(prices: EnergyTable) -> str:
    """Say what the dearest action of a table costs, in multiplications of 32 bits where it has them."""
    dearest = max(prices, key=lambda constant: constant.pJ_per_bit)
    said = f"{dearest.action} is the dearest per bit: {_joules(dearest)}"
    multiply = next((one for one in prices if one.action == "multiply_fp32"), None)
    return f"{said}, as much as {dearest.pJ / multiply.pJ:.3g} multiplications." if multiply else f"{said}."


def _print_dram(as_json: bool, wide: bool) -> None:
    from experiments.console import print_ending, print_json, print_table
    from hwsim.energy.dram import dram_frame

    rows = dram_frame().to_dict("records")
    if as_json:
        print_json(rows)
        return
    cells = [
        [
            row["type"], row["model"],
            engineering(1e-12 * row["pJ_per_bit"], "J") + (f" {LOW}" if row["low_confidence"] else ""),
            f"{row['bandwidth_GB_per_s']:g} GB/s", f"{row['burst_B']} B", f"{row['row_B']} B",
            f"{row['banks']}", f"{row['latency_ns']:g} ns", f"{row['row_cycle_ns']:g} ns",
            engineering(row["standby_W"], "W"), row["source"], row["timing_source"],
        ]
        for row in rows
    ]  # fmt: skip
    print_table(
        "Types of DRAM (dram.type of a chip), one channel",
        DRAM,
        cells,
        optional=("latency", "banks", "row", "row cycle", "burst"),
        sources=("source", "timing source"),
        wide=wide,
    )
    least, most = (pick(rows, key=lambda row: row["pJ_per_bit"]) for pick in (min, max))
    print_ending(
        f"A bit takes from {least['pJ_per_bit']:g} pJ ({least['type']}) to {most['pJ_per_bit']:g} pJ "
        f"({most['type']}).",
        "hwsim run edge lenet5 --set dram.type=LPDDR4-3200",
    )


def _cells(constant: EnergyConstant) -> list[str]:
    return [
        constant.action,
        _joules(constant),
        engineering(1e-12 * constant.pJ_per_bit, "J"),
        constant.kind,
        f"{constant.bits}",
        f"{constant.node_nm:g} nm" if constant.node_nm else "",
        f"{constant.voltage_V:g} V" if constant.voltage_V else "",
        constant.confidence,
        constant.source,
        constant.note,
    ]


def _joules(constant: EnergyConstant) -> str:
    return engineering(1e-12 * constant.pJ, "J") + (f" {LOW}" if constant.low_confidence else "")


def _rule() -> list[list[str]]:
    from hwsim.energy.compare import rule_vs_measured
    from hwsim.energy.table import EnergyTable

    compared = rule_vs_measured(EnergyTable.load(RULED_BASE), EnergyTable.load(MEASURED))
    return [
        [
            row["action"],
            *(engineering(1e-12 * row[name], "J") for name in ("base_pJ", "rule_pJ")),
            engineering(1e-12 * row["measured_pJ"], "J") + (f" {LOW}" if row["low_confidence"] else ""),
            *(f"{row[name]:.2g}x" for name in ("rule_gain", "measured_gain", "rule_error")),
        ]
        for row in compared.to_dict("records")
    ]


def _claims() -> list[list[str]]:
    from hwsim.energy.compare import trend_vs_claims

    return [
        [
            row["older"], row["newer"], row["kind"], f"{row['claimed']:.2g}x", f"{row['trend']:.2g}x",
            row["confidence"], row["source"],
        ]
        for row in trend_vs_claims().to_dict("records")
    ]  # fmt: skip


def _explain(prices: EnergyTable, op: str, as_json: bool, wide: bool) -> None:
    """Say what one action costs, what that compares with, and what other tables say."""
    from experiments.console import print_ending, print_json, print_table
    from hwsim.energy.table import CONFIDENCE, EnergyTable

    constant = prices[op]
    tables = [prices, *(EnergyTable.load(name) for name in EnergyTable.names() if name != prices.name)]
    related = [(table.name, other) for table in tables for other in table if _related(other, constant)]
    against = {other.action: constant.pJ / other.pJ for other in prices if other.pJ and other is not constant}
    if as_json:
        others = [{"table": name} | _plain(other) for name, other in related]
        print_json(_plain(constant) | {"times": against, "related": others})
        return
    facts = [
        ["energy", f"{constant.pJ:g} pJ = {constant.bits} bits x {constant.pJ_per_bit:.4g} pJ/bit"],
        ["node", f"{constant.node_nm:g} nm" if constant.node_nm else "not said"],
        ["voltage", f"{constant.voltage_V:g} V" if constant.voltage_V else "not said"],
        ["source", constant.source],
        ["confidence", f"{constant.confidence}: {CONFIDENCE[constant.confidence]}"],
        *([["note", constant.note]] if constant.note else []),
        *([f"times {other}", f"{times:,.4g}"] for other, times in _telling(against)),
    ]
    print_table(f"{op} in table {prices.name}", ["", ""], facts)
    rows = [[name, *_cells(other)] for name, other in related]
    print_table(
        "What the tables say", ["table", *HEADER], rows, optional=OPTIONAL, sources=("source",), wide=wide
    )
    print_ending(
        f"{op} takes {_joules(constant)} in table {prices.name}.", f"hwsim energy --table {prices.name}"
    )


def _related(other: EnergyConstant, constant: EnergyConstant) -> bool:
    """Whether to compare two rows: the same action, or memories or links with names of their own."""
    return other.action == constant.action or (other.kind == constant.kind != "arithmetic")


def _telling(against: dict[str, float]) -> list[tuple[str, float]]:
    """Ratios worth knowing by heart: to arithmetic, a register, memories."""
    prefixes = ("multiply_fp32", "add_fp32", "add_int32", "register", "sram", "dram")
    return [(name, times) for name, times in against.items() if name.startswith(prefixes)]


def _plain(constant: EnergyConstant) -> dict[str, Any]:
    return vars(constant) | {"low_confidence": constant.low_confidence}
