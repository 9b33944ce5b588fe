"""Compress a trained network without its training set: what that does to answers, bytes and joules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.format.execution import executable, require_floating
from compress.format.found import kept_forms
from compress.format.tensors import DenseTensor
from compress.lowering import workload_of
from compress.methods.agreement import agreements
from compress.methods.allocate import quantize_within
from compress.methods.bias import with_right_means
from compress.methods.floor import compress_to_floor
from compress.methods.prune import weights_of
from compress.methods.quantize import quantize_network
from compress.methods.reconstruct import compress_after_training
from compress.methods.remarks import ignore
from compress.methods.rounding import round_after_training, with_feedback
from compress.methods.spare import spare
from compress.nn.folding import fold
from compress.nn.interface import OPEN
from compress.nn.network import INPUT
from compress.nn.statistics import input_densities
from experiments.runs.codings import AUTO, best_of, try_codings
from experiments.runs.inputs import halves, run
from hwsim.budget import require_memory
from hwsim.errors import InputError
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from compress.format.container import Artifact
    from compress.format.layout import Layout
    from compress.methods.agreement import Agreement
    from compress.methods.quantize import Calibration
    from compress.methods.rounding import Goal
    from compress.nn.network import Network
    from experiments.runs.codings import By, Coded
    from hwsim.machine.chip import Chip
    from hwsim.report import Report
    from hwsim.workload.layer import Workload

    Values = dict[str, NDArray[Any]]

NAMED = 8
"""Tensors that a sentence names."""

WEIGHT_B = 52
"""Bytes of memory that a weight takes at most while a network is compressed, measured: in fp32 as it was and
as it is, twice, its score, its place in the order of scores, its label, and its form in each coding."""


class Version(NamedTuple):
    """A network in one form: its file and its size, how near it is to the original, and a run on a chip.

    Where the chip does not have its arithmetic, there is no run. Agreements are by output; remarks say what
    is doubtful, a sentence each. Of what was made, `tried` has every coding, this one included.
    """

    artifact: Artifact
    size_B: int
    agreements: dict[str, Agreement]
    report: Report | None
    remarks: tuple[str, ...] = ()
    tried: tuple[Coded, ...] = ()


def quantize(
    original: Artifact,
    inputs: Values,
    chip: Chip,
    *,
    batch: int,
    bits: int,
    calibration: Calibration,
    max_bytes: int | None = None,
    max_J: float | None = None,
    coding: str = AUTO,
    by: By = "joules",
) -> tuple[Version, Version]:
    r"""Quantize a network, its ranges measured on half of the inputs; compare on the other half.

    Parameters
    ----------
    original : Artifact
    inputs : dict of str to ndarray
        Items by input.
    chip : Chip
    batch : int
        Items per batch of the simulation.
    bits : int
        Of weights and of what layers read, 2 to 8.
    calibration : str
        See `compress.methods.quantize.quantize_network`.
    max_bytes, max_J : int, float, optional
        Of the file, or of an inference on the chip: layers get fewer than `bits` to stay within it.
    coding : str
        Of the integers; the one of least joules on the chip by default.
    by : {"joules", "bytes"}
        What the coding that is taken has least of.

    Returns
    -------
    tuple of Version
        As `shrink`.

    Raises
    ------
    InputError
        If no layer has weights or one is quantized already, or bits, calibration or budget cannot be
        met.
    """
    require_floating(original)
    _require_memory(original)
    network = fold(original.to_network())
    fitted, held = halves(network, inputs)
    x, extra = parted(fitted)
    remarks: list[str] = []

    def joules(artifact: Artifact) -> dict[str, float]:
        report = simulate(chip, workload_on(artifact, held), batch)
        return {layer: energy for (layer,), energy in report.joules_by("layer").items()}

    cost, budget = (_bytes, max_bytes) if max_J is None else (joules, max_J)
    if budget is None:
        made = quantized_whole(network, x, bits, calibration, extra, remarks.append)
    else:
        made = quantize_within(
            network, x, budget, cost, bits, calibration=calibration, extra=extra, remark=remarks.append
        )
        made = _repaired(network, made, x, extra)
    return _versions(original, made, held, chip, batch, remarks, coding, by, max_bytes)


def quantized_whole(
    network: Network,
    x: NDArray[Any],
    bits: int = 8,
    calibration: Calibration = "mse",
    extra: Values | None = None,
    remark: Callable[[str], None] = ignore,
) -> Artifact:
    """Quantize every layer to the same bits and repair it; parameters as in `quantize_network`."""
    made = quantize_network(network, x, bits, calibration=calibration, extra=extra, remark=remark)
    return spare(network, _repaired(network, made, x, extra or {}), x, extra, remark)


def _repaired(network: Network, made: Artifact, x: NDArray[Any], extra: Values) -> Artifact:
    """Round weights again with error feedback, then take mean errors off the biases."""
    made = with_feedback(network, made, x, rng=np.random.default_rng(0), extra=extra)
    return with_right_means(network, made, x, extra)


def _bytes(artifact: Artifact) -> dict[str, float]:
    """Bytes of each layer's weights, and of all the rest."""
    layout = artifact.layout()
    of = {tensor.name: tensor.total_bits / 8 for tensor in layout.tensors}
    layers = {layer: of.pop(weight, 0.0) for layer, weight in weights_of(artifact.to_network()).items()}
    return {**layers, "": layout.file_bits / 8 - sum(layers.values())}


def shrink(
    original: Artifact,
    inputs: Values,
    chip: Chip,
    *,
    batch: int,
    seed: int,
    coding: str = AUTO,
    by: By = "joules",
    goal: Goal | None = None,
    **how: Any,
) -> tuple[Version, Version]:
    """Prune, share and repair a network on half of the inputs; compare on the other half.

    Parameters
    ----------
    original : Artifact
    inputs : dict of str to ndarray
        Items by input.
    chip : Chip
    batch : int
        Items per batch of the simulation.
    seed : int
        Chooses the positions that layers are fitted on.
    coding : str
        Of the labels; the one of least joules on the chip by default.
    by : {"joules", "bytes"}
        What the coding that is taken has least of.
    goal : Goal, optional
        Round the weights to what the file may take, instead of pruning and sharing them.
    **how
        ``density`` and ``bits`` of `compress_after_training`. With neither, half of the weights stays in
        6 bits if the answers bear it; see `compress.methods.floor`.

    Returns
    -------
    tuple of Version
        The original as it is, and the compressed network. Each run takes the zeros among activations
        from the half that is compared.
    """
    require_floating(original)
    _require_memory(original)
    network = fold(original.to_network())
    fitted, held = halves(network, inputs)
    x, extra = parted(fitted)
    remarks: list[str] = []
    common: dict[str, Any] = {
        "rng": np.random.default_rng(seed), "extra": extra, "remark": remarks.append
    }  # fmt: skip
    if goal is not None:
        made = round_after_training(network, x, goal, **common)
    elif how:
        made = compress_after_training(network, x, **common, coding="fixed", **how)
    else:
        made = compress_to_floor(network, x, **common)
    most = None if goal is None else goal.max_bytes
    return _versions(original, made, held, chip, batch, remarks, coding, by, most)


def _require_memory(original: Artifact) -> None:
    """Refuse a network whose weights would take too much memory while they are compressed."""
    weights = sum(math.prod(tensor.shape) for tensor in original.tensors.values())
    name = original.topology.name
    require_memory(f"network {name}: compressing it", {f"{weights:,} weights": WEIGHT_B * weights})


def parted(values: Values) -> tuple[NDArray[Any], Values]:
    """First input and further inputs."""
    return values[INPUT], {name: value for name, value in values.items() if name != INPUT}


def _versions(
    original: Artifact,
    made: Artifact,
    held: Values,
    chip: Chip,
    batch: int,
    remarks: list[str],
    coding: str,
    by: By,
    max_bytes: int | None,
) -> tuple[Version, Version]:
    """A network and what was made of it, in the best coding within its bytes, executed and simulated."""
    network = original.to_network()
    made = kept_forms(made, original)
    outputs = run(network, held)

    tried = try_codings(made, chip, batch, coding, **measured(made, held))
    small = [one for one in tried if max_bytes is None or one.size_B <= max_bytes]
    best = best_of(small or tried, by)
    near = agreements(network, outputs, run(executable(made), held))
    said = [*remarks, *_full_precision(made)]
    compressed = Version(best.artifact, best.size_B, near, best.report, tuple(said), tuple(tried))
    before_B = original.layout().file_bits // 8
    if compressed.size_B > before_B:
        larger = f"the file is larger than before: {compressed.size_B:,} bytes, {before_B:,} before"
        compressed = compressed._replace(remarks=(*compressed.remarks, larger))
    layout, same = original.layout(), agreements(network, outputs, outputs)
    try:
        report = simulate(chip, workload_on(original, held, layout), batch)
    except InputError:  # integers are all that the chip multiplies
        report = None
    return Version(original, layout.file_bits // 8, same, report), compressed


def _full_precision(made: Artifact) -> list[str]:
    """Name the matrices that are in fp32 still."""
    left = {
        name: 4 * math.prod(tensor.shape)
        for name, tensor in made.tensors.items()
        if isinstance(tensor, DenseTensor) and tensor.values.dtype == np.float32 and len(tensor.shape) > 1
    }
    if not left:
        return []
    named = ", ".join(list(left)[:NAMED]) + (f" and {len(left) - NAMED} more" if len(left) > NAMED else "")
    return [f"stay in fp32: {named} ({sum(left.values()):,} bytes)"]


def workload_on(artifact: Artifact, values: Values, layout: Layout | None = None) -> Workload:
    """Workload of an artifact, with the zeros among what its layers read when it is executed on inputs.

    Parameters
    ----------
    artifact : Artifact
    values : dict of str to ndarray
        Items by input.
    layout : Layout, optional
        Of its file, counted anew by default.
    """
    return workload_of(artifact, layout=layout, **measured(artifact, values))


def measured(artifact: Artifact, values: Values) -> dict[str, Any]:
    """What `compress.lowering.workload_of` takes of an artifact that is executed on inputs, by keyword."""
    x, extra = parted(values)
    network = executable(artifact)
    return {"input_density": input_densities(network, x, extra), "steps": _steps(network, values)}


def _steps(network: Network, values: Values) -> int | None:
    """Length of the sequences among inputs; None if there are none."""
    lead = network.interface.lead
    return next(
        (
            values[name].shape[-len(shape) - 1]
            for name, shape in network.inputs.items()
            if lead.get(name) == OPEN
        ),
        None,
    )
