"""The workload of a compressed file: shapes and bits worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from llama_files import SHAPE, small_llama

from compress.format.container import Artifact
from compress.format.tensors import SharedTensor
from compress.lowering import CELL_OPS, VIEWS, container_bits, workload_of
from compress.methods.quantize import quantize_network
from compress.nn import zoo
from compress.nn.counting import macs
from compress.nn.interface import OPEN, Interface
from compress.nn.lenets import build
from compress.nn.network import Network, Node
from compress.nn.ops import OPS
from experiments.runs.workloads import open_workloads
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.mapping.residency import Moved, activation_traffic
from hwsim.run import simulate
from hwsim.workload.networks import load_csv, load_network
from hwsim.workload.operators import OPERATORS


def lenet_5(stage: str) -> Artifact:
    rng = np.random.default_rng(0)
    network = build("lenet5", rng)
    weights = {name: value for name, value in network.params.items() if name.endswith("weight")}
    labels = {
        name: np.where(rng.random(value.shape) < 0.1, rng.integers(1, 16, value.shape), 0)
        for name, value in weights.items()
    }
    codebook = np.arange(1, 16, dtype=np.float32)
    return Artifact.of(
        network, stage, {name: SharedTensor(x, codebook, "huffman") for name, x in labels.items()}
    )


def test_lenet_5_layers() -> None:
    workload = workload_of(lenet_5("huffman"), input_density={"fc1": 0.5})
    names = [layer.name for layer in workload.layers]
    assert names == ["conv1", "pool1", "conv2", "pool2", "fc1", "relu1", "fc2"]
    conv2, pool2, fc1 = workload.layers[2:5]
    assert (conv2.pixels, conv2.filters, conv2.depth) == (8 * 8, 50, 20 * 25)
    assert (conv2.in_hw, conv2.out_hw, conv2.kernel) == ((12, 12), (8, 8), (5, 5))
    assert (pool2.vector_ops, pool2.input_elements, pool2.output_elements) == (50 * 16 * 4, 3200, 800)
    assert (fc1.inputs, fc1.input_elements, fc1.pixels) == ((3,), 800, 1)
    assert (fc1.input_density, conv2.input_density) == (0.5, 1.0)
    assert workload.layers[5].vector_ops == 500
    assert workload.macs == 576 * 20 * 25 + 64 * 50 * 500 + 800 * 500 + 5000


def test_a_network_that_only_renames_elements_moves_its_outputs() -> None:
    network = Network("views", (4, 6), (Node("y", "flatten"),), {})
    (copy,) = workload_of(Artifact.of(network, "dense")).layers
    assert (copy.input_elements, copy.output_elements, copy.vector_ops, copy.weights) == (24, 24, 24, None)
    assert simulate("edge", workload_of(Artifact.of(network, "dense"))).energy_per_inference_J > 0


def test_bits_of_layers_and_container_add_up_to_the_file() -> None:
    artifact = lenet_5("huffman")
    layout = artifact.layout()
    workload = workload_of(artifact, layout=layout)
    assert workload.weight_bits + container_bits(layout) == layout.file_bits == 8 * len(artifact.to_bytes())
    fc1 = workload.layers[4]
    assert fc1.weights is not None
    assert fc1.weights.payload_bits == layout.tensor("fc1.weight").payload_bits
    assert fc1.weights.side_bits == layout.tensor("fc1.weight").side_bits + 32 * 500
    assert fc1.weights.symbols == 2 * fc1.weights.entries
    assert workload.stage == fc1.weights.format == "huffman"


def test_pattern_is_where_the_weights_are_not_zero() -> None:
    artifact = lenet_5("shared")
    fc2 = workload_of(artifact).layers[-1]
    labels = artifact.tensors["fc2.weight"].labels  # type: ignore[union-attr]
    np.testing.assert_array_equal(fc2.pattern, labels != 0)
    assert fc2.weight_density == np.count_nonzero(labels) / labels.size
    assert fc2.weights is not None
    assert fc2.weights.nonzeros == np.count_nonzero(labels)


def test_a_graph_with_branches_names_the_layers_it_reads() -> None:
    """Two branches joined by a concatenation, which is no layer, then a grouped convolution."""
    params = {
        "a.weight": np.ones((4, 2, 1, 1), np.float32),
        "b.weight": np.ones((2, 2, 3, 3), np.float32),
        "c.weight": np.ones((6, 3, 1, 1), np.float32),
    }
    nodes = (
        Node("a", "conv", params=("a.weight",)),
        Node("b", "conv", attrs={"pads": (1, 1, 1, 1)}, params=("b.weight",)),
        Node("join", "concat", ("a", "b"), {"axis": 1}),
        Node("c", "conv", ("join",), {"groups": 2}, ("c.weight",)),
        Node("total", "add", ("c", "join")),
    )
    network = Network("branches", (2, 5, 5), nodes, params)
    a, b, c, total = workload_of(Artifact.of(network, "dense")).layers
    assert (a.inputs, b.inputs, c.inputs, total.inputs) == ((-1,), (-1,), (0, 1), (2, 0, 1))
    assert (c.groups, c.filters, c.depth, c.input_elements) == (2, 3, 3, 6 * 25)
    assert (b.pad, b.out_hw) == ((1, 1), (5, 5))
    assert (total.vector_ops, total.input_elements) == (6 * 25, 2 * 6 * 25)
    assert c.pattern is not None
    assert c.pattern.shape == (6, 3)


@pytest.mark.parametrize(("op", "expected"), [("softmax", 8 * 24), ("global_avg_pool", 24)])
def test_scalar_operations(op: str, expected: int) -> None:
    network = Network("v", (4, 2, 3), (Node("x", op),), {})
    (layer,) = workload_of(Artifact.of(network, "dense")).layers
    assert layer.vector_ops == expected
    assert layer.weights is None


ATTRIBUTES = {"clip": {"min": 0.0, "max": 6.0}, "group_norm": {"groups": 2}}
PARAMETERS = {"layer_norm": ("scale", "bias"), "rms_norm": ("scale",)}


COUNTED = {
    row.name: row.kind
    for row in OPERATORS.values()
    if row.name in OPS and row.name not in VIEWS and row.kind and row.ops and not row.joins
}


@pytest.mark.parametrize(("op", "kind"), COUNTED.items())
def test_operators_count_as_the_same_kinds_of_a_table(tmp_path, op: str, kind: str) -> None:
    table = tmp_path / "v.csv"
    table.write_text(f"name,kind,channels,height,width\nx,{kind},6,2,4\n")
    params = {name: np.ones(4, np.float32) for name in PARAMETERS.get(op, ())}
    network = Network(
        "v", (6, 2, 4), (Node("x", op, attrs=ATTRIBUTES.get(op, {}), params=tuple(params)),), params
    )
    (own,), (listed,) = workload_of(Artifact.of(network, "dense")).layers, load_csv(table).layers
    assert (own.op, own.vector_ops, own.input_elements, own.output_elements) == (
        listed.op,
        listed.vector_ops,
        listed.input_elements,
        listed.output_elements,
    )


@pytest.mark.parametrize(("op", "kind"), [("max_pool", "maxpool"), ("avg_pool", "avgpool")])
def test_a_pool_has_one_name_however_a_table_writes_it(tmp_path, op: str, kind: str) -> None:
    table = tmp_path / "v.csv"
    table.write_text(f"name,kind,channels,height,width,kernel,stride\nx,{kind},6,4,4,2,2\n")
    network = Network("v", (6, 4, 4), (Node("x", op, attrs={"kernel": (2, 2), "stride": (2, 2)}),), {})
    (own,), (listed,) = workload_of(Artifact.of(network, "dense")).layers, load_csv(table).layers
    assert own.op == listed.op == op
    assert own.vector_ops == listed.vector_ops == 6 * 2 * 2 * 4


@pytest.mark.parametrize(("op", "kind"), [("add", "add"), ("mul", "multiply")])
def test_what_joins_operands_costs_once_for_each_after_the_first(tmp_path, op: str, kind: str) -> None:
    joined = 2 if op == "mul" else 3
    table = tmp_path / "v.csv"
    names = ("a", "b", "c")[:joined]
    lines = [f"{name},relu,input,6,2,4" for name in names] + [f"x,{kind},{' '.join(names)},,,"]
    table.write_text("\n".join(["name,kind,inputs,channels,height,width", *lines]) + "\n")
    nodes = (*(Node(name, "relu") for name in names), Node("x", op, names))
    network = Network("v", (6, 2, 4), nodes, {})
    own, listed = workload_of(Artifact.of(network, "dense")).layers[-1], load_csv(table).layers[-1]
    assert own.vector_ops == listed.vector_ops == 48 * (joined - 1)


def test_every_operator_without_a_name_in_tables_is_one_of_the_networks() -> None:
    assert {row.name for row in OPERATORS.values() if row.kind is None} <= OPS.keys() | CELL_OPS


def test_local_response_normalisation_counts_as_in_a_table(tmp_path) -> None:
    table = tmp_path / "v.csv"
    table.write_text("name,kind,channels,height,width,kernel\nx,lrn,6,2,4,5\n")
    attrs = {"size": 5, "alpha": 1e-4, "beta": 0.75, "bias": 1.0}
    network = Network("v", (6, 2, 4), (Node("x", "lrn", attrs=attrs),), {})
    (own,), (listed,) = workload_of(Artifact.of(network, "dense")).layers, load_csv(table).layers
    assert own.vector_ops == listed.vector_ops == 48 * (5 + 6)


@pytest.mark.parametrize("op", ["erf", "exp", "log", "pow", "reciprocal", "sqrt"])
def test_functions_of_one_variable_count_four(op: str) -> None:
    inputs = ("input", "two") if op == "pow" else ("input",)
    params = {"two": np.full(1, 2, np.float32)} if op == "pow" else {}
    network = Network("v", (4, 2, 3), (Node("x", op, inputs),), params)
    (layer,) = workload_of(Artifact.of(network, "dense")).layers
    assert layer.vector_ops == 4 * 24


def test_products_of_activations_and_recurrent_layers() -> None:
    params = {
        "r.weight": np.ones((8, 3), np.float32),
        "r.recurrent": np.ones((8, 2), np.float32),
        "r.bias": np.ones(8, np.float32),
    }
    nodes = (
        Node("r", "lstm", params=("r.weight", "r.recurrent", "r.bias")),
        Node("t", "transpose", ("r",), {"order": (0, 2, 1)}),
        Node("scores", "matmul", ("r", "t")),
    )
    workload = workload_of(Artifact.of(Network("rnn", (5, 3), nodes, params), "dense"))
    gates, *steps, moved, scores = workload.layers
    assert (gates.name, gates.pixels, gates.filters, gates.depth) == ("r.input", 5, 8, 3)
    assert [layer.name for layer in steps[:4]] == ["r.0", "r.0.cell", "r.1", "r.1.cell"]
    assert [layer.inputs for layer in steps[:4]] == [(0,), (1,), (0, 2), (3, 2)]
    assert [layer.like for layer in steps[::2]] == [None, 1, 1, 1, 1]
    for state, cell in zip(steps[::2], steps[1::2], strict=True):
        assert (state.pixels, state.depth, state.input_elements, state.output_elements) == (1, 2, 2 + 8, 8)
        assert (cell.op, cell.vector_ops) == ("lstm_cell", 24 * 2)
        assert (cell.input_elements, cell.output_elements) == (5 * 2, 2 * 2)
    assert gates.output_elements == 5 * 8
    assert gates.weights is not None
    assert gates.weights.side_bits == 32 * 8
    assert workload.macs == 5 * 8 * 3 + 5 * 8 * 2 + 5 * 5 * 2
    cells = (2, 4, 6, 8, 10)
    assert (scores.kind, scores.pixels, scores.filters, scores.depth) == ("matmul", 5, 5, 2)
    assert (scores.inputs, moved.inputs) == ((*cells, 11), cells)


def test_a_gated_unit_of_both_directions_from_a_state_of_its_own() -> None:
    """Two steps, three inputs, two units: six gates, and 18 operations of a unit on them and a state."""
    params = {
        f"{way}.{key}": np.ones(shape, np.float32)
        for way in "fb"
        for key, shape in (("w", (6, 3)), ("r", (6, 2)), ("b", (6,)), ("s", (6,)))
    }
    nodes = tuple(
        Node(
            way,
            "gru",
            ("input", "state"),
            {"reverse": int(way == "b")},
            tuple(f"{way}.{key}" for key in "wrbs"),
        )
        for way in "fb"
    )
    network = Network("gru", (2, 3), nodes, params, ("f", "b", "b:1"), extra_inputs={"state": (2,)})
    layers = workload_of(Artifact.of(network, "dense")).layers
    assert [layer.name for layer in layers[:5]] == ["f.input", "f.0", "f.0.cell", "f.1", "f.1.cell"]
    assert [layer.inputs for layer in layers[:5]] == [(-1,), (0, -1), (1, -1), (0, 2), (3, 2)]
    cell = layers[2]
    assert (cell.op, cell.vector_ops, cell.input_elements, cell.output_elements) == ("gru_cell", 18 * 2, 8, 2)
    assert [layer.macs for layer in layers[:2]] == [2 * 6 * 3, 6 * 2]
    assert layers[0].weights is not None
    assert layers[0].weights.side_bits == 32 * (6 + 6)


def test_convolutions_of_volumes_and_transposed_ones_in_groups() -> None:
    nodes = (
        Node("v", "conv3d", attrs={"groups": 2}, params=("v.weight",)),
        Node("f", "reshape", ("v",), {"shape": (0, 4, 2, 12)}),
        Node("t", "conv_transpose", ("f",), {"groups": 2, "output_padding": (0, 0)}, ("t.weight",)),
    )
    params = {"v.weight": np.ones((4, 1, 2, 2, 3), np.float32), "t.weight": np.ones((4, 3, 2, 1), np.float32)}
    network = Network("volumes", (2, 3, 4, 6), nodes, params)
    volume, spread = workload_of(Artifact.of(network, "dense")).layers
    assert (volume.pixels, volume.filters, volume.depth, volume.groups) == (2 * 3 * 4, 2, 12, 2)
    assert volume.input_elements == 2 * 3 * 4 * 6
    assert (spread.pixels, spread.filters, spread.depth, spread.groups) == (24, 3 * 2, 2, 2)


def test_sums_of_products_interpolations_and_orders_count_their_work() -> None:
    params = {"p": np.zeros((8, 2), np.int64), "w": np.ones((8, 2), np.float32)}
    nodes = (
        Node("e", "einsum", ("input", "input"), {"equation": "nij,nkj->nik"}),
        Node("i", "interpolate", ("input",), {"axis": 1}, ("p", "w")),
        Node("a", "argmax", ("input",), {"axis": 2}),
    )
    network = Network("work", (4, 5), nodes, params, ("e", "i", "a"))
    einsum, interpolate, place = workload_of(Artifact.of(network, "dense")).layers
    assert einsum.vector_ops == 2 * 4 * 4 * 5
    assert interpolate.vector_ops == 8 * 5 * 3
    assert place.vector_ops == 4 * 5


def test_steps_of_a_recurrent_layer_wait_for_one_another() -> None:
    """A step of 256 states: 6 folds a tile of 32 cycles to load, 62 to fill and drain, 3 rows: 257 cycles."""
    report = simulate(load_chip("reference_250w"), workload_of(recurrent(64)))
    state = next(
        work
        for layer, work in zip(report.workload.layers, report.schedule.work, strict=True)
        if layer.name == "r.0"
    )
    assert state.cost.cycles == 257
    assert report.latency_ticks >= 64 * 257
    with pytest.raises(InputError, match="513 steps one after another, expected at most 512"):
        workload_of(recurrent(513))


def recurrent(steps: int) -> Artifact:
    rng = np.random.default_rng(0)
    shapes = {"r.weight": (1024, 256), "r.recurrent": (1024, 256), "r.bias": (1024,)}
    params = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    return Artifact.of(
        Network("rnn", (steps, 256), (Node("r", "lstm", params=tuple(params)),), params), "dense"
    )


@pytest.mark.parametrize(
    ("shape", "inputs", "constant", "gemm"),
    [
        ((64, 32), ("w", "input"), (64, 64), ("fc", 32, 64, 64, 1)),
        ((64, 32), ("w", "input"), (48, 64), ("fc", 32, 48, 64, 1)),
        ((5, 3), ("input", "w"), (3, 7), ("fc", 5, 7, 3, 1)),
        ((8, 32, 64), ("input", "w"), (64, 64), ("fc", 8 * 32, 64, 64, 1)),
        ((8, 32, 64), ("input", "w"), (8, 64, 64), ("conv", 32, 64, 64, 8)),
        ((8, 64, 32), ("w", "input"), (8, 16, 64), ("conv", 32, 16, 64, 8)),
        ((3, 1, 32, 64), ("input", "w"), (8, 64, 16), ("conv", 3 * 32, 16, 64, 8)),
    ],
)
def test_products_with_a_constant_are_layers_with_weights(shape, inputs, constant, gemm) -> None:
    weight = np.random.default_rng(0).integers(0, 2, constant).astype(np.float32)
    network = Network("product", shape, (Node("p", "matmul", inputs),), {"w": weight})
    artifact = Artifact.of(network, "dense")
    (layer,) = workload_of(artifact).layers
    assert (layer.kind, layer.pixels, layer.filters, layer.depth, layer.groups) == gemm
    assert layer.macs == macs(network)["p"]
    assert layer.output_elements == np.prod(network.shapes()["p"])
    assert layer.weights is not None
    assert (layer.weight_count, layer.weights.nonzeros) == (weight.size, np.count_nonzero(weight))
    assert layer.pattern is not None
    assert layer.pattern.shape == (layer.groups * layer.filters, layer.depth)
    first_filter = weight.reshape(-1, *constant[-2:])[0]
    expected = first_filter[0] if inputs[0] == "w" else first_filter[:, 0]
    np.testing.assert_array_equal(layer.pattern[0], expected != 0)
    assert simulate(load_chip("reference_250w"), workload_of(artifact)).energy_per_inference_J > 0


def test_further_inputs_are_read_like_the_input():
    nodes = (Node("sum", "add", ("input", "cache")),)
    network = Network("two", (4,), nodes, {}, extra_inputs={"cache": (4,)})
    (layer,) = workload_of(Artifact.of(network, "dense")).layers
    assert (layer.input_elements, layer.output_elements, layer.inputs) == (8, 4, (-1,))


def test_a_further_input_comes_from_dram_beside_what_a_layer_made():
    """4 elements of the input, then 4 of the cache: 256 bits in, 128 out."""
    nodes = (Node("a", "relu", ("input",)), Node("sum", "add", ("a", "cache")))
    network = Network("two", (4,), nodes, {}, extra_inputs={"cache": (4,)})
    workload = workload_of(Artifact.of(network, "dense"))
    assert [layer.inputs for layer in workload.layers] == [(-1,), (0, -1)]
    report = simulate(load_chip("reference_250w"), workload)
    residency = report.schedule.residency
    moved = [activation_traffic(workload, residency, index, 1) for index in range(2)]
    assert moved == [Moved(4 * 32, 0, 0), Moved(4 * 32, 4 * 32, 0)]


def test_macs_are_those_counted_from_the_shapes():
    network = zoo.build("squeezenet1_1")
    assert workload_of(Artifact.of(network, "dense")).macs == sum(macs(network).values())


def test_nodes_of_the_same_parameters_share_what_is_stored() -> None:
    artifact = Artifact.of(zoo.build("neural_ode"), "dense")
    layout = artifact.layout()
    workload = workload_of(artifact, layout=layout)
    assert workload.weight_bits + container_bits(layout) == layout.file_bits
    assert sum(layer.like is not None for layer in workload.layers if layer.kind == "conv") == 30
    shapes = {layer.name: layer for layer in load_network("neural_ode").layers}
    assert workload.macs == sum(layer.macs for layer in shapes.values())


def quantized_lenet(bits) -> Artifact:
    network = build("lenet300", np.random.default_rng(0))
    return quantize_network(network, np.ones((2, *network.input_shape), np.float32), bits)


@pytest.mark.parametrize(("bits", "arithmetic"), [(2, "int4"), (4, "int4"), (5, "int8"), (8, "int8")])
def test_quantized_weights_are_multiplied_in_the_narrowest_integers(bits, arithmetic) -> None:
    workload = workload_of(quantized_lenet(bits))
    assert {layer.arithmetic for layer in workload.layers} == {arithmetic}


def test_layers_of_unlike_widths_have_their_own_arithmetic() -> None:
    found = workload_of(quantized_lenet({"fc1": 4, "fc2": 8}))
    assert found.stage == "mixed"
    arithmetic = {layer.name: layer.arithmetic for layer in found.layers}
    assert arithmetic == {"fc1": "int4", "relu1": "fp32", "fc2": "int8", "relu2": "fp32", "fc3": "fp32"}
    halves = workload_of(quantized_lenet({"fc1": 4, "fc2": 8}), arithmetic="bf16")
    assert [layer.arithmetic for layer in halves.layers] == ["int4", "bf16", "int8", "bf16", "bf16"]


@pytest.mark.parametrize("stage", ["int4", "int8"])
def test_a_quantized_file_is_simulated_as_the_shipped_network_of_its_stage(tmp_path, stage) -> None:
    """Up to what a file adds to the layers: headers and entry points."""
    quantized_lenet(int(stage.removeprefix("int"))).save(tmp_path / "q.dcz")
    (workload,) = open_workloads(str(tmp_path / "q.dcz"))
    file, shipped = (
        simulate(load_chip("edge"), found).energy_per_inference_J
        for found in (workload, load_network("lenet300", stage))
    )
    assert file == pytest.approx(shipped, rel=0.02)


def test_tied_weights_have_one_owner_also_where_biases_differ() -> None:
    rng = np.random.default_rng(1)
    nodes = (Node("a", "fc", params=("w", "a.b")), Node("b", "fc", ("a",), {}, ("w", "b.b")))
    params = {
        name: rng.random(shape, np.float32) for name, shape in (("w", (8, 8)), ("a.b", (8,)), ("b.b", (8,)))
    }
    artifact = Artifact.of(Network("tied", (8,), nodes, params), "dense")
    layout = artifact.layout()
    workload = workload_of(artifact, layout=layout)
    assert [layer.like for layer in workload.layers] == [None, 0]
    assert workload.weight_bits == 32 * (64 + 8 + 8)
    assert workload.weight_bits + container_bits(layout) == layout.file_bits


def test_an_embedding_reads_rows_and_not_its_table() -> None:
    """Five rows of four fp32 values and five indices; each item reads its own."""
    nodes = (Node("rows", "gather", ("table", "input"), {"axis": 0}), Node("y", "relu", ("rows",)))
    table = np.random.default_rng(1).random((1000, 4), np.float32)
    workload = workload_of(Artifact.of(Network("words", (5,), nodes, {"table": table}), "dense"))
    first = workload.layers[0]
    assert (first.weights, first.input_elements, first.output_elements) == (None, 5 + 5 * 4, 5 * 4)
    (_, one), (_, eight) = (
        (batch, simulate(load_chip("edge"), workload, batch).activation_bits) for batch in (1, 8)
    )
    assert 4 * one < eight <= 8 * one < 8 * 32 * 100


def test_items_that_run_alone_have_no_batch() -> None:
    network = Network("alone", (4,), (Node("y", "relu"),), {}, interface=Interface(apart=True, dimension="n"))
    workload = workload_of(Artifact.of(network, "dense"))
    assert workload.alone == "the first dimension (n) mixes items: items run one at a time"
    report = simulate(load_chip("edge"), workload, 8)
    assert report.batch == 1
    assert workload.alone in report.warnings
    assert report.summary() == simulate(load_chip("edge"), workload, 1).summary()


def test_a_sequence_is_simulated_with_its_steps() -> None:
    nodes = (Node("y", "fc", params=("w",)),)
    network = Network(
        "steps", (1, 4), nodes, {"w": np.ones((3, 4), np.float32)}, interface=Interface(lead={"input": OPEN})
    )
    artifact = Artifact.of(network, "dense")
    assert workload_of(artifact).macs == 12
    assert workload_of(artifact, steps=40).macs == 40 * 12
    assert "here of 40 steps" in workload_of(artifact, steps=40).alone


def test_frames_of_one_item_are_all_convolved() -> None:
    frames = (
        Node("frames", "reshape", attrs={"shape": (-1, 1, 8, 8)}),
        Node("c", "conv", ("frames",), {}, ("w",)),
    )
    network = Network("film", (5, 1, 8, 8), frames, {"w": np.ones((2, 1, 3, 3), np.float32)})
    workload = workload_of(Artifact.of(network, "dense"))
    assert workload.macs == 5 * 6 * 6 * 2 * 9
    for chip in ("edge", "eyeriss", "tpu_v1"):
        assert (
            simulate(load_chip(chip), workload_of(Artifact.of(network, "dense"), arithmetic="int8")).batch
            == 1
        )


def test_attention_multiplies_queries_by_half_of_the_keys_on_average():
    network = small_llama()
    workload = workload_of(Artifact.of(network, "dense"), steps=9)
    layers = {layer.name: layer for layer in workload.layers}
    scores, mixed = layers["0.attention.scores"], layers["0.attention"]
    assert scores.macs == mixed.macs == 9 * 5 * SHAPE.features
    assert scores.input_elements == 9 * (SHAPE.features + SHAPE.features // 2)
    assert mixed.output_elements == 9 * SHAPE.features
    assert layers["0.attention.softmax"].input_elements == 9 * 5 * SHAPE.heads
    assert layers["0.query"].macs == 9 * SHAPE.features**2
