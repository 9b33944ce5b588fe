"""Other mappers, run anew on the layers that their published figures are of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from experiments.bench.measuring import Measurement, run_child
from experiments.bench.peers import zigzag_traffic
from experiments.console import print_note
from hwsim.analysis.mappers import compared_layers, layer_of
from hwsim.errors import InputError
from hwsim.mapping.tiling import best_tiling

if TYPE_CHECKING:
    from hwsim.csvfile import Row

LIMIT_S = 60.0
"""Seconds by the clock that a peer may take for a layer."""


def mapper_peers(peer_python: str) -> list[Measurement]:
    """DRAM traffic that ZigZag finds, each layer in a process of its own, beside that of our search.

    Both have single buffers. A layer that takes longer than `LIMIT_S`, or that ZigZag cannot map, is left out
    with a note.

    Parameters
    ----------
    peer_python : str
        Python of an environment that has ZigZag.
    """
    measured = []
    layers = {
        (layer_of(row).name, row.integer("sram_KiB")): (problem, space, row)
        for problem, space, row in compared_layers()
    }
    for (name, sram_KiB), (problem, space, row) in layers.items():
        label = f"{name}, {sram_KiB} KiB"
        request = json.dumps({"sram_bits": space, **_loops(row)})
        try:
            done = run_child([peer_python, zigzag_traffic.__file__], request, limit_s=LIMIT_S)
        except InputError as error:
            print_note(f"ZigZag, {label}: left out, {error}")
            continue
        answer = json.loads(done.output)
        theirs_kB = answer["dram_bits"] / 8e3
        ours_kB = best_tiling(problem, space, "single").traffic_bits / 8e3
        measured += [
            Measurement(f"ZigZag, {label}", answer["cpu_s"], "CPU s"),
            Measurement(f"ZigZag, {label}", theirs_kB, "kB of DRAM"),
            Measurement(f"hwsim over ZigZag, {label}", ours_kB / theirs_kB, "x", 1.0005, "less"),
        ]
    return measured


def _loops(row: Row) -> dict[str, Any]:
    """Loops of a row of ``published/mappers.csv`` as `zigzag_traffic` takes them."""
    kind = row.text("kind", ("conv", "fc", "matmul"))
    groups, size, kernel, pad = (row.integer(name) for name in ("groups", "size", "kernel", "pad"))
    channels, filters, items = (row.integer(name) for name in ("channels", "filters", "items"))
    if kind == "fc":
        return {"equation": "O[b][k]+=W[k][c]*I[b][c]", "sizes": {"B": items, "K": filters, "C": channels}}
    if kind == "matmul":
        sizes = {"G": groups, "B": size, "K": filters, "C": channels}
        return {"equation": "O[g][b][k]+=W[g][k][c]*I[g][b][c]", "sizes": sizes}
    return {
        "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
        "sizes": {
            "B": items,
            "G": groups,
            "K": filters // groups,
            "C": channels // groups,
            "OY": size,
            "OX": size,
            "FY": kernel,
            "FX": kernel,
        },
        "inputs": [size, size],
        "pad": pad,
    }
