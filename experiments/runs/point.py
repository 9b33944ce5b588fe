"""One point: what to simulate, by name."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.machine.chip import load_chip

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip

COMPRESSION = "compression."
"""Prefix of keys that say how a shipped network is taken to be compressed."""

LANGUAGE = ("context", "prompt", "weights", "kv", "arithmetic")
"""Keys of a point whose network is a language model: the options of ``hwsim run`` of the same names."""

CHIPS_KEPT = 4096
"""Changed chips that a process remembers."""

FILES = {".csv", ".dcz", ".gguf", ".json", ".toml"}
"""How the names of chips and networks end that are files, and do not ship."""

Changes = tuple[tuple[str, Any], ...]
Version = tuple[int, ...] | None


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
    compression : tuple of (str, value)
        Fields of `experiments.runs.assumed_stages.Assumed` that a shipped network is given in all layers.
    governor : str
        One of `experiments.runs.governing.GOVERNORS`; what `simulate` does if empty.
    language : tuple of (str, value)
        Of a language model: keys of `LANGUAGE`, and their values.
    """

    chip: str
    network: str
    stage: str
    batch: int
    changes: Changes = ()
    compression: Changes = ()
    governor: str = ""
    language: Changes = ()

    def machine(self) -> Chip:
        """Return the chip with its changes, validated."""
        return changed_chip(self.chip, version_of(self.chip), self.changes)

    def within(self, folder: Path) -> Point:
        """Return the point with files by absolute path, for a process with another current folder."""
        chip, network = (
            str(folder / name) if Path(name).suffix in FILES else name for name in (self.chip, self.network)
        )
        return replace(self, chip=chip, network=network)

    def columns(self) -> dict[str, Any]:
        """Return the first columns of the point's row: its parameters."""
        own = {"chip": self.chip, "network": self.network, "stage": self.stage, "batch": self.batch}
        governor = {"governor": self.governor} if self.governor else {}
        assumed = {COMPRESSION + key: value for key, value in self.compression}
        return own | governor | dict(self.language) | dict(self.changes) | assumed


def version_of(name: str) -> Version:
    """Tell a file from any other, and from what it was before it was written again; None if there is none."""
    try:
        status = os.stat(name)  # noqa: PTH116  (twice as fast, and called for every point)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


@lru_cache(CHIPS_KEPT)
def _chip(name: str, version: Version) -> Chip:
    return load_chip(name)


@lru_cache(CHIPS_KEPT)
def changed_chip(name: str, version: Version, changes: Changes) -> Chip:
    """Return a chip with dotted keys changed, kept for the next point that needs it.

    Parameters
    ----------
    name : str
        Of a shipped chip, or of a file.
    version : tuple of int or None
        Of that file, by `version_of`.
    changes : tuple of (str, value)
        Dotted keys, and what they become.

    Raises
    ------
    InputError
        If there is no such chip or key, or the chip cannot be so.
    """
    return _chip(name, version).replace(**dict(changes))
