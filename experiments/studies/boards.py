"""Boards of today: published speed, watts and joules beside what is simulated.

Question. How far are simulated throughput, latency, board watts and joules per token of GPUs and TPUs from
published measurements, and how much of that rests on constants that were fitted to them?

Look for. The geometric mean of simulated / published in each class of rows, and the share of rows within
25%. Then how steeply throughput falls with the power limit, and what narrow weights gain: both compare two
runs of one board, so that an error that the two share cancels. Last, the fitted constants: each is keyed to
a family of chips, none to a row, and ``constants.csv`` says how large the mean error would be without it.

How rows are read. A row is a board under a power limit, a network, a batch and one measured figure. Steady
service is simulated: no start-up, no idle time, no host. MLPerf runs BERT-large on SQuAD unpadded; such
rows are simulated with 176 tokens, the average, and not with the 384 that sequences are padded to
elsewhere. A request to a language model is one prefill per sequence and one decoding step per token of the
answer, all sequences of the batch together, at the mean context. Board watts are those that the board's own
sensor reads. Wall watts are the power of the whole server divided by its accelerators. They hold host, fans
and power supplies, so they are an upper bound of a board's power: such a row says whether the simulated
board stays below it, and counts in no error. Latencies at batch 1 hold what the load generator and the host
take to issue a query. That is tens of microseconds, and is not simulated.

Rows that are left out are in ``rows.csv`` with the reason: eager PyTorch and llama.cpp measure the software
more than the board, a Jetson's figure adds two other engines to its GPU, some systems have no chip file or
no network here. They are not simulated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import boards as figure
from experiments.runs.parallel import in_order
from experiments.runs.phrases import listed, number, percent
from hwsim.analysis.board_constants import constants_of, with_and_without
from hwsim.analysis.board_response import responded, responses
from hwsim.analysis.boards import KINDS, WITHIN, Measured, Served, by_class, compared, measured
from hwsim.machine.families import constants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.machine.families import Constant

Found = dict[tuple[Measured, "Constant | None"], Served]
"""Simulated runs, with all constants or without one of them."""


def produce(run: Run) -> None:
    """Write the rows, their classes, the responses and the constants."""
    rows = measured()
    found = simulated(rows)
    whole = {key: value for (key, constant), value in found.items() if constant is None}
    table = compared(rows, whole)
    classes, answers = by_class(table), responded(responses(), whole)
    run.write_csv("rows.csv", table)
    run.write_csv("classes.csv", classes)
    run.write_csv("responses.csv", answers)
    run.write_csv("constants.csv", bought(rows, found))


def simulated(rows: Sequence[Measured]) -> Found:
    """Simulate all that the tables need, each run once.

    Judged rows are costed again without each of the constants of their chip.
    """
    pairs = [end for response in responses() for end in (response.before, response.after)]
    held: dict[Measured, list[Constant]] = {row.run: [] for row in (*rows, *pairs) if not row.left_out}
    held |= {row.run: constants_of(row.chip) for row in rows if row.judged}
    found: Found = {}
    for (run, some), answers in zip(
        held.items(), in_order(with_and_without, list(held.items())), strict=True
    ):
        found |= {(run, constant): one for constant, one in zip((None, *some), answers, strict=True)}
    return found


def bought(rows: Sequence[Measured], found: Found) -> pd.DataFrame:
    """Say what each constant buys: mean error of the judged rows of its family with it and without.

    Parameters
    ----------
    rows : sequence of Measured
    found : dict
        As from `simulated`.

    Returns
    -------
    DataFrame
        The columns of ``data/families.csv``, ``rows``, ``error_with``, ``error_without`` and ``buys``, the
        difference of the two; errors are shares. Empty errors: no judged row depends on the constant.
    """
    return pd.DataFrame(_bought(constant, rows, found) for constant in constants())


def _bought(constant: Constant, rows: Sequence[Measured], found: Found) -> dict[str, Any]:
    touched = [row for row in rows if row.judged and (row.run, constant) in found]
    errors = pd.DataFrame(
        [[_error(row, found[row.run, held]) for held in (None, constant)] for row in touched],
        columns=["error_with", "error_without"],
    ).mean()
    return {
        **constant._asdict(),
        "rows": len(touched),
        "error_with": errors["error_with"],
        "error_without": errors["error_without"],
        "buys": errors["error_without"] - errors["error_with"],
    }


def _error(row: Measured, run: Served) -> float:
    return abs(run.figure(row.metric) / row.value - 1)


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"boards": figure.draw(tables["rows"], tables["classes"], tables["responses"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how near the boards are, which classes miss their bounds, and which constants matter."""
    classes, constants = tables["classes"].set_index("kind"), tables["constants"]
    every = classes.loc["all"]
    missed = classes[(classes["verdict"] == "missed") & (classes.index != "all")]
    misses = [f"{KINDS[str(kind)]} ({number(row.geometric_mean, 3)})" for kind, row in missed.iterrows()]
    answers = tables["responses"]
    failed = answers.loc[answers["verdict"] == "missed", "after"]
    most = constants.loc[constants["buys"].idxmax()]
    return (
        f"Over {every['rows']:.0f} published figures the mean error is {percent(every['mean_error'])} and "
        f"the median error {percent(every['median_error'])}. {percent(every['within'])} are within "
        f"{WITHIN:.0%}.",
        f"Classes outside their bounds, with simulated over published: {listed(misses)}. Of {len(answers)} "
        f"comparisons of two runs of one board, {len(answers) - len(failed)} meet their bound.",
        f"The fitted constant that matters most is one of the {str(most['family']).upper()}s: "
        f"{most['meaning']}. Without it their mean error is {percent(most['error_without'])} instead of "
        f"{percent(most['error_with'])}.",
    )
