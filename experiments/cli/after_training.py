"""`dcz shrink` and `dcz quantize`: compress a trained network without its training set."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from experiments.cli.convert import coding_of
from experiments.cli.options import (
    AsJson,
    Force,
    Inputs,
    Mean,
    Model,
    Output,
    Size,
    Std,
    Wide,
    preparation,
    quoted,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.format.container import Artifact
    from compress.methods.agreement import Agreement
    from compress.methods.quantize import Calibration
    from experiments.runs.after_training import Version
    from experiments.runs.codings import By, Coded

HEADER = [
    "network", "bytes", "times smaller", "agreement", "SNR of outputs", "largest error", "location",
    "energy/inf", "inferences/s", "limiter",
]  # fmt: skip

CODINGS = ["coding", "bytes", "energy/inf", "of it decoding", "decoded once", "inferences/s", "limiter"]

OUTPUTS = ["output", "compared by", "agreement", "SNR", "largest error"]

ChipName = Annotated[str, typer.Option(help="Chip on which both networks are simulated.")]
Coding = Annotated[
    str, typer.Option(help="fixed, huffman, context, smallest (or raw), or auto: what costs least.")
]
LeastOf = Annotated[str, typer.Option(help="What the coding that auto takes has least of: joules or bytes.")]
Batch = Annotated[int, typer.Option(help="Items per batch of the simulation.")]


def shrink(
    model: Model,
    output: Output,
    inputs: Inputs,
    density: Annotated[
        float | None,
        typer.Option(
            help="Fraction of the weights that remains: 0.5, unless that would ruin the answers; all are "
            "rounded then.",
            show_default=False,
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(help="Width of a shared weight: 6, unless as for --density.", show_default=False),
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            help="Of the file: round weights to levels of each output instead, with error feedback.",
            show_default=False,
        ),
    ] = None,
    min_snr: Annotated[
        float | None,
        typer.Option(help="Signal to noise in dB that answers must keep within it.", show_default=False),
    ] = None,
    coding: Coding = "auto",
    by: LeastOf = "joules",
    chip: ChipName = "reference_250w",
    batch: Batch = 1,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the positions that layers are fitted on.")] = 0,
    mean: Mean = "",
    std: Std = "",
    size: Size = 0,
    wide: Wide = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Prune and share a network, repair each layer on half of some inputs, compare answers on the rest."""
    from compress.format.container import read
    from compress.methods.rounding import Goal
    from experiments.runs import after_training
    from experiments.runs.inputs import read_inputs
    from hwsim.errors import InputError
    from hwsim.machine.chip import load_chip

    if min_snr is not None and max_bytes is None:
        raise InputError("--min-snr: expected together with --max-bytes")
    original, machine = read(model)[0], load_chip(chip)
    items = read_inputs(inputs, original.topology, 2, preparation(mean, std, size))
    found = after_training.shrink(
        original,
        items,
        machine,
        batch=batch,
        seed=seed,
        coding=_coding(coding),
        by=_least_of(by),
        goal=None if max_bytes is None else Goal(max_bytes, min_snr),
        **_asked(density, bits),
    )
    _save_and_show(found, output, f"{machine.name}, batch {batch}", items, by, as_json, wide)


def quantize(
    model: Model,
    output: Output,
    inputs: Inputs,
    bits: Annotated[int, typer.Option(help="Bits of weights and activations, 2 to 8.")] = 8,
    calibration: Annotated[
        str, typer.Option(help="How ranges are chosen: minmax, percentile or mse.")
    ] = "mse",
    max_bytes: Annotated[
        int | None,
        typer.Option(help="Of the file: layers that lose least get fewer bits.", show_default=False),
    ] = None,
    max_joules: Annotated[
        float | None,
        typer.Option(help="The same limit for the joules per inference on the chip.", show_default=False),
    ] = None,
    coding: Coding = "auto",
    by: LeastOf = "joules",
    chip: ChipName = "reference_250w",
    batch: Batch = 1,
    mean: Mean = "",
    std: Std = "",
    size: Size = 0,
    wide: Wide = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Round a network to integers, with ranges measured on half of some inputs; compare on the rest."""
    from compress.format.container import read
    from compress.methods.quantize import Calibration
    from experiments.runs import after_training
    from experiments.runs.inputs import read_inputs
    from hwsim.errors import InputError
    from hwsim.machine.chip import load_chip

    if max_bytes is not None and max_joules is not None:
        raise InputError("--max-bytes and --max-joules: expected one of them")
    if calibration not in get_args(Calibration):
        raise InputError(f"--calibration {calibration!r}: expected one of {', '.join(get_args(Calibration))}")
    original, machine = read(model)[0], load_chip(chip)
    items = read_inputs(inputs, original.topology, 2, preparation(mean, std, size))
    found = after_training.quantize(
        original,
        items,
        machine,
        batch=batch,
        bits=bits,
        calibration=cast("Calibration", calibration),
        max_bytes=max_bytes,
        max_J=max_joules,
        coding=_coding(coding, "raw"),
        by=_least_of(by),
    )
    _save_and_show(found, output, f"{machine.name}, batch {batch}", items, by, as_json, wide)


def _asked(density: float | None, bits: int | None) -> dict[str, Any]:
    """What is asked for of pruning; nothing leaves the choice to the answers."""
    from compress.methods.floor import BITS, DENSITY

    if density is None and bits is None:
        return {}
    return {"density": DENSITY if density is None else density, "bits": BITS if bits is None else bits}


def _coding(text: str, *more: str) -> str:
    return text if text in ("auto", *more) else coding_of(text)


def _least_of(text: str) -> By:
    from experiments.runs.codings import By
    from hwsim.errors import InputError

    if text not in get_args(By):
        raise InputError(f"--by {text!r}: expected one of {', '.join(get_args(By))}")
    return cast("By", text)


def _save_and_show(
    found: tuple[Version, Version],
    output: Path,
    where: str,
    inputs: dict[str, NDArray[Any]],
    by: str,
    as_json: bool,
    wide: bool,
) -> None:
    """Write the compressed version; print both, beside each other."""
    from experiments.console import print_ending, print_json, print_line, print_remarks, print_table
    from experiments.runs.codings import decoding_sentence, recode_command
    from experiments.runs.inputs import halves, items

    original, made = found
    topology = original.artifact.topology
    compared = items(topology, halves(topology, inputs)[1])
    dense_B = sum(4 * value.size for value in original.artifact.arrays().values())
    saved = made.artifact.save(output)
    if as_json:
        print_json([_record(version, dense_B) for version in found])
        return
    print_line(f"{output}: {saved:,} bytes")
    widths = _widths(made.artifact)
    if len(set(widths.values())) > 1:
        print_line(f"bits: {', '.join(f'{layer} {bits}' for layer, bits in widths.items())}")
    rows = [_row(version, dense_B) for version in found]
    title = f"{made.artifact.topology.name} on {where}; answers compared on {compared} inputs"
    print_table(title, HEADER, rows, optional=("location", "largest error", "inferences/s"), wide=wide)
    print_table(f"{'Codings' if len(made.tried) > 1 else 'Coding'} on {where}", CODINGS, _by_coding(made))
    taken = next(one for one in made.tried if one.artifact is made.artifact)
    if len(made.tried) > 1:
        print_line(f"{taken.coding} takes the fewest {by} on {where}; for another chip:")
        print_line(f"{recode_command(quoted(output), 'NAME')} -o FILE")
    print_line(decoding_sentence(taken))
    if len(made.agreements) > 1:
        print_table("Answers by output", OUTPUTS, _by_output(made))
    print_remarks([], _warnings(made))
    print_ending(
        _summary(original, made),
        f"hwsim run {made.report.chip.name if made.report else 'edge'} {quoted(output)}",
    )


def _summary(original: Version, made: Version) -> str:
    """Say what compression gained: bytes, answers, joules."""
    from hwsim.units import times

    near = next(iter(made.agreements.values()))
    same = f"{_same(near)} of the answers are the same" if _same(near) else f"the SNR is {near.snr_dB:.1f} dB"
    said = f"{times(original.size_B / made.size_B)} smaller than the original file; {same}"
    if original.report is None or made.report is None:
        return f"{said}."
    joules = original.report.energy_per_inference_J / made.report.energy_per_inference_J
    energy = f"{times(joules)} less energy" if joules >= 1 else f"{times(1 / joules)} more energy"
    return f"{said}; {energy} per inference."


def _warnings(made: Version) -> list[str]:
    """What is doubtful about what was made, about its run, or why its items run alone."""
    alone = made.artifact.topology.interface.sentence()
    return [*made.remarks, *(made.report.warnings if made.report else filter(None, (alone,)))]


def _by_output(made: Version) -> list[list[str]]:
    from compress.methods.agreement import output_scales

    scales = output_scales(made.artifact.to_network())
    return [
        [name, str(scales[name]), _same(near), f"{near.snr_dB:.1f} dB", f"{near.largest_error:.2%}"]
        for name, near in made.agreements.items()
    ]


def _by_coding(made: Version) -> list[list[str]]:
    from hwsim.units import engineering

    return [
        [
            f"{one.coding} (taken)" if one.artifact is made.artifact else one.coding,
            f"{one.size_B:,}",
            engineering(one.energy_J, "J"),
            engineering(one.decoder_J, "J"),
            f"{one.decoded_once} of {one.encoded}",
            engineering(one.report.inferences_per_s, ""),
            one.report.limiter,
        ]
        for one in made.tried
    ]


def _same(near: Agreement) -> str:
    """Part of the answers that is the same: classes, or sides of a threshold."""
    if near.top_1 is not None:
        return f"{near.top_1:.1%}"
    return "" if near.flips is None else f"{1 - near.flips:.1%}"


def _record(version: Version, dense_B: int) -> dict[str, object]:
    size = version.size_B
    near = {name: _finite(found) for name, found in version.agreements.items()}
    widths = _widths(version.artifact)
    return {
        "stage": version.artifact.stage,
        **(version.report.summary() if version.report else {}),
        "bytes": size,
        "ratio": dense_B / size,
        **next(iter(near.values())),
        "outputs": near,
        "warnings": _warnings(version),
        **({"bits": widths} if widths else {}),
        **({"codings": [_coded(one) for one in version.tried]} if version.tried else {}),
    }


def _coded(one: Coded) -> dict[str, object]:
    return {
        "coding": one.coding,
        "bytes": one.size_B,
        "energy_J": one.energy_J,
        "decoder_J": one.decoder_J,
        "decoded_once": one.decoded_once,
        "inferences_per_s": one.report.inferences_per_s,
        "limiter": one.report.limiter,
    }


def _finite(near: Agreement) -> dict[str, float | None]:
    """Figures of an agreement; None where there is none or it is infinite."""
    return {
        key: None if value is None or not math.isfinite(value) else value for key, value in vars(near).items()
    }


def _row(version: Version, dense_B: int) -> list[str]:
    from hwsim.units import engineering

    size = version.size_B
    near, report = next(iter(version.agreements.values())), version.report
    stored = [version.artifact.stage, f"{size:,}", f"{dense_B / size:.1f}x"]
    answers = [_same(near), f"{near.snr_dB:.1f} dB", f"{near.largest_error:.2%}"]
    if report is None:
        return [*stored, *answers, "the chip has no fp32", "", "", ""]
    joules = engineering(report.energy_per_inference_J, "J")
    rate = engineering(report.inferences_per_s, "")
    return [*stored, *answers, report.weights_home, joules, rate, report.limiter]


def _widths(artifact: Artifact) -> dict[str, int]:
    """Bits of each quantized layer."""
    from compress.format.tensors import QuantizedTensor

    return {
        node.name: tensor.bits
        for node in artifact.topology.nodes
        if node.params and isinstance(tensor := artifact.tensors[node.params[0]], QuantizedTensor)
    }
