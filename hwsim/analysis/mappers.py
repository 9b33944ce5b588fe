"""DRAM traffic of single layers as other mappers find it, beside the search of this program.

All rows are of a 16 x 16 weight-stationary array with one memory: int8 operands, 32-bit partial sums,
outputs of 8 bits. A row is compared at the buffering that the peer has; where that is not stated, at
two buffers for what streams, which moves no less than single buffers.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from hwsim.csvfile import read_rows
from hwsim.mapping.problem import problem_of
from hwsim.mapping.tiling import best_tiling
from hwsim.workload.layer import Layer, conv, dense_storage, fc

if TYPE_CHECKING:
    from hwsim.csvfile import Row
    from hwsim.mapping.problem import Problem
    from hwsim.mapping.tiling import Buffering

COLUMNS = (
    "kind", "items", "groups", "channels", "size", "filters", "kernel", "pad", "sram_KiB", "buffering",
    "dram_kB", "peer", "source", "confidence",
)  # fmt: skip

COMPARED_AT: dict[str, Buffering] = {"single": "single", "unstated": "streaming"}

PRINTED_PCT = 0.05
"""Peers' figures are printed with four digits or more."""


class Compared(NamedTuple):
    """A layer as the search takes it, the bits on chip, and the row of the peer's figure."""

    problem: Problem
    space_bits: int
    row: Row


def compared_layers() -> list[Compared]:
    """Layers that peers were run on."""
    path = resources.files("hwsim") / "data" / "published" / "mappers.csv"
    return [
        Compared(problem_of(layer_of(row), row.integer("items")), 8 * 1024 * row.integer("sram_KiB"), row)
        for row in read_rows(path, COLUMNS)
    ]


def against_mappers() -> pd.DataFrame:
    """One row per peer's figure.

    Returns
    -------
    DataFrame
        layer, sram_KiB, buffering, peer, dram_kB of the peer and of this search (``ours_kB``),
        error_pct (positive: more than the peer), loops, above_bound, needed_KiB, source, confidence.
    """
    return pd.DataFrame([_compared(*found) for found in compared_layers()])


def _compared(problem: Problem, space_bits: int, row: Row) -> dict[str, object]:
    buffering = COMPARED_AT[row.text("buffering", COMPARED_AT)]
    found = best_tiling(problem, space_bits, buffering)
    peer_kB, ours_kB = row.number("dram_kB"), found.traffic_bits / 8e3
    return {
        "layer": layer_of(row).name,
        "sram_KiB": row.integer("sram_KiB"),
        "buffering": buffering,
        "peer": row.text("peer"),
        "dram_kB": peer_kB,
        "ours_kB": ours_kB,
        "error_pct": 100 * (ours_kB / peer_kB - 1),
        "loops": found.order,
        "above_bound": found.above_bound,
        "needed_KiB": found.needed_bits / 8192,
        "source": row.text("source"),
        "confidence": row.text("confidence"),
    }


def layer_of(row: Row) -> Layer:
    """Layer of a row of ``published/mappers.csv``: int8, no bias."""
    kind = row.text("kind", ("conv", "fc", "matmul"))
    groups, size, kernel, pad = (row.integer(name) for name in ("groups", "size", "kernel", "pad"))
    channels, filters, items = (row.integer(name) for name in ("channels", "filters", "items"))
    if kind == "matmul":
        name = f"{groups} x {size} x {channels} by {channels} x {filters}"
        first, second = groups * size * channels, groups * channels * filters
        outputs = groups * size * filters
        return Layer(
            name, "matmul", size, filters, channels, first + second, outputs, groups, arithmetic="int8"
        )
    if kind == "fc":
        stored = dense_storage(channels * filters, 8)
        name = f"fc {channels} to {filters}, batch {items}"
        return fc(name, channels, filters, weights=stored, arithmetic="int8")
    stored = dense_storage(filters * channels // groups * kernel**2, 8)
    called = "depthwise" if groups == channels else "conv"
    name = f"{called} {kernel}x{kernel}, {channels} to {filters}, {size}x{size}"
    shape = ((size, size), filters, (kernel, kernel))
    return conv(name, channels, *shape, pad=(pad, pad), groups=groups, weights=stored, arithmetic="int8")
