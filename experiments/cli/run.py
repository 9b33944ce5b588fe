"""`hwsim run`: one network on one chip, at one stage or at all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.convert import fix_option, shape_option
from experiments.cli.options import AsJson
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    from hwsim.analysis.tiles import SteadyRun
    from hwsim.machine.chip import Chip
    from hwsim.report import Report
    from hwsim.workload.layer import Workload

SUMMARY = [
    "stage", "weights", "location", "DRAM/inf", "energy/inf", "latency", "cold start", "inferences/s",
    "power", "clock", "limiter",
]  # fmt: skip
TILES = [
    "strategy", "computing", "loading", "stalled", "throttled", "power-gated", "inferences/s", "energy/inf",
    "power",
]  # fmt: skip
TRAINING_NAMES = {"DRAM/inf": "DRAM/item", "energy/inf": "energy/item", "inferences/s": "items/s"}
LAYERS = ["layer", "kind", "cycles", "utilisation", "weight bits fetched", "energy/inf", "limiter"]

MAPPING = "mapping"
"""What ``--explain`` takes beside the components."""
MAPPED = [
    "segment", "layers", "runs", "passes", "pinned", "output on chip", "weight fetches", "DRAM weights",
    "DRAM activations", "x bound", "next plan",
]  # fmt: skip


def run_(
    chip: Annotated[str, typer.Argument(help="A shipped chip (see `hwsim chips`) or a chip file.")],
    workload: Annotated[
        str,
        typer.Argument(
            help="A built-in network, a language model or its config.json, a .dcz, .onnx or .csv file."
        ),
    ],
    stage: Annotated[
        str, typer.Option(help="Compression stage of a built-in network; all it has by default.")
    ] = "",
    batch: Annotated[int, typer.Option(help="Items per batch.")] = 1,
    arithmetic: Annotated[
        str, typer.Option(help="What every layer multiplies: fp16, int8...; its own by default.")
    ] = "",
    context: Annotated[
        int | None, typer.Option(help="Decode step of a language model after so many tokens.")
    ] = None,
    prompt: Annotated[int | None, typer.Option(help="Prefill of a language model by so many tokens.")] = None,
    weights: Annotated[str, typer.Option(help="Form of a language model's weights: int4-g128, q4_k...")] = "",
    kv: Annotated[str, typer.Option(help="Form of its keys and values: fp16, int8, int4...")] = "",
    training: Annotated[
        bool, typer.Option("--training", help="Simulate a training step: forward, backward, update.")
    ] = False,
    optimizer: Annotated[
        str, typer.Option(help="Optimizer of the training step: sgd, momentum or adam; momentum by default.")
    ] = "",
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            help="FILE, or NAME=FILE for each input. Runs a .dcz or .onnx file on them to measure activation "
            "sparsity."
        ),
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option(help="NAME=3x224x224: shape of an input of an .onnx file.")
    ] = None,
    fix: Annotated[
        list[str] | None, typer.Option(help="NAME=16000: make an input of an .onnx file a constant.")
    ] = None,
    layers: Annotated[str, typer.Option(help="Only these layers, separated by commas.")] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the chip: sram.capacity_B=65536."),
    ] = None,
    engine: Annotated[str, typer.Option(help="fast or event: the same cycles.")] = "fast",
    explain: Annotated[
        str,
        typer.Option(help="Derive the energy of this component (dram, mac, ...), or explain the mapping."),
    ] = "",
    trace: Annotated[
        Path | None, typer.Option(help="Write a timeline for Perfetto or chrome://tracing here.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table of layers here.")] = None,
    check: Annotated[
        bool, typer.Option("--audit", help="Check the laws of conservation on every run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a network on a chip: weight location, cycles, energy, and the limiter."""
    from experiments.console import print_json, print_line, print_remarks, print_table
    from experiments.runs.changes import parse_changes
    from experiments.runs.doors import door
    from experiments.runs.inert import inert_changes
    from experiments.runs.language import (
        LanguageOptions,
        is_language_model,
        refuse_options,
        refuse_other_options,
    )
    from experiments.runs.language import workload_of as language_workload
    from experiments.runs.workloads import FILES, is_built_in, layers_named, open_workloads
    from hwsim.analysis.mapping import fusion_sentence
    from hwsim.errors import InputError
    from hwsim.machine.chip import load_chip
    from hwsim.run import ENGINES
    from hwsim.workload.training import training_step

    if engine not in ENGINES:
        raise InputError(f"--engine {engine!r}: expected one of {', '.join(ENGINES)}")
    if optimizer and not training:
        raise InputError(f"--optimizer {optimizer}: an inference has none, expected --training with it")
    optimizer = optimizer or "momentum"
    changed = parse_changes(changes or [])
    if Path(chip).suffix in FILES:
        raise InputError(f"{chip}: {door(chip)}, expected a chip first: hwsim run {workload} {chip}")
    shipped = load_chip(chip)
    machine = shipped.replace(**changed)
    language = LanguageOptions(context, prompt, weights, kv, arithmetic)
    if is_language_model(workload):
        refuse_other_options(workload, stage=stage, training=training, inputs=inputs, shape=shape, fix=fix)
        workloads = [language_workload(machine, workload, language, batch)]
        arithmetic = ""  # it is built in that already
    else:
        refuse_options(workload, language)
        workloads = open_workloads(
            workload,
            "dense" if training and not stage and is_built_in(workload) else stage,
            inputs or (),
            dict(map(shape_option, shape or [])),
            dict(map(fix_option, fix or [])),
        )
    if layers:
        workloads = [found.only(layers_named(layers, found)) for found in workloads]
    if training:
        workloads = [training_step(found, optimizer) for found in workloads]
    reports = _simulated(machine, workloads, batch, engine, arithmetic or None)
    inert = inert_changes(shipped, changed, reports)
    if explain:
        _check_component(reports, explain)
    if check:
        _audit(reports)
    if csv:
        _write_layers(csv, reports)
    if trace:
        _write_trace(trace, reports)
    if as_json:
        asked = {"chip": chip, "workload": workload, "batch": batch, "layers": layers}
        asked |= {"training": optimizer if training else "", "inputs": ", ".join(inputs or ())}
        asked |= {"context": context, "prompt": prompt, "weights": weights, "kv": kv}
        stages = [report.workload.stage if is_built_in(workload) else "" for report in reports]
        print_json(
            [
                _values(report, inert) | {"changes": changed, "asked": asked | {"stage": name}}
                for report, name in zip(reports, stages, strict=True)
            ]
        )
        return
    first = reports[0]
    title = f"{first.workload.name} on {machine.name}, batch {batch} ({first.workload.provenance})"
    header = [TRAINING_NAMES.get(name, name) if training else name for name in SUMMARY]
    print_table(title, header, [_summary_row(report) for report in reports])
    if training:
        _print_footprint(first, batch)
    for report in reports[:1]:
        print_line(fusion_sentence(report))
    if len(reports) == 1:
        print_table("Tile activity by power-management policy", TILES, _tile_rows(first))
        print_table("Layers", LAYERS, _layer_rows(first))
        print_table("Energy per item: tensor by memory level and unit", *_energy_by_tensor(first))
    if low := dict.fromkeys(action for report in reports for action in report.low_confidence):
        print_line(f"{LOW} energies of low confidence: {', '.join(low)}")
    if Path(workload).suffix == ".onnx":
        print_line(
            f"to compress it: dcz import {workload} -o {Path(workload).stem}.dcz, then dcz shrink, quantize"
        )
    print_remarks(machine.notes, [*(text for report in reports for text in report.warnings), *inert])
    if explain:
        for report in reports:
            _explain(report, explain)


def _print_footprint(report: Report, batch: int) -> None:
    from experiments.console import print_line
    from hwsim.workload.training import footprint

    held = footprint(report.workload)
    print_line(
        f"a training step holds {engineering(held.weights_B, 'B')} of weights, "
        f"{engineering(held.gradients_B, 'B')} of gradients, {engineering(held.state_B, 'B')} of optimizer "
        f"state and {engineering(batch * held.activations_B, 'B')} of activations for its {batch} items"
    )


def _simulated(
    machine: Chip, workloads: list[Workload], batch: int, engine: str, arithmetic: str | None
) -> list[Report]:
    """Reports of the stages the chip can run; what it says to the others is printed, unless it runs none."""
    from experiments.console import print_note
    from hwsim.errors import InputError
    from hwsim.run import simulate

    reports, refused = list["Report"](), dict[str, list[str]]()
    for workload in workloads:
        try:
            reports.append(simulate(machine, workload, batch, engine, arithmetic=arithmetic))  # type: ignore[arg-type]
        except InputError as error:
            refused.setdefault(str(error), []).append(workload.stage)
    if not reports:
        raise InputError(next(iter(refused)))
    for reason, stages in refused.items():
        print_note(f"left out {', '.join(stages)}: {reason}")
    return reports


def _audit(reports: list[Report]) -> None:
    from experiments.console import print_note
    from hwsim.audit import ENGINES_AGREE, LAWS, audit

    for report in reports:
        audit(report)
    laws = [*LAWS, ENGINES_AGREE]
    print_note(f"audit: {len(laws)} laws hold in {len(reports)} runs: {'; '.join(laws)}")


def _values(report: Report, inert: tuple[str, ...]) -> dict[str, object]:
    energy = report.energy_by("tensor", "component")
    rows = energy.rename("energy_J").reset_index().to_dict("records")
    return report.summary() | {
        "cold_start_s": report.cold_start_s,
        "energy_by_tensor": rows,
        "tiles": [_tiles(found) for found in strategies(report)],
        "layers": report.layers.to_dict("records"),
        "low_confidence": report.low_confidence,
        "provenance": report.workload.provenance,
        "notes": list(report.notes),
        "warnings": [*report.warnings, *inert],
    }


def _summary_row(report: Report) -> list[str]:
    figures = report.summary()
    dram_bits = (report.transferred_weight_bits + report.activation_bits) / report.batch
    return [
        report.workload.stage,
        engineering(report.workload.weight_bits / 8, "B"),
        report.weights_home,
        engineering(dram_bits / 8, "B"),
        engineering(report.energy_per_inference_J, "J") + (f" {LOW}" if report.low_confidence else ""),
        f"{figures['latency_cycles']:,} cycles",
        engineering(report.cold_start_s, "s"),
        engineering(report.inferences_per_s, ""),
        engineering(report.power_W, "W"),
        f"{report.clock:.0%}",
        report.limiter,
    ]


def strategies(report: Report) -> list[SteadyRun]:
    """Every way in which the chip of `report` can keep its cap."""
    from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
    from hwsim.arrays.base import Tiled

    can_gate = isinstance(report.chip.array, Tiled)
    ways = (dimmed, gated, voltage_scaled) if can_gate else (dimmed, voltage_scaled)
    return [way(report) for way in ways]


def _tiles(found: SteadyRun) -> dict[str, object]:
    """Tile-time by state, and what the chip does under one strategy."""
    return {
        "strategy": found.strategy,
        **found.states._asdict(),
        "peak_share": found.peak_share,
        "inferences_per_s": found.inferences_per_s,
        "energy_J": found.energy_per_inference_J,
        "power_W": sum(found.watts.values()),
    }


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


def _layer_rows(report: Report) -> list[list[str]]:
    return [
        [
            row["layer"],
            row["kind"],
            f"{row['array_cycles']:,}",
            f"{row['utilisation']:.1%}",
            f"{row['requested_weight_bits']:,}",
            engineering(row["energy_J"], "J"),
            row["limiter"],
        ]
        for row in report.layers.to_dict("records")
    ]


def _energy_by_tensor(report: Report) -> tuple[list[str], list[list[str]]]:
    energy = report.energy_by("tensor", "component").unstack(fill_value=0)
    rows = [
        [str(tensor), *(engineering(joules, "J") if joules else "" for joules in row)]
        for tensor, row in zip(energy.index, energy.to_numpy(), strict=True)
    ]
    return ["tensor", *map(str, energy.columns)], rows


def _check_component(reports: list[Report], component: str) -> None:
    from hwsim.errors import InputError

    for report in reports if component != MAPPING else ():
        known = sorted(report.actions["component"].unique())
        if component not in known:
            raise InputError(
                f"--explain {component!r}: no such component in this run, expected {MAPPING} or one of "
                f"{', '.join(known)}"
            )


def _explain_mapping(report: Report) -> None:
    """Say what runs together, what stays on chip, how often the rest moves, and what less fusion costs."""
    from experiments.console import print_line, print_table
    from hwsim.analysis.mapping import decisions, with_less_fusion
    from hwsim.units import engineering

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
    print_table(f"Mapping ({report.workload.stage})", MAPPED, rows)
    for way, other in with_less_fusion(report).items():
        print_line(
            f"With fusion = {way}: {engineering(other.energy_per_inference_J, 'J')} and "
            f"{engineering(other.period_s / other.batch, 's')} per inference "
            f"({other.energy_per_inference_J / report.energy_per_inference_J:.3g} and "
            f"{other.period_s / report.period_s:.3g} times this run)."
        )


def _explain(report: Report, component: str) -> None:
    """Derive one component's joules: counts, price, source; or say how layers are mapped."""
    from experiments.console import print_line, print_table

    if component == MAPPING:
        _explain_mapping(report)
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
    print_table(f"{report.workload.stage}: {component}", header, rows)


def _write_layers(path: Path, reports: list[Report]) -> None:
    import pandas as pd

    from compress.io.files import write_text

    tables = [report.layers.assign(stage=report.workload.stage) for report in reports]
    write_text(path, pd.concat(tables).to_csv(index=False, lineterminator="\n"))


def _write_trace(path: Path, reports: list[Report]) -> None:
    import json

    from compress.io.files import write_text
    from experiments.runs.timelines import trace_of

    write_text(path, json.dumps(trace_of(reports)) + "\n")
