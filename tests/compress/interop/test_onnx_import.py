"""What does not stop an import: constants to fold, weights beside the model, branches, functions, states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx_support import helper, model, numpy_helper, onnx, reference, relative_error

from compress.format.container import Artifact
from compress.interop.export import export
from compress.interop.onnx import import_onnx, import_onnx_bytes
from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(50)


def values(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def agree(data: bytes, *inputs: np.ndarray, tolerance: float = 1e-5) -> None:
    """Compare all outputs with onnxruntime's."""
    network = import_onnx_bytes(data, "case.onnx")
    names = [value.name for value in onnx.load_from_string(data).graph.input]
    expected = reference(data, dict(zip(names, inputs, strict=True)))
    first, *rest = inputs
    found = network.run(first, extra=dict(zip(network.extra_inputs, rest, strict=True)))
    for one, two in zip(found.values(), expected, strict=True):
        assert relative_error(one, two) <= tolerance


def with_weights_beside(folder: Path, **entries: object) -> Path:
    """Write a product whose weights are in a file beside the model, at byte 8."""
    weight = values(4, 3)
    made = onnx.load_from_string(
        model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["n", 4]}, ["y"], {"w": weight})
    )
    (tensor,) = made.graph.initializer
    (folder / "weights.bin").write_bytes(bytes(8) + tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": 8, "length": weight.nbytes, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    return folder / "m.onnx"


def test_weights_beside_the_model(tmp_path):
    network = import_onnx(with_weights_beside(tmp_path))
    stored = np.frombuffer((tmp_path / "weights.bin").read_bytes()[8:], np.float32).reshape(4, 3)
    x = values(2, 4)
    assert np.allclose(network.forward(x), x @ stored)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "../weights.bin"}, "expected a file in the folder of the model"),
        ({"location": "/etc/hostname"}, "expected a file in the folder of the model"),
        ({"location": ""}, "expected a file in the folder of the model"),
        ({"location": "link.bin"}, "leads out of the folder of the model"),
        ({"location": "none.bin"}, "No such file"),
        ({"length": 49}, "is bytes 8 to 57 of weights.bin, which has 56 bytes"),
        ({"offset": -4}, "is bytes -4 to 44"),
        ({"offset": "one"}, "expected whole numbers"),
        ({"length": 40}, "its data does not fit shape"),
    ],
)
def test_data_files_that_cannot_be_trusted(entries, message, tmp_path):
    inner = tmp_path / "model"
    inner.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(100))
    (inner / "link.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(InputError, match=message):
        import_onnx(with_weights_beside(inner, **entries))


def branch(name: str, scale: float) -> onnx.GraphProto:
    """``x`` of the graph outside times a number."""
    nodes = [helper.make_node("Mul", ["a", "scale"], [f"{name}_out"])]
    constants = [numpy_helper.from_array(np.float32(scale), "scale")]
    return helper.make_graph(nodes, name, [], [helper.make_empty_tensor_value_info(f"{name}_out")], constants)


@pytest.mark.parametrize("taken", [True, False])
def test_a_branch_on_a_constant_is_taken(taken):
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branch("then", 2), else_branch=branch("else", 3)),
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Equal", ["one", "other"], ["c"]),
    ]
    constants = {"one": ints(1), "other": ints(1 if taken else 2)}
    data = model(nodes, {"x": ["n", 3]}, ["y"], constants)
    x = values(2, 3)
    expected = np.maximum(x, 0) * (2 if taken else 3)
    assert np.array_equal(import_onnx_bytes(data, "case.onnx").forward(x), expected)


def on_data(otherwise):
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["c"]),
        helper.make_node("Identity", ["x"], ["a"]),
        helper.make_node("If", ["c"], ["y"], name="if", then_branch=branch("then", 2), else_branch=otherwise),
    ]
    return model(nodes, {"x": ["n", 3]}, ["y"], {"zero": np.float32(0)})


def test_a_branch_on_data_is_chosen_item_by_item():
    network = import_onnx_bytes(on_data(branch("else", 3)), "case.onnx")
    x = np.concatenate([np.abs(values(2, 3)), -np.abs(values(2, 3))])
    assert network.interface.apart  # the sum is one of all items
    expected = np.concatenate([2 * x[:2], 3 * x[2:]])
    assert np.array_equal(network.forward(x), expected)


def test_branches_of_two_shapes_on_data_are_refused():
    narrow = helper.make_graph(
        [helper.make_node("ReduceMax", ["a"], ["low"], axes=[1])],
        "else",
        [],
        [helper.make_tensor_value_info("low", 1, None)],
    )
    with pytest.raises(InputError, match=r"node 'if' \(If\) the condition depends on the data, and the bran"):
        import_onnx_bytes(on_data(narrow), "case.onnx")


def test_any_node_of_constants_is_computed():
    """A determinant, the places of non-zeros and a sorted set have no operator here."""
    nodes = [
        helper.make_node("Det", ["m"], ["d"]),
        helper.make_node("NonZero", ["z"], ["places"]),
        helper.make_node("Gather", ["places", "first"], ["rows"], axis=0),
        helper.make_node("Unique", ["rows"], ["u"]),
        helper.make_node("Gather", ["x", "u"], ["g"], axis=1),
        helper.make_node("Mul", ["g", "d"], ["y"]),
    ]
    constants = {
        "m": np.float32([[2, 0], [1, 3]]), "z": np.float32([[0, 1], [0, 0], [1, 1]]), "first": np.int64(0),
    }  # fmt: skip
    data = model(nodes, {"x": ["n", 4]}, ["y"], constants)
    x = values(2, 4)
    network = import_onnx_bytes(data, "case.onnx")
    assert np.allclose(network.forward(x), x[:, [0, 2]] * 6)
    assert {node.op for node in network.nodes} == {"gather", "mul"}


def test_random_numbers_are_no_constants():
    nodes = [
        helper.make_node("RandomNormal", [], ["r"], shape=[1, 4]),
        helper.make_node("Add", ["x", "r"], ["y"]),
    ]
    with pytest.raises(InputError, match=r"\(RandomNormal\) has no value"):
        import_onnx_bytes(model(nodes, {"x": ["n", 4]}, ["y"]), "case.onnx")


def test_constants_that_a_reference_would_make_too_large():
    nodes = [
        helper.make_node("HannWindow", ["s"], ["w"]),
        helper.make_node("Add", ["x", "w"], ["y"]),
    ]
    with pytest.raises(InputError, match="elements"):
        import_onnx_bytes(model(nodes, {"x": ["n", 4]}, ["y"], {"s": np.int64(1 << 40)}), "case.onnx")


def test_functions_of_the_file_are_replaced_by_their_nodes():
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    twice = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], opset
    )
    made = onnx.load_from_string(
        model([helper.make_node("Twice", ["x"], ["y"], domain="own")], {"x": ["n", 4]}, ["y"])
    )
    made.opset_import.append(helper.make_opsetid("own", 1))
    made.functions.append(twice)
    x = values(2, 4)
    assert np.array_equal(import_onnx_bytes(made.SerializeToString(), "case.onnx").forward(x), 2 * x)


def test_a_channel_without_variance_is_refused():
    held = {"s": values(3), "b": values(3), "m": values(3), "v": np.float32([1, 0, 2])}
    norm = helper.make_node("BatchNormalization", ["x", *held], ["y"], name="norm", epsilon=0.0)
    data = model([norm], {"x": ["n", 3, 2, 2]}, ["y"], held)
    with pytest.raises(InputError, match=r"node 'norm' .* of channel 1 is 0, expected more than 0"):
        import_onnx_bytes(data, "case.onnx")


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [(-100, -100, -1), (100, -100, -2), (-2, -100, -1), (100, 200, 1), (-100, 3, 2), (1, -1, 1), (3, 0, -1)],
)
def test_ranges_beyond_the_ends_are_clamped(start, end, step, tmp_path):
    node = helper.make_node("Slice", ["x", "a", "b", "c", "d"], ["y"])
    constants = {"a": ints(start), "b": ints(end), "c": ints(1), "d": ints(step)}
    data, x = model([node], {"x": ["n", 5, 2]}, ["y"], constants), values(2, 5, 2)
    (expected,) = reference(data, {"x": x})
    network = import_onnx_bytes(data, "case.onnx")
    assert np.array_equal(network.forward(x), expected)
    export(Artifact.of(network, "dense"), tmp_path / "out.onnx")
    assert np.array_equal(reference((tmp_path / "out.onnx").read_bytes(), {"input": x})[0], expected)


def test_bounds_of_a_clip_may_be_computed():
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=1),
        helper.make_node("Squeeze", ["m", "axes"], ["low"]),
        helper.make_node("Clip", ["x", "low", "high"], ["y"]),
    ]
    agree(model(nodes, {"x": [1, 4]}, ["y"], {"high": np.float32(0.5), "axes": ints(0, 1)}), values(1, 4))


RECURRENT = {"LSTM": (4, 2, {}), "GRU": (3, 1, {"linear_before_reset": 1}), "RNN": (1, 1, {})}


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", RECURRENT)
def test_recurrence_with_states_in_and_out(op, direction, tmp_path):
    """States are inputs, as of a model that runs chunk by chunk; the last ones are outputs."""
    gates, states, attrs = RECURRENT[op]
    ways, hidden, steps = (2 if direction == "bidirectional" else 1), 5, 7
    names = ["h", "c"][:states]
    held = {
        "w": values(ways, gates * hidden, 4), "r": values(ways, gates * hidden, hidden),
        "b": values(ways, 2 * gates * hidden),
    }  # fmt: skip
    last = ["y_h", "y_c"][:states]
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        *(helper.make_node("Transpose", [name], [f"{name}0"], perm=[1, 0, 2]) for name in names),
        helper.make_node(
            op, ["t", *held, "", *(f"{name}0" for name in names)], ["y", *last],
            hidden_size=hidden, direction=direction, **attrs,
        ),
    ]  # fmt: skip
    data = model(
        nodes, {"x": [1, steps, 4], **{name: [1, ways, hidden] for name in names}}, ["y", *last], held
    )
    inputs = [values(1, steps, 4), *(values(1, ways, hidden) for _ in names)]
    agree(data, *inputs)
    network = import_onnx_bytes(data, "case.onnx")
    export(Artifact.of(network, "dense"), tmp_path / "out.onnx")
    feeds = dict(zip(["input", *network.extra_inputs], inputs, strict=True))
    there = reference((tmp_path / "out.onnx").read_bytes(), feeds)
    for one, two in zip(there, reference(data, dict(zip(["x", *names], inputs, strict=True))), strict=True):
        assert relative_error(one, two) <= 1e-5


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
@pytest.mark.parametrize("sizes", [(11, 5), (3, 20)])
def test_interpolation(mode, coordinates, sizes):
    resize = helper.make_node(
        "Resize", ["x", "", "", "s"], ["y"], mode=mode, coordinate_transformation_mode=coordinates
    )
    agree(model([resize], {"x": [1, 3, 7, 9]}, ["y"], {"s": ints(1, 3, *sizes)}, 18), values(1, 3, 7, 9))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_interpolation_of_more_neighbours_where_it_shrinks(mode):
    resize = helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode=mode, antialias=1)
    agree(model([resize], {"x": [1, 2, 12, 15]}, ["y"], {"s": ints(1, 2, 5, 4)}, 18), values(1, 2, 12, 15))


VOLUME = (4, 5, 6, 7)


@pytest.mark.parametrize(
    ("op", "constants", "attrs"),
    [
        ("Conv", {"w": values(6, 2, 3, 2, 3), "b": values(6)},
         {"group": 2, "strides": [2, 1, 2], "pads": [1, 0, 1, 1, 1, 1], "dilations": [1, 2, 1]}),
        ("MaxPool", {}, {"kernel_shape": [2, 3, 2], "strides": [2, 1, 2], "pads": [1, 1, 0, 0, 1, 1]}),
        ("AveragePool", {}, {"kernel_shape": [2, 2, 3], "strides": [1, 2, 2], "pads": [0, 1, 1, 1, 0, 1]}),
        ("GlobalAveragePool", {}, {}),
    ],
)  # fmt: skip
def test_volumes(op, constants, attrs):
    node = helper.make_node(op, ["x", *constants], ["y"], **attrs)
    agree(model([node], {"x": [2, *VOLUME]}, ["y"], constants), values(2, *VOLUME))


@pytest.mark.parametrize(
    "attrs",
    [
        {"group": 2, "strides": [2, 3], "pads": [1, 0, 1, 1], "output_padding": [1, 2]},
        {"strides": [2, 2], "output_shape": [12, 15], "auto_pad": "SAME_UPPER"},
    ],
)
def test_transposed_convolution_in_groups_and_of_a_given_size(attrs):
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], **attrs)
    agree(model([node], {"x": [2, 4, 6, 7]}, ["y"], {"w": values(4, 3, 3, 4)}), values(2, 4, 6, 7))


def test_attention_of_today():
    node = helper.make_node(
        "Attention", ["x", "x", "x"], ["y"], q_num_heads=2, kv_num_heads=2, is_causal=1, softcap=2.0
    )
    data = model([node], {"x": [1, 5, 8]}, ["y"], opset=24)
    x = values(1, 5, 8)
    evaluator = onnx.reference.ReferenceEvaluator(onnx.load_from_string(data))
    (expected,) = evaluator.run(None, {"x": x})
    assert relative_error(import_onnx_bytes(data, "case.onnx").forward(x), expected) < 1e-5
