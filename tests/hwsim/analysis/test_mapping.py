"""What a run says of its mapping."""

import pytest

from hwsim.analysis.mapping import decisions, fusion_sentence, with_less_fusion
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

CLOSE_PCT = 1.0
"""The plan that runs is the cheaper one of two whose estimates are that close."""


@pytest.fixture(scope="module")
def report():
    return simulate(load_chip("edge"), load_network("squeezenet1_1", "int8"))


def test_decisions_name_every_layer_once_and_add_up_to_the_traffic(report):
    found = decisions(report)
    named = [name for decision in found for name in decision.layers]
    assert sorted(named) == sorted(layer.name for layer in report.workload.layers)
    moved = sum(decision.weight_B + decision.activation_B for decision in found)
    assert 8 * moved == pytest.approx(report.transferred_weight_bits + report.activation_bits)
    assert [decision.segment for decision in found] == sorted(decision.segment for decision in found)


def test_less_fusion_costs_no_fewer_joules(report):
    less = with_less_fusion(report)
    assert list(less) == ["elementwise", "none"]
    energies = [report.energy_per_inference_J, *(other.energy_per_inference_J for other in less.values())]
    assert energies == sorted(energies)


def test_the_sentence_counts_what_is_fused(report):
    residency = report.schedule.residency
    joined = len(report.workload.layers) - len(residency.kernels)
    assert fusion_sentence(report).startswith(f"Fused: {joined} element-wise layers")
    unfused = with_less_fusion(report)["none"]
    assert fusion_sentence(unfused) == "No layers were fused."


def test_the_next_plan_costs_no_less_than_the_one_that_runs(report):
    found = [decision.next_pct for decision in decisions(report) if decision.next_pct is not None]
    assert found
    assert min(found) >= -CLOSE_PCT
