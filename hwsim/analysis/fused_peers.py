"""DRAM traffic of layers that run together, as another mapper finds it, beside a run of this program.

The machine is that of `hwsim.analysis.mappers`: a 16 x 16 array with one memory, int8, one item. The peer
fetches every weight once per inference, so weights that a run keeps on chip are added to its traffic.
Inputs that stripes share, the halo, stay on chip or are fetched again, and count.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pandas as pd

from hwsim.csvfile import read_rows
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import Layer, Workload, conv, dense_storage

if TYPE_CHECKING:
    from hwsim.csvfile import Row
    from hwsim.machine.chip import Chip

COLUMNS = ("name", "size", "layers", "sram_KiB", "fused", "dram_kB", "peer", "source", "confidence")

BOUND_PCT = 15.0
"""How much more than the peer's optimum a run may move."""

SLOT_B = 64
"""Of the buffers that a run has beside the memory."""


def against_fused_mappers() -> pd.DataFrame:
    """One row per group of layers.

    Returns
    -------
    DataFrame
        layers, sram_KiB, fused, peer, dram_kB of the peer and of a run (``ours_kB``), error_pct (positive:
        more than the peer), bound_pct, once_kB (every tensor that is not between the layers, once), stripes
        (the most of any segment), source, confidence.
    """
    path = resources.files("hwsim") / "data" / "published" / "fused_mappers.csv"
    return pd.DataFrame([_compared(row) for row in read_rows(path, COLUMNS)])


def _compared(row: Row) -> dict[str, object]:
    fused = row.text("fused", ("yes", "no")) == "yes"
    layers = layers_of(row)
    chip = _chip(row.integer("sram_KiB") << 10, "depth-first" if fused else "none")
    report = simulate(chip, Workload(row.text("name"), "int8", layers, row.text("source")))
    pinned_bits = sum(run.pinned_bits for run in report.runs)
    ours_kB = (report.requested_weight_bits + report.activation_bits + pinned_bits) / 8e3
    weights = sum(layer.weight_count for layer in layers)
    return {
        "layers": row.text("name"),
        "sram_KiB": row.integer("sram_KiB"),
        "fused": fused,
        "peer": row.text("peer"),
        "dram_kB": row.number("dram_kB"),
        "ours_kB": ours_kB,
        "error_pct": 100 * (ours_kB / row.number("dram_kB") - 1),
        "bound_pct": BOUND_PCT,
        "once_kB": (layers[0].input_elements + layers[-1].output_elements + weights) / 1e3,
        "stripes": max(segment.stripes for segment in report.schedule.residency.segments),
        "source": row.text("source"),
        "confidence": row.text("confidence"),
    }


def _chip(memory_B: int, fusion: str) -> Chip:
    """The edge chip with so much memory beside small buffers; nothing else follows from the change."""
    chip = load_chip("edge").replace(**{"buffers.slot_B": SLOT_B, "dram.burst_B": 1, "fusion": fusion})
    buffers_B = SLOT_B * (chip.buffers.fetch_depth + chip.buffers.decode_depth)
    sram = chip.sram.model_copy(update={"capacity_B": memory_B + buffers_B})
    return chip.model_copy(update={"sram": sram})


def layers_of(row: Row) -> tuple[Layer, ...]:
    """Convolutions of a row, one after the other: ``channels filters kernel groups`` of each."""
    size, found = row.integer("size"), list[Layer]()
    for index, text in enumerate(row.text("layers").split(" / ")):
        channels, filters, kernel, groups = map(int, text.split())
        found.append(
            conv(
                f"conv{index + 1}",
                channels,
                (size, size),
                filters,
                (kernel, kernel),
                pad=(kernel // 2, kernel // 2),
                groups=groups,
                inputs=(index - 1,),
                weights=dense_storage(filters * channels // groups * kernel**2, 8),
                arithmetic="int8",
            )
        )
    return tuple(found)
