"""Segments: a depth-first pair worked by hand, passes of any size, and both engines on every kind."""

import numpy as np
import pytest

from hwsim.engine.event import run_event
from hwsim.engine.fast import run_fast
from hwsim.machine.chip import load_chip
from hwsim.mapping.fusion import kernels_of
from hwsim.mapping.graph import graph_of, reads_of
from hwsim.mapping.room import stripes_need
from hwsim.run import simulate
from hwsim.workload.layer import Workload, conv, dense_storage
from hwsim.workload.networks import load_network

EDGE = load_chip("edge")
FIXED = {
    "sram.wire_mm": EDGE.sram.wire_mm,
    "power.leakage_W": EDGE.power.leakage_W,
    "process.die_mm2": EDGE.process.die_mm2,
}


def with_memory(capacity_B, **changes):
    """The edge chip with another memory, whose wires and leakage do not follow."""
    return EDGE.replace(**{"sram.capacity_B": capacity_B}, **FIXED, **changes)


def chain(*layers):
    return Workload("by hand", "dense", layers, "by hand")


def pair(side, stride=1):
    return chain(
        conv("a", 4, (side, side), 8, (3, 3), pad=(1, 1)),
        conv("b", 8, (side, side), 6, (3, 3), stride=(stride, stride), pad=(1, 1), inputs=(0,)),
    )


def test_line_buffers_of_two_convolutions_by_hand():
    """A stripe of h rows needs h + 2 rows between the layers, two of them from the stripe before.

    The first layer makes h new rows for it, of h + 2 rows of the input. A row of 16 pixels takes 512 bits
    for each of 4, 8 and 6 maps.
    """
    workload = pair(16)
    need = stripes_need(*graph_of(workload, kernels_of(workload, "depth-first")))
    for h in (1, 2, 4, 8):
        rows = 4 * (h + 2) + 8 * (h + 2) + 6 * h
        assert need[0, 1, int(np.log2(h))] == 512 * rows
    assert need[0, 1, 4] == 512 * 16 * (4 + 8 + 6)  # no tensor has more rows than it has


def test_a_stride_asks_for_more_rows():
    """A row of the second layer takes rows 2y - 1 to 2y + 1: three for one, 2h + 1 for h; two new ones each.

    The two new rows of the first layer need four of the input.
    """
    workload = pair(16, stride=2)
    need = stripes_need(*graph_of(workload, kernels_of(workload, "depth-first")))
    for h in (1, 2, 4):
        assert need[0, 1, int(np.log2(h))] == 512 * (4 * (2 * h + 2) + 8 * (2 * h + 1)) + 6 * 256 * h


@pytest.mark.parametrize("batch", [1, 3])
def test_a_pair_by_stripes_moves_its_input_and_output_once(batch):
    """Maps of 64 x 64 pixels take 64, 128 and 96 KiB: none passes through DRAM but the first and the last."""
    workload = pair(64)
    report = simulate(EDGE, workload, batch)
    (segment,) = report.schedule.residency.segments
    assert segment.mode == "stripes"
    assert report.activation_bits == batch * 64 * 64 * 32 * (4 + 6)
    stored = sum(layer.weights.total_bits for layer in workload.layers)
    assert report.requested_weight_bits <= stored
    apart = simulate(EDGE.replace(fusion="elementwise"), workload, batch)
    assert report.activation_bits < apart.activation_bits
    assert report.energy_per_inference_J < apart.energy_per_inference_J


def test_a_strided_kernel_reads_the_rows_that_it_uses():
    """A 1x1 of stride 2 uses 8 of 15 rows of its input."""
    a = conv("a", 2, (15, 15), 4, (3, 3), pad=(1, 1))
    d = conv("d", 4, (15, 15), 8, (1, 1), stride=(2, 2), inputs=(0,))
    reads = reads_of(chain(a, d), 1)
    assert (reads.outside, reads.made) == (0, {0: 4 * 8 * 15})
    assert reads_of(chain(a, d), 0) == (2 * 15 * 15, {})


def test_inputs_from_outside_have_their_own_size_and_life():
    """A second tower's input is there while that tower reads it, and the first one's is not."""
    small = conv("small", 1, (4, 4), 1, (1, 1), arithmetic="int8")
    large = conv("large", 9, (10, 10), 3, (1, 1), arithmetic="int8")
    workload = chain(small, large)
    kernels = graph_of(workload, kernels_of(workload, "none")).kernels
    assert kernels["outside_bits"].tolist() == [8 * 16, 8 * 900]
    assert kernels["last_use"].tolist() == [2, 2]  # both outputs leave the network


@pytest.mark.parametrize(
    ("channels", "side", "filters", "unpinned_bits"), [(900, 10, 100, 8 * 90_000), (4096, 32, 64, None)]
)
def test_a_tiny_layer_before_changes_nothing_for_one_whose_input_fills_the_chip(
    channels, side, filters, unpinned_bits
):
    """90,000 B of weights and as many of input do not fit 128 KiB: without pinning, all weights are fetched.

    With pinning a part of them stays, as the input may come in blocks, and as much whatever stood before.
    """
    stored = dense_storage(channels * filters, 8)
    large = conv("large", channels, (side, side), filters, (1, 1), weights=stored, arithmetic="int8")
    tiny = conv("tiny", 1, (2, 2), 1, (1, 1), weights=dense_storage(1, 8), arithmetic="int8")
    for holds in (False, True):
        chip = EDGE.replace(**{"sram.holds_weights": holds})
        alone = simulate(chip, chain(large)).runs[0].work
        after = simulate(chip, chain(tiny, large)).runs[1].work
        slack_bits = 8 * 64 * holds  # a burst, as the tiny layer takes a little of the memory
        assert after.requested_weight_bits == pytest.approx(alone.requested_weight_bits, abs=slack_bits)
        assert after.activation_bits == pytest.approx(alone.activation_bits, abs=slack_bits)
        if not holds and unpinned_bits:
            assert alone.requested_weight_bits == unpinned_bits


@pytest.mark.parametrize(
    ("network", "stage", "batch", "capacity_B"),
    [("lenet5", "dense", 13, 40_000), ("lenet300", "dense", 7, 131_072), ("alexnet", "huffman", 5, 1 << 20)],
)
def test_passes_cover_the_batch(network, stage, batch, capacity_B):
    report = simulate(with_memory(capacity_B), load_network(network, stage), batch)
    for segment in report.schedule.residency.segments:
        assert sum(part.items * part.times for part in segment.passes) == batch


def test_a_batch_that_does_not_divide_has_passes_of_two_sizes():
    """Thirteen items of AlexNet in twelve passes: two items in the first one, one in each of the others."""
    report = simulate("reference_250w", "alexnet", 13)
    sizes = [[part.items for part in segment.passes] for segment in report.schedule.residency.segments]
    assert [2, 1] in sizes


@pytest.mark.parametrize(
    ("network", "stage", "batch", "modes"),
    [
        ("lenet300", "dense", 2, {"whole"}),
        ("lenet5", "dense", 3, {"whole", "stripes", "cut"}),
        ("bert_layer", "dense", 1, {"stripes", "cut"}),
        ("squeezenet1_1", "dense", 2, {"stripes"}),
    ],
)
def test_engines_agree_on_every_kind_of_segment(network, stage, batch, modes):
    report = simulate(EDGE, load_network(network, stage), batch)
    found = {segment.mode for segment in report.schedule.residency.segments}
    assert found & modes
    stream = report.schedule.stream.first(5000)
    assert (run_event(stream).end == run_fast(stream).end).all()


def test_scores_of_attention_never_leave_the_chip():
    """A stripe of queries, its scores and the keys of a head fit 128 KiB; all scores, 768 KiB, do not."""
    workload = load_network("bert_layer")
    for fusion, at_most in (("depth-first", 0.0), ("none", 1.0)):
        report = simulate(EDGE.replace(fusion=fusion), workload)
        residency = report.schedule.residency
        left = [
            1 - residency.kept[index]
            for index, layer in enumerate(workload.layers)
            if layer.name in ("scores", "softmax")
        ]
        assert len(left) == 2
        assert max(left) <= at_most
        assert fusion != "none" or max(left) > 0


def test_a_ramp_of_memory_is_a_ramp_of_joules():
    """LeNet-300-100 of 1.02 MiB: 51,200 B more hold 51,200 B more weights, which no longer come in.

    Each saves 8 x 51,200 bits at 20 pJ, 8.19 uJ, and their write on chip and the wait for them: no cliff.
    """
    network = load_network("lenet300", "dense")
    capacities = range(300_000, 900_000, 51_200)
    joules = [simulate(with_memory(size), network).energy_per_inference_J for size in capacities]
    saved = -np.diff(joules)
    assert saved.min() > 8 * 51_200 * 20e-12
    assert saved.max() < 1.1 * 8 * 51_200 * 20e-12


@pytest.mark.parametrize("batch", [7, 12, 13, 17, 29])
def test_a_batch_costs_no_more_than_its_neighbours(batch):
    """Joules and seconds per inference lie within 2% of the mean of the batches beside it, or below."""
    network = load_network("lenet300", "dense")
    before, here, after = (simulate(EDGE, network, size) for size in (batch - 1, batch, batch + 1))
    assert here.energy_per_inference_J <= 1.01 * (
        before.energy_per_inference_J + after.energy_per_inference_J
    )
    assert here.energy_per_inference_J <= before.energy_per_inference_J * 1.02
    assert here.inferences_per_s >= before.inferences_per_s / 1.02


@pytest.mark.parametrize(
    ("network", "batch"), [("lenet300", 13), ("lenet5", 1), ("lenet5", 13), ("bert_layer", 1)]
)
def test_more_memory_never_moves_more(network, batch):
    workload = load_network(network)
    reports = [simulate(with_memory(size), workload, batch) for size in range(40_000, 1_400_000, 170_000)]
    moved = [report.transferred_weight_bits + report.activation_bits for report in reports]
    assert moved == sorted(moved, reverse=True)


def int8(name, channels, in_hw, filters, kernel=(1, 1), **extra):
    count = channels * filters * kernel[0] * kernel[1]
    weights = dense_storage(count, bits=8)
    return conv(name, channels, in_hw, filters, kernel, arithmetic="int8", weights=weights, **extra)


@pytest.mark.parametrize("big", [(900, (10, 10), 100), (4096, (64, 16), 64)])
def test_a_row_before_does_not_change_what_an_input_takes(big):
    """Input and weights do not fit at once, so that weights come in, with a tiny row before or without."""
    alone = simulate(EDGE, chain(int8("big", *big)))
    tiny = int8("tiny", 1, (2, 2), 1)
    after = simulate(EDGE, chain(tiny, int8("big", *big)))
    assert alone.requested_weight_bits > 0
    # the weight of the tiny layer, 8 bits, may be pinned instead
    assert abs(after.schedule.work[1].requested_weight_bits - alone.requested_weight_bits) <= 8
    assert after.schedule.work[1].activation_bits == alone.activation_bits


def test_a_stride_above_the_kernel_fetches_rows_that_are_used():
    """64 maps of 112 x 112: 56 of 112 rows in whole, 3,211,264 bits, where nothing stays on chip."""
    first = int8("a", 3, (112, 112), 64, (3, 3), pad=(1, 1))
    second = int8("d", 64, (112, 112), 128, stride=(2, 2), inputs=(0,))
    report = simulate(with_memory(32_768, fusion="none"), chain(first, second))
    residency, counts = report.schedule.residency, report.schedule.work[1].counts
    tiling = residency.tilings[1]
    fetched = 3_211_264 * (1 - residency.kept[0]) * (tiling.input_fetches if tiling else 1)
    assert counts["activations", "dram", "read_bit"] == pytest.approx(fetched, abs=512)


def test_a_cut_layer_may_use_all_free_memory():
    """768 x 768 int8 weights, 197 pixels: 2.07 MB of traffic in half the memory and more."""
    report = simulate(EDGE, chain(int8("q", 768, (197, 1), 768)))
    assert report.transferred_weight_bits + report.activation_bits <= 8 * 2.07e6


def test_filters_that_are_missing_take_no_cycles_on_eyeriss():
    """61 filters take the mapping of 63, 232,092 cycles, with empty places."""
    cycles = []
    for filters in (61, 63):
        layer = conv("c", 64, (28, 28), filters, (3, 3), pad=(1, 1), arithmetic="int16")
        cycles.append(simulate(load_chip("eyeriss"), chain(layer)).schedule.work[0].cost.cycles)
    assert cycles[0] <= cycles[1] == 232_092
