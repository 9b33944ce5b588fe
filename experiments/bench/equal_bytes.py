"""Signal-to-noise ratio of five trained networks at equal bytes: ours, onnxruntime's INT8, k-means.

``python -m experiments.bench.equal_bytes FILE.csv [MODEL...]`` takes models of `real_models`. Weights that
are shared by k-means without any repair, 31 values a layer (fewer where that takes more bytes than the static
INT8 file of onnxruntime), say how many bytes the weights rounded with error feedback may take. So ours is the
smallest of three files. All see the same inputs, and all are compared on others.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.format.execution import executable
from compress.methods.agreement import agreements
from compress.methods.reconstruct import compress_after_training
from compress.methods.rounding import Goal, round_after_training
from compress.nn.folding import fold
from experiments.bench.real_models import (
    feeds_of,
    least_dB,
    read_model,
    runtime_answers,
    static_int8,
    tabulate,
)
from experiments.runs.after_training import parted
from experiments.runs.inputs import halves, run
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.format.container import Artifact
    from compress.nn.network import Network
    from experiments.bench.real_models import Shipped

    Values = dict[str, Any]

NAMES = ("text direction", "text detector", "wake word features", "captcha recogniser", "text recogniser")
"""Networks with convolutions, depthwise ones in those of text; the recognisers have other layers, too."""

MOST_BITS = 5
"""Width of a label of the k-means, which sets the budget of bytes: a choice. In larger files it can win."""


class Row(NamedTuple):
    """One model: bytes of three files and the least signal-to-noise ratio of an output of each."""

    model: str
    file_B: int
    runtime_int8_B: int
    rounded_B: int
    kmeans_B: int
    runtime_int8_dB: float
    rounded_dB: float
    kmeans_dB: float


def main(path: Path, names: Sequence[str]) -> None:
    """Compress models three ways, and write their table."""
    tabulate(path, names, lambda model: row(model)._asdict())


def row(model: Shipped) -> Row:
    """Compress one model three ways.

    Raises
    ------
    InputError
        If its package is not installed, or onnxruntime cannot quantize it.
    """
    path = model.file()
    artifact, values = read_model(model)
    network, interface = artifact.to_network(), artifact.topology.interface
    fitted, held = halves(artifact.topology, values)
    original = run(executable(artifact), held)
    with tempfile.TemporaryDirectory() as folder:
        theirs = Path(folder) / "int8.onnx"
        if not static_int8(path, theirs, list(feeds_of(model, interface, fitted))):
            raise InputError(f"{model.name}: onnxruntime cannot quantize it, expected bytes to compare with")
        size = theirs.stat().st_size
        answers = runtime_answers(theirs, list(feeds_of(model, interface, held)), network)
    folded, (x, extra) = fold(network), parted(fitted)
    shared = _kmeans(folded, x, extra, size)
    least = len(shared.to_bytes())
    rounded = round_after_training(
        folded, x, Goal(least), rng=np.random.default_rng(0), coding="huffman", extra=extra
    )
    near = [
        least_dB(agreements(network, original, found))
        for found in (answers, run(executable(rounded), held), run(executable(shared), held))
    ]
    sizes = (size, len(rounded.to_bytes()), least)
    return Row(model.name, path.stat().st_size, *sizes, *near)


def _kmeans(network: Network, x: Any, extra: Values, size: int) -> Artifact:
    """Shared weights of the most values that a file of so many bytes can have."""
    for bits in range(MOST_BITS, 0, -1):
        made = compress_after_training(
            network,
            x,
            density=1.0,
            bits=bits,
            rng=np.random.default_rng(0),
            coding="huffman",
            extra=extra,
            fit=False,
        )
        if len(made.to_bytes()) <= size:
            return made
    raise InputError(f"network {network.name}: labels of 1 bit take more than {size} bytes, expected less")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(NAMES))
