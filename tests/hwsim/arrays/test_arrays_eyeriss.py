"""Row-stationary mapping and counts: the paper's own mappings, hand-worked passes, the contract."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.arrays import eyeriss, row_stationary
from hwsim.arrays.eyeriss import EyerissArray, run_length_bits
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import Layer, Workload, conv, fc
from hwsim.workload.networks import load_network

EYERISS = EyerissArray(
    rows=12,
    cols=14,
    buffer_B=98304,
    row_outputs=128,
    filter_spad_B=448,
    input_spad_B=24,
    psum_spad_B=48,
    filter_port_words=4,
    input_port_words=1,
    psum_port_words=4,
    word_bits=16,
)

ALEXNET = {
    "CONV1": conv("CONV1", 3, (227, 227), 96, (11, 11), (4, 4), arithmetic="int16"),
    "CONV2": conv("CONV2", 96, (27, 27), 256, (5, 5), pad=(2, 2), groups=2, arithmetic="int16"),
    "CONV3": conv("CONV3", 256, (13, 13), 384, (3, 3), pad=(1, 1), arithmetic="int16"),
    "CONV4": conv("CONV4", 384, (13, 13), 384, (3, 3), pad=(1, 1), groups=2, arithmetic="int16"),
    "CONV5": conv("CONV5", 384, (13, 13), 256, (3, 3), pad=(1, 1), groups=2, arithmetic="int16"),
}


PUBLISHED = [
    *((layer, 4) for layer in ALEXNET.values()),
    *((layer, 3) for layer in load_network("vgg16", "int16").layers if layer.kind == "conv"),
]
"""Layers and batches whose figures the paper prints."""


def mapping_of(array, published):
    layer, batch = published
    return array.mapping(layer, batch)


@pytest.mark.parametrize(
    ("name", "m", "n", "e", "p", "q", "r", "t", "active"),
    [
        # Table III of the paper; the search differs from it in CONV3, where it has q, r, t = 4, 1, 4
        ("CONV1", 96, 1, 7, 16, 1, 1, 2, 154),
        ("CONV2", 64, 1, 27, 16, 2, 1, 1, 135),
        ("CONV3", 64, 4, 13, 16, 3, 2, 2, 156),
        ("CONV4", 64, 4, 13, 16, 3, 2, 2, 156),
        ("CONV5", 64, 4, 13, 16, 3, 2, 2, 156),
    ],
)
def test_mappings_of_the_paper(name, m, n, e, p, q, r, t, active):
    mapping = EYERISS.mapping(ALEXNET[name], batch=4)
    assert mapping[:7] == (m, n, e, p, q, r, t)
    assert mapping.active_pes == active


def test_cycles_of_a_layer_by_hand():
    # CONV2 of AlexNet, one group: 128 / 16 filter passes x 48 / 2 channel passes x 4 items
    mapping = EYERISS.mapping(ALEXNET["CONV2"], batch=4)
    passes = 8 * 24 * 4
    assert mapping.passes == passes
    assert mapping.mac_cycles == passes * 27 * 16 * (2 * 5 + 1)
    assert mapping.filter_cycles == passes * 16 * 2 * 25 // 4
    assert mapping.psum_cycles == 128 * 27 * 27 * 4 * 24 // 4
    assert mapping.input_cycles == 31 * 31 * 48 * 4 * 8
    cost = EYERISS.cost(ALEXNET["CONV2"], 4)
    assert cost.cycles == 2 * (mapping.mac_cycles + mapping.filter_cycles)


def test_counts_by_hand():
    # one 3 x 3 filter over a 5 x 5 input: a single pass on 3 x 3 PEs
    layer = conv("c", 1, (5, 5), 1, (3, 3), arithmetic="int16", input_density=0.5)
    mapping = EYERISS.mapping(layer, 1)
    assert (mapping.passes, mapping.active_pes, mapping.p, mapping.q) == (1, 9, 1, 1)
    macs, executed, outputs = 81, round(81 * 0.5), 9
    counts = EYERISS.cost(layer, 1).counts
    assert counts == {
        ("weights", "array_port", "word"): 9,
        ("weights", "spad_filter", "write_bit"): 9 * 3 * 16,
        ("weights", "spad_filter", "read_bit"): executed * 16,
        ("activations", "sram", "read_bit"): (25 + outputs) * 16,
        ("activations", "register", "access_bit"): (macs + 9 * 5) * 16,
        ("psums", "sram", "write_bit"): outputs * 16,
        ("psums", "register", "access_bit"): 2 * executed * 16,
        ("psums", "noc", "hop_bit"): outputs * 2 * 16,
        ("psums", "mac", "add_int32"): outputs * 3,
        ("mac", "mac", "multiply_int16"): executed,
        ("mac", "mac", "add_int32"): executed,
    }


def test_strips_fetch_their_halo_again():
    # 55 output rows in 8 strips of 7; neighbours share 11 - 4 input rows
    words = EYERISS.dram_words(ALEXNET["CONV1"], batch=4)
    assert words.inputs == (227 + 7 * 7) * 227 * 3 * 4
    assert words.filters == 96 * 363 * 8 * 4
    assert words.outputs == 96 * 55 * 55 * 4


def test_gating_saves_actions_but_no_cycles():
    layer = replace(ALEXNET["CONV3"], input_density=0.25)
    gated, plain = EYERISS.cost(layer, 1), replace(EYERISS, gate_zeros=False).cost(layer, 1)
    assert gated.cycles == plain.cycles
    assert gated.counts["mac", "mac", "multiply_int16"] == layer.macs // 4
    assert plain.counts["mac", "mac", "multiply_int16"] == layer.macs


def test_wider_operands_leave_less_room():
    wide = replace(ALEXNET["CONV2"], arithmetic="fp32")
    assert EYERISS.mapping(wide, 4).m * EYERISS.mapping(wide, 4).e < 64 * 27


@st.composite
def convolutions(draw):
    kernel = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    size = draw(st.integers(12, 40)), draw(st.integers(12, 40))
    groups = draw(st.integers(1, 3))
    return conv(
        "random",
        groups * draw(st.integers(1, 12)),
        size,
        groups * draw(st.integers(1, 24)),
        kernel,
        (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        groups=groups,
        arithmetic="int16",
        input_density=draw(st.floats(0, 1)),
    )


@given(convolutions(), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_contract(layer, batch):
    cost = EYERISS.cost(layer, batch)
    assert cost.cycles >= max(cost.compute_cycles, cost.load_cycles)
    assert 0 < cost.utilisation <= 1
    assert all(isinstance(count, int) and count > 0 for count in cost.counts.values())


@given(convolutions(), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_the_mapping_fits_the_memories_and_covers_the_work(layer, batch):
    mapping = EYERISS.mapping(layer, batch)
    assert mapping.p <= 24
    assert mapping.q * layer.kernel[1] <= 12
    assert mapping.p * mapping.q * layer.kernel[1] <= 224
    assert mapping.active_pes <= 168
    assert layer.kernel[0] * mapping.r <= 12
    assert mapping.m * mapping.n * mapping.e * mapping.f <= 98304 // 2
    macs = layer.macs * batch // layer.groups
    assert mapping.mac_cycles * mapping.active_pes >= macs
    words = EYERISS.dram_words(layer, batch)
    assert words.filters >= layer.weight_count
    assert EYERISS.buffer_words(layer, batch) >= 2 * words.outputs


def test_run_length_coding_by_hand():
    assert run_length_bits(300, 1.0) == 300 * 16  # coding would need 300 / 3 x 64 bits
    assert run_length_bits(300, 0.0) == 4 * 64  # one pair bridges 32 zeros
    overflow = 0.75**32
    assert run_length_bits(3000, 0.25) == math.ceil(math.ceil(750 / (1 - overflow)) / 3) * 64


def test_fully_connected_layers_are_bound_by_loading_filters():
    cost = EYERISS.cost(fc("fc6", 9216, 4096, arithmetic="int16"), 4)
    assert cost.load_cycles >= 9216 * 4096 // 4
    assert cost.counts["weights", "array_port", "word"] == 9216 * 4096


def test_pixels_of_a_fully_connected_layer_cost_what_items_do():
    """The tokens of a sequence are vectors of their own: 16 x 128 x 40 MACs on 168 PEs."""
    layer = fc("tokens", 128, 40, arithmetic="int16")
    array = load_chip("eyeriss").array
    found = array.cost(replace(layer, pixels=8), 2)
    assert found.macs == 16 * 128 * 40
    assert found.utilisation <= 1
    assert found == array.cost(layer, 16)


def test_refuses_what_it_cannot_run():
    with pytest.raises(InputError, match=r"layer c: kernel \(13, 13\) of 32-bit words on input"):
        EYERISS.cost(conv("c", 1, (20, 20), 1, (13, 13)), 1)
    with pytest.raises(InputError, match="layer s: a matmul layer cannot run on a eyeriss array"):
        EYERISS.cost(Layer("s", "matmul", 4, 4, 4, 32, 16), 1)
    with pytest.raises(InputError, match="filter_spad_B is 0"):
        replace(EYERISS, filter_spad_B=0)


def test_a_cycle_of_the_clock_network_is_counted_where_it_has_a_price():
    layer = ALEXNET["CONV3"]
    assert ("clock", "clock", "cycle") not in EYERISS.cost(layer, 1).counts
    clocked = replace(EYERISS, clock_pJ_per_cycle=5.0).cost(layer, 1)
    assert clocked.counts["clock", "clock", "cycle"] == clocked.cycles
    with pytest.raises(InputError, match="clock_pJ_per_cycle is -1"):
        replace(EYERISS, clock_pJ_per_cycle=-1.0)


@pytest.mark.parametrize(
    ("threshold", "value"),
    [("KEEP_ACTIVE", 0.88), ("KEEP_ACTIVE", 0.92), ("DRAM_SLACK", 1.04), ("DRAM_SLACK", 1.15)],
)
def test_mappings_do_not_hang_on_the_thresholds(monkeypatch, threshold, value):
    kept = [mapping_of(EYERISS, layer) for layer in PUBLISHED]
    monkeypatch.setattr(row_stationary, threshold, value)
    monkeypatch.setattr(eyeriss, "best_mapping", row_stationary.best_mapping.__wrapped__)
    assert [mapping_of(EYERISS, layer) for layer in PUBLISHED] == kept


@pytest.mark.parametrize("row_outputs", [112, 223])
def test_mappings_do_not_hang_on_the_longest_row(row_outputs):
    other = replace(EYERISS, row_outputs=row_outputs)
    assert [mapping_of(other, layer) for layer in PUBLISHED] == [
        mapping_of(EYERISS, layer) for layer in PUBLISHED
    ]


def test_outputs_are_no_part_of_the_choice_of_a_mapping():
    # the outputs of VGG-16's conv1_1 are most of its traffic; it is mapped as conv1_2 is (Table VI: 156 PEs)
    first = conv("conv1_1", 3, (224, 224), 64, (3, 3), pad=(1, 1), arithmetic="int16")
    second = conv("conv1_2", 64, (224, 224), 64, (3, 3), pad=(1, 1), arithmetic="int16")
    assert EYERISS.mapping(first, 3)[:7] == EYERISS.mapping(second, 3)[:7]
    assert EYERISS.mapping(first, 3).active_pes == 156


def test_the_schedule_fetches_as_often_as_the_mapping():
    # CONV1: 8 strips of 7 rows for each of 4 items, and all 96 filters over one fetch of the inputs
    assert EYERISS.dram_fetches(ALEXNET["CONV1"], 4) == (8 * 4, 1)
    # CONV2, one group: 64 of 128 filters at a time, the 27 rows in one strip
    assert EYERISS.dram_fetches(ALEXNET["CONV2"], 4) == (4, 2)
    network = Workload("one", "int16", (ALEXNET["CONV2"],), "by hand")
    report = simulate(load_chip("eyeriss"), network, batch=4)
    fetches = report.requested_weight_bits / ALEXNET["CONV2"].weights.total_bits
    assert fetches == 4


def test_a_run_says_if_its_mappings_were_validated_on_other_networks():
    (said,) = simulate("eyeriss", "lenet5").warnings
    assert "validated on alexnet and vgg16" in said
    assert simulate("eyeriss", "alexnet", stage="int16").warnings == ()
    assert simulate("edge", "lenet5").warnings == ()


@pytest.mark.parametrize(
    ("filters", "channels", "side", "kernel", "batch"),
    [(64, 64, 56, 3, 1), (61, 64, 56, 3, 1), (127, 16, 10, 1, 3), (17, 3, 224, 3, 1), (362, 20, 14, 1, 5)],
)
def test_a_better_mapping_fits_and_moves_no_more(filters, channels, side, kernel, batch):
    """The memories hold it, its empty places are fewer than a block, and it is better by its own measure."""
    array = load_chip("eyeriss").array
    layer = conv(
        "c", channels, (side, side), filters, (kernel, kernel), pad=(kernel // 2,) * 2, arithmetic="int16"
    )
    fabric, shape = array._fabric(layer), eyeriss._shape(layer, batch)
    own = row_stationary.best_mapping(fabric, shape)
    found = row_stationary.better_mapping(fabric, shape)
    assert found.dram_reads <= own.dram_reads
    assert found.accesses * found.cycles < own.accesses * own.cycles
    rows, columns = found.e + kernel - 1, found.f + kernel - 1
    held = found.m * found.n * found.e * found.f + found.n * found.q * found.r * rows * columns
    assert held <= fabric.buffer_words
    assert found.p * found.q * kernel <= fabric.filter_spad
    assert (found.p <= fabric.psum_spad, found.q * kernel <= fabric.input_spad) == (True, True)
    assert kernel * found.e * found.r * found.t <= array.rows * array.cols
    places = found.filter_passes * found.p * found.t
    assert filters <= places <= filters + row_stationary.FILTER_BLOCK
    assert found.psum_words == filters * side * side * batch * found.channel_passes


def test_mappings_of_groups_count_all_of_them():
    array = load_chip("eyeriss").array
    one = conv("one", 8, (14, 14), 16, (3, 3), arithmetic="int16")
    two = conv("two", 16, (14, 14), 32, (3, 3), groups=2, arithmetic="int16")
    for alone, both in zip(array.mappings(one, 1), array.mappings(two, 1), strict=True):
        assert both == (alone and tuple(2 * figure for figure in alone))
    own, better = array.mappings(one, 1)
    assert own == (sum(array.dram_words(one, 1)[:2]), array.buffer_words(one, 1), array.cost(one, 1).cycles)
    assert better is None or better.product < own.product
