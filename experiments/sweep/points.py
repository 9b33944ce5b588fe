"""One point of a sweep: its identity, and its row of figures.

A sweep asks for the same chips and networks again and again: each is made, and its configuration
written out for the key, once in a process.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.runs.assumed_stages import ASSUMED, USUAL, assumed_stage
from experiments.runs.governing import GOVERNORS
from experiments.runs.language import of_point
from experiments.runs.point import CHIPS_KEPT, FILES, Changes, Point, Version, changed_chip, version_of
from experiments.runs.record import sha256
from experiments.runs.workloads import is_built_in, open_workloads
from hwsim.errors import InputError
from hwsim.run import simulate

if TYPE_CHECKING:
    from hwsim.workload.layer import Workload

PACKAGES = ("hwsim", "compress", "experiments/runs", "experiments/sweep")
"""Folders of everything that a row depends on."""

SOURCE_SUFFIXES = {".py", ".csv", ".json", ".toml"}


ASKED = ("chip", "network", "stage", "batch")
"""Values of a summary that a row already holds as input."""

_as_json = json.JSONEncoder(default=lambda value: value.item()).encode

UNGOVERNED = ("latency_cycles", "clock_fraction", "limiter")
"""Figures of a summary that hold under the usual governor alone."""


@dataclass(frozen=True)
class Outcome:
    """What became of a point: a row as JSON, or the reason why there is none."""

    key: str
    row: str | None = None
    reason: str | None = None


def key_of(point: Point, seed: int, folder: Path | None = None) -> str:
    """Return the digest of the full validated configuration, the seed and the code.

    Parameters
    ----------
    point : Point
    seed : int
    folder : Path, optional
        Where names of files begin; the current folder by default.

    Raises
    ------
    InputError
        If the chip cannot be as the point says, or there is no such file.
    """
    found = point if folder is None else point.within(folder)
    identity = {
        "chip": _chip_digest(found.chip, version_of(found.chip), point.changes),
        "prices": _prices_digest(found),
        "asked": point.columns(),
        "input": _input_digest(found.network, version_of(found.network)),
        "seed": seed,
        "code": code_digest(),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def run_batch(batch: list[tuple[str, Point]], digest: str, folder: Path, seed: int) -> list[Outcome]:
    """Run keyed points one after another; what goes wrong with one is its outcome.

    A point counts only if its files are, before and after, those that its key was made of: not files that
    were written meanwhile, nor others of that name in the folder of a worker elsewhere.

    Parameters
    ----------
    batch : list of (str, Point)
    digest : str
        `code_digest` of the coordinator.
    folder : Path
        Current folder of the coordinator: names of files are relative to it.
    seed : int
        Of the sweep.

    Raises
    ------
    InputError
        If the code here is not the code with this `digest`: a worker with another version installed.
    """
    if code_digest() != digest:
        raise InputError("a worker runs other code than this, expected the same version of hwsim on all")
    return [_run(key, point, folder, seed) for key, point in batch]


def _run(key: str, point: Point, folder: Path, seed: int) -> Outcome:
    try:
        _require_same(key, point, folder, seed)
        row = point.columns() | values_of(point.within(folder))
        _require_same(key, point, folder, seed)
    except Exception as error:
        return Outcome(key, reason=reason_of(error))
    return Outcome(key, row=_as_json(row))


def _require_same(key: str, point: Point, folder: Path, seed: int) -> None:
    """Refuse files that are not those the sweep began with.

    Raises
    ------
    InputError
        If the key of the point is another by now or here.
    """
    if key_of(point, seed, folder) != key:
        files = [name for name in (point.chip, point.network) if Path(name).suffix in FILES]
        raise InputError(f"{' or '.join(files)}: not what it was when the sweep began, expected no change")


def values_of(point: Point) -> dict[str, object]:
    """Simulate a point: the values of `Report.summary`, or those of its governor in their place.

    The last two columns hold the sentences of `Report.notes` and `Report.warnings`.
    """
    machine = point.machine()
    workload = of_point(point, machine) or _workload(
        point.network, version_of(point.network), point.stage, point.compression
    )
    report = simulate(machine, workload, point.batch)
    values = {name: value for name, value in report.summary().items() if name not in ASKED}
    if point.governor:
        kept = {name: value for name, value in values.items() if name not in UNGOVERNED}
        values = kept | GOVERNORS[point.governor](report)
    return values | {"notes": "; ".join(report.notes), "warnings": "; ".join(report.warnings)}


def reason_of(error: Exception) -> str:
    """Say on one line why a point failed; an error that is not the input's says its kind."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


@lru_cache(CHIPS_KEPT)
def _chip_digest(name: str, version: Version, changes: Changes) -> str:
    """Digest of the whole chip, validated."""
    return hashlib.sha256(changed_chip(name, version, changes).model_dump_json().encode()).hexdigest()


def _prices_digest(point: Point) -> str | None:
    """Digest of the energy table of the chip, where it is a file."""
    table = point.machine().process.energy_table.partition(" to ")[0]
    return _input_digest(table, version_of(table)) if table.endswith(".csv") else None


@lru_cache(CHIPS_KEPT)
def _workload(network: str, version: Version, stage: str, compression: Changes) -> Workload:
    if compression:
        usual = replace(ASSUMED.get(network, USUAL), source="as the sweep says")
        return assumed_stage(network, stage, replace(usual, **dict(compression)))
    found = open_workloads(network, stage)
    if len(found) > 1:
        raise InputError(f"{network}: found no stage, expected one")
    return found[0]


@lru_cache(CHIPS_KEPT)
def _input_digest(network: str, version: Version) -> str | None:
    is_file = not is_built_in(network) or Path(network).is_file()
    return sha256(Path(network)) if is_file else None


@cache
def code_digest() -> str:
    """Return the digest of all sources and data that a row depends on."""
    root = Path(__file__).resolve().parents[2]
    files = [path for name in PACKAGES for path in (root / name).rglob("*") if path.suffix in SOURCE_SUFFIXES]
    digests = [f"{path.relative_to(root).as_posix()} {sha256(path)}" for path in sorted(files)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
