"""`dcz execute`: what a file answers to inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import AsJson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 32
"""Items at a time: what layers hold in between grows with them."""
BEST = 5
"""Classes that are shown of each item."""


def execute(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="A .dcz file.", show_default=False)],
    inputs: Annotated[Path, typer.Option(help="A .npy file of items.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the outputs here, a .npy file.")
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Compute from labels and codebooks, not from decoded weights.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Execute a file on inputs and print the best classes; quantized layers run on integers."""
    import numpy as np

    from compress.format.container import read
    from compress.format.execution import executable
    from compress.io.files import replacing
    from experiments.console import print_json, print_line, print_table
    from experiments.runs.after_training import load_inputs
    from hwsim.errors import InputError

    if output and output.suffix != ".npy":
        raise InputError(f"cannot write {output}: expected a name that ends in .npy")
    network = executable(read(model)[0], stored=stored)
    of_one = network.shapes(batch=1)[network.outputs[0]]
    if len(of_one) < 2 or of_one[0] != 1:
        raise InputError(
            f"network {network.name}: gives an output of shape {of_one} for one item, expected "
            "(1, ..., classes)"
        )
    items = load_inputs(inputs, network)
    parts = [network.forward(items[first : first + BATCH]) for first in range(0, len(items), BATCH)]
    outputs = np.concatenate(parts)
    if output:
        with replacing(output) as temporary, temporary.open("wb") as file:
            np.save(file, outputs, allow_pickle=False)
    answers = [_best(scores) for scores in outputs.reshape(len(items), -1, of_one[-1])[:, -1]]
    if as_json:
        print_json([[{"class": place, "score": score} for place, score in answer] for answer in answers])
        return
    ranks = [f"{rank}." for rank in range(1, min(BEST, of_one[-1]) + 1)]
    rows = [
        [f"{item}", *(f"{place} ({score:.4g})" for place, score in answer)]
        for item, answer in enumerate(answers)
    ]
    where = ", of the last row" if len(of_one) > 2 else ""
    title = f"{network.name}: outputs of shape {of_one[1:]}; best classes and their scores{where}"
    print_table(title, ["item", *ranks], rows)
    if output:
        print_line(f"{output}: {outputs.shape[0]} items")


def _best(scores: NDArray[np.float32]) -> list[tuple[int, float]]:
    """Places of the highest scores, shape (classes,), the highest first."""
    return [(int(place), float(scores[place])) for place in scores.argsort(kind="stable")[::-1][:BEST]]
