"""Is the coding that `dcz shrink` and `dcz quantize` take on a chip ever dearer than the network as it was?

``python -m experiments.bench.codings FILE.csv [NETWORK...]`` writes a row for each network on each shipped
chip: its joules as it was, in each coding, in the one that is taken, and what limits both. A network is one
of `NETWORKS`, with random weights of which half are zero and the others shared, or one of
`real_models.MODELS`, shrunk and quantized on inputs of its kind. Rows that the file has are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from compress.format.container import Artifact
from compress.format.tensors import SharedTensor
from compress.lowering import workload_of
from compress.methods.prune import other_matrices, require_weights
from compress.nn.zoo import build
from experiments.console import print_line
from experiments.runs import after_training
from experiments.runs.codings import best_of, try_codings
from hwsim import chips
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compress.nn.network import Network
    from hwsim.machine.chip import Chip
    from hwsim.report import Report
    from hwsim.workload.layer import Workload

NETWORKS = (
    "lenet300", "lenet5", "squeezenet1_0", "squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "resnet18",
    "resnet1202", "lstm", "neural_ode",
)  # fmt: skip
"""Networks of the zoo."""

LEVELS = 16
"""Steps from zero to the largest weight of a tensor, on each side."""


class Case(NamedTuple):
    """A network as it was, a form of it whose weights can be coded, and what `workload_of` takes of that."""

    form: str
    before: Workload
    made: Artifact
    measured: Mapping[str, Any]


def halved(network: Network) -> Artifact:
    """Half of the weights of each matrix rounded to a few values of its own, the others zero."""
    tensors = {}
    for weight in (*require_weights(network).values(), *other_matrices(network)):
        values = network.params[weight]
        scale = float(np.abs(values).max()) / LEVELS
        levels = np.rint(values / scale).astype(np.int64)
        levels[np.abs(values) < np.median(np.abs(values))] = 0
        kept = np.array([level for level in range(-LEVELS, LEVELS + 1) if level])
        labels = np.where(levels < 0, levels + LEVELS + 1, levels + LEVELS) * (levels != 0)
        tensors[weight] = SharedTensor(labels, (scale * kept).astype(np.float32))
    return Artifact.of(network, "shared", tensors)


def cases(name: str) -> Iterator[Case]:
    """Forms of a network.

    Raises
    ------
    InputError
        If there is no such network, or the package of a trained one is not installed.
    """
    if name in NETWORKS:
        network = build(name, np.random.default_rng(0))
        yield Case("shared", workload_of(Artifact.of(network, "dense")), halved(network), {})
        return
    from experiments.bench import real_models  # needs the extra hwsim[onnx]

    if name not in real_models.MODELS:
        raise InputError(f"network {name!r}: expected one of {', '.join((*NETWORKS, *real_models.MODELS))}")
    original, values = real_models.read_model(real_models.MODELS[name])
    chip = load_chip(real_models.CHIPS[0])
    made = after_training.shrink(
        original,
        values,
        chip,
        batch=1,
        seed=0,
        coding="fixed",
        density=real_models.DENSITY,
        bits=real_models.BITS,
    )
    integers = after_training.quantize(
        original, values, chip, batch=1, bits=8, calibration="mse", coding="raw"
    )
    before = after_training.workload_on(original, values)
    for form, (_, version) in (("shared", made), ("int8", integers)):
        yield Case(form, before, version.artifact, after_training.measured(version.artifact, values))


def row(case: Case, chip_name: str) -> dict[str, Any]:
    """Every coding of a network on a chip.

    Raises
    ------
    InputError
        If the chip does not have its arithmetic.
    """
    chip = load_chip(chip_name)
    tried = try_codings(case.made, chip, 1, **case.measured)
    taken = best_of(tried)
    before = _run(chip, case.before)
    return {
        "coding": taken.coding,
        "bytes": taken.size_B,
        "energy_J": taken.energy_J,
        "decoding": taken.decoder_J / taken.energy_J,
        "limiter": taken.report.limiter,
        "before_J": before.energy_per_inference_J if before else np.nan,
        "before_limiter": before.limiter if before else "",
        "over_before": taken.energy_J / before.energy_per_inference_J if before else np.nan,
        **{f"{one.coding}_J": one.energy_J for one in tried},
    }


def _run(chip: Chip, workload: Workload) -> Report | None:
    """Run of a network; none on a chip that does not have its arithmetic."""
    try:
        return simulate(chip, workload)
    except InputError:
        return None


def main(path: Path, names: Sequence[str]) -> None:
    """Write the table of some networks, beside the rows that it has."""
    rows: list[dict[Any, Any]] = pd.read_csv(path).to_dict("records") if path.exists() else []
    known = {(one["network"], one["form"], one["chip"]) for one in rows}
    for name in names:
        try:
            found = list(cases(name))
        except InputError as refusal:
            print_line(str(refusal))
            continue
        for case in found:
            for chip in chips():
                if (name, case.form, chip) in known:
                    continue
                try:
                    rows.append({"network": name, "form": case.form, "chip": chip, **row(case, chip)})
                except InputError as refusal:
                    print_line(f"{name} on {chip}: {refusal}")
                    continue
                pd.DataFrame(rows).to_csv(path, index=False, float_format="%.4g")
                print_line(f"{name}, {case.form}, {chip}: {rows[-1]['over_before']:.4g} of the joules before")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or NETWORKS)
