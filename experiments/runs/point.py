"""One point: what to simulate, by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from hwsim.machine.chip import load_chip

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip

COMPRESSION = "compression."
"""Prefix of keys that say how a shipped network is taken to be compressed."""

CHIPS_KEPT = 4096
"""Changed chips that a process remembers."""

Changes = tuple[tuple[str, Any], ...]


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
    """

    chip: str
    network: str
    stage: str
    batch: int
    changes: Changes = ()
    compression: Changes = ()
    governor: str = ""

    def machine(self) -> Chip:
        """Return the chip with its changes, validated."""
        return changed_chip(self.chip, self.changes)

    def columns(self) -> dict[str, Any]:
        """Return the first columns of the point's row: what was asked for."""
        own = {"chip": self.chip, "network": self.network, "stage": self.stage, "batch": self.batch}
        governor = {"governor": self.governor} if self.governor else {}
        assumed = {COMPRESSION + key: value for key, value in self.compression}
        return own | governor | dict(self.changes) | assumed


@cache
def _chip(name: str) -> Chip:
    return load_chip(name)


@lru_cache(CHIPS_KEPT)
def changed_chip(name: str, changes: Changes) -> Chip:
    """Return a chip with dotted keys changed, kept for the next point that asks for it.

    Raises
    ------
    InputError
        If there is no such chip or key, or the chip cannot be so.
    """
    return _chip(name).replace(**dict(changes))
