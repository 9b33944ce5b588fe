"""Training and inference per watt: what a step costs beside an inference, on three chips under 250 W.

Question. A training step runs forward, computes gradients of activations and of weights, and updates the
weights. How many times the joules of an inference does an item cost, where do they go, and how many
items per joule do an fp32 card at 45 nm, and bf16 chips at 16 and 7 nm, train and infer?

Look for. In `training_watts`, the factor of three of the textbook: it holds where a batch shares the
update and activations stay near. At batch 1 the update of weights and optimizer state (momentum) costs
more than everything else in networks of fully-connected layers. Right, the distance between training and
inference of each chip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import training_watts as figures
from experiments.runs import labels
from experiments.runs.parallel import in_order
from experiments.runs.phrases import listed, number, percent, span, times
from hwsim.analysis.strategies import as_run
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network
from hwsim.workload.training import footprint, training_step

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.report import Report

CAP_W = 250.0
CHIPS = {"reference_250w": "dense", "tpu_v2": "bf16", "a100_pcie": "bf16"}
"""Chips that compute in floating point, and what they train in."""

NETWORKS = (
    "lenet5", "alexnet", "vgg16", "squeezenet1_1", "resnet18", "resnet50", "mobilenet_v2", "lstm_2x1500",
    "neural_ode", "bert_base", "llama_layer_prefill",
)  # fmt: skip
BATCHES = (1, 32)
OPTIMIZER = "momentum"

PHASES = {
    "input gradients": ("dx", "da", "db"),
    "weight gradients": ("dw",),
    "update": ("state", "update"),
}
"""Ends of the names of layers; the rest is the forward pass."""


def produce(run: Run) -> None:
    """Simulate inference and training of every network on every chip."""
    jobs = [(chip, network, batch) for chip in CHIPS for network in NETWORKS for batch in BATCHES]
    parts = in_order(rows, jobs)
    table = pd.DataFrame([row for part in parts for row in part])
    run.write_csv("training_watts.csv", table)


def rows(chip_name: str, network: str, batch: int) -> list[dict[str, Any]]:
    """Simulate one network on one chip at one batch: a row for inference, a row for training."""
    chip = load_chip(chip_name)
    if chip.power.cap_W > CAP_W:
        chip = chip.replace(**{"power.cap_W": CAP_W})
    inference = load_network(network, CHIPS[chip_name])
    training = training_step(inference, OPTIMIZER)
    held = vars(footprint(training))
    key = {"chip": chip_name, "stage": CHIPS[chip_name], "network": network, "batch": batch}
    found = []
    for mode, workload in (("inference", inference), ("training", training)):
        report = simulate(chip, workload, batch)
        found.append(
            key
            | {"mode": mode, "macs": workload.macs}
            | _values(report)
            | {f"{name}_J": joules for name, joules in phases(report).items()}
            | (held if mode == "training" else dict.fromkeys(held, 0))
        )
    return found


def _values(report: Report) -> dict[str, Any]:
    return {
        "items_per_s": report.inferences_per_s,
        "energy_per_item_J": report.energy_per_inference_J,
        "items_per_J": 1 / report.energy_per_inference_J,
        "power_W": report.power_W,
        "limiter": report.limiter,
        "peak_share": as_run(report).peak_share,
        "dram_bits_per_item": (report.transferred_weight_bits + report.activation_bits) / report.batch,
    }


def phases(report: Report) -> dict[str, float]:
    """Joules of an item by part of the step; static power apart."""
    joules = dict.fromkeys(("forward", *PHASES, "static"), 0.0)
    for layer, energy in report.energy_by("layer").items():
        joules[phase_of(str(layer))] += float(energy)
    return joules


def phase_of(layer: str) -> str:
    """Part of the step that a layer belongs to, by its name."""
    if layer == "-":
        return "static"
    _, _, kind = layer.rpartition(".")
    if kind.startswith("sum"):
        return "input gradients"
    kind = "dw" if kind.startswith("dw") else kind
    return next((phase for phase, ends in PHASES.items() if kind in ends), "forward")


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"training_watts": figures.draw(tables["training_watts"], list(CHIPS), NETWORKS)}


BOTH = "resnet50"
"""Network whose rates are told."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what training costs beside inference, what a batch of one adds, and what newer chips gain."""
    table = tables["training_watts"].set_index(["chip", "network", "batch", "mode"])
    energy = table["energy_per_item_J"].unstack("mode")
    ratio = energy["training"] / energy["inference"]
    card, most = next(iter(CHIPS)), max(BATCHES)
    many = ratio[card].xs(most, level="batch").sort_values()
    step = table.xs("training", level="mode").loc[(card, "alexnet", 1)]
    rates = table["items_per_J"].xs((BOTH, most), level=("network", "batch")).unstack("mode").reindex(CHIPS)
    told = [f"{number(row.training)} on the {labels.chip(str(chip))}" for chip, row in rates.iterrows()]
    return (
        f"At batch {most} on the {labels.chip(card)} training costs {times(many.iloc[0])} the "
        f"energy of an inference for {labels.network(many.index[0])}. It costs {times(many.iloc[-1])} for "
        f"{labels.network(many.index[-1])}, whose activations must be kept in DRAM.",
        "At batch 1 the update of the weights takes "
        f"{percent(step['update_J'] / step['energy_per_item_J'])} of a training step of AlexNet, which "
        f"costs {times(ratio[card]['alexnet', 1])} an inference.",
        f"{labels.network(BOTH)} trains this many images per joule: {listed(told)}. Inference gives "
        f"{span(rates['inference'] / rates['training'], times)} as many.",
    )
