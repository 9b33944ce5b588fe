"""What a model on paper of the 250 W chip expects, beside what the simulator finds, and why they differ.

Of the paper model only the results are known. They fit one of weights, MACs and prices that leaves
out activations, filler entries of the gaps, rounding to whole tiles and clock steps, and waiting
between layers; the reasons given here take it for such a one. It has tiles at full clock that always
compute: their share is compared with the peak share. None of its figures enters the simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from experiments.runs.scenes import AS_IT_IS

if TYPE_CHECKING:
    from collections.abc import Callable


class Runs:
    """Look figures up in the table of runs.

    Parameters
    ----------
    table : DataFrame
        One row per network, stage, batch, variant and strategy.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table.set_index(["network", "stage", "batch", "variant", "strategy"])

    def __call__(
        self,
        figure: str,
        stage: str = "huffman",
        batch: int = 64,
        *,
        network: str = "alexnet_fc",
        variant: str = AS_IT_IS,
        strategy: str = "dimming",
    ) -> float:
        """One figure of one run."""
        return float(self.table[figure][network, stage, batch, variant, strategy])

    def gain(self, figure: str, batch: int = 64, **where: str) -> float:
        """How many times the dense figure the one with Huffman coding is."""
        return self(figure, "huffman", batch, **where) / self(figure, "dense", batch, **where)


class Claim(NamedTuple):
    """One figure of the model on paper.

    Parameters
    ----------
    quantity, unit : str
    expected : float
    found : callable
        The same figure of our runs.
    why : str
        What explains the difference.
    """

    quantity: str
    unit: str
    expected: float
    found: Callable[[Runs], float]
    why: str


RATE, PER_JOULE = "inferences_per_s", "inferences_per_J"
STEPS = "whole steps of 1% of the clock, and a few percent of energy in wires, vector unit and fillers"
LATCHES = "registers take about a tenth of the power, so the clock under the cap is higher than on paper"
INPUTS = "inputs and outputs of the batch cross the DRAM bus too"

CLAIMS = (
    Claim("DRAM power, dense", "W", 119, lambda runs: runs("dram_W", "dense"), LATCHES),
    Claim(
        "DRAM power, pruned",
        "W",
        32,
        lambda runs: runs("dram_W", "pruned"),
        f"{LATCHES}; a fifth of the weights stay on chip; {INPUTS}",
    ),
    Claim(
        "DRAM power, shared",
        "W",
        9,
        lambda runs: runs("dram_W", "shared"),
        f"on paper all weights stream; 84% of them stay on chip here. {INPUTS.capitalize()}",
    ),
    Claim("DRAM power, Huffman", "W", 0, lambda runs: runs("dram_W"), f"all weights are on chip; {INPUTS}"),
    Claim("peak share, dense", "%", 24, lambda runs: 100 * runs("peak_share", "dense"), LATCHES),
    Claim(
        "peak share, pruned",
        "%",
        49,
        lambda runs: 100 * runs("peak_share", "pruned"),
        LATCHES,
    ),
    Claim(
        "peak share, shared",
        "%",
        55,
        lambda runs: 100 * runs("peak_share", "shared"),
        f"{LATCHES}; less DRAM power than on paper",
    ),
    Claim("peak share, Huffman", "%", 58, lambda runs: 100 * runs("peak_share"), LATCHES),
    Claim("gain in inferences/s, batch 64", "×", 2.4, lambda runs: runs.gain(RATE), LATCHES),
    Claim("gain in inferences/J, batch 64", "×", 2.4, lambda runs: runs.gain(PER_JOULE), LATCHES),
    Claim("gain in inferences/s, batch 1", "×", 6, lambda runs: runs.gain(RATE, 1), STEPS),
    Claim(
        "gain in inferences/J, batch 1",
        "×",
        30,
        lambda runs: runs.gain(PER_JOULE, 1),
        "at 44 W in all, small parts count: 15 W of leakage and standby, 11 W in scratchpads",
    ),
    Claim(
        "gain in inferences/s, batch 1,024",
        "×",
        1.1,
        lambda runs: runs.gain(RATE, 1024),
        "at every stage activations of 1,024 items go through DRAM, and more of them with dense weights",
    ),
    Claim(
        "gain in inferences/s, whole AlexNet, batch 64",
        "×",
        1.10,
        lambda runs: runs.gain(RATE, network="alexnet"),
        "conv5 streams its dense weights eight times a batch; most of the time is convolution at every stage",
    ),
    Claim(
        "gain in inferences/s, VGG-16, batch 64",
        "×",
        1.0,
        lambda runs: runs.gain(RATE, network="vgg16"),
        "convolutions reuse their weights; DRAM takes 10 W even with dense weights",
    ),
    Claim(
        "gain in inferences/J with HBM2, batch 64",
        "×",
        1.4,
        lambda runs: runs.gain(PER_JOULE, variant="HBM2 energy"),
        LATCHES,
    ),
    Claim(
        "DVFS over gating, inferences/s, dense, batch 64",
        "×",
        1.4,
        lambda runs: runs(RATE, "dense", strategy="DVFS") / runs(RATE, "dense", strategy="gating"),
        "with DVFS the dense network becomes memory-bound, half of the time",
    ),
    Claim(
        "DVFS over gating, inferences/s, Huffman, batch 64",
        "×",
        1.4,
        lambda runs: runs(RATE, strategy="DVFS") / runs(RATE, strategy="gating"),
        "gating leaves 82% of the tiles on, so there is little to gain",
    ),
    Claim(
        "peak share, pruned, with zero gating",
        "%",
        100,
        lambda runs: 100 * runs("peak_share", "pruned", variant="zero gating"),
        '"nearly all" on paper',
    ),
)


def compared(runs: pd.DataFrame) -> pd.DataFrame:
    """Table of all claims: `quantity`, `unit`, `on_paper`, `simulated`, `ratio`, `why`."""
    look_up = Runs(runs)
    rows = []
    for claim in CLAIMS:
        found = claim.found(look_up)
        ratio = found / claim.expected if claim.expected else float("nan")
        rows.append((claim.quantity, claim.unit, claim.expected, found, ratio, claim.why))
    return pd.DataFrame(rows, columns=["quantity", "unit", "on_paper", "simulated", "ratio", "why"])
