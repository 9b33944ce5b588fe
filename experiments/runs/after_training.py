"""Compress a trained network without its training set: what that does to answers, bytes and joules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.format.execution import executable, require_floating
from compress.io.npz import read_npy
from compress.lowering import workload_of
from compress.methods.allocate import quantize_within
from compress.methods.prune import WEIGHTED_OPS
from compress.methods.quantize import quantize_network
from compress.methods.reconstruct import agreement, compress_after_training
from compress.nn.folding import fold
from compress.nn.statistics import input_densities
from hwsim.errors import InputError
from hwsim.run import simulate

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from compress.format.container import Artifact
    from compress.format.layout import Layout
    from compress.format.topology import Topology
    from compress.methods.quantize import Calibration
    from compress.methods.reconstruct import Agreement
    from compress.nn.network import Network
    from hwsim.machine.chip import Chip
    from hwsim.report import Report
    from hwsim.workload.layer import Workload


MAX_MAGNITUDE = 1e10
"""Largest magnitude of an input: the sums of products that layers are fitted by stay finite in float32."""


class Version(NamedTuple):
    """A network in one form: its file and its size, how near it is to the original, and a run on a chip.

    Where the chip does not have its arithmetic, there is no run.
    """

    artifact: Artifact
    size_B: int
    agreement: Agreement
    report: Report | None


def load_inputs(path: Path, network: Network | Topology, least: int = 1) -> NDArray[np.float32]:
    """Read the items of a ``.npy`` file.

    Raises
    ------
    InputError
        If the network takes further inputs, or the file does not hold its items, at least so many, in
        numbers of at most `MAX_MAGNITUDE`.
    """
    if network.extra_inputs:
        raise InputError(
            f"network {network.name}: takes {', '.join(network.extra_inputs)} beside its input, "
            "expected a network of one input"
        )
    found = read_npy(path)
    wanted = ", ".join(map(str, network.input_shape))
    if found.dtype.kind not in "fiu":
        raise InputError(f"{path}: not an array of numbers, expected a .npy file of shape (items, {wanted})")
    if found.shape[1:] != network.input_shape or len(found) < least:
        raise InputError(f"{path}: shape {found.shape}, expected ({least} or more items, {wanted})")
    with np.errstate(over="ignore"):
        inputs = found.astype(np.float32)
    if not (np.abs(inputs) <= MAX_MAGNITUDE).all():
        raise InputError(
            f"{path}: holds numbers that are not finite or too large, expected finite ones of at most "
            f"{MAX_MAGNITUDE:g}"
        )
    return inputs


def quantize(
    original: Artifact,
    inputs: NDArray[np.float32],
    chip: Chip,
    *,
    batch: int,
    bits: int,
    calibration: Calibration,
    max_bytes: int | None = None,
    max_J: float | None = None,
) -> tuple[Version, Version]:
    r"""Quantize a network, its ranges measured on half of the inputs; compare on the other half.

    Parameters
    ----------
    original : Artifact
    inputs : ndarray, shape (items, \*input_shape)
    chip : Chip
    batch : int
        Items per batch of the simulation.
    bits : int
        Of weights and of what layers read, 2 to 8.
    calibration : str
        See `compress.methods.quantize.quantize_network`.
    max_bytes, max_J : int, float, optional
        Of the file, or of an inference on the chip: layers get fewer than `bits` to stay within it.

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
    network = fold(original.to_network())
    fitted, held = _halves(inputs)

    def joules(artifact: Artifact) -> dict[str, float]:
        report = simulate(chip, workload_on(artifact, held), batch)
        return {layer: energy for (layer,), energy in report.joules_by("layer").items()}

    cost, budget = (_bytes, max_bytes) if max_J is None else (joules, max_J)
    if budget is None:
        made = quantize_network(network, fitted, bits, calibration=calibration)
    else:
        made = quantize_within(network, fitted, budget, cost, bits, calibration=calibration)
    return _versions(original, made, held, chip, batch)


def _bytes(artifact: Artifact) -> dict[str, float]:
    """Bytes of each layer's weights, and of all the rest."""
    layout = artifact.layout()
    of = {tensor.name: tensor.total_bits / 8 for tensor in layout.tensors}
    layers = {
        node.name: of.pop(node.params[0], 0.0) for node in artifact.topology.nodes if node.op in WEIGHTED_OPS
    }
    return {**layers, "": layout.file_bits / 8 - sum(layers.values())}


def shrink(
    original: Artifact, inputs: NDArray[np.float32], chip: Chip, *, batch: int, seed: int, **how: Any
) -> tuple[Version, Version]:
    """Prune, share and repair a network on half of the inputs; compare on the other half.

    Parameters
    ----------
    original : Artifact
    inputs : ndarray, shape (items, \\*input_shape)
    chip : Chip
    batch : int
        Items per batch of the simulation.
    seed : int
        Chooses the positions that layers are fitted on.
    **how
        ``density``, ``bits`` and ``coding`` of `compress_after_training`.

    Returns
    -------
    tuple of Version
        The original as it is, and the compressed network. Each run takes the zeros among activations
        from the half that is compared.
    """
    require_floating(original)
    network = fold(original.to_network())
    fitted, held = _halves(inputs)
    made = compress_after_training(network, fitted, rng=np.random.default_rng(seed), **how)
    return _versions(original, made, held, chip, batch)


def _halves(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    half = (len(inputs) + 1) // 2
    return inputs[:half], inputs[half:]


def _versions(
    original: Artifact, made: Artifact, held: NDArray[np.float32], chip: Chip, batch: int
) -> tuple[Version, Version]:
    """A network and what was made of it, executed on inputs held back and simulated."""
    outputs = original.to_network().forward(held)

    def version(artifact: Artifact, near: Agreement, *, run: bool = True) -> Version:
        layout = artifact.layout()
        report = simulate(chip, workload_on(artifact, held, layout), batch) if run else None
        return Version(artifact, layout.file_bits // 8, near, report)

    compressed = version(made, agreement(outputs, executable(made).forward(held)))
    itself = agreement(outputs, outputs)
    try:
        return version(original, itself), compressed
    except InputError:  # integers are all that the chip multiplies
        return version(original, itself, run=False), compressed


def workload_on(artifact: Artifact, x: NDArray[np.float32], layout: Layout | None = None) -> Workload:
    """Workload of an artifact, with the zeros among what its layers read when it is executed on inputs.

    Parameters
    ----------
    artifact : Artifact
    x : ndarray, shape (items, \\*input_shape)
    layout : Layout, optional
        Of its file, counted anew by default.
    """
    densities = input_densities(executable(artifact), x)
    return workload_of(artifact, layout=layout, input_density=densities)
