"""How boards of today respond to a lower power limit and to narrower weights, published and simulated.

Each response compares two runs that differ in one thing, so that what both share cancels. Published runs are
in ``data/published/cap_elasticity.csv`` and ``data/published/weight_gains.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import log
from typing import TYPE_CHECKING, Any, cast

from hwsim.analysis.boards import Measured, served
from hwsim.csvfile import read_rows
from hwsim.workload.layer import OPERAND_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from hwsim.analysis.boards import Served
    from hwsim.csvfile import Row
    from hwsim.workload.layer import Arithmetic

CAP_COLUMNS = (
    "board",
    "arithmetic",
    "network",
    "batch",
    "cap_high_W",
    "cap_low_W",
    "throughput_high",
    "throughput_low",
    "confidence",
    "source",
    "note",
)
WEIGHT_COLUMNS = (
    "board",
    "power_limit_W",
    "arithmetic",
    "weights",
    "network",
    "tokens",
    "outputs",
    "wide_tokens_per_s",
    "tokens_per_s",
    "confidence",
    "source",
    "note",
)
CAP_BOUND = 0.15
"""Largest difference aimed at between a simulated and a published elasticity."""

GAIN_BOUND = 0.15
"""Largest relative error aimed at for the gain of narrow weights."""


@dataclass(frozen=True)
class Response:
    """Two published runs of one board that differ in one thing.

    Parameters
    ----------
    kind : {"cap", "weights"}
        What differs: the power limit, or the form of the weights.
    before, after : Measured
        Under the higher limit and the lower one, or with wide weights and with narrow ones.
    """

    kind: str
    before: Measured
    after: Measured

    def figure(self, before: float, after: float) -> float:
        """Return what the difference does to a throughput.

        Parameters
        ----------
        before, after : float
            Throughput of the two runs, in one unit.

        Returns
        -------
        float
            d ln(throughput) / d ln(cap) between the two limits, or the gain as a ratio.
        """
        if self.kind == "weights":
            return after / before
        assert self.before.power_limit_W is not None
        assert self.after.power_limit_W is not None
        return log(before / after) / log(self.before.power_limit_W / self.after.power_limit_W)


@cache
def responses() -> tuple[Response, ...]:
    """All published responses: to the cap, then to the form of weights."""
    caps = [
        Response("cap", _capped(row, "high"), _capped(row, "low"))
        for row in _published("cap_elasticity", CAP_COLUMNS)
    ]
    weights = [
        Response("weights", _decoding(row, "", "wide_tokens_per_s"), _decoding(row, row.text("weights")))
        for row in _published("weight_gains", WEIGHT_COLUMNS)
    ]
    return (*caps, *weights)


def _published(name: str, columns: tuple[str, ...]) -> list[Row]:
    return read_rows(resources.files("hwsim") / "data" / "published" / f"{name}.csv", columns)


def _capped(row: Row, end: str) -> Measured:
    return Measured(
        board=row.text("board"),
        power_limit_W=row.number(f"cap_{end}_W"),
        arithmetic=cast("Arithmetic", row.text("arithmetic", OPERAND_BITS)),
        weights="",
        fusion="",
        network=row.text("network"),
        work="network",
        tokens=0,
        outputs=0,
        batch=row.integer("batch", low=1),
        metric="throughput",
        value=row.number(f"throughput_{end}"),
        kind="vision",
        left_out="",
        source=row.text("source"),
        note=row.cells["note"],
    )


def _decoding(row: Row, weights: str, column: str = "tokens_per_s") -> Measured:
    return Measured(
        board=row.text("board"),
        power_limit_W=row.number("power_limit_W"),
        arithmetic=cast("Arithmetic", row.text("arithmetic", OPERAND_BITS)),
        weights=weights,
        fusion="",
        network=row.text("network"),
        work="request",
        tokens=row.integer("tokens"),
        outputs=row.integer("outputs", low=1),
        batch=1,
        metric="throughput",
        value=row.number(column),
        kind="decode",
        left_out="",
        source=row.text("source"),
        note=row.cells["note"],
    )


def responded(chosen: Iterable[Response], found: Mapping[Measured, Served] | None = None) -> pd.DataFrame:
    """Put simulated beside published responses.

    Parameters
    ----------
    chosen : iterable of Response
    found : mapping of Measured to Served, optional
        What was simulated already, by `Measured.run`; the rest is simulated here.

    Returns
    -------
    DataFrame
        One row each. ``error`` is the difference of elasticities, or the relative error of a gain.
    """
    import pandas as pd

    return pd.DataFrame(_line(response, found or {}) for response in chosen)


def _line(response: Response, found: Mapping[Measured, Served]) -> dict[str, Any]:
    before, after = response.before, response.after
    published = response.figure(before.value, after.value)
    simulated = response.figure(
        *((found.get(run.run) or served(run)).figure("throughput") for run in (before, after))
    )
    cap = response.kind == "cap"
    error = simulated - published if cap else simulated / published - 1
    bound = CAP_BOUND if cap else GAIN_BOUND
    return {
        "kind": response.kind,
        "board": after.board,
        "network": after.network,
        "batch": after.batch,
        "before": f"{before.power_limit_W:g} W" if cap else before.arithmetic,
        "after": f"{after.power_limit_W:g} W" if cap else after.weights,
        "published": published,
        "simulated": simulated,
        "error": error,
        "bound": bound,
        "verdict": "met" if abs(error) <= bound else "missed",
        "source": after.source,
        "note": after.note,
    }
