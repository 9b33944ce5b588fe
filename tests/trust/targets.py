"""Everything that reads a file from outside, as functions of bytes that may only raise `InputError`."""

from __future__ import annotations

import io
import json
import math
import tempfile
import zipfile
import zlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from llama_files import gguf_file, small_llama
from model_files import LLAMA_VALUES, gguf, llama_tensors, safetensors

from compress.format import container
from compress.format.execution import executable
from compress.format.tensors import DenseTensor, PrunedTensor, QuantizedTensor, SharedTensor, StoredTensor
from compress.interop import han as han_import
from compress.interop.gguf import import_gguf
from compress.interop.tensor_headers import read_safetensors
from compress.methods.quantize import quantize_network
from compress.nn import datasets
from compress.nn import lenets as models
from compress.nn.network import Network, Node
from compress.pipeline import state
from compress.pipeline.recipe import load_recipe
from experiments.runs import inputs, language_files, pareto
from experiments.runs import names as asked
from experiments.runs.point import Point
from experiments.sweep import file as sweep
from experiments.sweep import store as sweep_store
from hwsim.errors import InputError
from hwsim.machine import chip
from hwsim.run import simulate
from hwsim.workload import table as layer_table
from hwsim.workload.language.memory import Served
from hwsim.workload.language.shipped import model_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FOLDER = Path(tempfile.gettempdir())
MOST_ELEMENTS = 100_000
"""Larger networks are read, but not executed."""
MOST_BLOCKS = 100
"""Language models of more blocks are read, but no pass of them is built."""


class Target(NamedTuple):
    """One parser.

    Parameters
    ----------
    read : callable
        Takes the bytes of a file; raises `InputError` and nothing else.
    seeds : callable
        Gives small valid inputs to start from.
    """

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]


def survives(target: Target, data: bytes) -> bool:
    """Feed `data` to a parser and say whether it took it; anything but `InputError` comes through.

    Raises
    ------
    AssertionError
        If the sentence of a refusal is empty or runs over several lines, but for a list below it.
    """
    try:
        target.read(data)
    except InputError as error:
        text = str(error).strip()
        assert text, "a refusal without a word"
        listed = text.split("\n")[1:]
        assert all(line.startswith("  ") for line in listed), f"a refusal of several lines: {text!r}"
        return False
    return True


def _through_file(read: Callable[[Path], object], suffix: str) -> Callable[[bytes], object]:
    """Make a function of bytes from one of a path."""

    def of_bytes(data: bytes) -> object:
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            path = Path(folder) / f"input{suffix}"
            path.write_bytes(data)
            return read(path)

    return of_bytes


def _network() -> Network:
    """A LeNet of 500 weights."""
    nodes = (
        Node("conv1", "conv", ("input",), params=("conv1.weight", "conv1.bias")),
        Node("pool1", "max_pool", ("conv1",), {"kernel": (2, 2), "stride": (2, 2)}),
        Node("flatten", "flatten", ("pool1",)),
        Node("fc1", "fc", ("flatten",), params=("fc1.weight", "fc1.bias")),
    )
    shapes = {"conv1": (4, 1, 3, 3), "fc1": (10, 36)}
    return Network("small", (1, 8, 8), nodes, models.initial_params(shapes, np.random.default_rng(0)))


def _artifacts() -> list[bytes]:
    """One small file of each form of tensor and of coding."""
    network, rng = _network(), np.random.default_rng(0)
    codebook = np.array([-1, 0.5, 2], np.float32)
    labels = {
        name: np.where(rng.random(value.shape) < 0.2, rng.integers(1, 4, value.shape), 0).astype(np.uint16)
        for name, value in network.params.items()
        if name.endswith("weight")
    }
    forms: dict[str, Callable[[np.ndarray], StoredTensor]] = {
        "fixed": lambda found: SharedTensor(found, codebook, "fixed"),
        "huffman": lambda found: SharedTensor(found, codebook, "huffman"),
        "context": lambda found: SharedTensor(found, codebook, "context"),
        "pruned": lambda found: PrunedTensor(found.astype(np.float32)),
        "int8": lambda found: QuantizedTensor(found.astype(np.int64), np.float32(0.5), 8, "huffman"),
        "dense": lambda found: DenseTensor(found.astype(np.float16)),
    }
    images = rng.random((2, *network.input_shape), np.float32)
    artifacts = [quantize_network(network, images, 4, per_channel=False)] + [
        container.Artifact.of(network, stage, {name: make(found) for name, found in labels.items()})
        for stage, make in forms.items()
    ]
    return [artifact.to_bytes() for artifact in artifacts]


def _execute(data: bytes) -> None:
    """Read a compressed file, decode all of it, and execute it in both ways if it is small."""
    artifact, _ = container.parse(data)
    for stored in (False, True):
        network = executable(artifact, stored=stored)
        if sum(math.prod(shape) for shape in network.shapes().values()) < MOST_ELEMENTS:
            network.forward(np.zeros((1, *network.input_shape), np.float32))


def _bodies() -> list[bytes]:
    return [b"".join(_length(body) + body for body in container._unframed(data)) for data in _artifacts()]


def _length(body: bytes) -> bytes:
    return len(body).to_bytes(4, "little")


def _sections(data: bytes) -> list[bytes]:
    """Undo ``_length(body) + body``; no section at all is one empty one."""
    sections, at = [], 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        sections.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return sections or [b""]


def _execute_bodies(data: bytes) -> None:
    """Frame sections with the right check sums, so that what lies behind them is reached."""
    _execute(container._framed(_sections(data)))


def _texts(package: str, folder: str, suffix: str) -> list[bytes]:
    """Shipped files whose name ends with `suffix`."""
    files = (resources.files(package) / folder).iterdir()
    return [
        file.read_bytes() for file in sorted(files, key=lambda file: file.name) if file.name.endswith(suffix)
    ]


def _layers(path: Path) -> None:
    """Read a table of layers, and simulate it if it is small."""
    workload = layer_table.load_csv(path)
    if len(workload.layers) < 50 and workload.macs < 10**9:
        simulate(chip.load_chip("edge"), workload)


def _idx(data: bytes) -> None:
    for name in ("images.idx", "labels.idx", "images.gz"):
        try:
            datasets._read_idx(Path(name), data)
        except InputError:
            continue


def _idx_seeds() -> list[bytes]:
    images = bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28)) + bytes(range(256)) * 6 + bytes(32)
    return [images, bytes((0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3))]


def _zipped(read: Callable[[Path], object], names: Iterable[str]) -> Callable[[bytes], object]:
    """Read an archive; of sections, one is made first of members `names`, with the right check sums."""

    def of_path(path: Path) -> object:
        data = path.read_bytes()
        if not data.startswith(b"PK"):
            with zipfile.ZipFile(path, "w") as archive:
                for name, section in zip(names, _sections(data), strict=False):
                    archive.writestr(f"{name}.npy", section)
        return read(path)

    return _through_file(of_path, ".npz")


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _zip_seeds(arrays: dict[str, np.ndarray]) -> list[bytes]:
    """An archive, and the sections of the same."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    members = [_npy(array) for array in arrays.values()]
    return [file.getvalue(), b"".join(_length(member) + member for member in members)]


def _images() -> dict[str, np.ndarray]:
    images, labels = np.zeros((2, 28, 28), np.uint8), np.arange(2, dtype=np.uint8)
    return {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}


def _checkpoint() -> dict[str, np.ndarray]:
    """What `compress.pipeline.state.save` writes: a network, masks, shared weights and a teacher's logits."""
    return {f"params/{name}": value for name, value in _network().params.items()} | {
        "masks/fc1.weight": np.ones((10, 36), bool),
        "labels/fc1.weight": np.zeros((10, 36), np.uint16),
        "codebooks/fc1.weight": np.array([-1, 0.5], np.float32),
        "teacher/fc1": np.zeros((2, 10), np.float32),
    }


def _report(path: Path) -> None:
    asked.parse_run(str(path))


def _table(path: Path) -> None:
    pareto.front(pareto.read_table(path), ["energy_J"], ["bytes"])


def _report_seeds() -> list[bytes]:
    now = asked.report_of(Point("edge", "lenet5", "dense", 1, ())).summary()
    run = {
        "stage": "dense",
        "asked": {"chip": "edge", "workload": "lenet5", "stage": "dense", "batch": 1, "layers": []},
        "changes": {},
        "energy_J": now["energy_J"],
        "inferences_per_s": now["inferences_per_s"],
    }
    return [json.dumps([run]).encode()]


def _han(data: bytes) -> None:
    han_import.parse_han(_unpacked(data))


def _unpacked(data: bytes) -> bytes:
    """Most of a published file is codebooks and zeros: fuzz a packed one."""
    try:
        return zlib.decompressobj().decompress(data, 4_000_000)
    except zlib.error:
        return data


def _han_seeds() -> list[bytes]:
    network = models_of_han()
    entries = 3
    data = np.full(len(network), entries, "<u4").tobytes() + b"".join(
        np.arange(256, dtype="<f4").tobytes() + np.zeros(filters, "<f4").tobytes() + bytes([7, 8, 9, 0x21, 3])
        for filters in network
    )
    return [data, zlib.compress(data)]


def models_of_han() -> list[int]:
    """Filters of each convolution of the published network."""
    network = han_import.squeezenet_1_0()
    return [network.params[node.params[0]].shape[0] for node in network.nodes if node.op == "conv"]


def _onnx(data: bytes) -> None:
    from compress.interop.onnx.importing import import_onnx_bytes

    import_onnx_bytes(data, "input.onnx").shapes()


def _onnx_seeds() -> list[bytes]:
    """Small graphs that between them use most groups of operations."""
    from onnx import TensorProto, helper, numpy_helper

    def model(steps: list[tuple[str, dict[str, object], dict[str, np.ndarray]]], shape: list[int]) -> bytes:
        nodes, constants, value = [], [], "x"
        for number, (op, attrs, values) in enumerate(steps):
            names = [f"{name}{number}" for name in values]
            constants += [numpy_helper.from_array(v, n) for n, v in zip(names, values.values(), strict=True)]
            nodes.append(helper.make_node(op, [value, *names], [f"y{number}"], **attrs))
            value = f"y{number}"
        graph = helper.make_graph(
            nodes,
            "seed",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
            [helper.make_empty_tensor_value_info(value)],
            constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return made.SerializeToString()

    ones = np.ones((2, 1, 3, 3), np.float32)
    numbers = {"w": np.array([0, 2, 1, 4], np.int64)}
    return [
        model(
            [
                ("Conv", {"pads": [1, 0, 1, 2], "dilations": [1, 1]}, {"w": ones}),
                ("Relu", {}, {}),
                ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, {}),
                ("Flatten", {}, {}),
                ("Gemm", {"transB": 1}, {"w": np.ones((3, 32), np.float32), "b": np.ones(3, np.float32)}),
                ("Softmax", {"axis": -1}, {}),
            ],
            [1, 8, 8],
        ),
        model(
            [
                ("Reshape", {}, {"w": np.array([0, 2, 4], np.int64)}),
                ("Transpose", {"perm": [0, 2, 1]}, {}),
                ("Gather", {"axis": 1}, {"w": np.array([3, 0], np.int64)}),
                ("Slice", {}, {k: np.array([v], np.int64) for k, v in (("a", 0), ("b", 1), ("c", 2))}),
                ("MatMul", {}, {"w": np.ones((1, 5), np.float32)}),
                ("ReduceMean", {"axes": [2]}, {}),
                ("Unsqueeze", {}, {"w": np.array([1], np.int64)}),
                ("Add", {}, {"w": np.ones(1, np.float32)}),
            ],
            [8],
        ),
        model(
            [("Reshape", {}, numbers), ("Erf", {}, {}), ("Pow", {}, {"w": np.array(2, np.float32)})], [2, 4]
        ),
    ]


def _store(path: Path) -> None:
    with sweep_store.opened(path) as store:
        for row in store.rows().values():
            json.loads(row)


def _store_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        path = Path(folder) / "seed.sqlite"
        with sweep_store.opened(path) as store:
            store.add([("key", '{"energy_J": 1.0}')])
        return [path.read_bytes()]


def _gguf(path: Path) -> None:
    """Describe the model of a GGUF file, and a pass of it if that has few blocks."""
    model, parts = language_files.open_gguf(path)
    if len(model.blocks) < MOST_BLOCKS:
        Served.of(model, parts).decode(1)


def _configuration(path: Path) -> None:
    """Describe the model of a configuration, and a pass of it if that has few blocks."""
    model = model_of(path)
    if len(model.blocks) < MOST_BLOCKS:
        served = Served.of(model)
        served.decode(1) if model.decoder else served.forward(1)


def _configurations() -> list[bytes]:
    texts = _texts("hwsim", "data/language", ".json")
    return [text for text in texts if len(text) < 1000]


TARGETS = {
    "dcz": Target(_execute, _artifacts),
    "dcz-sections": Target(_execute_bodies, _bodies),
    "chip": Target(_through_file(chip.load_chip, ".toml"), lambda: _texts("hwsim", "data/chips", ".toml")),
    "layers": Target(
        _through_file(_layers, ".csv"),
        lambda: _texts("hwsim", "data/networks", "net.csv"),
    ),
    "onnx": Target(_onnx, _onnx_seeds),
    "squeezenet": Target(_han, _han_seeds),
    "sweep": Target(
        _through_file(sweep.load_sweep, ".toml"), lambda: _texts("experiments", "sweeps", ".toml")
    ),
    "sweep-store": Target(_through_file(_store, ".sqlite"), _store_seeds),
    "recipe": Target(_through_file(load_recipe, ".toml"), lambda: _texts("compress", "recipes", ".toml")),
    "idx": Target(_idx, _idx_seeds),
    "npz": Target(_zipped(datasets.load_dataset, _images()), lambda: _zip_seeds(_images())),
    "inputs": Target(
        _through_file(lambda path: inputs.read_inputs([str(path)], _network()), ".npy"),
        lambda: [_npy(np.zeros((2, 1, 8, 8), np.float32))],
    ),
    "checkpoint": Target(
        _zipped(lambda path: state.load(path, _network()), _checkpoint()), lambda: _zip_seeds(_checkpoint())
    ),
    "report": Target(_through_file(_report, ".json"), _report_seeds),
    "gguf": Target(_through_file(_gguf, ".gguf"), lambda: [gguf(LLAMA_VALUES, llama_tensors())]),
    "gguf-import": Target(_through_file(import_gguf, ".gguf"), lambda: [gguf_file(small_llama())[0]]),
    "safetensors": Target(
        _through_file(read_safetensors, ".safetensors"),
        lambda: [safetensors([("a", "F16", [2, 3])], {"F16": 16})],
    ),
    "language-model": Target(_through_file(_configuration, ".json"), _configurations),
    "table": Target(_through_file(_table, ".csv"), lambda: [b"energy_J,bytes\n1e-6,3\n2e-6,2\n"]),
}
