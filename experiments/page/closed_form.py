"""What the page needs to price a network that a reader drops on it, by a closed form in the browser.

The constants are those of the chip files and energy tables, as `hwsim.pricing` has them. Beside them stand
shipped networks with the joules that `simulate` finds: the page prices them, too, and says how far it is off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.page.settings import MACHINES
from hwsim.arrays.counting import ACCUMULATOR
from hwsim.arrays.gemm import GemmArray
from hwsim.mapping.fusion import joins
from hwsim.mapping.residency import buffer_bytes
from hwsim.power.governors import VoltageCurve
from hwsim.pricing import PriceList
from hwsim.run import simulate
from hwsim.workload.kinds import KINDS
from hwsim.workload.layer import OPERAND_BITS
from hwsim.workload.networks import load_network
from hwsim.workload.operators import BY_KIND

if TYPE_CHECKING:
    from experiments.page.settings import Machine
    from hwsim.workload.layer import Layer

CHIPS = ("edge", "phone", "reference_250w")
COMPARED = (
    "lenet5", "alexnet", "vgg16", "squeezenet1_0", "squeezenet1_1", "resnet18", "resnet50", "mobilenet_v1",
    "mobilenet_v2",
)  # fmt: skip
"""Shipped networks of which the page says how far its closed form is off."""


def closed_form() -> dict[str, Any]:
    """Constants of each chip, operations of vector kinds, and the networks that are compared."""
    return {
        "chips": {name: constants(MACHINES[name]) for name in CHIPS},
        "operations": {kind: BY_KIND[kind].ops for kind in KINDS if kind in BY_KIND and BY_KIND[kind].ops},
        "elementwise": [kind for kind in KINDS if kind in BY_KIND and BY_KIND[kind].reads == "element"],
        "networks": {name: compared(name) for name in COMPARED},
    }


def compared(name: str) -> dict[str, Any]:
    """Shapes of a shipped network, and the joules and seconds of an inference on each chip."""
    workload = load_network(name)
    reports = {chip: simulate(MACHINES[chip].chip, workload) for chip in CHIPS}
    return {
        "layers": [shapes(layer) for layer in workload.layers],
        "simulated": {
            chip: {"energy_J": report.energy_per_inference_J, "period_s": report.period_s}
            for chip, report in reports.items()
        },
    }


def shapes(layer: Layer) -> dict[str, Any]:
    """Everything of a layer that decides what it costs, as the readers in the browser give it, too."""
    found: dict[str, Any] = {
        "name": layer.name,
        "kind": layer.kind,
        "sources": list(layer.inputs),
        "read": layer.input_elements,
        "made": layer.output_elements,
    }
    if layer.kind == "conv" or layer.op in ("max_pool", "avg_pool"):
        geometry = (layer.in_hw, layer.out_hw, layer.kernel, layer.stride, layer.pad)
        found["window"] = [list(pair) for pair in geometry]
    if layer.kind == "vector":
        return found | {"ops": layer.vector_ops, "joins": joins(layer)}
    return found | {
        "pixels": layer.pixels,
        "filters": layer.filters,
        "depth": layer.depth,
        "groups": layer.groups,
        "weights": layer.weight_count,
    }


def constants(machine: Machine) -> dict[str, Any]:
    """Sizes, rates and picojoules of a chip at the arithmetic in which it computes networks of fp32."""
    chip, arithmetic = machine.chip, machine.arithmetic
    array = chip.array_with(GemmArray).at(arithmetic)
    prices, clock_Hz, curve = PriceList(chip), 1e9 * chip.process.clock_GHz, VoltageCurve.of(chip)
    return {
        "title": machine.title,
        "arithmetic": arithmetic,
        "bits": OPERAND_BITS[arithmetic],
        "array": {
            "tiles": array.tiles,
            "rows": array.rows,
            "cols": array.cols,
            "load": array.load_cycles_per_fold,
            "accumulator_rows": array.accumulator_rows,
            "activation_bits": 8 * array.activation_B,
        },
        "lanes": chip.vector.lanes,
        "sram_bits": 8 * (chip.sram.capacity_B - buffer_bytes(chip)),
        "sram_bits_per_cycle": 8 * chip.sram.bandwidth_B_per_cycle,
        "dram_bits_per_cycle": 8e9 * chip.dram.reached_GB_per_s / clock_Hz,
        "clock_Hz": clock_Hz,
        "static_W": chip.static_W,
        "clock_W": chip.power.clock_W,
        "cap_W": chip.power.cap_W,
        "voltage": {
            "nominal": curve.nominal_V,
            "threshold": curve.threshold_V,
            "least": curve.least_V,
            "alpha": curve.alpha,
        },
        "pJ": {
            "dram": prices.pJ("dram", "read_bit"),
            "sram_read": prices.pJ("sram", "read_bit"),
            "sram_write": prices.pJ("sram", "write_bit"),
            "scratchpad_read": prices.pJ("scratchpad", "read_bit"),
            "scratchpad_write": prices.pJ("scratchpad", "write_bit"),
            "latch": prices.pJ("register", "latch_bit"),
            "multiply": prices.pJ("mac", f"multiply_{arithmetic}"),
            "add": prices.pJ("mac", f"add_{ACCUMULATOR[arithmetic]}"),
            "vector": prices.pJ("vector", f"op_{arithmetic}"),
        },
    }
