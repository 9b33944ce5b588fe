"""One run, worked by hand, and the laws every run keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.audit import audit
from hwsim.energy.cacti import write_to_read
from hwsim.engine.event import run_event
from hwsim.engine.fast import run_fast
from hwsim.engine.timeline import COMPUTE
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import Layer, StoredWeights, Workload, conv, dense_storage, fc, vector
from hwsim.workload.networks import load_network

TINY = load_chip("edge").replace(
    **{
        "process.clock_GHz": 1.0,
        "array.rows": 2,
        "array.cols": 2,
        "array.load_words_per_cycle": 2,
        "sram.bank_B": 32768,
        "sram.wire_mm": 0.0,
        "sram.capacity_B": 280,
        "scratchpad.bank_B": 8192,
        "dram.bandwidth_GB_per_s": 4.0,
        "dram.burst_B": 4,
        "dram.latency_ns": 10.0,
        "dram.turnaround_ns": 0.0,
        "dram.standby_W": 0.0,
        "buffers.slot_B": 64,
        "power.leakage_W": 0.0,
        "power.cap_W": 1e6,
    }
)
FC_4_TO_2 = Workload("tiny", "dense", (fc("fc", 4, 2),), "by hand")


def test_a_small_dense_layer_worked_by_hand():
    """Two folds of 2 x 2 weights, streamed from DRAM: counts, cycles and picojoules on paper.

    DRAM: 8 weights and 2 biases of 32 bits = 320 bits = 10 bursts of 4 bytes, 1 tick each; input
    128 bits = 4 bursts; output 64 bits = 2 bursts. Array: first load 2, second fold max(1, 2),
    last row 1, fill and drain 2 + 2 - 2 = 2: 7 cycles.
    """
    report = simulate(TINY, FC_4_TO_2)

    assert report.weights_home == "DRAM"
    assert report.latency_s == pytest.approx((14 + 10 + 7 + 2) * 1e-9, rel=1e-12)
    assert report.period_s == pytest.approx(16e-9, rel=1e-12)
    assert report.limiter == "bandwidth"

    by_action = report.actions.groupby(["tensor", "component", "action"])["count"].sum().to_dict()
    by_action.pop(("-", "static", "second"))
    assert by_action == {
        ("weights", "dram", "read_bit"): 320,
        ("activations", "dram", "read_bit"): 128,
        ("activations", "dram", "write_bit"): 64,
        ("weights", "sram", "write_bit"): 320,
        ("weights", "sram", "read_bit"): 320,
        ("activations", "sram", "write_bit"): 128 + 64,
        ("activations", "sram", "read_bit"): 128 + 64,
        ("weights", "scratchpad", "write_bit"): 256,
        ("weights", "scratchpad", "read_bit"): 256,
        ("psums", "scratchpad", "write_bit"): 64,
        ("psums", "scratchpad", "read_bit"): 64,
        ("weights", "register", "latch_bit"): 384,  # shifted through 1 or 2 rows
        ("activations", "register", "latch_bit"): 256,
        ("psums", "register", "latch_bit"): 256,
        ("mac", "mac", "multiply_fp32"): 8,
        ("mac", "mac", "add_fp32"): 8,
    }

    energy_pJ = (report.energy_by("component") * 1e12).to_dict()
    assert energy_pJ["dram"] == pytest.approx(20 * (320 + 128 + 64), rel=1e-12)
    large, small = write_to_read(32 << 10), write_to_read(8 << 10)  # over a read of the same bank
    assert energy_pJ["sram"] == pytest.approx(5 / 32 * 512 * (1 + large), rel=1e-12)
    assert energy_pJ["scratchpad"] == pytest.approx(5 * 0.5 / 32 * 320 * (1 + small), rel=1e-12)
    assert energy_pJ["register"] == pytest.approx(0.009 * 896, rel=1e-12)
    assert energy_pJ["mac"] == pytest.approx(8 * (3.7 + 0.9), rel=1e-12)
    total_pJ = 10_240 + 80 * (1 + large) + 25 * (1 + small) + 8.064 + 36.8
    assert report.energy_per_inference_J * 1e12 == pytest.approx(total_pJ, rel=1e-12)


def test_both_operands_of_a_product_of_activations_are_read_from_sram():
    """Four rows of 8 times 8 columns of 4, three items: keys and values have no weight port's memory."""
    product = Layer("scores", "matmul", 4, 4, 8, 4 * 8 + 8 * 4, 4 * 4)
    chip = load_chip("edge")
    counts = (
        simulate(chip, Workload("attention", "dense", (product,), "by hand"), batch=3).schedule.work[0].counts
    )
    first, second, out = 4 * 8, 8 * 4, 4 * 4
    assert counts["activations", "scratchpad", "write_bit"] == 3 * 32 * second
    # what goes to DRAM is read as well
    assert counts["activations", "sram", "read_bit"] == 3 * 32 * (first + second + out)


def test_what_spills_is_read_in_the_width_it_was_written_in():
    """An int8 layer before an fp32 one: 64 x 64 x 64 words of 8 bits out, and the same back in."""
    first = conv("narrow", 64, (64, 64), 64, (1, 1), arithmetic="int8")
    second = conv("wide", 64, (64, 64), 16, (1, 1), inputs=(0,))
    workload = Workload("two", "dense", (first, second), "by hand")
    chip = load_chip("edge").replace(fusion="none", **{"sram.capacity_B": 65536})
    report = simulate(chip, workload, 1)
    residency = report.schedule.residency
    assert residency.spills(0)
    narrow, wide = (work.counts for work in report.schedule.work)
    tiling, through = residency.tilings[1], 1.0 - residency.kept[0]
    assert narrow["activations", "dram", "write_bit"] == pytest.approx(8 * 64**3 * through, abs=512)
    came = 8 * 64**3 * through * (tiling.input_fetches if tiling else 1)
    assert wide["activations", "dram", "read_bit"] == pytest.approx(came, abs=512)  # whole bursts


def test_the_operands_of_a_product_are_fetched_as_often_as_its_tiling_says():
    """Queries and keys of BERT do not fit the small chip with what else lives, where nothing is fused."""
    report = simulate(load_chip("edge").replace(fusion="none"), load_network("bert_layer"), 1)
    layers, residency = report.workload.layers, report.schedule.residency
    products = [i for i, layer in enumerate(layers) if layer.kind == "matmul" and residency.tilings[i]]
    assert products
    for i in products:
        layer, tiling = layers[i], residency.tilings[i]
        first, second = layer.pixels * layer.depth * 12, layer.filters * layer.depth * 12
        through = [1.0 - residency.kept[source] for source in layer.inputs]
        assert max(through) > 0
        words = first * through[0] * tiling.input_fetches + second * through[1] * tiling.weight_fetches
        read = report.schedule.work[i].counts["activations", "dram", "read_bit"]
        assert read == pytest.approx(32 * words, abs=512)  # whole bursts


def test_rows_are_opened_once_for_every_contiguous_transfer():
    """512 bits in, 64 out: weights, inputs and outputs open one row of 8 KiB each."""
    rows = simulate(TINY, FC_4_TO_2).layers
    assert rows["dram_row_misses"].sum() == 3


def test_weights_that_fit_are_not_fetched_again():
    chip = TINY.replace(**{"sram.capacity_B": 280 + 40})
    report = simulate(chip, FC_4_TO_2)
    assert report.weights_home == "on chip"
    assert report.requested_weight_bits == 0
    assert report.cold_start_s == pytest.approx(10e-9)


def test_the_cap_slows_the_clock_just_enough():
    chip = TINY.replace(**{"sram.capacity_B": 4096, "power.leakage_W": 0.1, "power.clock_steps": 100})
    free = simulate(chip, FC_4_TO_2)
    capped = simulate(chip.replace(**{"power.cap_W": 0.6 * free.power_W + 0.04}), FC_4_TO_2)
    assert capped.clock < 1.0
    assert capped.power_W <= capped.chip.power.cap_W
    assert capped.limiter == "power"
    faster = simulate(chip.replace(**{"power.cap_W": capped.chip.power.cap_W * 1.05}), FC_4_TO_2)
    assert faster.clock > capped.clock


def test_a_cap_below_what_is_drawn_at_rest_is_refused():
    chip = TINY.replace(**{"power.cap_W": 1e-3, "power.leakage_W": 0.1})
    with pytest.raises(InputError, match=r"at least 0\.1\d* W: 0\.1 W of leakage and standby"):
        simulate(chip, FC_4_TO_2)


def test_a_cap_that_no_clock_satisfies_is_refused_with_the_least_one():
    chip = TINY.replace(**{"power.cap_W": 1e-3, "power.clock_steps": 2})
    with pytest.raises(InputError, match="expected at least") as refused:
        simulate(chip, FC_4_TO_2)
    least_W = float(str(refused.value).split("at least ")[1].split(" W")[0])
    with pytest.raises(InputError):
        simulate(chip.replace(**{"power.cap_W": 0.998 * least_W}), FC_4_TO_2)
    assert simulate(chip.replace(**{"power.cap_W": least_W}), FC_4_TO_2).power_W <= least_W


def test_a_batch_below_one_is_refused():
    with pytest.raises(InputError, match="batch is 0"):
        simulate(TINY, FC_4_TO_2, batch=0)


@st.composite
def workloads(draw):
    """Small chains of convolution, pooling and fully-connected layers, some entropy-coded."""
    side = draw(st.integers(4, 9))
    channels, filters = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    first = conv("conv", channels, (side, side), filters, (3, 3))
    out = first.output_elements
    layers = [first, vector("relu", out, out, out, inputs=(0,))]
    for index in range(draw(st.integers(1, 2))):
        outputs = draw(st.integers(1, 40))
        count = out * outputs
        if draw(st.booleans()):
            stored = dense_storage(count, side_bits=32 * outputs)
        else:
            entries = draw(st.integers(0, count))
            parts = draw(st.integers(1, 4))
            split = np.diff(np.arange(parts + 1) * entries // parts)
            stored = StoredWeights("huffman", entries, entries, split * 7, split * 2, 99)
        layers.append(fc(f"fc{index}", out, outputs, weights=stored, inputs=(len(layers) - 1,)))
        out = outputs
    return Workload("random", "mixed", tuple(layers), "random")


@settings(max_examples=60, deadline=None)
@given(
    workload=workloads(),
    batch=st.sampled_from([1, 2, 6]),
    capacity=st.sampled_from([2048, 4096, 65536]),
    place=st.sampled_from(["array", "dram", "either"]),
)
def test_every_run_conserves_bits_and_energy(workload, batch, capacity, place):
    chip = TINY.replace(**{"sram.capacity_B": capacity, "decoder.place": place, "power.leakage_W": 0.01})
    audit(simulate(chip, workload, batch))


def test_a_batch_that_would_spill_goes_through_in_parts():
    """AlexNet at 1,024 costs an item what it costs at 128, whose activations fit, within 1%."""
    chip, network = load_chip("reference_250w"), load_network("alexnet", "huffman")
    small, large = simulate(chip, network, 128), simulate(chip, network, 1024)
    residency = large.schedule.residency
    assert any(len(part.passes) > 1 or part.passes[0].times > 1 for part in residency.segments)
    # the search weighs joules against time, and estimates both: either may give way a little
    assert large.energy_per_inference_J <= small.energy_per_inference_J * 1.01
    assert large.inferences_per_s >= small.inferences_per_s * 0.99
    begin = large.schedule.stream.first(3000)
    assert (run_event(begin).end == run_fast(begin).end).all()


def test_a_layer_waits_for_its_inputs_on_both_units():
    """A convolution takes long on the array, while the vector unit is done with two short layers."""
    layers = (
        conv("slow", 16, (32, 32), 128, (3, 3), pad=(1, 1)),
        vector("quick1", 65536, 65536, 64, inputs=(-1,)),
        vector("quick2", 65536, 65536, 64, inputs=(1,)),
        vector("sum", 131072, 65536, 64, inputs=(0, 2)),
    )
    report = simulate(load_chip("reference_250w"), Workload("joined", "dense", layers, "by hand"))
    stream = report.capped.stream
    timeline = run_fast(stream)
    start, end = timeline.start[COMPUTE], timeline.end[COMPUTE]
    assert end[stream.layer == 2].max() < end[stream.layer == 0].max() <= start[stream.layer == 3].min()


def test_static_power_that_dwarfs_the_network_is_refused_all_the_same():
    chip = load_chip("edge").replace(**{"power.board_W": 1e15})
    with pytest.raises(InputError, match="expected at least"):
        simulate(chip, load_network("lenet300"))


def test_what_comes_from_outside_is_read_once():
    """An LSTM's step reads its input, 1,500 values, and four states of 1,500; it writes 10,000 words."""
    report = simulate(load_chip("reference_250w"), load_network("lstm_2x1500", "dense"))
    bursts = [-(-4 * elements // 64) for elements in (1500 + 1500, 1500, 1500, 1500, 10_000)]
    assert report.activation_bits == 8 * 64 * sum(bursts)
