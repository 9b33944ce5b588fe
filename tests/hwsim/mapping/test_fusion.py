"""Kernels: which element-wise layers run in the output path of the layer that makes their input."""

from dataclasses import replace

from hwsim.machine.chip import load_chip
from hwsim.mapping.fusion import kernels_of
from hwsim.run import simulate
from hwsim.workload.layer import Workload, conv, dense_storage, vector
from hwsim.workload.networks import load_network
from hwsim.workload.training import training_step


def same(name, inputs, **extra):
    """A 3 x 3 convolution that keeps 4 maps of 8 x 8."""
    return conv(name, 4, (8, 8), 4, (3, 3), pad=(1, 1), inputs=inputs, **extra)


def elementwise(name, op, inputs, **extra):
    size = 4 * 8 * 8
    return vector(name, size * len(inputs), size, size, op=op, inputs=inputs, **extra)


def kernels(*layers, fusion="elementwise"):
    workload = Workload("by hand", "dense", layers, "by hand")
    return [kernel.layers for kernel in kernels_of(workload, fusion)]


def test_an_activation_function_joins_its_producer():
    layers = (same("a", (-1,)), elementwise("r", "relu", (0,)), same("b", (1,)))
    assert kernels(*layers) == [(0, 1), (2,)]
    assert kernels(*layers, fusion="none") == [(0,), (1,), (2,)]


def test_an_addition_joins_the_later_of_its_two_producers():
    layers = (
        same("a", (-1,)),
        same("b", (-1,)),
        elementwise("s", "add", (0, 1)),
        elementwise("r", "relu", (2,)),
    )
    assert kernels(*layers) == [(0,), (1, 2, 3)]


def test_nothing_joins_a_layer_that_another_one_reads_too():
    layers = (same("a", (-1,)), elementwise("r", "relu", (0,)), elementwise("s", "add", (0, 1)))
    assert kernels(*layers) == [(0,), (1, 2)]


def test_a_batch_normalisation_joins_and_brings_its_parameters():
    normal = elementwise("n", "affine", (0,), weights=dense_storage(8))
    assert kernels(same("a", (-1,)), normal) == [(0, 1)]
    workload = Workload("by hand", "dense", (same("a", (-1,)), normal), "by hand")
    chip = load_chip("edge").replace(**{"sram.holds_weights": False})
    convolution, normal = simulate(chip, workload).schedule.work
    assert (normal.root, normal.requested_weight_bits) == (0, 8 * 32)
    assert normal.activation_bits == -(-4 * 64 * 32 // 512) * 512  # it writes what the kernel makes
    assert convolution.counts["activations", "dram", "write_bit"] == 0


def test_what_is_not_element_by_element_or_comes_from_outside_starts_a_kernel():
    pool = vector("p", 256, 64, 256, op="max_pool", inputs=(0,))
    assert kernels(same("a", (-1,)), pool) == [(0,), (1,)]
    assert kernels(same("a", (-1,)), elementwise("s", "add", (0, -1))) == [(0,), (1,)]
    once = replace(elementwise("u", "relu", (0,)), over_batch="once")
    assert kernels(same("a", (-1,)), once) == [(0,), (1,)]


def test_what_a_kernel_keeps_inside_does_not_pass_through_memory():
    """The map of 256 words of 32 bits is neither written by the convolution nor read by the function."""
    layers = (same("a", (-1,)), elementwise("r", "relu", (0,)))
    workload = Workload("by hand", "dense", layers, "by hand")
    on_chip = []
    for fusion in ("none", "elementwise"):
        works = simulate(load_chip("edge").replace(fusion=fusion), workload).schedule.work
        on_chip.append(
            [
                sum(work.counts["activations", "sram", way] for work in works)
                for way in ("write_bit", "read_bit")
            ]
        )
    apart, fused = on_chip
    assert [a - f for a, f in zip(apart, fused, strict=True)] == [256 * 32, 256 * 32]


def test_a_training_step_fuses_forward_and_moves_no_more():
    step = training_step(load_network("lenet300"))
    names = [[step.layers[i].name for i in kernel.layers] for kernel in kernels_of(step, "elementwise")]
    index = next(i for i, layer in enumerate(step.layers) if layer.op == "relu")
    readers = sum(index - 1 in layer.inputs for layer in step.layers)
    assert readers == 1  # the gradient of relu needs its output, not its input
    assert any("relu" in kernel[-1] and len(kernel) == 2 for kernel in names)
    for batch in (1, 8):
        moved = [
            report.activation_bits + report.requested_weight_bits
            for report in (
                simulate(load_chip("edge").replace(fusion=fusion), step, batch)
                for fusion in ("none", "elementwise", "depth-first")
            )
        ]
        assert moved == sorted(moved, reverse=True)


def test_parameters_in_the_output_path_come_once_though_weights_come_in_blocks_again():
    """A convolution in blocks on 64 KiB, and an offset for each of its outputs, which are made once."""
    chip = load_chip("edge").replace(**{"sram.capacity_B": 64 << 10})
    size = 256 * 56 * 56
    weights, offsets = dense_storage(128 * 256 * 9, 32), dense_storage(size, 32)
    layers = (
        conv("c", 128, (56, 56), 256, (3, 3), pad=(1, 1), inputs=(-1,), weights=weights),
        vector("o", size, size, size, op="add", inputs=(0,), weights=offsets),
    )
    report = simulate(chip, Workload("by hand", "dense", layers, "by hand"))
    residency = report.schedule.residency
    assert [kernel.layers for kernel in residency.kernels] == [(0, 1)]
    assert residency.dram_fetches(0) > 1
    for index, stored in enumerate((weights, offsets)):
        bits = stored.total_bits - residency.pinned_bits[index]
        assert report.schedule.work[index].requested_weight_bits == residency.dram_fetches(index) * bits
    assert residency.dram_fetches(1) == 1
