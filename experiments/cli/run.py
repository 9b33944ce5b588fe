"""`hwsim run`: one network on one chip, at one stage or at all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.convert import fix_option, shape_option
from experiments.cli.options import AsJson, Force, Show, Wide, quoted

if TYPE_CHECKING:
    from hwsim.analysis.tiles import SteadyRun
    from hwsim.machine.chip import Chip
    from hwsim.report import Report
    from hwsim.workload.layer import Workload


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
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the chip: sram.capacity_B=64k."),
    ] = None,
    engine: Annotated[str, typer.Option(help="fast or event: the same cycles.")] = "fast",
    explain: Annotated[
        str,
        typer.Option(help="Derive the energy of this component (dram, mac, ...), or explain the mapping."),
    ] = "",
    trace: Annotated[
        Path | None,
        typer.Option(help="Write a timeline for Perfetto or chrome://tracing here."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table of layers here.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the energy by component: .png, .svg or .pdf."),
    ] = None,
    show: Show = False,
    wide: Wide = False,
    check: Annotated[
        bool, typer.Option("--audit", help="Check the laws of conservation on every run.")
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a network on a chip: weight location, cycles, energy, and the limiter."""
    from experiments.cli.run_tables import explain as explain_
    from experiments.cli.run_tables import print_reports, print_sentence
    from experiments.console import print_json, print_remarks
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
    remarks = inert_changes(shipped, changed, reports)
    if Path(workload).suffix == ".dcz":
        from experiments.runs.codings import dear_decoding

        for report in reports:
            remarks += dear_decoding(report, quoted(workload), quoted(chip))
    if explain:
        _check_component(reports, explain)
    if check:
        _audit(reports)
    if csv:
        _write_layers(csv, reports)
    if trace:
        _write_trace(trace, reports)
    if plot or show:
        _draw(reports, plot, show)
    if as_json:
        asked = {"chip": chip, "workload": workload, "batch": batch, "layers": layers}
        asked |= {"training": optimizer if training else "", "inputs": ", ".join(inputs or ())}
        asked |= {"context": context, "prompt": prompt, "weights": weights, "kv": kv}
        stages = [report.workload.stage if is_built_in(workload) else "" for report in reports]
        print_json(
            [
                _values(report, remarks) | {"changes": changed, "asked": asked | {"stage": name}}
                for report, name in zip(reports, stages, strict=True)
            ]
        )
        return
    print_reports(reports, training=training, wide=wide)
    print_remarks(machine.notes, [*(text for report in reports for text in report.warnings), *remarks])
    if explain:
        for report in reports:
            explain_(report, explain, wide)
    tokens = {"--context": context, "--prompt": prompt}
    lengths = "".join(f" {option} {length}" for option, length in tokens.items() if length is not None)
    print_sentence(reports, _following(chip, workload, lengths, reports, plot), training=training)


def _following(chip: str, workload: str, lengths: str, reports: list[Report], plot: Path | None) -> str:
    """Return a command that goes on from this one."""
    if Path(workload).suffix == ".onnx":
        made = quoted(f"{Path(workload).stem}.dcz")
        return f"dcz import {quoted(workload)} -o {made}, then dcz shrink or dcz quantize"
    run = f"hwsim run {quoted(chip)} {quoted(workload)}{lengths}"
    if plot is None:
        return f"{run} --plot energy.png"
    if len(reports) > 1:
        stages = [quoted(f"{chip}:{workload}:{one.workload.stage}") for one in (reports[0], reports[-1])]
        return f"hwsim compare {' '.join(stages)} --hold throughput"
    return f"{run} --explain dram"


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


def _values(report: Report, remarks: tuple[str, ...]) -> dict[str, object]:
    from experiments.cli.run_tables import strategies

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
        "warnings": [*report.warnings, *remarks],
    }


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


def _check_component(reports: list[Report], component: str) -> None:
    from experiments.cli.run_tables import MAPPING
    from hwsim.errors import InputError

    for report in reports if component != MAPPING else ():
        known = sorted(report.actions["component"].unique())
        if component not in known:
            raise InputError(
                f"--explain {component!r}: no such component in this run, expected {MAPPING} or one of "
                f"{', '.join(known)}"
            )


def _write_layers(path: Path, reports: list[Report]) -> None:
    import pandas as pd

    from compress.io.files import write_text
    from experiments.runs.record import csv_text

    tables = [report.layers.assign(stage=report.workload.stage) for report in reports]
    write_text(path, csv_text(pd.concat(tables)))


def _write_trace(path: Path, reports: list[Report]) -> None:
    import json

    from compress.io.files import write_text
    from experiments.runs.timelines import trace_of

    write_text(path, json.dumps(trace_of(reports)) + "\n")


def _draw(reports: list[Report], path: Path | None, show: bool) -> None:
    """Draw the joules of all runs into a file, and open it where it is to be shown."""
    from tempfile import mkdtemp

    from experiments.cli.show import show_file
    from experiments.figures.style import save_as
    from hwsim.report import energy_chart

    written = save_as(energy_chart(reports), path or Path(mkdtemp(prefix="hwsim-")) / "energy.png")
    if show:
        show_file(written)
