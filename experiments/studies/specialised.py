"""Specialised versus general: one die as convolution array, GEMM array or SIMD processor.

Question. The silicon of the reference die can be made into row-stationary PEs for convolutions, into
GEMM tiles, or into vector lanes that run anything. What does each do with the networks of today and of
tomorrow, under 250 W, and what stands idle when the workload changes?

Look for. In `specialised`, how the states of the tiles change from row to row: what computes for one
network loads weights or stalls on memory in another. In `specialised_energy`, the price of generality,
and what the specialist pays off its own ground. In `adaptive`, a network that decides itself how long it
takes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.integrate import solve_ivp

from experiments.figures import specialised as figures
from experiments.runs import labels
from experiments.runs.phrases import listed, percent, span, times
from experiments.runs.scenes import CHIP
from hwsim.analysis.strategies import as_run
from hwsim.arrays.eyeriss import EyerissArray
from hwsim.arrays.gemm import GemmArray
from hwsim.arrays.simd import SimdArray
from hwsim.energy.cacti import cacti_bank
from hwsim.energy.table import EnergyTable
from hwsim.machine.area import unit_mm2
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import vector
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.machine.chip import Chip
    from hwsim.report import Report
    from hwsim.workload.layer import Layer, Workload

TABLE = "45nm_horowitz"
"""The one table at 45 nm that prices instructions; it prices all three, with its own SRAM."""

NETWORKS = ("vgg16", "lstm_2x1500", "llama_layer_decode", "neural_ode", "resnet1202")
BATCHES = (1, 64)
AT_BATCH_1 = ("resnet1202",)
"""Networks whose thousands of layers take long to plan; what they show, they show at batch 1."""
ARRAYS = ("convolution", "GEMM", "SIMD")
RUNS = {"convolution": ("conv", "fc")}
"""Kinds of layers an array can run; the vector unit does the others, an operation at a time."""

PE_MEMORY_B = 1024
"""Filter scratchpad of a PE, and registers of a lane; a GEMM tile shares its scratchpads."""
CONV_ROWS, LANES, LANE_ROWS = 96, 32, 64
INPUT_SPAD_B, PSUM_SPAD_B = 64, 128

ODE, ODE_EVALUATIONS = "neural_ode", 16
ODE_HEAD = (
    "conv1",
    "norm2",
    "relu2",
    "conv2",
    "norm3",
    "relu3",
    "conv3",
    "norm4",
    "relu4",
    "pool",
    "fc",
    "softmax",
)
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
ITEMS, FEATURES, GAIN, SEED = 64, 32, 6.0, 0


def produce(run: Run) -> None:
    """Write every network on every array, the adaptive solver's evaluations and cost."""
    table = everything()
    spread = evaluations()
    cost = adaptive(spread)
    run.write_csv("arrays.csv", pd.DataFrame([{"array": name, **_size(name)} for name in ARRAYS]))
    run.write_csv("runs.csv", table)
    run.write_csv("evaluations.csv", spread)
    run.write_csv("adaptive.csv", cost)


@lru_cache
def chip_of(array: str) -> Chip:
    """The reference chip with its multipliers' silicon made into one of `ARRAYS`."""
    chip = load_chip(CHIP)
    if array == "GEMM":
        return chip
    assert isinstance(chip.array, GemmArray)
    count = pes_of(array)
    ports = chip.sram.bandwidth_B_per_cycle // 4
    if array == "convolution":
        pes = EyerissArray(
            rows=CONV_ROWS,
            cols=count // CONV_ROWS,
            buffer_B=chip.sram.capacity_B // 2,
            row_outputs=128,
            filter_spad_B=PE_MEMORY_B,
            input_spad_B=INPUT_SPAD_B,
            psum_spad_B=PSUM_SPAD_B,
            filter_port_words=ports,
            input_port_words=ports,
            psum_port_words=ports,
            gate_zeros=chip.array.gate_zeros,
            word_bits=32,
        )
        return chip.model_copy(update={"array": pes})
    simd = SimdArray(cores=count // LANES, lanes=LANES, accumulator_rows=LANE_ROWS, port_words=ports)
    changed = chip.replace(**{"vector.lanes": simd.cores * simd.lanes})
    return changed.model_copy(update={"array": simd})


def pes_of(array: str) -> int:
    """Multipliers that fit the silicon of the reference chip's, each with the memory it needs."""
    chip = load_chip(CHIP)
    node = chip.process.node_nm
    mac_mm2 = unit_mm2("multiply_fp32", node) + unit_mm2("add_fp32", node)
    budget_mm2 = chip.array.peak_macs_per_cycle * mac_mm2
    memory_B = {"convolution": PE_MEMORY_B + INPUT_SPAD_B + PSUM_SPAD_B, "SIMD": PE_MEMORY_B, "GEMM": 0}[
        array
    ]
    bank_mm2 = cacti_bank(PE_MEMORY_B, 32, 45, "itrs-hp", "ED^2").area_mm2
    return int(budget_mm2 / (mac_mm2 + memory_B / PE_MEMORY_B * bank_mm2) + 1e-9)


def _size(array: str) -> dict[str, int]:
    chip = chip_of(array)
    return {
        "multipliers": pes_of(array),
        "used": chip.array.peak_macs_per_cycle,
        "vector_lanes": chip.vector.lanes,
    }


def simulated(array: str, workload: Workload, batch: int) -> Report:
    """Run a workload on a die; what its array cannot run falls to the vector unit."""
    kinds = RUNS.get(array)
    if kinds:
        layers = tuple(_for_vector_unit(layer, kinds) for layer in workload.layers)
        workload = replace(workload, layers=layers)
    return simulate(chip_of(array), workload, batch, table=EnergyTable.load(TABLE))


def _for_vector_unit(layer: Layer, kinds: tuple[str, ...]) -> Layer:
    """The layer, or its multiplies and adds as scalar operations."""
    if layer.kind in kinds or layer.kind == "vector":
        return layer
    scalar = vector(layer.name, layer.input_elements, layer.output_elements, 2 * layer.macs)
    return replace(scalar, arithmetic=layer.arithmetic, inputs=layer.inputs)


def everything() -> pd.DataFrame:
    """One row a network, batch and array.

    Columns: network, batch, array, foreign_share (of MACs that the array cannot run), peak_share (of its MAC
    rate), inferences_per_s, energy_J, power_W, limiter, the shares of `TileStates`, and low_confidence.
    """
    rows = []
    for network in NETWORKS:
        workload = load_network(network)
        for batch in BATCHES[:1] if network in AT_BATCH_1 else BATCHES:
            for array in ARRAYS:
                report = simulated(array, workload, batch)
                rows.append({"network": network, "batch": batch, "array": array, **_values(report, workload)})
    return pd.DataFrame(rows)


def _values(report: Report, workload: Workload) -> dict[str, Any]:
    found = as_run(report)
    states = {f"{state}_share": share for state, share in found.states._asdict().items()}
    return {
        "foreign_share": 1 - report.workload.macs / workload.macs,
        "peak_share": found.peak_share,
        "inferences_per_s": found.inferences_per_s,
        "energy_J": found.energy_per_inference_J,
        "power_W": report.power_W,
        "limiter": report.limiter,
        **states,
        "low_confidence": bool(report.low_confidence),
    }


def evaluations() -> pd.DataFrame:
    """Evaluations an adaptive solver takes: tolerance, item, evaluations.

    Runge-Kutta of orders 4 and 5 (Dormand and Prince 1980) over one unit of time, through a random field
    ``W2 tanh(W1 x + t b)`` that stands in for a trained one: the spread is an illustration.
    """
    rng = np.random.default_rng(SEED)
    first, second = rng.normal(0, GAIN / FEATURES**0.5, (2, FEATURES, FEATURES))
    bias, starts = rng.normal(0, 1, FEATURES), rng.normal(0, 1, (ITEMS, FEATURES))

    def field(time: float, state: NDArray[np.float64]) -> NDArray[np.float64]:
        return second @ np.tanh(first @ state + time * bias)

    rows = [
        {
            "tolerance": tolerance,
            "item": item,
            "evaluations": solve_ivp(field, (0, 1), start, rtol=tolerance, atol=tolerance).nfev,
        }
        for tolerance in TOLERANCES
        for item, start in enumerate(starts)
    ]
    return pd.DataFrame(rows)


def adaptive(spread: pd.DataFrame) -> pd.DataFrame:
    """Cost of an inference whose solver adapts: one row a tolerance and array.

    Columns: tolerance, array, least, mean, most (evaluations of one item), energy_J (items one by one),
    batch_energy_J (items in one batch of `ITEMS`, all of which wait for the slowest), useful_share (of the
    evaluations of that batch), low_confidence.
    """
    rows = []
    for array in ARRAYS:
        costs = {batch: _per_evaluation(array, batch) for batch in (1, ITEMS)}
        for tolerance, group in spread.groupby("tolerance", sort=False):
            counts = group["evaluations"]
            least, mean, most = counts.min(), counts.mean(), counts.max()
            energies = {
                batch: fixed + each * n
                for (batch, (fixed, each, _)), n in zip(costs.items(), (mean, most), strict=True)
            }
            rows.append(
                {
                    "tolerance": tolerance,
                    "array": array,
                    "least": least,
                    "mean": mean,
                    "most": most,
                    "energy_J": energies[1],
                    "batch_energy_J": energies[ITEMS],
                    "useful_share": mean / most,
                    "low_confidence": costs[1][2],
                }
            )
    return pd.DataFrame(rows)


def _per_evaluation(array: str, batch: int) -> tuple[float, float, bool]:
    """Joules of all but the evaluations, of one evaluation, and whether a price is of low confidence."""
    whole = simulated(array, load_network(ODE), batch)
    by_layer = whole.energy_by("layer")
    head = float(by_layer[list(ODE_HEAD)].sum())
    static = float(by_layer["-"])
    evaluated = float(by_layer.sum()) - head - static
    share = evaluated / (head + evaluated)
    return (
        head + static * (1 - share),
        (evaluated + static * share) / ODE_EVALUATIONS,
        bool(whole.low_confidence),
    )


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    return {
        "specialised": figures.states(tables["runs"]),
        "specialised_energy": figures.energy(tables["runs"]),
        "adaptive": figures.adaptive(tables["evaluations"], tables["adaptive"]),
    }


ALIKE = 0.01
"""Energies that differ by so much are called the same."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say which array wins where, where they do not differ, and what adaptive batching wastes."""
    runs = tables["runs"].set_index(["network", "batch", "array"])
    rate, energy = runs["inferences_per_s"].unstack("array"), runs["energy_J"].unstack("array")
    wins = figures.fastest(tables["runs"])["GEMM"]
    vgg = rate.loc["vgg16", "convolution"] / rate.loc["vgg16", "GEMM"]
    simd = energy.loc["vgg16", "SIMD"] / energy.loc["vgg16", "GEMM"]
    spread = energy.max(axis=1) / energy.min(axis=1) - 1
    alike = spread[spread < ALIKE]
    same = dict.fromkeys(f"{labels.network(name)} at batch {batch}" for name, batch in alike.index)
    adaptive = tables["adaptive"]
    wasted = 1 - adaptive["useful_share"]
    finest = adaptive[adaptive["tolerance"] == adaptive["tolerance"].min()]
    saved = finest.set_index("array")
    gain = 1 - saved["batch_energy_J"] / saved["energy_J"]
    told = [f"{array} {percent(value)}" for array, value in gain.items() if value > 0]
    return (
        f"GEMM tiles are fastest in {wins} of {len(rate)} cases. On VGG-16 the convolution "
        f"array runs at {span(vgg, percent)} of their speed, because its scratchpads take area and energy. "
        f"SIMD lanes take {span(simd, times)} their energy.",
        f"All three take the same energy within {percent(ALIKE)} for {listed(same)}: they are memory-bound "
        "there.",
        f"A solver that adapts needs {finest['least'].iloc[0]} to {finest['most'].iloc[0]} evaluations. A "
        f"batch that waits for its slowest item wastes up to {percent(wasted.max())}. At the finest "
        f"tolerance batching still saves energy on these arrays: {listed(told)}.",
    )
