"""Find the workload a user names: a compressed file, a table of layers, or a built-in network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.workload import Workload


def open_workloads(name: str, stage: str = "") -> list[Workload]:
    """Return the workloads `name` stands for: one, or one per stage of a built-in network.

    Parameters
    ----------
    name : str
        Path of a ``.dcz`` file or a ``.csv`` table, or a built-in network.
    stage : str
        Of a built-in network, published or assumed; all that are published if empty.

    Raises
    ------
    InputError
        If there is no such file or network, or a file is given a stage.
    """
    if not is_built_in(name):
        if stage:
            raise InputError(f"{name}: a file has one stage, expected no --stage")
        return [_from_dcz(Path(name)) if Path(name).suffix == ".dcz" else _from_csv(Path(name))]
    from experiments.assumed_stages import ASSUMED, load_stage
    from hwsim.networks import STAGES, load_network, network_names, network_stages

    if name not in network_names():
        raise InputError(
            f"no network {name!r}, expected one of {', '.join(network_names())}, a .dcz file or a .csv table"
        )
    if stage:
        assumed = name in ASSUMED and stage in STAGES
        return [load_stage(name, stage) if assumed else load_network(name, stage)]
    return [load_network(name, found) for found in network_stages(name)]


def is_built_in(name: str) -> bool:
    """Whether `name` is to be a built-in network and not a file."""
    return Path(name).suffix not in (".dcz", ".csv")


def _from_dcz(path: Path) -> Workload:
    from compress.bridge import workload_of
    from compress.container import read

    artifact, layout = read(path)
    return workload_of(artifact, layout=layout)


def _from_csv(path: Path) -> Workload:
    from hwsim.networks import load_csv

    return load_csv(path)
