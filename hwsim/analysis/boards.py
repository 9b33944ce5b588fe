"""Comparison with boards of today: published speed, watts and joules beside what is simulated.

Each row of ``data/published/boards.csv`` is a board under a power limit, a network and a batch. A request
is served in steady state: its prompt is prefilled alone, its answer decoded with the others of the batch at
the mean context. Power of the wall divided among the accelerators holds the host, too: it bounds a board's
power from above.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import exp, log
from typing import TYPE_CHECKING, Any, cast

from hwsim.csvfile import read_rows
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.language.passes import decode, forward, prefill
from hwsim.workload.layer import OPERAND_BITS
from hwsim.workload.networks import load_network
from hwsim.workload.training import training_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


def simulated(row: Measured, chip: Chip | None = None) -> float:
    """Return the simulated figure of a row.

    Parameters
    ----------
    row : Measured
    chip : Chip, optional
        In place of the row's own, for example without one of its constants.
    """
    chip = chip or row.chip
    parts, items = parts_of(row)
    served = Served([(simulate(chip, workload, batch), times) for workload, batch, times in parts], items)
    return served.figure(row.metric)


def compared(rows: Iterable[Measured]) -> pd.DataFrame:
    """Simulate rows: one row each, with the ratio of the simulated to the published figure."""
    import pandas as pd

    found: list[dict[str, Any]] = []
    for row in rows:
        value = simulated(row)
        found.append(
            {
                "board": row.board,
                "power_limit_W": row.power_limit_W,
                "arithmetic": row.weights or row.arithmetic,
                "network": row.network,
                "work": row.work,
                "batch": row.batch,
                "metric": row.metric,
                "published": row.value,
                "simulated": value,
                "ratio": value / row.value,
                "kind": row.kind,
                "left_out": row.left_out,
                "source": row.source,
                "note": row.note,
            }
        )
    return pd.DataFrame(found)


def by_class(table: pd.DataFrame) -> pd.DataFrame:
    """Judge `compared` rows by class: how far off they are, and which one most.

    Returns
    -------
    DataFrame
        Columns ``rows``, ``geometric_mean`` (of simulated / published), ``mean_error``, ``median_error``,
        ``within`` (share of rows within `WITHIN`) and ``worst``; a last row for all of them.
    """
    import pandas as pd

    judged = table[(table["left_out"] == "") & (table["kind"] != "wall")]
    groups = [*judged.groupby("kind", sort=False), ("all", judged)]
    rows = []
    for kind, group in groups:
        error = (group["ratio"] - 1).abs()
        worst = group.loc[error.idxmax()]
        rows.append(
            {
                "kind": kind,
                "rows": len(group),
                "geometric_mean": exp(sum(map(log, group["ratio"])) / len(group)),
                "mean_error": error.mean(),
                "median_error": error.median(),
                "within": (error <= WITHIN).mean(),
                "worst": f"{worst['board']} {worst['network']} {worst['work']} {worst['batch']}: "
                f"{worst['ratio']:.2f}x",
            }
        )
    return pd.DataFrame(rows)
