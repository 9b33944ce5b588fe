"""The design contest of the course: a chip and a compressed network of least energy, within rules.

An entry is a folder with a chip file and a compressed model. The chip is `BASE` with other values of the
`FREE` keys. What rests on these follows: leakage, wires and die by `hwsim.machine.derive`, ports and rows of
partial sums by `_sized`. So no entry wins by cheaper constants.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pandas as pd

from compress.evaluation import evaluate
from compress.format.container import read
from compress.lowering import workload_of
from compress.nn.datasets import load_dataset
from experiments.runs.record import csv_text
from hwsim.errors import InputError, printable
from hwsim.machine.area import parts_of
from hwsim.machine.chip import load_chip
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from compress.nn.datasets import Dataset
    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Workload

BASE = "edge"
FREE = ("array.tiles", "array.rows", "array.cols", "sram.capacity_B", "sram.bank_B", "decoder.count")
"""Keys of the chip that an entry chooses: each costs area."""
LABELS = ("name", "description")
ERROR_LIMIT = 0.01
"""Test error, as a fraction of the test images, that an entry stays below."""
AREA_LIMIT_MM2 = 6.0
"""Largest area of MACs, memories and decoders."""
PARTIAL_SUM_B = 4


@dataclass(frozen=True)
class Standing:
    """Where an entry stands.

    Parameters
    ----------
    rank : int or None
        From 1; entries of equal energy share it. None if the entry is refused.
    name : str
        Of its folder.
    energy_J, latency_s : float or None
        Of an inference at batch 1. None, like the next two, if it could not be measured.
    test_error : float or None
        Fraction of MNIST's test images that the executed file gets wrong.
    area_mm2 : float or None
        Of MACs, memories and decoders (`hwsim.machine.area`).
    refused : str
        Why it does not compete; empty if it does.
    """

    rank: int | None
    name: str
    energy_J: float | None = None
    test_error: float | None = None
    area_mm2: float | None = None
    latency_s: float | None = None
    refused: str = ""

    def values(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def leaderboard(folder: Path) -> list[Standing]:
    """Measure every entry and rank those that keep the rules by energy.

    Parameters
    ----------
    folder : Path
        Holds one folder for each entry, each with one ``.toml`` and one ``.dcz`` file.

    Returns
    -------
    list of Standing
        The least energy first and equals by name; refused entries at the end, by name.

    Raises
    ------
    InputError
        If the folder has no entries.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder, expected one with a folder for each entry")
    entries = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not entries:
        raise InputError(f"{folder}: no entries in it, expected a folder for each")
    mnist = load_dataset("mnist")
    return _ranked([_measured(entry, mnist) for entry in entries])


def table_text(standings: list[Standing]) -> str:
    """Write a leaderboard as CSV, a row for each entry: the fields of `Standing`."""
    table = pd.DataFrame([one.values() for one in standings])
    return csv_text(table.astype({"rank": "Int64"}))


def _ranked(measured: list[Standing]) -> list[Standing]:
    competing = sorted((one for one in measured if not one.refused), key=lambda one: (one.energy_J, one.name))
    energies = [one.energy_J for one in competing]
    ranked = [replace(one, rank=1 + energies.index(one.energy_J)) for one in competing]
    return ranked + sorted((one for one in measured if one.refused), key=lambda one: one.name)


def _measured(entry: Path, dataset: Dataset) -> Standing:
    """Execute, simulate and judge an entry; its rank is not known yet."""
    name = printable(entry.name)
    try:
        chip = _machine(_only(entry, ".toml"))
        model = _only(entry, ".dcz")
        artifact, layout = read(model)
        workload = workload_of(artifact, layout=layout)
        test_error = evaluate(artifact, dataset)
        area_mm2 = _area_mm2(chip, workload)
        report = simulate(chip, workload)
    except InputError as error:
        return Standing(None, name, refused=printable(str(error)))
    except OSError as error:
        return Standing(None, name, refused=printable(f"{error.filename}: {error.strerror}"))
    return Standing(
        rank=None,
        name=name,
        energy_J=report.energy_per_inference_J,
        test_error=test_error,
        area_mm2=area_mm2,
        latency_s=report.latency_s,
        refused="; ".join(_broken(test_error, area_mm2)),
    )


def _broken(test_error: float, area_mm2: float) -> Iterator[str]:
    """Rules that figures break, a sentence each."""
    if not test_error < ERROR_LIMIT:
        yield f"test error is {test_error:.2%}, expected less than {ERROR_LIMIT:.0%}"
    if not area_mm2 <= AREA_LIMIT_MM2:
        yield f"area is {area_mm2:.4g} mm2, expected at most {AREA_LIMIT_MM2:g}"


def _only(entry: Path, suffix: str) -> Path:
    """Return the one file of an entry with an ending."""
    found = [path for path in entry.iterdir() if path.suffix == suffix and path.is_file()]
    if len(found) != 1:
        raise InputError(f"{entry}: {len(found)} {suffix} files in it, expected one")
    return found[0]


def _machine(path: Path) -> Chip:
    """Return the chip of an entry: the base with the free keys of a chip file, and what follows from them.

    Raises
    ------
    InputError
        If the file is no chip, or another key is neither as in the base nor what follows.
    """
    entered, base = load_chip(path), load_chip(BASE)
    _require_same(path, "array.kind", entered, base)
    chip = base.replace(**_sized(base, {key: attrgetter(key)(entered) for key in FREE}))
    for key in sorted(chip.keys.difference(FREE, LABELS)):
        _require_same(path, key, entered, base, chip)
    return chip


def _sized(base: Chip, chosen: dict[str, Any]) -> dict[str, Any]:
    """Free keys, and those of the array that follow: a row of weights per cycle, partial sums that fit."""
    cols = chosen["array.cols"]
    return chosen | {
        "array.load_words_per_cycle": cols,
        "array.accumulator_rows": base.scratchpad.bank_B // (PARTIAL_SUM_B * cols),
    }


def _require_same(path: Path, key: str, entered: Chip, *allowed: Chip) -> None:
    found, values = attrgetter(key)(entered), [attrgetter(key)(chip) for chip in allowed]
    if found not in values:
        raise InputError(
            f"{path}: {key} is {found!r}, expected {values[0]!r} as on {BASE}; only {', '.join(FREE)} are "
            "free to change"
        )


def _area_mm2(chip: Chip, workload: Workload) -> float:
    """Area with the MACs that take the most of what the layers multiply."""
    arithmetics = {layer.arithmetic for layer in workload.layers}
    return max(sum(part.mm2 for part in parts_of(chip, one)) for one in arithmetics)
