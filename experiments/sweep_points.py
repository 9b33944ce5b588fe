"""One point of a sweep: its identity, and its row of figures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.results import sha256
from experiments.workloads import open_workloads
from hwsim.chip import load_chip
from hwsim.errors import InputError
from hwsim.simulate import simulate

if TYPE_CHECKING:
    from hwsim.chip import Chip
    from hwsim.workload import Workload

PACKAGES = ("hwsim", "compress")
OWN_MODULES = ("assumed_stages.py", "sweep_points.py", "workloads.py")
SOURCE_SUFFIXES = {".py", ".csv", ".json", ".toml"}


@dataclass(frozen=True)
class Point:
    """What to simulate.

    Parameters
    ----------
    chip, network, stage : str
        As on the command line of ``hwsim run``.
    batch : int
        Items per batch.
    changes : tuple of (str, value)
        Dotted keys of the chip, and what they become.
    """

    chip: str
    network: str
    stage: str
    batch: int
    changes: tuple[tuple[str, Any], ...] = ()

    def machine(self) -> Chip:
        """Return the chip with its changes, validated."""
        return _chip(self.chip).replace(**dict(self.changes))

    def columns(self) -> dict[str, Any]:
        """Return the first columns of the point's row: what was asked for."""
        own = {"chip": self.chip, "network": self.network, "stage": self.stage, "batch": self.batch}
        return own | dict(self.changes)


@dataclass(frozen=True)
class Outcome:
    """What became of a point: a row as JSON, or the reason why there is none."""

    key: str
    row: str | None = None
    reason: str | None = None


def key_of(point: Point, seed: int) -> str:
    """Return the digest of the full validated configuration, the seed and the code.

    Raises
    ------
    InputError
        If the chip cannot be as the point says, or there is no such file.
    """
    identity = {
        "chip": point.machine().model_dump_json(),
        "asked": point.columns(),
        "input": _input_digest(point.network),
        "seed": seed,
        "code": code_digest(),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def run_batch(batch: list[tuple[str, Point]], digest: str) -> list[Outcome]:
    """Run keyed points one after another; what goes wrong with one is its outcome.

    Raises
    ------
    InputError
        If the code here is not the code with this `digest`: a worker with another version installed.
    """
    if code_digest() != digest:
        raise InputError("a worker runs other code than this, expected the same version of hwsim on all")
    return [_run(key, point) for key, point in batch]


def _run(key: str, point: Point) -> Outcome:
    try:
        summary = simulate(point.machine(), _workload(point.network, point.stage), point.batch).summary()
    except Exception as error:
        return Outcome(key, reason=reason_of(error))
    return Outcome(
        key, row=json.dumps(point.columns() | _figures(summary), default=lambda value: value.item())
    )


def reason_of(error: Exception) -> str:
    """Say on one line why a point failed; an error that is not the input's says its kind."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


def _figures(summary: dict[str, object]) -> dict[str, object]:
    return {
        name: value for name, value in summary.items() if name not in ("chip", "network", "stage", "batch")
    }


@cache
def _chip(name: str) -> Chip:
    return load_chip(name)


@cache
def _workload(network: str, stage: str) -> Workload:
    found = open_workloads(network, stage)
    if len(found) > 1:
        raise InputError(f"{network}: found no stage, expected one")
    return found[0]


@cache
def _input_digest(network: str) -> str | None:
    path = Path(network)
    return sha256(path) if path.suffix in (".dcz", ".csv") else None


@cache
def code_digest() -> str:
    """Return the digest of all sources and data that a row depends on."""
    here = Path(__file__).resolve().parent
    folders = [here.parent / name for name in PACKAGES]
    files = [here / name for name in OWN_MODULES]
    files += [path for folder in folders for path in folder.rglob("*") if path.suffix in SOURCE_SUFFIXES]
    digests = [f"{path.relative_to(here.parent).as_posix()} {sha256(path)}" for path in sorted(files)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
