"""Stages that are worked out by formula say so, and their sizes follow from it."""

import pytest

from experiments.runs.assumed_stages import ASSUMED, load_stage, mean_gap_code_bits, stages_of
from hwsim.errors import InputError
from hwsim.workload.networks import STAGES, load_network


def test_gap_code_by_hand():
    """Half the weights, gaps of 2 bits: 8, 4, 2, 1 in 15, and a filler a 15th, written as the last.

    Of 16 entries 8 take 1 bit, 4 take 2 and the other 2 + 2 take 3.
    """
    assert mean_gap_code_bits(0.5, 2) == pytest.approx((8 * 1 + 4 * 2 + 4 * 3) / 16, rel=1e-9)


def test_sizes_of_the_lstm_follow_from_its_densities():
    """18 million gate weights twice and 15 million of words, 10% of them, 4 + 4 bits, 22.7% fillers."""
    weights = 2 * 3000 * 6000 + 1500 * 10_000
    runs = 0.9**16
    entries = 0.1 * weights * (1 + runs / (1 - runs))
    workload = load_stage("lstm_2x1500", "shared")
    payload = sum(layer.weights.payload_bits for layer in workload.layers if layer.weights)
    assert payload == pytest.approx(8 * entries, rel=1e-5)
    pruned = load_stage("lstm_2x1500", "pruned")
    payload = sum(layer.weights.payload_bits for layer in pruned.layers if layer.weights)
    assert payload == pytest.approx(36 * entries, rel=1e-5)


@pytest.mark.parametrize("network", ASSUMED)
def test_what_is_assumed_is_said(network):
    assert stages_of(network) == STAGES
    for stage in ("pruned", "shared", "huffman"):
        assert load_stage(network, stage).provenance.startswith("assumed (")
    for stage in ("dense", "int8"):
        assert load_stage(network, stage).provenance == load_network(network, stage).provenance
    sizes = [load_stage(network, stage).weight_bits for stage in ("dense", "pruned", "shared", "huffman")]
    assert sizes == sorted(sizes, reverse=True)


def test_published_stages_are_left_alone():
    assert load_stage("alexnet", "huffman").provenance == "published statistics, no weights"


def test_a_stage_nobody_knows():
    with pytest.raises(InputError, match="no stage 'pruned', expected one of dense, int8"):
        load_stage("resnet18", "pruned")
