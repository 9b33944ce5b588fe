"""The governed event engine against the closed-form steady state, and the trace it leaves."""

import json

import pytest

from experiments.runs.timelines import observe, trace_of
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network


def fully_connected(stage):
    workload = load_network("alexnet", stage)
    return workload.only(layer.name for layer in workload.layers if layer.kind == "fc")


@pytest.mark.parametrize("stage", ["shared", "huffman"])
@pytest.mark.parametrize("batch", [1, 64])
def test_windows_keep_the_cap_and_the_closed_form_holds_within_a_tenth(stage, batch):
    report = simulate(load_chip("reference_250w"), fully_connected(stage), batch)
    seen = observe(report)
    assert seen.run.window_W.max() <= report.chip.power.cap_W + seen.run.allowance_W + 1e-9
    per_batch = seen.run.timeline.makespan / seen.batches * report.chip.tick_s
    assert per_batch == pytest.approx(report.period_s, rel=0.1)


def test_energy_under_the_power_trace_is_the_priced_energy():
    report = simulate(load_chip("edge"), load_network("lenet300", "huffman"))
    seen = observe(report)
    for component, joules in report.energy_by("component").drop("static").items():
        assert seen.power.joules[component] == pytest.approx(joules * seen.batches, rel=1e-9)


def test_a_trace_of_two_runs_has_a_process_each_and_is_json():
    chip = load_chip("edge")
    reports = [simulate(chip, load_network("lenet300", stage)) for stage in ("dense", "huffman")]
    trace = json.loads(json.dumps(trace_of(reports)))
    names = {e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert len(names) == 2
    durations = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert {e["pid"] for e in durations} == {1, 2}
    assert min(e["dur"] for e in durations) > 0
    assert any(e["ph"] == "C" for e in trace["traceEvents"])
