"""What `hwsim run` prints: the stages of a network, tiles, layers, joules, and a sentence at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.cli.mapping_tables import print_mappings
from experiments.console import print_ending, print_line, print_table
from experiments.runs.labels import LIMITS
from hwsim.analysis.mapping import decisions, fusion_sentence, with_less_fusion
from hwsim.analysis.own_mappings import own_mappings
from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
from hwsim.arrays.base import Tiled
from hwsim.energy.components import look_of
from hwsim.units import LOW, engineering, times

if TYPE_CHECKING:
    from hwsim.analysis.tiles import SteadyRun
    from hwsim.report import Report

SUMMARY = [
    "stage", "weights", "on chip", "DRAM", "energy", "latency", "inf/s", "power", "limiter", "clock",
    "cold start", "cycles",
]  # fmt: skip
OPTIONAL = ("power", "clock", "cold start", "cycles")
"""Columns of the summary that a narrow terminal does without."""
TRAINING_NAMES = {"inf/s": "items/s"}
TILES = [
    "policy", "computing", "loading", "stalled", "throttled", "power-gated", "inf/s", "energy", "power",
]  # fmt: skip
TILE_OPTIONAL = ("inf/s", "power", "energy")
LAYERS = ["layer", "kind", "cycles", "utilisation", "weights fetched", "energy", "share", "limiter"]
TENSORS = {"-": "the board", "mac": "MACs", "psums": "partial sums"}
"""What tensors are called in the table of joules."""
LARGEST = 10
"""Layers that are printed where there are more; the others are one row."""
MAPPING = "mapping"
"""What ``--explain`` takes beside the components."""
MAPPED = [
    "segment", "layers", "runs", "passes", "pinned", "output on chip", "weight fetches", "DRAM weights",
    "DRAM activations", "x bound", "next plan",
]  # fmt: skip
COMPONENTS_SAID = 0.5
"""Share of the joules from which the sentence at the end names a component."""


def print_reports(reports: list[Report], *, training: bool, wide: bool) -> None:
    """Print the runs of one command: a table of all, and details where there is but one.

    Parameters
    ----------
    reports : list of Report
        Stages of one network, on one chip.
    training : bool
        Whether they are training steps.
    wide : bool
        Whether to print every column and every layer.
    """
    first = reports[0]
    unit = "item" if training else "inference"
    title = f"{first.workload.name} on {first.chip.name}, batch {first.batch}, per {unit}"
    header = [TRAINING_NAMES.get(name, name) if training else name for name in SUMMARY]
    rows = [_summary_row(report) for report in reports]
    print_table(title, header, rows, optional=OPTIONAL, wide=wide)
    print_line(f"Provenance: {first.workload.provenance}.")
    if training:
        _print_footprint(first)
    print_line(fusion_sentence(first))
    if len(reports) == 1:
        _print_details(first, wide)
    if low := dict.fromkeys(action for report in reports for action in report.low_confidence):
        print_line(f"{LOW} energies of low confidence: {', '.join(low)}")


def _print_details(report: Report, wide: bool) -> None:
    print_line("")
    print_table(
        "Tile activity by power-management policy",
        TILES,
        _tile_rows(report),
        optional=TILE_OPTIONAL,
        wide=wide,
    )
    print_table(*_layers(report, wide), optional=("share", "weights fetched"), wide=wide)
    print_table("Energy by component and tensor", *_energy_by_tensor(report))


def _print_footprint(report: Report) -> None:
    from hwsim.workload.training import footprint

    held = footprint(report.workload)
    print_line(
        f"A training step holds {engineering(held.weights_B, 'B')} of weights, "
        f"{engineering(held.gradients_B, 'B')} of gradients, {engineering(held.state_B, 'B')} of optimizer "
        f"state and {engineering(report.batch * held.activations_B, 'B')} of activations for its "
        f"{report.batch} items."
    )


def _summary_row(report: Report) -> list[str]:
    dram_bits = (report.transferred_weight_bits + report.activation_bits) / report.batch
    return [
        report.workload.stage,
        engineering(report.workload.weight_bits / 8, "B"),
        {"on chip": "all", "DRAM": "none"}.get(report.weights_home, report.weights_home.split()[0]),
        engineering(dram_bits / 8, "B"),
        engineering(report.energy_per_inference_J, "J") + (f" {LOW}" if report.low_confidence else ""),
        engineering(report.latency_s, "s"),
        engineering(report.inferences_per_s, ""),
        engineering(report.power_W, "W"),
        report.limiter,
        f"{report.clock:.0%}",
        engineering(report.cold_start_s, "s"),
        f"{report.latency_ticks:,}",
    ]


def strategies(report: Report) -> list[SteadyRun]:
    """Every way in which the chip of `report` can keep its cap."""
    can_gate = isinstance(report.chip.array, Tiled)
    ways = (dimmed, gated, voltage_scaled) if can_gate else (dimmed, voltage_scaled)
    return [way(report) for way in ways]


def _tile_rows(report: Report) -> list[list[str]]:
    return [
        [
            found.strategy,
            *(f"{share:.0%}" for share in found.states),
            engineering(found.inferences_per_s, ""),
            engineering(found.energy_per_inference_J, "J"),
            engineering(sum(found.watts.values()), "W"),
        ]
        for found in strategies(report)
    ]


def _layers(report: Report, wide: bool) -> tuple[str, list[str], list[list[str]]]:
    """Title, header and rows of the layers, in their order: all, or the largest and the rest in one row."""
    table = report.layers
    joules = table["energy_J"]
    whole = float(joules.sum())
    largest = set(joules.nlargest(len(table) if wide else LARGEST).index)
    rows = [
        [
            row["layer"],
            row["kind"],
            f"{row['array_cycles']:,}",
            f"{row['utilisation']:.1%}",
            engineering(row["requested_weight_bits"] / 8, "B"),
            engineering(row["energy_J"], "J"),
            f"{row['energy_J'] / whole:.1%}" if whole else "",
            row["limiter"],
        ]
        for index, row in enumerate(table.to_dict("records"))
        if index in largest
    ]
    rest = table[~table.index.isin(largest)]
    for name, some in ((f"{len(rest)} others", rest), ("all", table)):
        if len(some):
            rows.append(
                [
                    name,
                    "",
                    f"{int(some['array_cycles'].sum()):,}",
                    "",
                    engineering(float(some["requested_weight_bits"].sum()) / 8, "B"),
                    engineering(float(some["energy_J"].sum()), "J"),
                    f"{float(some['energy_J'].sum()) / whole:.1%}" if whole else "",
                    "",
                ]
            )
    title = f"The {LARGEST} layers of most energy" if len(rest) else "Layers"
    return title, LAYERS, rows


def _energy_by_tensor(report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows: components of the machine down, tensors across."""
    energy = report.energy_by("component", "tensor").unstack(fill_value=0)
    rows = [
        [look_of(str(component))[0], *(engineering(joules, "J") if joules else "" for joules in row)]
        for component, row in zip(energy.index, energy.to_numpy(), strict=True)
    ]
    return ["component", *(TENSORS.get(name, name) for name in map(str, energy.columns))], rows


def print_sentence(reports: list[Report], following: str, *, training: bool) -> None:
    """End with what the runs say, in a sentence, and a command that follows.

    Parameters
    ----------
    reports : list of Report
        Stages of one network on one chip, the largest first.
    following : str
        The next command.
    training : bool
        Whether they are training steps.
    """
    best = min(reports, key=lambda report: report.energy_per_inference_J)
    first = reports[0]
    print_line("")
    print_ending(
        _sentence(first, "item" if training else "inference") if best is first else _against(first, best),
        following,
    )


def _bound(report: Report) -> str:
    """What limits a run, for a sentence."""
    return LIMITS.get(report.limiter, f"limited by {report.limiter}")


def _sentence(report: Report, unit: str) -> str:
    joules = report.joules_by("component")
    (component,), most = max(joules.items(), key=lambda item: item[1])
    share = most / report.energy_per_inference_J
    label = look_of(component)[0]
    spent = f"; {share:.0%} of it is {label}" if share >= COMPONENTS_SAID else ""
    return (
        f"{report.workload.name} ({report.workload.stage}) takes "
        f"{engineering(report.energy_per_inference_J, 'J')} per {unit} on {report.chip.name}{spent}. "
        f"It is {_bound(report)}."
    )


def _against(first: Report, best: Report) -> str:
    smaller = first.workload.weight_bits / best.workload.weight_bits
    less = first.energy_per_inference_J / best.energy_per_inference_J
    faster = best.inferences_per_s / first.inferences_per_s
    speed = f"{times(faster)} faster" if faster >= 1 else f"{times(1 / faster)} slower"
    return (
        f"{best.workload.stage} takes the least energy on {best.chip.name}: {times(less)} less than "
        f"{first.workload.stage}, with weights {times(smaller)} smaller, and it is {speed}. "
        f"It is {_bound(best)}."
    )


def _explain_mapping(report: Report, wide: bool) -> None:
    """Say what runs together, what stays on chip, how often the rest moves, and what less fusion costs."""
    rows = [
        [
            str(found.segment),
            " + ".join(found.layers),
            found.mode if found.mode != "stripes" else f"{found.stripes} stripes",
            str(found.passes),
            f"{found.pinned:.0%}",
            f"{found.kept:.0%}",
            str(found.weight_fetches),
            engineering(found.weight_B, "B"),
            engineering(found.activation_B, "B"),
            "" if found.above_bound is None else f"{found.above_bound:.3g}",
            "" if found.next_pct is None else f"{found.next_pct:+.2g}%",
        ]
        for found in decisions(report)
    ]
    title = f"Mapping ({report.workload.stage})"
    print_table(title, MAPPED, rows, optional=("weight fetches", "output on chip", "x bound"), wide=wide)
    own = own_mappings(report.chip.array, report.workload.layers, report.batch)
    print_mappings(own, "Mappings of the array", wide=wide)
    for way, other in with_less_fusion(report).items():
        print_line(
            f"With fusion = {way}: {engineering(other.energy_per_inference_J, 'J')} and "
            f"{engineering(other.period_s / other.batch, 's')} per inference "
            f"({other.energy_per_inference_J / report.energy_per_inference_J:.3g} and "
            f"{other.period_s / report.period_s:.3g} times this run)."
        )


def explain(report: Report, component: str, wide: bool) -> None:
    """Derive one component's joules: counts, price, source; or say how layers are mapped."""
    if component == MAPPING:
        _explain_mapping(report, wide)
        return
    actions = report.actions
    chosen = actions[actions["component"] == component]
    if component == "static":
        print_line(
            f"{report.workload.stage}: static power {report.chip.static_W:g} W x {report.period_s:.4g} s "
            f"/ {report.batch} inferences"
        )
        return
    per_batch = chosen.groupby(["tensor", "action"], sort=False)[["count", "energy_per_batch_J"]].sum()
    totals = (per_batch / report.batch).rename(columns={"energy_per_batch_J": "energy_J"})
    rows = []
    for total in totals.reset_index().to_dict("records"):
        price = report.prices[component, total["action"]]
        rows.append(
            [
                total["tensor"],
                total["action"],
                f"{total['count']:,.1f}",
                f"{price.pJ:.4g} pJ" + (f" {LOW}" if price.low_confidence else ""),
                engineering(total["energy_J"], "J"),
                price.derivation,
                "; ".join(dict.fromkeys(price.sources)),
            ]
        )
    header = ["tensor", "action", "count/inf", "energy/action", "energy/inf", "derivation", "source"]
    print_table(
        f"{report.workload.stage}: {component}",
        header,
        rows,
        optional=("derivation",),
        sources=("source",),
        wide=wide,
    )
