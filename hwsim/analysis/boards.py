"""Comparison with boards of today: published speed, watts and joules beside what is simulated.

Each row of ``data/published/boards.csv`` is a board under a power limit, a network and a batch. A request
is served in steady state: its prompt is prefilled alone, its answer decoded with the others of the batch at
the mean context. Power of the wall divided among the accelerators holds the host, too: it bounds a board's
power from above.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from math import exp, log, nan
from typing import TYPE_CHECKING, Any, cast

from hwsim.csvfile import read_rows
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.language.passes import decode, forward, prefill
from hwsim.workload.layer import OPERAND_BITS
from hwsim.workload.networks import load_network
from hwsim.workload.training import training_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from hwsim.machine.chip import Chip
    from hwsim.report import Report
    from hwsim.workload.layer import Arithmetic, Workload

COLUMNS = (
    "board",
    "power_limit_W",
    "arithmetic",
    "weights",
    "fusion",
    "network",
    "work",
    "tokens",
    "outputs",
    "batch",
    "metric",
    "value",
    "kind",
    "left_out",
    "confidence",
    "source",
    "note",
)
KINDS = {
    "vision": "vision, large batch",
    "bert": "BERT, batches",
    "batch 1": "batch 1",
    "decode": "LLM decode",
    "prefill": "LLM prefill",
    "training": "training",
    "watts": "board watts",
    "joules": "joules per token",
    "wall": "wall watts, an upper bound",
}
"""Classes of rows, as tables write them."""

WITHIN = 0.25
"""A row counts as right within so much of the published figure."""

CLASS_MEAN = (0.8, 1.25)
"""Range aimed at for the geometric mean of simulated / published in a class."""

ALL_MEAN_ERROR, ALL_MEDIAN_ERROR, ALL_WITHIN = 0.20, 0.10, 0.80
"""Aims for all judged rows together: largest mean and median error, least share of rows within `WITHIN`."""


@dataclass(frozen=True)
class Measured:
    """One published figure of a board.

    Parameters
    ----------
    board : str
        Chip file.
    power_limit_W : float or None
        Limit it ran under; None for the chip's own.
    arithmetic, weights : str
        What it multiplies, and the form of weights of a language model (as wide as that if empty).
    fusion : str
        What the software fuses; empty for what the chip file says.
    network : str
    work : {"network", "training", "forward", "prefill", "request"}
    tokens, outputs : int
        Of a prompt, and of an answer.
    batch : int
    metric : str
        ``throughput`` (items or tokens a second), ``latency_mean`` (ms), ``board_power``,
        ``wall_power_per_accelerator`` (W) or ``energy`` (J per token).
    value : float
    kind : str
        One of `KINDS`.
    left_out : str
        Why the row is shown and not judged; empty for one that is judged.
    source, note : str
    """

    board: str
    power_limit_W: float | None
    arithmetic: Arithmetic
    weights: str
    fusion: str
    network: str
    work: str
    tokens: int
    outputs: int
    batch: int
    metric: str
    value: float
    kind: str
    left_out: str
    source: str
    note: str

    @property
    def chip(self) -> Chip:
        """The board under its power limit, with what its software fuses."""
        said = {"power.cap_W": self.power_limit_W, "fusion": self.fusion}
        return load_chip(self.board).replace(**{key: value for key, value in said.items() if value})

    @property
    def judged(self) -> bool:
        """Whether the row counts in the errors of its class."""
        return not self.left_out and self.kind != "wall"

    @property
    def run(self) -> Measured:
        """What ran, without what was measured of it: rows of one run are simulated once."""
        return replace(self, metric="throughput", value=1.0, kind="", left_out="", source="", note="")


class Served:
    """Figures of steady service, summed over what one batch of requests takes.

    Parameters
    ----------
    parts : sequence of (Report, float)
        Simulated batches, and how often each of them runs.
    items : float
        Items or tokens that come out.
    """

    def __init__(self, parts: Sequence[tuple[Report, float]], items: float) -> None:
        self.seconds = sum(report.period_s * times for report, times in parts)
        self.joules = sum(report.energy_per_inference_J * report.batch * times for report, times in parts)
        self.latency_s = sum(report.latency_s * times for report, times in parts)
        self.items = items

    def figure(self, metric: str) -> float:
        """Return a figure by the name of its metric."""
        return {
            "throughput": self.items / self.seconds,
            "latency_mean": 1e3 * self.latency_s,
            "board_power": self.joules / self.seconds,
            "wall_power_per_accelerator": self.joules / self.seconds,
            "energy": self.joules / self.items,
        }[metric]


@cache
def measured() -> tuple[Measured, ...]:
    """Return all rows of ``data/published/boards.csv``."""
    path = resources.files("hwsim") / "data" / "published" / "boards.csv"
    return tuple(
        Measured(
            row.text("board"),
            row.number("power_limit_W", default=0.0) or None,
            cast("Arithmetic", row.text("arithmetic", OPERAND_BITS)),
            row.cells["weights"],
            row.cells["fusion"],
            row.text("network"),
            row.text("work", ("network", "training", "forward", "prefill", "request")),
            row.integer("tokens", default=0),
            row.integer("outputs", default=0),
            row.integer("batch", low=1),
            row.text("metric"),
            row.number("value"),
            row.text("kind", KINDS),
            row.cells["left_out"],
            row.text("source"),
            row.cells["note"],
        )
        for row in read_rows(path, COLUMNS)
    )


def parts_of(row: Measured) -> tuple[list[tuple[Workload, int, float]], float]:
    """Return what a row runs: workloads, their batch and how often; and the items that come out.

    Parameters
    ----------
    row : Measured
    """
    weights = row.weights or None
    if row.work in ("network", "training"):
        workload = load_network(row.network, row.arithmetic)
        if row.work == "training":
            workload = training_step(workload, "momentum")
        return [(workload, row.batch, 1.0)], row.batch
    if row.work == "forward":
        return [(forward(row.network, row.tokens, row.batch, arithmetic=row.arithmetic), row.batch, 1.0)], (
            row.batch
        )
    prompt = prefill(row.network, row.tokens, 1, weights=weights, arithmetic=row.arithmetic)
    if row.work == "prefill":
        return [(prompt, 1, 1.0)], row.tokens
    context = row.tokens + row.outputs // 2
    token = decode(row.network, context, row.batch, weights=weights, arithmetic=row.arithmetic)
    return [(prompt, 1, float(row.batch)), (token, row.batch, float(row.outputs))], row.batch * row.outputs


def reports_of(row: Measured) -> tuple[list[tuple[Report, float]], float]:
    """Simulate what a row runs: a report of each batch and how often it runs; and the items that come out.

    Parameters
    ----------
    row : Measured
    """
    chip, (parts, items) = row.chip, parts_of(row)
    return [(simulate(chip, workload, batch), times) for workload, batch, times in parts], items


def served(row: Measured) -> Served:
    """Simulate what a row runs, and return its figures.

    Parameters
    ----------
    row : Measured
    """
    return Served(*reports_of(row))


def simulated(row: Measured) -> float:
    """Return the simulated figure of a row."""
    return served(row).figure(row.metric)


def compared(rows: Iterable[Measured], found: Mapping[Measured, Served] | None = None) -> pd.DataFrame:
    """Put simulated beside published figures.

    Parameters
    ----------
    rows : iterable of Measured
    found : mapping of Measured to Served, optional
        What was simulated already, by `Measured.run`; the rest is simulated here.

    Returns
    -------
    DataFrame
        One row each, with ``ratio`` (simulated / published) and ``verdict``; rows that are left out are
        not simulated.
    """
    import pandas as pd

    known = dict(found or {})
    lines: list[dict[str, Any]] = []
    for row in rows:
        value = nan
        if not row.left_out:
            if row.run not in known:
                known[row.run] = served(row)
            value = known[row.run].figure(row.metric)
        lines.append(
            {
                "kind": row.kind,
                "board": row.board,
                "power_limit_W": row.power_limit_W,
                "arithmetic": row.weights or row.arithmetic,
                "network": row.network,
                "work": row.work,
                "tokens": row.tokens,
                "batch": row.batch,
                "metric": row.metric,
                "published": row.value,
                "simulated": value,
                "ratio": value / row.value,
                "verdict": _verdict(row, value / row.value),
                "left_out": row.left_out,
                "source": row.source,
                "note": row.note,
            }
        )
    return pd.DataFrame(lines)


def _verdict(row: Measured, ratio: float) -> str:
    """Say how a row ends: its figure is right, off, on either side of a bound, or not judged."""
    if row.left_out:
        return "left out"
    if row.kind == "wall":
        return "below the bound" if ratio <= 1 else "above the bound"
    return "within" if abs(ratio - 1) <= WITHIN else "off"


def by_class(table: pd.DataFrame) -> pd.DataFrame:
    """Judge `compared` rows by class: how far off they are, and which one most.

    Returns
    -------
    DataFrame
        Columns ``rows``, ``geometric_mean`` (of simulated / published), ``mean_error``, ``median_error``,
        ``within`` (share of rows within `WITHIN`), ``worst`` and ``verdict``: whether a class is within
        `CLASS_MEAN`, and a last row for all of them within all of `ALL_MEAN_ERROR`, `ALL_MEDIAN_ERROR` and
        `ALL_WITHIN`.
    """
    import pandas as pd

    judged = table[(table["left_out"] == "") & (table["kind"] != "wall")]
    groups = [(kind, judged[judged["kind"] == kind]) for kind in KINDS]
    return pd.DataFrame(_summary(kind, rows) for kind, rows in [*groups, ("all", judged)] if len(rows))


def _summary(kind: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Errors of one class of judged rows, or of all."""
    error = (rows["ratio"] - 1).abs()
    worst: Any = rows.iloc[int(error.to_numpy().argmax())]
    mean = exp(sum(map(log, rows["ratio"])) / len(rows))
    within = (error <= WITHIN).mean()
    if kind == "all":
        met = error.mean() <= ALL_MEAN_ERROR and error.median() <= ALL_MEDIAN_ERROR and within >= ALL_WITHIN
    else:
        met = CLASS_MEAN[0] <= mean <= CLASS_MEAN[1]
    return {
        "kind": kind,
        "rows": len(rows),
        "geometric_mean": mean,
        "mean_error": error.mean(),
        "median_error": error.median(),
        "within": within,
        "worst": f"{worst['board']} {worst['network']} {worst['work']} {worst['batch']}: "
        f"{worst['ratio']:.2f}x",
        "verdict": "met" if met else "missed",
    }
