"""More of something never costs more: a sample of the sweeps of `make monotone`, and their book-keeping."""

import pytest

from experiments.bench import monotone
from hwsim.machine.chip import load_chip

SLACK_PCT = 0.5
CEILINGS_PCT = 2.0
"""A larger batch may need one more whole pass or fold."""

MEMORIES = [int(131_072 * 1.1**step) for step in range(-8, 9)]


def test_worst_steps_by_hand():
    points = [
        monotone.Point(1.0, 2.0, 10.0, 0.0),
        monotone.Point(2.0, 1.0, 11.0, 0.0),
        monotone.Point(3.0, 1.5, 9.0, 0.0),
    ]
    found = monotone.worst_steps(points)
    assert (found["time_s_worst_pct"], found["time_s_at"]) == (50.0, 3.0)
    assert (found["energy_J_worst_pct"], found["energy_J_at"]) == (pytest.approx(10.0), 2.0)
    assert (found["dram_bits_worst_pct"], found["dram_bits_at"]) == (0.0, 3.0)
    # the products are 20, 11 and 13.5
    assert (found["energy_delay_worst_pct"], found["energy_delay_at"]) == (
        pytest.approx(22.73, abs=0.01),
        3.0,
    )


def test_a_batch_is_compared_with_its_best_division_by_hand():
    """Batches of 1, 2 and 3 take 2, 3 and 6 s: two and one take 5, so three at once take a fifth longer."""
    points = [monotone.Point(b, total / b, 1.0, 1.0) for b, total in ((1.0, 2.0), (2.0, 3.0), (3.0, 6.0))]
    found = monotone.worst_divisions(points)
    assert (found["time_s_division_pct"], found["time_s_division_at"]) == (pytest.approx(20.0), 3)
    assert found["energy_J_division_pct"] == pytest.approx(0.0)
    # a batch takes joules in proportion to its items here
    assert found["energy_delay_division_pct"] == pytest.approx(20.0)


def test_values_go_from_a_fourth_to_four_times_in_steps_of_two_percent():
    values = monotone.values_of(load_chip("edge"), "bandwidth")
    assert values[0] == pytest.approx(0.4)
    assert values[-1] == pytest.approx(6.4, rel=0.02)
    assert values[1] / values[0] == pytest.approx(1.02)


@pytest.mark.parametrize("network", ["lenet300", "lenet5"])
def test_more_memory_moves_no_more_and_costs_no_more(network):
    found = monotone.worst_steps(monotone.sweep("edge", network, "memory", MEMORIES))
    assert found["dram_bits_worst_pct"] <= 0
    assert found["energy_J_worst_pct"] <= SLACK_PCT


@pytest.mark.parametrize(
    ("chip", "network", "capacity_B"),
    [
        ("edge", "squeezenet1_1", 251_000),
        ("edge", "resnet18", 81_481),
        ("phone", "bert_layer", 438_677),
        ("phone", "squeezenet1_1", 678_185),
        ("phone", "squeezenet1_1", 272_735),
    ],
)
def test_steps_of_memory_of_two_percent(chip, network, capacity_B):
    """Where the division of the kernels changes from one step to the next."""
    capacities = [int(capacity_B * monotone.RATIO**step) for step in range(-2, 3)]
    found = monotone.worst_steps(monotone.sweep(chip, network, "memory", capacities))
    assert found["dram_bits_worst_pct"] <= 0
    assert found["time_s_worst_pct"] <= SLACK_PCT
    assert found["energy_J_worst_pct"] <= SLACK_PCT


def test_a_prime_batch_costs_no_more_than_its_neighbours():
    points = monotone.sweep("edge", "lenet300", "batch", [11, 12, 13, 16, 17, 28, 29])
    found = monotone.worst_steps(points)
    assert len(points) == 7
    assert found["time_s_worst_pct"] <= CEILINGS_PCT
    assert found["energy_J_worst_pct"] <= CEILINGS_PCT


@pytest.mark.parametrize(("chip", "network"), [("phone", "resnet18"), ("reference_250w", "bert_layer")])
def test_a_higher_cap_is_never_slower_and_costs_joules_by_the_voltage_alone(chip, network):
    """Power is at most the cap and time never grows, so joules rise by no more than the cap does."""
    cap_W = load_chip(chip).power.cap_W
    caps = [cap_W * monotone.RATIO**step for step in range(-12, 1, 3)]
    scaled = monotone.worst_steps(monotone.sweep(chip, network, "cap", caps))
    fixed = monotone.worst_steps(monotone.sweep(chip, network, monotone.FIXED, caps))
    assert max(scaled["time_s_worst_pct"], fixed["time_s_worst_pct"]) <= 0
    assert fixed["energy_J_worst_pct"] <= 0
    assert scaled["energy_J_worst_pct"] <= 100 * (monotone.RATIO**3 - 1)


def test_a_layer_streams_at_any_batch_that_leaves_room_for_the_others():
    """With 81 items the first layer no longer fits the working memory in which it streamed 80."""
    found = monotone.worst_steps(monotone.sweep("phone", "lenet300", "batch", [80, 81, 82]))
    assert found["time_s_worst_pct"] <= SLACK_PCT
    assert found["energy_J_worst_pct"] <= SLACK_PCT


@pytest.mark.parametrize(
    ("chip", "network", "tiles"),
    [
        ("phone", "lenet300", None),
        ("phone", "bert_layer", None),
        ("edge", "squeezenet1_1", None),
        ("reference_250w", "squeezenet1_1", [83, 84, 85, 86]),
        ("reference_250w", "resnet18", [83, 84, 85, 86]),
    ],
)
def test_more_tiles_take_no_longer(chip, network, tiles):
    """Also where their number divides nothing, and partial sums would go through the shared memory."""
    found = monotone.worst_steps(monotone.sweep(chip, network, "tiles", tiles))
    assert found["time_s_worst_pct"] <= SLACK_PCT
    assert found["energy_J_worst_pct"] <= SLACK_PCT


@pytest.mark.parametrize(
    ("chip", "network", "batches"),
    [
        ("reference_250w", "llama_layer_prefill", [4, 5, 8, 16, 32]),
        ("reference_250w", "bert_layer", [8, 9, 12, 13, 16]),
        ("edge", "bert_layer", [11, 12, 13, 14]),
    ],
)
def test_a_larger_batch_costs_no_more_by_item(chip, network, batches):
    """A layer that is cut can go in passes of any size, so that large batches cost what small ones do."""
    points = monotone.sweep(chip, network, "batch", batches)
    found = monotone.worst_steps(points)
    assert found["time_s_worst_pct"] <= CEILINGS_PCT
    assert found["energy_J_worst_pct"] <= CEILINGS_PCT
