"""EIE's factors: 120 x 10 x 8 x 3, beside one layer simulated step by step.

Question. EIE's abstract names four savings: 120x for SRAM instead of DRAM, 10x for sparsity, 8x for
weight sharing and 3x for skipping zero activations. Why does no machine use 28,800 times less energy?

Look for. In `eie_factors`, each published factor beside ours, once for the weights' way alone and once
for the whole layer. Then in `eie_waterfall`, what the bars are made of: when weights have become cheap,
arithmetic and registers are all that is left, and a saving of weights saves nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from experiments.figures import eie_factors as figures
from experiments.runs.phrases import listed, number, times
from hwsim.analysis.validation import validate_eie
from hwsim.arrays.eie import EieArray
from hwsim.csvfile import read_rows
from hwsim.energy.dram import load_dram
from hwsim.energy.sram import bank_access
from hwsim.machine.chip import load_chip
from hwsim.pricing import PriceList
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.arrays.base import ArrayCost
    from hwsim.workload.layer import Arithmetic, Layer

CHIP, NETWORK, LAYER, PUBLISHED_LAYER = "eie", "alexnet", "fc7", "Alex-7"
DRAM = "DDR3-1600"
MEMORIES = {"32 KiB bank": 32 << 10, "8 MiB, one port": 8 << 20}
PARTS = ("weights", "index", "activations", "registers", "arithmetic")


class Step(NamedTuple):
    """One more saving, on top of those before.

    Parameters
    ----------
    name, label : str
    in_sram, pruned, skip : bool
        Weights on chip; zeros left out of the matrix; zero activations left out.
    value_bits, gap_bits : int
        Of a stored entry.
    arithmetic : str
    why : str
        What to know of our factor.
    """

    name: str
    label: str
    in_sram: bool
    pruned: bool
    skip: bool
    value_bits: int
    gap_bits: int
    arithmetic: Arithmetic
    why: str


STEPS = (
    Step("dense", "dense, from DRAM", False, False, False, 32, 0, "fp32", "640 pJ a weight"),
    Step("sram", "SRAM, not DRAM", True, False, False, 32, 0, "fp32", "of a bank, not of a memory"),
    Step("pruned", "sparsity", True, True, False, 32, 4, "fp32", "entries carry an index; some are fillers"),
    Step("shared", "weight sharing", True, True, False, 4, 4, "fp32", "the index and fp32 arithmetic stay"),
    Step("skipped", "zero activations", True, True, True, 4, 4, "fp32", "35% of its inputs are not zero"),
    Step("fixed", "16-bit fixed point", True, True, True, 4, 4, "int16", "in no factor, but in the chip"),
)


def produce(run: Run) -> None:
    """Write the energy of every step by part, the factors beside the published ones."""
    parts = energy_by_step()
    table = factors(parts)
    run.write_csv("energy.csv", parts)
    run.write_csv("factors.csv", table)


def energy_by_step() -> pd.DataFrame:
    """Picojoules of one product with the layer: memory, step, part, energy_pJ, low_confidence."""
    layer = next(found for found in load_network(NETWORK, "huffman").layers if found.name == LAYER)
    rows = []
    for memory, size_B in MEMORIES.items():
        for step in STEPS:
            for part, (energy_pJ, low) in _parts(layer, step, size_B).items():
                key = {"memory": memory, "step": step.name, "label": step.label}
                rows.append(key | {"part": part, "energy_pJ": energy_pJ, "low_confidence": low})
    return pd.DataFrame(rows)


def _parts(layer: Layer, step: Step, size_B: int) -> dict[str, tuple[float, bool]]:
    chip = load_chip(CHIP)
    assert isinstance(chip.array, EieArray)
    array = replace(chip.array, skip_zero_activations=step.skip)
    density = layer.weight_density if step.pruned else 1.0
    cost = array.cost(replace(layer, arithmetic=step.arithmetic, weight_density=density), 1)
    prices = PriceList(chip)
    bank = bank_access(size_B, prices.table)
    dram = load_dram(DRAM)
    bit_pJ, low = (bank.pJ, bank.low_confidence) if step.in_sram else (dram.pJ_per_bit, dram.low_confidence)
    pointers_pJ = _priced(cost, prices, "spad_pointer") if step.gap_bits else (0.0, False)
    index_pJ = cost.macs * step.gap_bits * bit_pJ
    return {
        "weights": (cost.macs * step.value_bits * bit_pJ, low),
        "index": (index_pJ + pointers_pJ[0], (low and step.gap_bits > 0) or pointers_pJ[1]),
        "activations": _priced(cost, prices, "spad_activation"),
        "registers": _priced(cost, prices, "register"),
        "arithmetic": _priced(cost, prices, "mac"),
    }


def _priced(cost: ArrayCost, prices: PriceList, component: str) -> tuple[float, bool]:
    """Picojoules of a component's actions, and whether a price is of low confidence."""
    energy = prices.energy_pJ({key: count for key, count in cost.counts.items() if key[1] == component})
    return sum(energy.values()), any(prices[component, action].low_confidence for _, _, action in energy)


def factors(parts: pd.DataFrame) -> pd.DataFrame:
    """Factor of every step: memory, step, label, published, weights, layer, why, low_confidence.

    ``weights`` is ours for the way of weights and their index alone, ``layer`` for all of it. The row
    ``product`` multiplies; ``measured`` and ``simulated`` are the energy of EIE as its paper gives it and as
    this simulator does, against dense weights in DRAM.
    """
    known = published_factors()
    table = validate_eie()
    chip = table[(table["layer"] == PUBLISHED_LAYER) & (table["metric"] == "energy")].iloc[0]
    rows: list[dict[str, Any]] = []
    for memory in MEMORIES:
        here = parts[parts["memory"] == memory]
        whole = here.groupby("step")["energy_pJ"].sum()
        moved = here[here["part"].isin(("weights", "index"))].groupby("step")["energy_pJ"].sum()
        low = here.groupby("step")["low_confidence"].any()
        for before, step in pairwise(STEPS):
            rows.append(
                {
                    "memory": memory,
                    "step": step.name,
                    "label": step.label,
                    "published": known.get(step.name),
                    "weights": moved[before.name] / moved[step.name],
                    "layer": whole[before.name] / whole[step.name],
                    "why": step.why,
                    "low_confidence": bool(low[step.name]),
                }
            )
        named = [row for row in rows if row["memory"] == memory and row["published"]]
        rows.append(
            {
                "memory": memory,
                "step": "product",
                "label": "product of the four",
                **{key: math.prod(row[key] for row in named) for key in ("published", "weights", "layer")},
                "why": "each factor holds of the weights that are left, none of everything",
                "low_confidence": False,
            }
        )
        rows += [
            {
                "memory": memory,
                "step": step,
                "label": label,
                "layer": whole["dense"] / (1e6 * known_uJ),
                "why": "against dense weights from DRAM",
                "low_confidence": False,
            }
            for step, label, known_uJ in (
                ("measured", "EIE as published", float(chip["published"])),
                ("simulated", "EIE as simulated", float(chip["simulated"])),
            )
        ]
    return pd.DataFrame(rows)


def published_factors() -> dict[str, float]:
    """Factors of the abstract by step."""
    path = resources.files("hwsim") / "data" / "published" / "eie_factors.csv"
    rows = read_rows(path, ("step", "factor", "saving", "source", "confidence"))
    return {row.text("step"): row.number("factor") for row in rows}


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    return {
        "eie_factors": figures.factors(tables["factors"]),
        "eie_waterfall": figures.waterfall(tables["energy"]),
    }


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what the factors are here, what they make together, and how near the machine itself comes."""
    table = tables["factors"].set_index(["memory", "step"])
    banks = table.index.get_level_values("memory").unique()
    found = {memory: table.loc[memory] for memory in banks}
    near, far = (found[memory] for memory in banks)
    steps = near.index[: near.index.get_loc("fixed")]
    told = listed(number(near.loc[step, "weights"]) for step in steps)
    paper = listed(number(near.loc[step, "published"]) for step in steps)
    published = near.loc["product", "published"]
    return (
        f"The published factors are {paper}. For weights from a {banks[0]} ours are {told}: entries carry an "
        f"index and the arithmetic stays.",
        f"For the whole layer the four factors multiply to {number(near.loc['product', 'layer'])} "
        f"({banks[0]}) or {number(far.loc['product', 'layer'])} ({banks[1]}), not to {number(published, 3)}.",
        f"EIE as published takes {times(near.loc['measured', 'layer'])} less energy than dense weights from "
        f"DRAM, and as simulated {times(near.loc['simulated', 'layer'])}: "
        f"{times(published / near.loc['measured', 'layer'])} short of the product.",
    )
