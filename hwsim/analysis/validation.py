"""Comparison with published chips and a published simulator, in one table.

The machines are the shipped chips ``eie``, ``eyeriss`` and ``tpu_v1``, the same for every row:
their files cite the papers, and `hwsim.arrays.eyeriss` names the parameters that are inferred.
Published power of a layer is never an input; one constant of Eyeriss, its clock network and control,
is calibrated on the total of AlexNet, and counted as such. The other energies leave out clock trees,
control, leakage and the wires of a broadcast.

Rows without a bound are reported and not judged.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import resources
from math import fsum
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from hwsim.analysis.own_mappings import own_mappings
from hwsim.arrays.counting import Gemm
from hwsim.arrays.eie import EieArray
from hwsim.arrays.eyeriss import EyerissArray, run_length_bits
from hwsim.arrays.systolic import SystolicArray
from hwsim.arrays.tpu import TpuArray
from hwsim.csvfile import read_rows
from hwsim.machine.chip import load_chip
from hwsim.pricing import PriceList
from hwsim.run import simulate
from hwsim.workload.layer import Layer, Workload, conv, dense_storage, fc, vector
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hwsim.arrays.base import Action
    from hwsim.arrays.systolic import Dataflow
    from hwsim.csvfile import Row
    from hwsim.machine.chip import Chip

COLUMNS = (
    "source",
    "network",
    "layer",
    "metric",
    "unit",
    "published",
    "simulated",
    "error_pct",
    "bound_pct",
    "confidence",
)

EIE_COLUMNS = ("network", "layer", "inputs", "outputs", "weight_density", "input_density")
EIE_FIGURES = ("theoretical_us", "actual_us")
EIE_BOUNDS = {"Alex-6": 8.0, "Alex-7": 8.0, "Alex-8": 17.0}
EIE_POWER_W = 0.59
"""What the paper multiplies its times by; only published energies use it."""

EYERISS_METRICS = {
    "processing_ms": "ms",
    "active_pes": "count",
    "buffer_MB": "MB",
    "dram_MB": "MB",
    "power_mW": "mW",
}
EYERISS_COLUMNS = ("network", "layer", "batch", "input_zeros")
TOTALS = {"processing_ms": 10.0, "dram_MB": 15.0, "buffer_MB": np.nan, "power_mW": np.nan}
"""Metrics of all layers together, with the bound of AlexNet's; power is averaged over time."""
POOLED_DENSITY = 0.5
"""Assumed density of outputs that are pooled before the next published density."""

TPU_SHARES = ("active", "weight_stall", "weight_shift", "non_matrix")
TPU_FIGURES = ("tera_ops", *(f"{share}_pct" for share in TPU_SHARES))
TPU_LAYER_COLUMNS = ("application", "kind", "count", "inputs", "outputs", "size", "kernel")
TPU_BOUNDS = {"MLP0": 15.0, "CNN0": 15.0, "LSTM0": 20.0}
TPU_POWER_BOUNDS = {"MLP0": 25.0, "CNN0": 25.0}
OPS_PER_CELL_OUTPUT = 6
"""Element-wise operations of an LSTM cell: three products, a sum, two squashings."""

SCALESIM_COUNTS = ("compute_cycles", "sram_ifmap_reads", "sram_filter_reads", "sram_ofmap_writes")
SCALESIM_COLUMNS = ("network", "layer", "M", "N", "K", "array_rows", "array_cols", "dataflow", "folds")

Line = tuple[str, str, str, str, str, float, float, float, float, str]


def validate() -> pd.DataFrame:
    """Every comparison, one row a figure.

    Returns
    -------
    DataFrame
        source, network, layer, metric, unit, published, simulated, error_pct, bound_pct (NaN: not
        judged), confidence (of the published figure).
    """
    parts = [validate_eie(), validate_eyeriss(), validate_tpu(), validate_scalesim()]
    return pd.concat(parts, ignore_index=True)


def validate_eie() -> pd.DataFrame:
    """Times and energies of the nine layers of EIE, on random matrices of the printed densities."""
    chip, lines = load_chip("eie"), list[Line]()
    for row in _published("eie", *EIE_COLUMNS, *EIE_FIGURES):
        layer, judged = row.text("layer"), row.text("network") == "AlexNet"
        cost = chip.array.cost(_eie_layer(row), 1)
        line = partial(_line, row, "EIE", row.text("network"), layer)
        actual_us = row.number("actual_us")
        time_bound, energy_bound = (19.0, 25.0) if judged else (np.nan, np.nan)
        lines += [
            line(
                "time, theoretical",
                "us",
                row.number("theoretical_us"),
                _us(cost.compute_cycles, chip),
                EIE_BOUNDS.get(layer, np.nan),
            ),
            line("time, actual", "us", actual_us, _us(cost.cycles, chip), time_bound),
            line(
                "energy",
                "uJ",
                actual_us * EIE_POWER_W,
                _energy_uJ(cost.counts, chip),
                energy_bound,
            ),
        ]
    table = _table(lines)
    times = table[(table["metric"] == "time, actual") & (table["network"] == "AlexNet")]
    mean = float(times["error_pct"].abs().mean())
    summary = ("EIE", "AlexNet", "mean", "time, actual, |error|", "%", 0.0, mean, mean, 11.0, "derived")
    return pd.concat([table, _table([summary])], ignore_index=True)


def eie_load_balance(depths: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)) -> pd.DataFrame:
    """Share of PE cycles in use against queue depth: network, layer, queue_depth, load_balance."""
    array, lines = load_chip("eie").array, []
    assert isinstance(array, EieArray)
    for row in _published("eie", *EIE_COLUMNS, *EIE_FIGURES):
        for depth in depths:
            cost = replace(array, queue_depth=depth).cost(_eie_layer(row), 1)
            balance = cost.compute_cycles / cost.cycles
            lines.append((row.text("network"), row.text("layer"), depth, balance))
    return pd.DataFrame(lines, columns=["network", "layer", "queue_depth", "load_balance"])


def validate_eyeriss() -> pd.DataFrame:
    """Latency, active PEs, traffic and power of the convolutions of AlexNet and VGG-16."""
    rows = _published("eyeriss", *EYERISS_COLUMNS, *EYERISS_METRICS)
    chip, lines = load_chip("eyeriss"), list[Line]()
    for network in dict.fromkeys(row.text("network") for row in rows):
        of_network = [row for row in rows if row.text("network") == network]
        layers = _eyeriss_layers(network, of_network)
        judged = network == "alexnet"
        measured, ours = list[dict[str, float]](), list[dict[str, float]]()
        for row, layer in zip(of_network, layers, strict=True):
            values = _eyeriss_values(chip, layer, _output_density(layer, layers), row.integer("batch"))
            for metric, unit in EYERISS_METRICS.items():
                bound = 20.0 if judged and metric == "processing_ms" else np.nan
                found = row.number(metric)
                lines.append(
                    _line(row, "Eyeriss", network, layer.name, metric, unit, found, values[metric], bound)
                )
            measured.append({metric: row.number(metric) for metric in EYERISS_METRICS})
            ours.append(values)
        published, simulated = _eyeriss_totals(measured), _eyeriss_totals(ours)
        for metric, bound in TOTALS.items():
            lines.append(
                _line(
                    of_network[0],
                    "Eyeriss",
                    network,
                    "total",
                    metric,
                    EYERISS_METRICS[metric],
                    published[metric],
                    simulated[metric],
                    bound if judged else np.nan,
                )
            )
    return _table(lines)


def eyeriss_mappings() -> pd.DataFrame:
    """`own_mappings` of the published convolutions, in batches of the published size; with ``network``."""
    rows, tables = _published("eyeriss", *EYERISS_COLUMNS, *EYERISS_METRICS), []
    for network in dict.fromkeys(row.text("network") for row in rows):
        of_network = [row for row in rows if row.text("network") == network]
        (batch,) = {row.integer("batch") for row in of_network}
        table = own_mappings(load_chip("eyeriss").array, _eyeriss_layers(network, of_network), batch)
        table.insert(0, "network", network)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _eyeriss_totals(layers: list[dict[str, float]]) -> dict[str, float]:
    sums = {metric: fsum(layer[metric] for layer in layers) for metric in TOTALS}
    energy_uJ = fsum(layer["power_mW"] * layer["processing_ms"] for layer in layers)
    return sums | {"power_mW": energy_uJ / sums["processing_ms"]}


def validate_tpu() -> pd.DataFrame:
    """Throughput, stall shares and power of the TPU's applications, on assumed layer shapes.

    Throughput and shares are those of the array's own account of every cycle. Throughput and power of a
    run are as `simulate` has them, which overlaps layers where their data allow it and knows no queue of
    tiles. The paper prints one power of a busy TPU, not one per application; the 28 W it draws when idle
    are in the chip file.
    """
    chip, lines = load_chip("tpu_v1"), list[Line]()
    assert isinstance(chip.array, TpuArray)
    weights_per_cycle = chip.dram.bandwidth_GB_per_s / chip.process.clock_GHz
    for row in _published("tpu_v1", "application", "batch", *TPU_FIGURES, "busy_W"):
        application = row.text("application")
        spent = chip.array.cycle_breakdown(tpu_layers(application), row.integer("batch"), weights_per_cycle)
        line = partial(_line, row, "TPU v1", application, "all")
        published, tera_ops = row.number("tera_ops"), spent.tera_ops(chip.process.clock_GHz)
        lines.append(line("throughput", "TOPS", published, tera_ops, TPU_BOUNDS.get(application, np.nan)))
        report = simulate(chip, tpu_network(application), row.integer("batch"))
        run_ops = 2e-12 * report.workload.macs * report.inferences_per_s
        lines.append(line("throughput of a run", "TOPS", published, run_ops, np.nan))
        bound = TPU_POWER_BOUNDS.get(application, np.nan)
        lines.append(line("power of a run", "W", row.number("busy_W"), report.power_W, bound))
        for share in TPU_SHARES:
            simulated = 100.0 * getattr(spent, share) / spent.cycles
            lines.append(line(share, "% of cycles", row.number(f"{share}_pct"), simulated, np.nan))
    return _table(lines)


def tpu_layers(application: str) -> list[Layer]:
    """Layers assumed for one application of the TPU paper, which does not publish them."""
    rows = [
        row
        for row in _published("tpu_v1_layers", *TPU_LAYER_COLUMNS)
        if row.text("application") == application
        for _ in range(row.integer("count"))
    ]
    return [
        layer for place, row in enumerate(rows) for layer in _tpu_block(row, f"{row.text('kind')}{place}")
    ]


def tpu_network(application: str) -> Workload:
    """Chain of `tpu_layers`, as a network that can be simulated."""
    layers = tuple(replace(layer, inputs=(place - 1,)) for place, layer in enumerate(tpu_layers(application)))
    return Workload(application, "int8", layers, "assumed layer shapes")


def validate_scalesim() -> pd.DataFrame:
    """Cycles and on-chip accesses of SCALE-Sim 3.0.0 without stalls.

    Its output writes of output-stationary folds hold a double count and are not judged.
    """
    lines: list[Line] = []
    for row in _published("scalesim", *SCALESIM_COLUMNS, *SCALESIM_COUNTS):
        dataflow = cast("Dataflow", row.text("dataflow", ("os", "ws", "is")))
        array = SystolicArray(row.integer("array_rows"), row.integer("array_cols"), dataflow)
        gemm = Gemm(row.integer("M"), row.integer("N"), row.integer("K"), 1)
        layer = Layer("gemm", "matmul", gemm.m, gemm.n, gemm.k, gemm.m * gemm.k, gemm.m * gemm.n)
        words = array.accesses(gemm)
        found = (array.cost(layer, 1).cycles, words.inputs, words.filters, words.outputs + words.psums)
        where = f"{row.text('layer')}, {array.rows} x {array.cols} {dataflow}"
        for metric, simulated in zip(SCALESIM_COUNTS, found, strict=True):
            unit = "cycles" if metric == "compute_cycles" else "words"
            bound = np.nan if (metric, dataflow) == ("sram_ofmap_writes", "os") else 0.0
            published = row.integer(metric)
            lines.append(
                _line(row, "SCALE-Sim", row.text("network"), where, metric, unit, published, simulated, bound)
            )
    return _table(lines)


def _published(name: str, *columns: str) -> list[Row]:
    path = resources.files("hwsim") / "data" / "published" / f"{name}.csv"
    return read_rows(path, (*columns, "source", "confidence"))


def _line(
    row: Row,
    source: str,
    network: str,
    layer: str,
    metric: str,
    unit: str,
    published: float,
    simulated: float,
    bound_pct: float,
) -> Line:
    error = 100.0 * (simulated / published - 1.0) if published else np.nan
    confidence = row.text("confidence")
    return source, network, layer, metric, unit, published, simulated, error, bound_pct, confidence


def _table(lines: list[Line]) -> pd.DataFrame:
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _us(cycles: int, chip: Chip) -> float:
    return cycles * chip.tick_s * 1e6


def _energy_uJ(counts: Mapping[Action, int], chip: Chip) -> float:
    """Dynamic energy inside the array and its shared memory."""
    inside = {action: count for action, count in counts.items() if action[1] != "array_port"}
    return 1e-6 * fsum(PriceList(chip).energy_pJ(inside).values())


def _eie_layer(row: Row) -> Layer:
    return fc(
        row.text("layer"),
        row.integer("inputs"),
        row.integer("outputs"),
        weight_density=row.number("weight_density"),
        input_density=row.number("input_density"),
        arithmetic="int16",
    )


def _eyeriss_layers(network: str, rows: list[Row]) -> list[Layer]:
    shapes = {layer.name: layer for layer in load_network(network, "dense").layers}
    return [
        replace(shapes[row.text("layer")], arithmetic="int16", input_density=1.0 - row.number("input_zeros"))
        for row in rows
    ]


def _output_density(layer: Layer, layers: list[Layer]) -> float:
    """Density of a layer's outputs: the next input's, unless they are pooled on the way."""
    following = layers[layers.index(layer) + 1 :]
    if following and following[0].input_elements == layer.output_elements:
        return following[0].input_density
    return POOLED_DENSITY


def _eyeriss_values(chip: Chip, layer: Layer, output_density: float, batch: int) -> dict[str, float]:
    array = chip.array
    assert isinstance(array, EyerissArray)
    cost = array.cost(layer, batch)
    words = array.dram_words(layer, batch)
    dram_bits = (
        run_length_bits(words.inputs, layer.input_density)
        + words.filters * layer.operand_bits
        + run_length_bits(words.outputs, output_density)
    )
    us = _us(cost.cycles, chip)
    return {
        "processing_ms": us / 1e3,
        "active_pes": array.mapping(layer, batch).active_pes,
        "buffer_MB": array.buffer_words(layer, batch) * layer.operand_bits / 8e6,
        "dram_MB": dram_bits / 8e6,
        "power_mW": 1e3 * _energy_uJ(cost.counts, chip) / us,
    }


def _tpu_block(row: Row, name: str) -> list[Layer]:
    inputs, outputs = row.integer("inputs"), row.integer("outputs")
    if row.text("kind") == "fc":
        return [fc(name, inputs, outputs, **_int8(inputs * outputs))]
    if row.text("kind") == "lstm":
        width = inputs + outputs
        gates = [fc(f"{name}.{gate}", width, outputs, **_int8(width * outputs)) for gate in "ifgo"]
        return [*gates, vector(f"{name}.cell", outputs, outputs, OPS_PER_CELL_OUTPUT * outputs)]
    size, kernel = row.integer("size"), row.integer("kernel")
    pad = (kernel // 2, kernel // 2)
    stored = _int8(inputs * kernel * kernel * outputs)
    return [conv(name, inputs, (size, size), outputs, (kernel, kernel), pad=pad, **stored)]


def _int8(weights: int) -> dict[str, Any]:
    """Arithmetic and storage of a layer of the TPU."""
    return {"arithmetic": "int8", "weights": dense_storage(weights, 8)}
