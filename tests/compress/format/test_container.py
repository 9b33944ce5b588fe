"""The compressed file: exact round trips, exact accounting, and nothing wrong passes."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compress.codecs.sparse import SEGMENT_BYTES
from compress.codecs.table import codings
from compress.format import container
from compress.format.container import Artifact, parse, read
from compress.format.inspect import inspect, table, verify
from compress.format.tensors import DenseTensor, PrunedTensor, QuantizedTensor, SharedTensor
from compress.format.topology import Topology
from compress.nn.lenets import build
from compress.nn.network import Network, Node
from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from compress.format.tensors import StoredTensor


def one_layer(tensor: StoredTensor, *, stage: str = "shared") -> Artifact:
    shape = tensor.shape
    node = Node("fc1", "fc", params=("fc1.weight",))
    network = Network("one", shape[1:], (node,), {"fc1.weight": np.zeros(shape, np.float32)})
    return Artifact.of(network, stage, {"fc1.weight": tensor})


def small_artifact(coding: str) -> Artifact:
    """6-4-3 with one fp32 bias, one half-precision codebook, fillers and an int8 layer."""
    rng = np.random.default_rng(3)
    nodes = (
        Node("fc1", "fc", params=("fc1.weight", "fc1.bias")),
        Node("relu1", "relu", ("fc1",)),
        Node("fc2", "fc", ("relu1",), params=("fc2.weight",)),
    )
    params = {
        "fc1.weight": np.zeros((4, 6), np.float32),
        "fc1.bias": rng.standard_normal(4).astype(np.float32),
        "fc2.weight": np.zeros((3, 4), np.float32),
    }
    labels = np.where(rng.random((4, 6)) < 0.4, rng.integers(1, 4, (4, 6)), 0)
    q = rng.integers(-5, 6, (3, 4)).astype(np.int8)
    tensors: dict[str, StoredTensor] = {
        "fc1.weight": SharedTensor(labels, np.array([-1, 0.5, 2], np.float16), coding, gap_bits=2),
        "fc2.weight": QuantizedTensor(q, rng.random(3).astype(np.float32), 4, coding, gap_bits=2),
    }
    return Artifact.of(Network("small", (6,), nodes, params), "shared", tensors)


def assert_same_tensors(left: Artifact, right: Artifact) -> None:
    assert list(left.tensors) == list(right.tensors)
    for name, tensor in left.tensors.items():
        other = right.tensors[name]
        assert type(tensor) is type(other)
        assert tensor.shape == other.shape
        assert tensor.to_array().tobytes() == other.to_array().tobytes()


@st.composite
def stored_tensors(draw: st.DrawFn) -> StoredTensor:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
    sparse = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(-7, 7))
    levels = draw(hnp.arrays(np.int64, shape, elements=sparse))
    gap_bits = draw(st.none() | st.integers(1, 10))
    coding = draw(st.sampled_from(["fixed", "huffman", "context", "smallest"]))
    kind = draw(st.sampled_from(["dense", "half", "pruned", "shared", "quantized", "raw"]))
    if kind == "dense":
        return DenseTensor(levels.astype(np.float32) / 3)
    if kind == "half":
        return DenseTensor(levels.astype(np.float16))
    if kind == "pruned":
        return PrunedTensor(levels.astype(np.float32) / 3, gap_bits)
    if kind == "shared":
        codebook = draw(hnp.arrays(np.float32, 15, elements=st.floats(-1, 1, width=32)))
        return SharedTensor(np.where(levels, levels + 8, 0), codebook, coding, gap_bits)
    scale = draw(hnp.arrays(np.float32, shape[:1], elements=st.floats(0, 1, width=32)))
    return QuantizedTensor(
        levels, scale, draw(st.integers(4, 8)), "raw" if kind == "raw" else coding, gap_bits
    )


@given(stored_tensors())
def test_round_trip_is_exact_and_every_bit_is_counted(tensor: StoredTensor) -> None:
    artifact = one_layer(tensor)
    data = artifact.to_bytes()
    back, layout = parse(data)
    assert_same_tensors(artifact, back)
    assert back.to_bytes() == data
    counted = layout.tensors[0]
    assert sum(layout.overhead.values()) + counted.total_bits == 8 * len(data)
    assert counted.payload_bits == counted.segment_bits.sum()
    assert counted.nonzeros == tensor.nonzeros
    assert counted.entries >= counted.nonzeros


EDGES = {
    "empty": np.zeros((0, 5), np.int64),
    "no columns": np.zeros((5, 0), np.int64),
    "scalar": np.array(3),
    "all zero": np.zeros((7, 9), np.int64),
    "one value everywhere": np.full((7, 9), 2),
    "last one only": np.eye(1, 5000, 4999, dtype=np.int64),
    "gaps of 2, 4, 8... zeros": np.isin(np.arange(600), np.cumsum(2 ** np.arange(9) + 1)).astype(int),
    "one row": np.arange(40)[np.newaxis] % 4,
    "one column": np.arange(40)[:, np.newaxis] % 4,
    "vector": np.arange(40) % 4,
    "not contiguous": (np.arange(600).reshape(20, 30) % 4)[::2, ::-3],
    "transposed": (np.arange(60).reshape(6, 10) % 4).T,
    "kernels": np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5) % 4,
}


@pytest.mark.parametrize("coding", codings())
@pytest.mark.parametrize("edge", EDGES)
def test_edges(edge: str, coding: str) -> None:
    labels = EDGES[edge]
    topology = Topology("edge", (1,), (Node("fc1", "fc", params=("fc1.weight",)),), ("fc1",))
    codebook = np.array([-1, 0.5, 4], np.float32)
    for tensor in (
        SharedTensor(labels, codebook, coding),
        QuantizedTensor(labels - 1, np.float32(0.5), 4, coding),
        PrunedTensor(labels.astype(np.float32)),
        DenseTensor(labels.astype(np.float32)),
    ):
        artifact = Artifact(topology, {"fc1.weight": tensor}, coding)
        data = artifact.to_bytes()
        back, layout = parse(data)
        assert_same_tensors(artifact, back)
        assert sum(layout.overhead.values()) + layout.tensors[0].total_bits == 8 * len(data)


def test_bits_of_a_small_layer_by_hand() -> None:
    """Non-zeros at 1, 4 and 15 of 16 with 3-bit gaps: four entries of 2 + 3 bits."""
    labels = np.zeros((2, 8), np.int64)
    labels.flat[[1, 4, 15]] = [1, 2, 3]
    layout = one_layer(SharedTensor(labels, np.ones(3, np.float32), "fixed", gap_bits=3)).layout()
    (tensor,) = layout.tensors
    assert tensor.bits == {
        "header": 8 * 4,  # form, two axes
        "codebook": 8 * (1 + 12),
        "values": 4 * 2,
        "gaps": 4 * 3,
        "entry_points": 8 * 2,  # gap width, number of entries
        "padding": 4,
    }
    assert (tensor.nonzeros, tensor.entries, tensor.segment_symbols.tolist()) == (3, 4, [0])
    assert layout.ratio == 32 * 16 / layout.file_bits


def test_dense_weights_are_raw_fp32_and_the_rest_is_small() -> None:
    network = build("lenet5", np.random.default_rng(0))
    layout = Artifact.of(network, "dense").layout()
    assert sum(tensor.payload_bits for tensor in layout.tensors) == 32 * 431_080
    assert layout.file_bits // 8 - 4 * 431_080 < 110


def test_fixed_cost_of_an_empty_lenet_5_is_below_150_bytes() -> None:
    network = build("lenet5", np.random.default_rng(0))
    nothing = {
        name: SharedTensor(np.zeros(value.shape, np.int64), np.array([1], np.float32))
        for name, value in network.params.items()
    }
    assert len(Artifact.of(network, "shared", nothing).to_bytes()) < 150


@pytest.mark.parametrize("coding", ["fixed", "huffman"])
def test_large_layers_have_segments_that_start_anew(coding: str) -> None:
    rng = np.random.default_rng(1)
    labels = np.where(rng.random((700, 500)) < 0.3, rng.integers(1, 16, (700, 500)), 0)
    artifact = one_layer(SharedTensor(labels, np.arange(15, dtype=np.float32), coding))
    back, layout = parse(artifact.to_bytes())
    np.testing.assert_array_equal(back.tensors["fc1.weight"].labels, labels)  # type: ignore[union-attr]
    (tensor,) = layout.tensors
    segments = len(tensor.segment_bits)
    assert segments > 1
    assert abs(tensor.segment_bits / 8 / SEGMENT_BYTES - 1).max() < 0.7
    assert (tensor.segment_symbols.sum() == 2 * tensor.entries) == (coding == "huffman")


def test_the_smallest_coding_is_taken_and_known_after_reading() -> None:
    rng = np.random.default_rng(1)
    artifacts = {}
    labels = np.where(rng.random((60, 70)) < 0.05, rng.integers(1, 16, (60, 70)), 0)
    for coding in codings():
        artifacts[coding] = one_layer(SharedTensor(labels, np.arange(15, dtype=np.float32), coding))
    sizes = {coding: len(artifact.to_bytes()) for coding, artifact in artifacts.items()}
    assert sizes["smallest"] == min(sizes.values())
    back, _ = parse(artifacts["smallest"].to_bytes())
    chosen = back.tensors["fc1.weight"].coding  # type: ignore[union-attr]
    assert sizes[chosen] == sizes["smallest"]
    assert chosen == "context"


def test_a_codebook_is_stored_once_where_the_next_tensor_has_the_same() -> None:
    network = build("lenet300", np.random.default_rng(0))
    codebook = np.arange(31, dtype=np.float32)
    tensors = {
        name: SharedTensor(np.zeros(value.shape, np.int64), codebook)
        for name, value in network.params.items()
    }
    stored = [tensor.bits["codebook"] for tensor in Artifact.of(network, "shared", tensors).layout().tensors]
    assert stored == [8 * (1 + 4 * 31)] + [8] * 5


@pytest.mark.parametrize(
    ("coding", "size", "crc"),
    [("fixed", 92, 0xCE92C648), ("huffman", 98, 0x7A2A11D6), ("context", 90, 0x9ED8909E)],
)
def test_the_format_is_frozen(coding: str, size: int, crc: int) -> None:
    """Files of this version stay readable: whatever changes these bytes needs a new version."""
    data = small_artifact(coding).to_bytes()
    assert (len(data), zlib.crc32(data)) == (size, crc)


@pytest.mark.parametrize("coding", ["fixed", "huffman", "context"])
def test_damage_anywhere_is_an_input_error(coding: str) -> None:
    """Every truncation and eight changes of every byte."""
    artifact = small_artifact(coding)
    data = artifact.to_bytes()
    for stop in range(len(data)):
        with pytest.raises(InputError):
            parse(data[:stop])
    with pytest.raises(InputError):
        parse(data + b"\0")
    for at in range(len(data)):
        for flip in (1, 2, 4, 16, 64, 128, 0x55, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= flip
            with pytest.raises(InputError):
                parse(bytes(damaged))


def reframed(body: bytes) -> bytes:
    """One section with a right CRC, whatever it holds."""
    return container._framed([body])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_a_network(data: bytes) -> None:
    for attempt in (data, reframed(data)):
        try:
            artifact, _ = parse(attempt)
        except InputError:
            continue
        assert artifact.tensors is not None


@given(st.data())
def test_a_forged_body_with_a_right_crc_is_refused_or_bounded(data: st.DataObject) -> None:
    coding: str = data.draw(st.sampled_from(["fixed", "huffman", "context"]))
    body = bytearray(container._unframed(small_artifact(coding).to_bytes())[0])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    forged = reframed(bytes(body))
    try:
        artifact, layout = parse(forged)
        artifact.to_network()
    except InputError:
        return
    assert sum(tensor.size for tensor in layout.tensors) <= container._most_elements(len(forged))
    assert sum(layout.overhead.values()) + sum(t.total_bits for t in layout.tensors) == layout.file_bits


@pytest.mark.parametrize("shape", [b"\x02\xff\xff\xff\x7f\x01", b"\x03\x00\xff\xff\xff\x7f\xff\xff\xff\x7f"])
def test_more_elements_than_the_file_can_hold_are_refused_before_memory_is_taken(shape: bytes) -> None:
    body = bytearray(container._unframed(one_layer(DenseTensor(np.zeros((1, 1), np.float32))).to_bytes())[0])
    at = body.index(b"\x00\x02\x01\x01")  # form, two axes of 1
    body[at : at + 4] = b"\x07" + shape
    with pytest.raises(InputError, match="is too large"):
        parse(reframed(bytes(body)))


def test_a_wrong_version_and_a_wrong_file_are_told_apart() -> None:
    data = bytearray(small_artifact("fixed").to_bytes())
    data[3] += 1
    with pytest.raises(InputError, match="version 3, expected 1 or 2"):
        parse(bytes(data))
    with pytest.raises(InputError, match="does not begin with DCZ"):
        parse(zlib.compress(b"something else"))


def test_files_are_saved_inspected_and_verified(tmp_path: Path) -> None:
    artifact = small_artifact("huffman")
    path = tmp_path / "model.dcz"
    size = artifact.save(path)
    assert path.stat().st_size == size
    assert Artifact.load(path).to_bytes() == path.read_bytes()
    frame = inspect(path)
    assert frame["total"].sum() == size
    assert (
        frame.drop(columns=["form", "elements", "nonzeros", "entries", "segments", "total"]).sum().sum()
        == size
    )
    assert verify(path).file_bits == 8 * size
    np.testing.assert_array_equal(table(read(path)[1]).total, frame.total)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.dcz"
    with pytest.raises(InputError, match=r"cannot read .*model\.dcz: No such file"):
        read(path)
    path.write_bytes(small_artifact("fixed").to_bytes()[:-1])
    with pytest.raises(InputError, match=r"model\.dcz: section 0 is cut short"):
        verify(path)


def test_decoded_network_computes_the_same_logits() -> None:
    artifact = small_artifact("huffman")
    x = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    expected = artifact.to_network().forward(x)
    np.testing.assert_array_equal(parse(artifact.to_bytes())[0].to_network().forward(x), expected)


def test_tensors_and_parameters_have_to_match() -> None:
    artifact = small_artifact("fixed")
    with pytest.raises(InputError, match=r"'fc3.weight' has no node"):
        Artifact(
            artifact.topology, {**artifact.tensors, "fc3.weight": artifact.tensors["fc1.bias"]}, "shared"
        )
    with pytest.raises(InputError, match=r"'fc1.bias' has no tensor"):
        Artifact(artifact.topology, {"fc1.weight": artifact.tensors["fc1.weight"]}, "shared")
