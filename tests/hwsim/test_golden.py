"""Frozen results: cycles and joules of every shipped chip on a few networks, changed only on purpose.

A change that means to alter results writes them anew, and says why in its commit::

    python tests/hwsim/test_golden.py
"""

import csv
from functools import cache

import pytest
from checkout import ROOT

from hwsim.engine.event import run_event
from hwsim.engine.fast import run_fast
from hwsim.errors import InputError
from hwsim.machine.chip import chip_names, load_chip
from hwsim.report import Report
from hwsim.run import simulate
from hwsim.workload.networks import load_network, network_names, network_stages

GOLDEN = ROOT / "tests" / "golden"

NETWORKS = ("lenet300", "lenet5", "alexnet", "squeezenet1_1", "resnet18", "lstm_2x1500", "bert_layer")
BATCHES = (1, 16)
WHOLE = ("latency_ticks", "requested_weight_bits", "transferred_weight_bits", "activation_bits")
REAL = ("period_s", "energy_per_inference_J", "power_W", "cold_start_s")
COLUMNS = ("network", "stage", "batch", *WHOLE, *REAL, "limiter")

REPEATED = ("bert_base", "llama_decode", "llama_prefill", "resnet1202")
"""Networks of many equal layers: the network of one of them says the same in less time."""

ONE_PER_ARRAY = (
    ("edge", "alexnet", "huffman"),
    ("eie", "lenet300", "huffman"),
    ("eyeriss", "alexnet", "int16"),
    ("tpu_v1", "resnet18", "int8"),
    ("turing_t4", "mobilenet_v2", "int8"),
)


def stages(network: str) -> tuple[str, ...]:
    """Stages to freeze: where it begins, where it ends, and the precisions other chips compute at."""
    return tuple(
        stage for stage in (*network_stages(network), "int16", "bf16") if stage not in ("pruned", "shared")
    )


def simulated(chip_name: str, network: str, stage: str, batch: int = 1) -> Report | None:
    """Report of one run; None if the chip's array cannot run a layer of the network."""
    try:
        return simulate(load_chip(chip_name), load_network(network, stage), batch)
    except InputError:
        return None


@cache
def results(chip_name: str) -> list[dict[str, str]]:
    """Rows of one chip as text."""
    runs = [(network, stage, batch) for network in NETWORKS for stage in stages(network) for batch in BATCHES]
    reports = ((stage, simulated(chip_name, network, stage, batch)) for network, stage, batch in runs)
    return [row(report, stage) for stage, report in reports if report]


def row(report: Report, stage: str) -> dict[str, str]:
    figures = {name: getattr(report, name) for name in (*WHOLE, *REAL, "limiter")}
    found = {"network": report.workload.name, "stage": stage, "batch": report.batch} | figures
    return {name: str(value) for name, value in found.items()}


def frozen(chip_name: str) -> list[dict[str, str]]:
    with (GOLDEN / f"{chip_name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("chip_name", chip_names())
def test_results_are_the_frozen_ones(chip_name):
    ours, golden = results(chip_name), frozen(chip_name)
    assert [(r["network"], r["stage"], r["batch"]) for r in ours] == [
        (r["network"], r["stage"], r["batch"]) for r in golden
    ]
    for found, expected in zip(ours, golden, strict=True):
        exact = ("network", "stage", "batch", *WHOLE, "limiter")
        assert {name: found[name] for name in exact} == {name: expected[name] for name in exact}
        real = {name: float(found[name]) for name in REAL}
        assert real == pytest.approx({name: float(expected[name]) for name in REAL}, rel=1e-9)


def test_every_chip_is_frozen_and_nothing_else():
    assert sorted(path.stem for path in GOLDEN.glob("*.csv")) == chip_names()


def test_every_array_of_a_shipped_chip_is_among_the_fast_ones():
    kinds = {type(load_chip(name).array) for name in chip_names()}
    assert {type(load_chip(chip).array) for chip, _, _ in ONE_PER_ARRAY} == kinds


def assert_engines_agree(report: Report) -> None:
    event, fast = run_event(report.schedule.stream), run_fast(report.schedule.stream)
    assert (event.end == fast.end).all()
    assert event.makespan == fast.makespan


@pytest.mark.parametrize(("chip_name", "network", "stage"), ONE_PER_ARRAY)
def test_engines_agree_on_one_chip_for_each_array(chip_name, network, stage):
    report = simulated(chip_name, network, stage)
    assert_engines_agree(report)


@pytest.mark.slow
@pytest.mark.parametrize("network", [name for name in network_names() if name not in REPEATED])
@pytest.mark.parametrize("chip_name", chip_names())
def test_engines_agree_on_every_chip_and_network(chip_name, network):
    reports = [simulated(chip_name, network, stage) for stage in stages(network)]
    assert any(reports) or chip_name in ("eie", "eyeriss")
    for report in filter(None, reports):
        assert_engines_agree(report)


def write() -> None:
    """Write the results of every chip anew."""
    GOLDEN.mkdir(exist_ok=True)
    for chip_name in chip_names():
        with (GOLDEN / f"{chip_name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(results(chip_name))


if __name__ == "__main__":
    write()
