"""DRAM traffic of one layer as ZigZag 3.9.1 maps it, run by a Python that has it installed.

Reads JSON from standard input: ``sram_bits``, and a layer by its ``equation``, ``sizes`` of its loops and,
of a convolution, ``inputs`` (rows and columns) and ``pad``. Writes JSON to standard output: ``dram_bits``
and the ``cpu_s`` it took; imports are not counted. The machine is a 16 x 16 weight-stationary array with one
memory: int8 operands, 32-bit partial sums, outputs of 8 bits, single buffers. A bit of DRAM costs a thousand
times one of the memory, so the mapping of least energy is the one of least traffic.
"""

import contextlib
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LOOPS = 6
"""Prime factors of loops that ZigZag permutes (its own default)."""

WORD_BITS = 8
OPERANDS = ["I1", "I2", "O"]
ALL = [f"{operand}, {way}" for operand in ("I1", "I2") for way in ("fh", "tl")] + [
    f"O, {way}" for way in ("fh", "tl", "fl", "th")
]


def machine(sram_bits: int) -> dict[str, Any]:
    """Describe the array and its memories."""

    def memory(size: int, cost: float, allocation: list[str], served: list[str]) -> dict[str, Any]:
        port = {
            "name": "rw_port_1",
            "type": "read_write",
            "bandwidth_min": WORD_BITS,
            "bandwidth_max": WORD_BITS,
            "allocation": allocation,
        }
        return {
            "size": size,
            "r_cost": cost,
            "w_cost": cost,
            "area": 0,
            "latency": 1,
            "auto_cost_extraction": False,
            "operands": [name for name in OPERANDS if any(way.startswith(name) for way in allocation)],
            "ports": [port],
            "served_dimensions": served,
        }

    return {
        "name": "array",
        "memories": {
            "held": memory(WORD_BITS, 0.01, ["I2, fh", "I2, tl"], []),
            "sram": memory(sram_bits, 1.0, ALL, ["D1", "D2"]),
            "dram": memory(10**12, 1000.0, ALL, ["D1", "D2"]),
        },
        "operational_array": {
            "unit_energy": 0.001,
            "unit_area": 1,
            "dimensions": ["D1", "D2"],
            "sizes": [16, 16],
        },
    }


MAPPING = [
    {
        "name": "default",
        "spatial_mapping": {"D1": ["C, 16"], "D2": ["K, 16"]},
        "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"},
    }
]


def layer(request: dict[str, Any]) -> dict[str, Any]:
    """Describe a layer."""
    found = {
        "id": 0,
        "name": "layer",
        "operator_type": "Conv" if "inputs" in request else "Gemm",
        "equation": request["equation"],
        "loop_dims": list(request["sizes"]),
        "loop_sizes": list(request["sizes"].values()),
        "operand_precision": {"W": 8, "I": 8, "O": 32, "O_final": 8},
        "operand_source": {},
    }
    if "inputs" in request:
        found |= {
            "dimension_relations": ["ix=1*ox+1*fx", "iy=1*oy+1*fy"],
            "pr_loop_dims": ["IX", "IY"],
            "pr_loop_sizes": request["inputs"],
            "padding": [[request["pad"]] * 2] * 2,
        }
    return found


def run(request: dict[str, Any], folder: Path) -> dict[str, float]:
    """Map a layer."""
    from zigzag.api import get_hardware_performance_zigzag  # type: ignore[import-not-found]

    files = {"machine": machine(request["sram_bits"]), "mapping": MAPPING, "layer": [layer(request)]}
    paths = {}
    for name, data in files.items():
        paths[name] = folder / f"{name}.yaml"
        paths[name].write_text(json.dumps(data), encoding="utf-8")  # JSON is YAML
    started = time.process_time()
    _, _, found = get_hardware_performance_zigzag(
        str(paths["layer"]),
        str(paths["machine"]),
        str(paths["mapping"]),
        opt="energy",
        lpf_limit=LOOPS,
        dump_folder=str(folder / "out"),
        loma_show_progress_bar=False,
    )
    spent_s = time.process_time() - started
    accesses = [levels[-1] for levels in found[0][0].memory_word_access.values()]
    words = sum(sum(one.data.values()) for one in accesses)
    return {"dram_bits": words * WORD_BITS, "cpu_s": spent_s}


def main() -> None:
    """Answer a request."""
    request = json.load(sys.stdin)
    logging.disable()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        answer = run(request, Path(folder))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
