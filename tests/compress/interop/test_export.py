"""What goes out comes back: the same bits through our executor, the same numbers elsewhere."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from onnx_support import onnx, reference, relative_error

from compress.format.container import Artifact
from compress.format.execution import executable
from compress.format.tensors import PrunedTensor, QuantizedTensor, SharedTensor
from compress.interop.export import export
from compress.interop.onnx import import_onnx, read_onnx
from compress.interop.onnx import stored as stored_again
from compress.interop.onnx.exporters import EXPORTERS
from compress.methods.quantize import quantize_network
from compress.nn.items import mixing
from compress.nn.network import Network, Node
from compress.nn.ops import OPS, stored, tiled
from compress.nn.zoo import build
from hwsim.errors import InputError

RNG = np.random.default_rng(30)
IMAGE, TOKENS = (4, 7, 9), (5, 6)


def values(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


ONE = {
    "conv": (IMAGE, {"groups": 2, "stride": (2, 1), "pads": (1, 0, 2, 1), "dilation": (1, 2)},
             {"w": values(6, 2, 3, 2), "b": values(6)}),
    "conv_transpose": (IMAGE, {"stride": (2, 1), "pads": (1, 0, 0, 1)}, {"w": values(4, 3, 3, 2)}),
    "fc": (TOKENS, {}, {"w": values(3, 6), "b": values(3)}),
    "lstm": (TOKENS, {"reverse": 1}, {"w": values(12, 6), "r": values(12, 3), "b": values(12)}),
    "gru": (TOKENS, {"after": 1}, {"w": values(9, 6), "r": values(9, 3), "b": values(9), "c": values(9)}),
    "rnn": (TOKENS, {"relu": 1}, {"w": values(3, 6), "r": values(3, 3), "b": values(3)}),
    "conv3d": ((2, 3, 5, 6),
               {"groups": 2, "stride": (1, 2, 1), "pads": (1, 0, 1, 1, 1, 0), "dilation": (1, 1, 2)},
               {"w": values(4, 1, 2, 3, 2), "b": values(4)}),
    "group_norm": (IMAGE, {"groups": 2, "epsilon": 1e-3}, {"s": values(4), "t": values(4)}),
    "interpolate": (IMAGE, {"axis": 2}, {"p": np.array([[0, 1], [3, 3], [6, 5]]), "w": values(3, 2)}),
    "round_levels": (TOKENS, {"scale": 0.125, "range": (-5, 20)}, {}),
    "elu": (TOKENS, {"alpha": 0.7}, {}),
    "isinf": (TOKENS, {"sign": "negative"}, {}),
    "log_softmax": (IMAGE, {"axis": 1}, {}),
    "topk": (TOKENS, {"axis": -1, "k": 4}, {}),
    "argmax": (TOKENS, {"axis": 2, "keepdims": 0, "select_last_index": 1}, {}),
    "argmin": (TOKENS, {"axis": 1}, {}),
    "cumsum": (TOKENS, {"axis": 1, "exclusive": 1, "reverse": 1}, {}),
    "trilu": (TOKENS, {"k": -1, "upper": 0}, {}),
    "tile": (TOKENS, {"repeats": (1, 2, 1)}, {}),
    "einsum": (TOKENS, {"equation": "nij->nji"}, {}),
    "max_pool": (IMAGE, {"kernel": (3, 2), "stride": (2, 2), "pads": (1, 0, 0, 1), "ceil_mode": 1}, {}),
    "avg_pool": (IMAGE, {"kernel": (3, 2), "pads": (1, 0, 0, 1)}, {}),
    "affine": (IMAGE, {}, {"s": values(4), "t": values(4)}),
    "layer_norm": (TOKENS, {"axis": -2, "epsilon": 1e-3}, {"s": values(5, 6), "t": values(5, 6)}),
    "rms_norm": (TOKENS, {"epsilon": 1e-3}, {"s": values(6)}),
    "lrn": (IMAGE, {"size": 3, "alpha": 1e-4, "beta": 0.75, "bias": 1.0}, {}),
    "linear": (TOKENS, {"alpha": 0.3, "beta": -0.7}, {}),
    "leaky_relu": (TOKENS, {"alpha": 0.01}, {}),
    "hard_sigmoid": (TOKENS, {"alpha": 0.3, "beta": 0.4}, {}),
    "clip": (TOKENS, {"max": 0.1}, {}),
    "cast": (TOKENS, {"to": "int32"}, {}),
    "softmax": (IMAGE, {"axis": 1}, {}),
    "dropout": (TOKENS, {"rate": 0.5}, {}),
    "reshape": (TOKENS, {"shape": (0, -1, 3)}, {}),
    "expand": ((1, 6), {"shape": (1, 5, 1)}, {}),
    "squeeze": ((1, 6), {"axes": (1,)}, {}),
    "unsqueeze": (TOKENS, {"axes": (1, -1)}, {}),
    "split": (TOKENS, {"axis": 2, "sizes": (1, 5)}, {}),
    "transpose": (IMAGE, {"order": (0, 3, 1, 2)}, {}),
    "concat": (TOKENS, {"axis": -1}, {}),
    "slice": (IMAGE, {"ranges": ((1, 3, 0, -1), (3, 1, 1 << 31, 2))}, {}),
    "pad": (TOKENS, {"pads": (0, 1, 0, 0, 0, 2), "value": 1.5}, {}),
    **{f"reduce_{kind}": (IMAGE, {"axes": (1, -1), "keepdims": 0}, {})
       for kind in ("mean", "sum", "max", "min", "prod", "l2")},
}  # fmt: skip
"""Shape of the input, attributes and parameters by operator; others take the defaults below."""

ZERO = np.zeros((1, 1), np.int64)

DOMAINS = {
    **dict.fromkeys(("asin", "acos", "atanh"), ("sin",)),
    "acosh": ("linear", ("x0",), {"alpha": 1.0, "beta": 1.0}),
}
"""What is applied before functions that are not defined everywhere."""

PLACED = {
    "gather_elements": (("x1", "place"), {"axis": 1}, {}),
    "gather_nd": (("x1", "places"), {"batch_dims": 1}, {}),
    "scatter_elements": (("x1", "place", "most"), {"axis": 1, "reduction": "add"}, {}),
    "scatter_nd": (("x1", "index", "table"), {"reduction": "mul"}, {"index": ZERO, "table": values(1, 5, 6)}),
    "one_hot": (("place",), {"axis": -1, "depth": 4, "off": -1.0, "on": 2.0}, {}),
}
"""Inputs, attributes and constants of operators that read indices."""

PLACES = (
    Node("place", "argmax", ("x1",), {"axis": 1}),
    Node("places", "reshape", ("place",), {"shape": (0, 6, 1)}),
    Node("most", "reduce_max", ("x1",), {"axes": (1,)}),
)
"""What they read."""

TOLERANT = ("keepdims", "ceil_mode", "upper", "select_last_index", "after", "relu", "largest")
"""Attributes that are only true or false."""

PAIRS = ("sub", "mul", "div", "pow", "maximum", "minimum", "equal", "greater", "less", "prelu", "mod")


MIXING = ("dynamic_levels", "scatter_nd")
"""Operators that mix items here: one scale for all of them, and a row that is put into the first one."""


def network(op: str) -> Network:
    """The operator in a network whose output is float32."""
    shape, attrs, params = ONE.get(op, (IMAGE if "pool" in op else TOKENS, {}, {}))
    nodes = [Node("x0", "abs"), Node("x1", "linear", ("x0",), {"alpha": 1.0, "beta": 0.5})]
    if op in ("and", "or", "xor", "not", "where"):
        nodes += [Node("m", "less", ("input", "table")), Node("n", "greater", ("x1", "table"))]
        inputs = {"not": ("m",), "where": ("m", "x1", "input")}.get(op, ("m", "n"))
        params = {"table": values(6)}
    elif op in PAIRS:
        inputs, params = ("x1", "table"), {"table": np.abs(values(6))}
        attrs = {"fmod": 1} if op == "mod" else {}
    elif op == "matmul":
        nodes.append(Node("t", "transpose", ("x1",), {"order": (0, 2, 1)}))
        inputs = ("input", "t")
    elif op in DOMAINS:
        nodes.append(Node("z", *DOMAINS[op]))
        inputs = ("z",)
    elif op in PLACED:
        inputs, attrs, params = PLACED[op]
        nodes += PLACES
    elif op == "gather":
        inputs, attrs, params = ("x1", "index"), {"axis": 1}, {"index": np.array([2, 0, -1])}
    else:
        inputs = {"add": ("input", "x1", "x0"), "concat": ("x1", "input"), "per_item": ("row", "x1")}
        inputs = inputs.get(op, ("x1",))
        params = {"row": values(1, 1, 6)} if op == "per_item" else params
    used = {name for node in nodes for name in node.inputs} | set(inputs)
    own = tuple(name for name in params if name not in used)
    nodes.append(Node("y", op, inputs, attrs, own))
    if op == "per_item":
        nodes.append(Node("sum", "add", ("y", "x1")))
    nodes.append(Node("out", "cast", (nodes[-1].name,), {"to": "float32"}))
    return Network("one", shape, tuple(nodes), params)


IN_PARTS = {"gelu"}
"""Operators that come back as the parts of their formula, which round apart."""


def round_trip(artifact: Artifact, path: Path, x: np.ndarray, extra: dict | None = None) -> Network:
    """Write, check, read back and compare; return what came back."""
    export(artifact, path)
    onnx.checker.check_model(path, full_check=True)
    before, after = artifact.to_network(), import_onnx(path)
    expected = list(before.run(x, extra=extra).values())
    exact = not any(node.op in IN_PARTS for node in before.nodes)
    for value, one in zip(after.run(x, extra=extra).values(), expected, strict=True):
        assert np.array_equal(value, one) if exact else relative_error(value, one) <= 1e-6
    for value, one in zip(reference(path.read_bytes(), {"input": x, **(extra or {})}), expected, strict=True):
        assert relative_error(value, one) <= 1e-4
    return after


@pytest.mark.parametrize("bits", [8, 3])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("name", ["lenet300", "lenet5"])
def test_quantized_layers_run_on_integers_there_too(name, bits, per_channel, tmp_path):
    """Inputs on the middle between two levels are among them: 0.5 rounds to the even one in both."""
    made, x = build(name, np.random.default_rng(0)), np.abs(values(24, 1, 28, 28))
    artifact = quantize_network(made, x[:12], bits, per_channel=per_channel)
    step = next(node.attrs["input_scale"] for node in artifact.topology.nodes if "input_scale" in node.attrs)
    x[0, 0, 0, :8] = (np.arange(-4, 4) + 0.5) * step
    expected, path = executable(artifact).forward(x), tmp_path / "int.onnx"
    export(artifact, path)
    onnx.checker.check_model(path, full_check=True)
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert {"QuantizeLinear", "MatMulInteger", "DequantizeLinear"} <= operators
    assert not operators & {"Conv", "Gemm", "MatMul"}
    (there,) = reference(path.read_bytes(), {"input": x})
    assert np.array_equal(there, expected)
    again = stored_again(*read_onnx(path))
    assert np.array_equal(executable(again).forward(x), expected)
    quantized = [tensor for tensor in artifact.tensors.values() if isinstance(tensor, QuantizedTensor)]
    returned = [tensor for tensor in again.tensors.values() if isinstance(tensor, QuantizedTensor)]
    for one, two in zip(quantized, returned, strict=True):
        assert np.array_equal(one.q, two.q)
        assert one.scale == pytest.approx(two.scale, rel=3e-7)
    assert [node.op for node in again.topology.nodes] == [node.op for node in artifact.topology.nodes]


def test_every_operator_of_a_decoded_network_can_be_written():
    of_other_networks = {*stored.OPS, *tiled.OPS, "integer_fc", "integer_conv", "round_float", "attention"}
    assert EXPORTERS.keys() == OPS.keys() - of_other_networks


@pytest.mark.parametrize("op", EXPORTERS)
def test_operator(op, tmp_path):
    made = network(op)
    mixed = bool(mixing(made))
    x = values(1 if mixed else 3, *made.input_shape)
    for array in (x, *made.params.values()):
        array.flags.writeable = False
    back = round_trip(Artifact.of(made, "dense"), tmp_path / "one.onnx", x)
    assert back.interface.apart == mixed == (op in MIXING)


@pytest.mark.parametrize("op", EXPORTERS)
def test_attributes_that_are_missing_or_texts_are_refused(op):
    """What a file declares is checked before anything runs."""
    made = network(op)
    place = next(index for index, node in enumerate(made.nodes) if node.name == "y")
    for key in made.nodes[place].attrs:
        for attrs in ({key: "text"}, {key: ("text",)}):
            changed = replace(made.nodes[place], attrs={**made.nodes[place].attrs, **attrs})
            nodes = (*made.nodes[:place], changed, *made.nodes[place + 1 :])
            if key in TOLERANT:
                replace(made, nodes=nodes)
                continue
            with pytest.raises(InputError, match="network one, node y: "):
                replace(made, nodes=nodes)


def shared(value: np.ndarray) -> SharedTensor:
    labels = RNG.integers(1, 16, value.shape) * (RNG.random(value.shape) < 0.3)
    return SharedTensor(labels, np.linspace(-0.1, 0.1, 15, dtype=np.float32))


def test_lenet_5_in_every_form_is_small_and_the_same(tmp_path):
    lenet = build("lenet5", np.random.default_rng(1))
    x = values(4, 1, 28, 28)
    weights = {name: value for name, value in lenet.params.items() if name.endswith("weight")}
    int8 = {
        name: QuantizedTensor(
            RNG.integers(-127, 128, value.shape).astype(np.int8),
            RNG.random(len(value)).astype(np.float32),
        )
        for name, value in weights.items()
    }
    forms = {
        "dense": {},
        "pruned": {name: PrunedTensor(value * (abs(value) > 0.05)) for name, value in weights.items()},
        "shared": {name: shared(value) for name, value in weights.items()},
        "int8": int8,
    }
    sizes = {}
    for stage, tensors in forms.items():
        path = tmp_path / f"{stage}.onnx"
        round_trip(Artifact.of(lenet, stage, tensors), path, x)
        sizes[stage] = path.stat().st_size
    assert sizes["shared"] < sizes["dense"] / 3.8
    assert sizes["int8"] < sizes["dense"] / 3.8


def test_many_labels_are_written_as_values(tmp_path):
    made = Network("wide", (6,), (Node("fc", "fc", params=("w",)),), {"w": values(4, 6)})
    tensor = SharedTensor(RNG.integers(0, 300, (4, 6)), values(300))
    round_trip(Artifact.of(made, "shared", {"w": tensor}), tmp_path / "wide.onnx", values(2, 6))


def test_scales_of_ours_are_not_folded_and_those_of_others_are(tmp_path):
    nodes = (
        Node("conv", "conv", params=("w",)),
        Node("norm", "affine", ("conv",), params=("s", "t")),
    )
    params = {"w": values(4, 4, 3, 3), "s": values(4), "t": values(4)}
    made = Network("norm", IMAGE, nodes, params)
    path = tmp_path / "norm.onnx"
    back = round_trip(Artifact.of(made, "dense"), path, values(2, *IMAGE))
    assert [node.op for node in back.nodes] == ["conv", "mul", "add"]
    model = onnx.load(path)
    model.producer_name = "another"
    onnx.save(model, path)
    assert [node.op for node in import_onnx(path).nodes] == ["conv"]


def test_several_inputs_outputs_and_indices(tmp_path):
    nodes = (
        Node("rows", "gather", ("table", "input"), {"axis": 0}),
        Node("sum", "add", ("rows", "more")),
        Node("relu", "relu", ("sum",)),
    )
    made = Network("two", (3,), nodes, {"table": values(10, 4)}, ("relu", "sum"), {"more": (3, 4)})
    x = np.array([[1, 9, 0], [2, 2, 5]])
    round_trip(Artifact.of(made, "dense"), tmp_path / "two.onnx", x, {"more": values(2, 3, 4)})


@pytest.mark.parametrize("name", ["squeezenet1_1", "neural_ode"])
def test_networks_of_the_zoo(name, tmp_path):
    made = build(name, np.random.default_rng(2))
    round_trip(Artifact.of(made, "dense"), tmp_path / "net.onnx", values(2, *made.input_shape))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "lstm", "alexnet", "bert_base_encoder"])
def test_large_networks_of_the_zoo(name, tmp_path):
    made = build(name, np.random.default_rng(2))
    x = np.arange(35)[None] * 280 if name == "lstm" else values(1, *made.input_shape)
    round_trip(Artifact.of(made, "dense"), tmp_path / "net.onnx", x)


def test_published_squeezenet(tmp_path):
    from compress.interop.han import import_han

    default = ROOT.parent / "shared/data/squeezenet_deep_compression/compressed_SqueezeNet.net"
    published = Path(os.environ.get("HWSIM_SQUEEZENET", default))
    if not published.exists():
        pytest.skip("the published file is not here, set HWSIM_SQUEEZENET to its path")
    path = tmp_path / "squeezenet.onnx"
    round_trip(import_han(published), path, values(1, 3, 227, 227) * 50)
    assert path.stat().st_size < 1_310_000


def test_safetensors(tmp_path):
    lenet = build("lenet300", np.random.default_rng(1))
    params = {"fc1.weight": shared(lenet.params["fc1.weight"])}
    artifact = Artifact.of(lenet, "shared", params)
    path = tmp_path / "lenet.safetensors"
    assert export(artifact, path) == path.stat().st_size
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert size % 8 == 0
    assert header.pop("__metadata__") == {"network": "lenet300"}
    for name, value in artifact.arrays().items():
        begin, end = header[name]["data_offsets"]
        assert header[name]["dtype"] == "F32"
        stored_values = np.frombuffer(data[8 + size + begin : 8 + size + end], "<f4")
        assert np.array_equal(stored_values.reshape(header[name]["shape"]), value)
    library = pytest.importorskip("safetensors.numpy", reason="the package safetensors is not installed")
    loaded = library.load_file(path)
    assert all(np.array_equal(loaded[name], value) for name, value in artifact.arrays().items())


def test_npz_of_a_pruned_network_is_small(tmp_path):
    lenet = build("lenet300", np.random.default_rng(1))
    kept = {
        name: PrunedTensor(value * (abs(value) > 0.15))
        for name, value in lenet.params.items()
        if value.ndim > 1
    }
    artifact = Artifact.of(lenet, "pruned", kept)
    path = tmp_path / "lenet.npz"
    export(artifact, path)
    with np.load(path, allow_pickle=False) as loaded:
        arrays = dict(loaded)
    x = values(5, 1, 28, 28)
    assert np.array_equal(lenet.with_params(arrays).forward(x), artifact.to_network().forward(x))
    assert path.stat().st_size < 4 * lenet.parameter_count / 2
    assert export(artifact, tmp_path / "again.npz") == path.stat().st_size
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_what_cannot_be_written_is_refused(tmp_path):
    lenet = Artifact.of(build("lenet5", np.random.default_rng(1)), "dense")
    with pytest.raises(
        InputError, match=r"format '.tflite' is unknown, expected one of .onnx, .safetensors, .npz"
    ):
        export(lenet, tmp_path / "lenet.tflite")
    with pytest.raises(InputError, match="cannot write"):
        export(lenet, tmp_path / "nowhere" / "lenet.onnx")
    sparse = Node("y", "sparse_fc", attrs={"shape": (1, 2)}, params=("s", "c", "l", "t"))
    params = {"s": np.array([0, 1]), "c": np.array([1]), "l": np.array([0]), "t": np.ones(1, np.float32)}
    with pytest.raises(InputError, match="node y: op sparse_fc cannot be written to ONNX"):
        export(Artifact.of(Network("s", (2,), (sparse,), params), "x"), tmp_path / "s.onnx")
