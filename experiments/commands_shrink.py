"""`dcz shrink`: compress a trained network without its training set."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from experiments.commands_convert import Output, coding_of
from experiments.commands_machine import AsJson

HEADER = [
    "network", "bytes", "times smaller", "top-1 agreement", "SNR of outputs", "largest error", "weights live",
    "energy/inf", "inferences/s",
]  # fmt: skip


def shrink(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="A .dcz file.", show_default=False)],
    output: Output,
    inputs: Annotated[
        Path,
        typer.Option(
            help="A .npy file of unlabelled inputs: layers are fitted on the first half, answers compared on "
            "the rest.",
            show_default=False,
        ),
    ],
    density: Annotated[float, typer.Option(help="Fraction of the weights that stays.")] = 0.5,
    bits: Annotated[int, typer.Option(help="Width of a shared weight.")] = 6,
    coding: Annotated[str, typer.Option(help="fixed, huffman, context or smallest.")] = "huffman",
    chip: Annotated[str, typer.Option(help="Where both are simulated.")] = "reference_250w",
    batch: Annotated[int, typer.Option(help="Items per batch of the simulation.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the positions that layers are fitted on.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Prune and share a trained network, repairing each layer on a few unlabelled inputs."""
    from compress.container import read
    from experiments import after_training
    from experiments.console import print_json, print_line, print_table
    from experiments.units import engineering
    from hwsim.chip import load_chip

    original, machine = read(model)[0], load_chip(chip)
    items = after_training.load_inputs(inputs, original.to_network())
    how = {"density": density, "bits": bits, "coding": coding_of(coding)}
    found = after_training.shrink(original, items, machine, batch=batch, seed=seed, **how)
    dense_B = sum(4 * value.size for value in found[0].artifact.arrays().values())
    saved = found[1].artifact.save(output)
    rows, records = [], []
    for version in found:
        size = len(version.artifact.to_bytes())
        near, report = version.agreement, version.report
        records.append(
            report.summary()
            | {"bytes": size, "ratio": dense_B / size}
            | {key: value if math.isfinite(value) else None for key, value in vars(near).items()}
        )
        rows.append(
            [
                version.artifact.stage, f"{size:,}", f"{dense_B / size:.1f}x", f"{near.top_1:.1%}",
                f"{near.snr_dB:.1f} dB", f"{near.largest_error:.2%}", report.weights_home,
                engineering(report.energy_per_inference_J, "J"), engineering(report.inferences_per_s, ""),
            ]
        )  # fmt: skip
    if as_json:
        print_json(records)
        return
    print_line(f"{output}: {saved:,} bytes")
    where = f"{original.topology.name} on {machine.name}, batch {batch}"
    title = f"{where}; answers compared on {len(items) // 2} inputs"
    print_table(title, HEADER, rows)
