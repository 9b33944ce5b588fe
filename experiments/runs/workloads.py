"""Find the workload a user names: a compressed file, a table of layers, or a built-in network."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.workload.layer import Workload


def open_workloads(name: str, stage: str = "", inputs: Path | None = None) -> list[Workload]:
    """Return the workloads `name` stands for: one, or one per stage of a built-in network.

    Parameters
    ----------
    name : str
        Path of a ``.dcz`` file or a ``.csv`` table, or a built-in network.
    stage : str
        Of a built-in network, published or assumed; all that are published if empty.
    inputs : Path, optional
        A ``.npy`` file of items for a ``.dcz`` file, which is executed on them to count the zeros among
        activations.

    Raises
    ------
    InputError
        If there is no such file or network, a file is given a stage, or anything else inputs.
    """
    if inputs and Path(name).suffix != ".dcz":
        raise InputError(f"{name}: nothing to execute on {inputs}, expected a .dcz file with inputs")
    if not is_built_in(name):
        if stage:
            raise InputError(f"{name}: a file has one stage, expected no --stage")
        path = Path(name)
        return [_from_dcz(path, inputs) if path.suffix == ".dcz" else _from_csv(path)]
    from experiments.runs.assumed_stages import ASSUMED, load_stage
    from hwsim.workload.networks import STAGES, load_network, network_names, network_stages

    if name not in network_names():
        raise InputError(
            f"no network {name!r}, expected one of {', '.join(network_names())}, a .dcz file or a .csv table"
        )
    if stage:
        assumed = name in ASSUMED and stage in STAGES
        return [load_stage(name, stage) if assumed else load_network(name, stage)]
    return [load_network(name, found) for found in network_stages(name)]


def layers_named(text: str, workload: Workload) -> list[str]:
    """Names of layers in a list that is separated by commas.

    A name that has commas itself is in quotes, as in a CSV file, or found by what the network has.

    Raises
    ------
    InputError
        If quotes are not closed.
    """
    try:
        (parts,) = csv.reader([text], strict=True)
    except csv.Error as error:
        raise InputError(f"--layers {text!r}: {error}, expected names separated by commas") from error
    known = {layer.name for layer in workload.layers}
    names = []
    while parts:
        joined = [",".join(parts[:count]) for count in range(1, len(parts) + 1)]
        taken = next((count for count, name in enumerate(joined, 1) if name in known), 1)
        names.append(joined[taken - 1])
        parts = parts[taken:]
    return names


def is_built_in(name: str) -> bool:
    """Whether `name` is to be a built-in network and not a file."""
    return Path(name).suffix not in (".dcz", ".csv")


def usual_stage(name: str) -> str:
    """Stage of a run that names none: a built-in network is dense, a file has its own."""
    return "dense" if is_built_in(name) else ""


def _from_dcz(path: Path, inputs: Path | None) -> Workload:
    from compress.format.container import read
    from compress.lowering import workload_of

    artifact, layout = read(path)
    if inputs is None:
        return workload_of(artifact, layout=layout)
    from experiments.runs.after_training import load_inputs, workload_on

    return workload_on(artifact, load_inputs(inputs, artifact.topology), layout)


def _from_csv(path: Path) -> Workload:
    from hwsim.workload.networks import load_csv

    return load_csv(path)
