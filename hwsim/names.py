"""Accept a name or a path wherever an object is expected."""

from __future__ import annotations

from pathlib import Path

from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError, require_type
from hwsim.machine.chip import Chip, load_chip
from hwsim.workload.layer import Workload
from hwsim.workload.networks import load_network


def chip_of(chip: Chip | str | Path) -> Chip:
    """Return a chip, loaded if it is given by name or path.

    Raises
    ------
    InputError
        If it is none of these, or cannot be loaded.
    """
    if isinstance(chip, Chip):
        return chip
    require_type(chip, (str, Path), "chip", "a Chip, the name of a shipped chip or a .toml file")
    return load_chip(chip)


def workload_of(workload: Workload | str | Path, stage: str | None = None) -> Workload:
    """Return a workload, loaded if it is given by name or path.

    Parameters
    ----------
    workload : Workload, str or Path
    stage : str, optional
        Stage to load a shipped network at.

    Raises
    ------
    InputError
        If it is none of these, it cannot be loaded, or a stage is given for a workload that has its own.
    """
    if not isinstance(workload, Workload):
        expected = "a Workload, the name of a shipped network or a .csv table of layers"
        require_type(workload, (str, Path), "workload", expected)
        return load_network(workload, stage)
    if stage is not None:
        raise InputError(
            f"stage is {stage!r}, but the workload {workload.name} is at stage {workload.stage!r}, expected "
            "no stage with a Workload"
        )
    return workload


def table_of(table: EnergyTable | str | Path) -> EnergyTable:
    """Return an energy table, loaded if it is given by name or path.

    Raises
    ------
    InputError
        If it is none of these, or cannot be loaded.
    """
    if isinstance(table, EnergyTable):
        return table
    require_type(table, (str, Path), "table", "an EnergyTable, the name of a shipped one or a .csv file")
    return EnergyTable.load(table)
