"""Any file comes back as it was; models become smaller than by LZMA; damage is noticed."""

import io
import json
import lzma
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.codecs import planes
from compress.interop import places
from compress.interop.packing import pack, unpack
from compress.interop.places import BF16, FP16, FP32, INT8, KINDS, places_of
from hwsim.errors import InputError

RNG = np.random.default_rng(0)
WEIGHTS = (RNG.normal(0, 1, (64, 400)) * RNG.lognormal(-3, 1, (64, 1))).astype(np.float32)
STORED = {
    "F32": WEIGHTS,
    "F16": WEIGHTS.astype(np.float16),
    "BF16": (WEIGHTS.view(np.uint32) >> 16).astype(np.uint16),
    "I8": np.rint(WEIGHTS / np.abs(WEIGHTS).max(axis=1, keepdims=True) * 40).astype(np.int8),
}


def safetensors(dtype: str) -> bytes:
    data = STORED[dtype].tobytes()
    header = {"w": {"dtype": dtype, "shape": [64, 400], "data_offsets": [0, len(data)]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_come_back(data: bytes) -> None:
    assert unpack(pack(data)) == data


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(width=32) | st.just(0.0) | st.just(-0.0), min_size=64, max_size=300),
    kind=st.sampled_from(["<f4", "<f2", "|i1"]),
    head=st.binary(max_size=9),
)
def test_any_numbers_come_back(values: list[float], kind: str, head: bytes) -> None:
    """Infinities and NaNs of any kind, negative zeros, subnormal numbers."""
    array = np.frombuffer(
        np.array(values, np.float32).tobytes()[: len(values) * np.dtype(kind).itemsize], kind
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("head", head)
        with archive.open("a.npy", "w") as member:
            np.lib.format.write_array(member, array)
    data = stream.getvalue()
    assert unpack(pack(data)) == data


@settings(max_examples=40, deadline=None)
@given(
    depth=st.integers(1, planes.MAX_DEPTH),
    shapes=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 70)), max_size=4),
    seed=st.integers(0, 99),
)
def test_leading_bits_come_back(depth: int, shapes: list[tuple[int, int]], seed: int) -> None:
    lengths, columns = np.array(shapes, np.int64).reshape(-1, 2).T.copy()
    leading = np.random.default_rng(seed).integers(0, 1 << depth, int(lengths.sum())).astype(np.uint16)
    code = planes.encode(leading, lengths, columns, depth)
    found = planes.decode(np.frombuffer(code, np.uint8).copy(), lengths, columns, depth)
    np.testing.assert_array_equal(found, leading)
    with pytest.raises(InputError, match="expected the last one"):
        planes.decode(np.frombuffer(code + b"\0", np.uint8).copy(), lengths, columns, depth)


@pytest.mark.parametrize(("dtype", "most"), [("F32", 0.86), ("F16", 0.89), ("BF16", 0.72), ("I8", 0.78)])
def test_weights_become_smaller_than_by_lzma(dtype: str, most: float) -> None:
    """Two thirds of an exponent are redundant: of 32 bits some 5, of 16 some 5 in bf16."""
    data = safetensors(dtype)
    packed = pack(data)
    assert unpack(packed) == data
    assert len(packed) < most * len(data)
    assert len(packed) < len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    assert pack(data) == packed


def test_the_entropy_of_exponents_bounds_the_bytes() -> None:
    """No less than sign, 21 bits of mantissa and the exponents given their row; no more than 2% above."""
    data = safetensors("F32")
    exponents = (WEIGHTS.view(np.uint32) >> 23) & 255
    bits = sum(
        -np.log2(np.bincount(row)[row] / len(row)).sum() for row in exponents
    )  # of each row by itself, its own distribution known
    least = (WEIGHTS.size * 24 + bits) / 8
    assert 0.99 * least < len(pack(data)) < 1.03 * least


@pytest.mark.parametrize("dtype", list(STORED))
def test_tensors_of_safetensors_are_found(dtype: str) -> None:
    kind = dict(zip(("F32", "BF16", "F16", "I8"), KINDS, strict=True))[dtype]
    (place,) = places_of(safetensors(dtype))
    assert (place.elements, place.kind, place.columns) == (64 * 400, kind, 400)
    assert safetensors(dtype)[place.begin : place.end] == STORED[dtype].tobytes()


def test_tensors_of_onnx_and_npz_are_found(tmp_path) -> None:
    onnx = pytest.importorskip("onnx")
    tensor = onnx.numpy_helper.from_array(WEIGHTS, "w")
    graph = onnx.helper.make_graph([], "g", [], [], [tensor])
    data = onnx.helper.make_model(graph).SerializeToString()
    np.savez(tmp_path / "a.npz", w=WEIGHTS, half=STORED["F16"], names=np.array(["a"] * 200))
    archive = (tmp_path / "a.npz").read_bytes()
    for found in (places_of(data), places_of(archive)[:1]):
        assert [(p.elements, p.kind, p.columns) for p in found] == [(64 * 400, FP32, 400)]
    assert [place.kind for place in places_of(archive)] == [FP32, FP16]
    for file in (data, archive):
        assert unpack(pack(file)) == file
        assert len(pack(file)) < 0.88 * len(file)


@pytest.mark.parametrize(("dtype", "kind"), [("F32", FP32), ("F16", FP16), ("BF16", BF16)])
@pytest.mark.parametrize("phase", [0, 1])
def test_the_kind_of_unknown_numbers_is_guessed(dtype: str, kind: places.Kind, phase: int) -> None:
    data = b"\xff" * phase + STORED[dtype].tobytes()
    (place,) = places_of(data)
    assert (place.kind, place.begin) == (kind, phase)
    assert places_of(RNG.bytes(5000)) == []
    assert INT8 not in {place.kind}


@given(st.data())
def test_damage_is_noticed(data: st.DataObject) -> None:
    packed = bytearray(PACKED)
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = unpack(bytes(packed))
    except InputError:
        return
    assert found == ORIGINAL  # a bit behind the last one of a plane says nothing


@given(st.integers(0, 2000))
def test_a_file_cut_short_is_refused(size: int) -> None:
    with pytest.raises(InputError):
        unpack(PACKED[: min(size, len(PACKED) - 1)])


def test_other_files_and_versions_are_refused() -> None:
    with pytest.raises(InputError, match="does not begin with DCP"):
        unpack(b"DCZ\1")
    with pytest.raises(InputError, match="version 9, expected 1"):
        unpack(b"DCP\x09")


ORIGINAL = safetensors("F16")[:4000]
PACKED = pack(ORIGINAL)
