"""The rent of residency: weights on chip leak, weights in DRAM are fetched, and Huffman coding decodes.

Question. Compressed weights fit on chip. Below which rate of inferences would it be cheaper to
switch that memory off and fetch them from DRAM each time? And at which level of the memory does
Huffman coding save more joules of fetching than it spends on decoding?

Look for. In `rent`, the rising left ends: leakage over ever fewer inferences. The break-even interval
on the right is the same for every network and stage: joules of fetching a bit over the watts of
keeping it. In `huffman_pays`, the line at 1x, and how few decoders a tile needs once weights are used for
many items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from experiments.figures import rent as figures
from experiments.runs.phrases import number, times
from experiments.runs.scenes import SCENES, chip_of
from hwsim.analysis.rent import Rent, bank_leakage_W, break_even_s, decoders_to_keep_up
from hwsim.arrays.base import Tiled
from hwsim.energy.cacti import OBJECTIVE, cacti_bank
from hwsim.energy.dram import load_dram
from hwsim.energy.sram import bank_access
from hwsim.energy.table import EnergyTable
from hwsim.pricing import PriceList
from hwsim.run import simulate

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.workload.layer import Workload

SCENE = "alexnet_fc"
WIDTH_BITS = 64
CELLS = ((45, "itrs-hp"), (45, "itrs-lstp"), (22, "itrs-hp"), (22, "itrs-lstp"))
DRAMS = ("hypothetical-20pJ", "LPDDR4-3200", "HBM2-2000")
PER_S = tuple(float(rate) for rate in np.logspace(-2, 4.5, 27))
DECODERS = (1, 2, 4, 8, 16, 32)
"""Per tile."""
CELL, NARROWEST_BITS = "itrs-hp", 32
"""Cells of the banks of CACTI, and the narrowest word that it knows."""
BATCHES = (1, 16, 64, 256)


class Level(NamedTuple):
    """A memory that weights are read from, or a link they come over."""

    name: str
    pJ_per_bit: float
    cacti_pJ_per_bit: float
    low_confidence: bool


def produce(run: Run) -> None:
    """Write energy by rate, break-even intervals, Huffman by level, decoders needed."""
    rates, intervals, pays, decoders = by_rate(), break_even(), huffman_pays(), decoders_needed()
    run.write_csv("by_rate.csv", rates)
    run.write_csv("break_even.csv", intervals)
    run.write_csv("huffman_pays.csv", pays)
    run.write_csv("decoders.csv", decoders)


def rents(stage: str) -> dict[tuple[int, str], Rent]:
    """Rent of the weights at one stage, by node and cell; energies are those of the 45 nm chip."""
    workload, chip = SCENES[SCENE].workload(stage), chip_of()
    kept, fetched = (
        simulate(chip.replace(**{"sram.holds_weights": here}), workload) for here in (True, False)
    )
    streamed = _dynamic_J(fetched)
    resident = _dynamic_J(kept) if kept.weights_home == "on chip" else streamed
    size_B = workload.weight_bits / 8
    return {
        (node, cell): Rent(
            resident, streamed, bank_leakage_W(size_B, chip.sram.bank_B, WIDTH_BITS, node, cell)
        )
        for node, cell in CELLS
    }


def _dynamic_J(report: object) -> float:
    return float(report.energy_by("component").drop("static").sum())  # type: ignore[attr-defined]


def by_rate() -> pd.DataFrame:
    """Energy of an inference by rate: stage, home, node_nm, cell, per_s, energy_J, break_even_per_s.

    The two stages that fit on chip, resident and streamed, and dense weights streamed.
    """
    rows = []
    for stage in ("dense", "shared", "huffman"):
        for (node, cell), rent in rents(stage).items():
            key = {"stage": stage, "node_nm": node, "cell": cell, "break_even_per_s": rent.break_even_per_s}
            for per_s in PER_S:
                rows.append(key | {"home": "DRAM", "per_s": per_s, "energy_J": rent.streamed_J})
                if rent.resident_J < rent.streamed_J:
                    energy_J = rent.resident_at(per_s)
                    rows.append(key | {"home": "on chip", "per_s": per_s, "energy_J": energy_J})
    return pd.DataFrame(rows)


def break_even() -> pd.DataFrame:
    """Longest worthwhile time between two uses of a bit: node_nm, cell, dram, W_per_MiB, interval_s."""
    bank_B = chip_of().sram.bank_B
    rows = []
    for node, cell in CELLS:
        leakage_W = bank_leakage_W(bank_B, bank_B, WIDTH_BITS, node, cell)
        for name in DRAMS:
            dram = load_dram(name)
            rows.append(
                {
                    "node_nm": node,
                    "cell": cell,
                    "dram": name,
                    "dram_pJ_per_bit": dram.pJ_per_bit,
                    "leakage_W_per_MiB": leakage_W * (1 << 20) / bank_B,
                    "interval_s": break_even_s(dram.pJ_per_bit, leakage_W / (8 * bank_B)),
                    "low_confidence": dram.low_confidence,
                }
            )
    return pd.DataFrame(rows)


def levels() -> list[Level]:
    """Where weights may be read from, the farthest first."""
    chip = chip_of()
    prices, table, links = PriceList(chip), EnergyTable.load("45nm"), EnergyTable.load("links")
    radio = links["radio_lte_down_bit"]
    whole = bank_access(chip.sram.capacity_B, table)
    bank = bank_access(32 << 10, table)
    drams = [load_dram(name) for name in DRAMS]
    near, pad = prices["sram", "read_bit"], prices["scratchpad", "read_bit"]
    register, wire_pJ = prices["register", "access_bit"], chip.sram.wire_mm * table["wire_bit_mm"].pJ
    return [
        Level("LTE, receive", radio.pJ, radio.pJ, radio.low_confidence),
        *(Level(dram.type, dram.pJ_per_bit, dram.pJ_per_bit, dram.low_confidence) for dram in drams),
        Level(
            "SRAM of 10 MiB, one port", whole.pJ, cacti_pJ_per_bit(chip.sram.capacity_B), whole.low_confidence
        ),
        Level(
            "64 KiB bank and 5 mm", near.pJ, cacti_pJ_per_bit(chip.sram.bank_B) + wire_pJ, near.low_confidence
        ),
        Level("16 KiB scratchpad", pad.pJ, cacti_pJ_per_bit(chip.scratchpad.bank_B), pad.low_confidence),
        Level("32 KiB bank", bank.pJ, cacti_pJ_per_bit(32 << 10), bank.low_confidence),
        Level("register", register.pJ, register.pJ, register.low_confidence),
    ]


def huffman_pays() -> pd.DataFrame:
    """Joules of one stored weight, both of its codes: level, saved_pJ, spent_pJ, ratio, low_confidence.

    Columns that begin with ``cacti_`` price the memories by CACTI, those of the decoders included.
    """
    workload = SCENES[SCENE].workload
    saved_bits, symbols = saved_and_decoded(workload("shared"), workload("huffman"))
    spent_pJ = symbols * PriceList(chip_of())["decoder", "symbol"].pJ
    cacti_spent_pJ = symbols * cacti_symbol_pJ()
    rows = [
        {
            "level": level.name,
            "pJ_per_bit": level.pJ_per_bit,
            "cacti_pJ_per_bit": level.cacti_pJ_per_bit,
            "saved_bits": saved_bits,
            "symbols": symbols,
            "saved_pJ": saved_bits * level.pJ_per_bit,
            "spent_pJ": spent_pJ,
            "ratio": saved_bits * level.pJ_per_bit / spent_pJ,
            "cacti_spent_pJ": cacti_spent_pJ,
            "cacti_ratio": saved_bits * level.cacti_pJ_per_bit / cacti_spent_pJ,
            "low_confidence": level.low_confidence,
        }
        for level in levels()
    ]
    return pd.DataFrame(rows).sort_values("pJ_per_bit", ascending=False, kind="stable", ignore_index=True)


def cacti_symbol_pJ() -> float:
    """Decoding a symbol, its table being a bank of CACTI: the narrowest word of it is read, and shifted."""
    chip = chip_of()
    table = cacti_bank(chip.decoder.table_B, NARROWEST_BITS, chip.process.node_nm, CELL, OBJECTIVE)
    return table.read_pJ + PriceList(chip).table["add_int32"].pJ


def cacti_pJ_per_bit(bank_B: int) -> float:
    """Reading a bit of a bank, a word of `WIDTH_BITS` at a time."""
    return cacti_bank(bank_B, WIDTH_BITS, chip_of().process.node_nm, CELL, OBJECTIVE).read_pJ / WIDTH_BITS


def saved_and_decoded(plain: Workload, coded: Workload) -> tuple[float, float]:
    """Bits that coding saves, and symbols it has to decode, per stored entry."""
    stored = [layer.weights for layer in coded.layers if layer.weights]
    entries = sum(weights.entries for weights in stored)
    return (
        (plain.weight_bits - coded.weight_bits) / entries,
        sum(weights.symbols for weights in stored) / entries,
    )


def decoders_needed() -> pd.DataFrame:
    """Rate by decoders per tile, and how many the layers need: batch, decoders, rate, share, needed."""
    chip, workload = chip_of(), SCENES[SCENE].workload("huffman")
    layers = [layer for layer in workload.layers if layer.weights]
    largest = max(layers, key=lambda layer: layer.weight_count)
    rows = []
    for batch in BATCHES:
        rates = [
            simulate(
                chip.replace(**{"decoder.count": count * chip.array_with(Tiled).tiles}), workload, batch
            ).inferences_per_s
            for count in DECODERS
        ]
        rows += [
            {
                "batch": batch,
                "decoders_per_tile": count,
                "inferences_per_s": rate,
                "share": rate / max(rates),
                "needed_largest_layer": decoders_to_keep_up(chip, largest, batch),
                "needed_all_layers": max(decoders_to_keep_up(chip, layer, batch) for layer in layers),
            }
            for count, rate in zip(DECODERS, rates, strict=True)
        ]
    return pd.DataFrame(rows)


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    return {
        "rent": figures.rent(tables["by_rate"], tables["break_even"]),
        "huffman_pays": figures.huffman(tables["huffman_pays"], tables["decoders"]),
    }


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how often weights must be used to be kept on chip, and where Huffman coding pays."""
    rates = tables["by_rate"]
    coded = rates[(rates["stage"] == "huffman") & (rates["node_nm"] == CELLS[0][0])]
    often = coded.groupby("cell", sort=False)["break_even_per_s"].first()
    by_level = tables["huffman_pays"].set_index("level")
    pays, by_cacti = by_level["ratio"], by_level["cacti_ratio"]
    losing = pays[pays < 1]
    need = tables["decoders"].groupby("batch")["needed_largest_layer"].first()
    return (
        f"Fast {CELLS[0][0]} nm cells repay keeping AlexNet's coded layers on chip from "
        f"{number(often[CELLS[0][1]])} inferences per second on, dense slow cells from "
        f"{number(often[CELLS[1][1]])}. Below that, fetching them from DRAM is cheaper.",
        f"Huffman coding saves {times(pays[DRAMS[0]])} what decoding costs if weights come from the chip's "
        f"DRAM, and {times(pays['HBM2-2000'])} from HBM2, or {times(by_cacti['HBM2-2000'])} with memories as "
        f"CACTI prices them. From here on it does not pay: {losing.index[0]} ({times(losing.iloc[0])}).",
        f"A tile needs {need.iloc[0]} decoders at batch {need.index[0]}, and {need.iloc[-1]} at batch "
        f"{need.index[-1]}, where each weight is used more often.",
    )
