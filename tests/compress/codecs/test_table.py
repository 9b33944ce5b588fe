"""Every codec keeps the contract, and a codec of one's own takes part in files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_network import small_problem

from compress.codecs import mixed
from compress.codecs.base import Codec, Decoded, Labels, Limits, Streams, rows_of
from compress.codecs.fields import ByteReader
from compress.codecs.table import CODECS, codings
from compress.format.container import Artifact, parse
from compress.format.layout import PAYLOAD
from compress.format.recode import recode
from compress.format.tensors import SharedTensor
from hwsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUES = np.array([-1, -0.5, 0.25, 0.5, 1, 2, 3], np.float32)
CODINGS = pytest.mark.parametrize("coding", list(CODECS))


@st.composite
def tensors(draw: st.DrawFn) -> Labels:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6))
    sparse = st.one_of(st.just(0), st.just(0), st.integers(0, len(VALUES)))
    return Labels(draw(hnp.arrays(np.uint8, shape, elements=sparse)).ravel(), shape, VALUES)


@CODINGS
@given(tensors(), st.binary(max_size=3))
def test_what_is_decoded_is_what_was_encoded_and_every_bit_is_counted(
    coding: str, tensor: Labels, behind: bytes
) -> None:
    codec = CODECS[coding]
    code = codec.encode(tensor)
    reader = ByteReader(code + behind)
    found = codec.decode(reader, tensor.shape, VALUES)
    np.testing.assert_array_equal(found.labels, tensor.labels)
    assert reader.at == len(code) == codec.size(tensor)
    assert sum(found.streams.bits.values()) == 8 * len(code)
    payload = sum(found.streams.bits.get(stream, 0) for stream in PAYLOAD)
    assert payload == found.streams.segment_bits.sum()
    assert found.streams.entries >= np.count_nonzero(tensor.labels)
    assert (found.gap_bits is None) == (codec.limits.gap_bits is None)


@CODINGS
@given(st.binary(max_size=40))
def test_any_bytes_are_decoded_or_refused(coding: str, data: bytes) -> None:
    reader = ByteReader(data)
    try:
        found = CODECS[coding].decode(reader, (4, 10), VALUES)
    except InputError:
        return
    assert reader.at <= len(data)
    assert found.labels.max() <= len(VALUES)


@pytest.mark.parametrize(("coding", "widest"), [("fixed", 12), ("huffman", 10)])
def test_limits_are_kept(coding: str, widest: int) -> None:
    codec, tensor = CODECS[coding], Labels(np.eye(1, 5000, 4999, dtype=np.uint8).ravel(), (1, 5000), VALUES)
    assert codec.limits.gap_bits == widest
    assert codec.decode(ByteReader(codec.encode(tensor, widest)), (1, 5000), VALUES).gap_bits == widest
    message = f"coding {coding}: gaps of {widest + 1} bits, expected at most {widest}"
    with pytest.raises(InputError, match=message):
        codec.encode(tensor, widest + 1)


@pytest.mark.parametrize("coding", ["huffman", "context"])
def test_more_labels_than_a_codec_has_symbols_are_refused(coding: str) -> None:
    tensor = Labels(np.ones(3, np.uint32), (3,), np.arange(1 << 16))
    with pytest.raises(InputError, match=f"coding {coding}: 65537 labels, expected at most 65536"):
        CODECS[coding].encode(tensor)


class BytePerLabel(Codec):
    """A byte for each label."""

    name = "bytes"
    limits = Limits(256, None)

    def encode(self, tensor: Labels, gap_bits: int | None = None) -> bytes:
        self.check(tensor, gap_bits)
        return tensor.labels.astype(np.uint8).tobytes()

    def decode(self, reader: ByteReader, shape: tuple[int, ...], values: NDArray[Any]) -> Decoded:
        rows, columns = rows_of(shape)
        labels = np.frombuffer(reader.raw(rows * columns), np.uint8)
        bits = np.array([8 * labels.size])
        return Decoded(labels, Streams(labels.size, bits, 0 * bits, {"values": 8 * labels.size}), None)


def test_a_codec_of_one_s_own_is_one_more_row_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    network, _ = small_problem()
    labels = np.random.default_rng(0).integers(0, 4, (20, 16))
    shared = SharedTensor(labels, np.array([1, 2, 3], np.float32))
    original = Artifact.of(network, "shared", {"fc1.weight": shared})
    with pytest.raises(InputError, match="coding of a shared tensor is 'bytes', expected one of fixed, huff"):
        recode(original, "bytes")
    monkeypatch.setitem(CODECS, "bytes", BytePerLabel())
    assert codings() == ("fixed", "huffman", "context", "words", "bytes", "smallest")
    coded = recode(original, "bytes")
    data = coded.to_bytes()
    back, layout = parse(data)
    assert coded.stage == back.stage == "bytes"
    assert layout.tensor("fc1.weight").form == "shared bytes"
    assert layout.tensor("fc1.weight").payload_bits == 8 * labels.size
    np.testing.assert_array_equal(back.tensors["fc1.weight"].to_array(), shared.to_array())
    assert back.to_bytes() == data
    monkeypatch.delitem(CODECS, "bytes")
    with pytest.raises(InputError, match="coding 5 is unknown, expected at most 4"):
        parse(data)


@pytest.mark.parametrize("coding", ["fixed", "huffman", "context", "words"])
@given(tensors(), st.integers(1, 40))
def test_segments_are_as_many_as_asked_for_as_nearly_as_rows_allow(coding: str, tensor: Labels, parts: int):
    with mock.patch.object(mixed, "LEAST_ENTRIES", 1):
        segments_are_as_many_as_asked_for(coding, tensor, parts)


def segments_are_as_many_as_asked_for(coding: str, tensor: Labels, parts: int) -> None:
    codec, wanted = CODECS[coding], replace(tensor, segments=parts)
    code = codec.encode(wanted)
    found = codec.decode(ByteReader(code), tensor.shape, VALUES)
    np.testing.assert_array_equal(found.labels, tensor.labels)
    assert sum(found.streams.bits.values()) == 8 * len(code)
    made = len(found.streams.segment_bits)
    assert 1 <= made <= max(parts, 1)
    assert codec.encode(replace(tensor, segments=made)) == code
    most = min(parts, np.count_nonzero(tensor.labels)) if coding == "context" else parts
    if tensor.labels.size and most <= rows_of(tensor.shape)[0]:
        assert made > most // 2
    for bits, symbols in zip(found.streams.segment_bits, found.streams.segment_symbols, strict=True):
        assert coding == "fixed" or (bits > 0) <= (symbols > 0)


@given(tensors(), st.integers(2, 5), st.data())
def test_damaged_segments_of_a_context_code_are_refused_or_fill_the_tensor(
    tensor: Labels, parts: int, data: st.DataObject
) -> None:
    with mock.patch.object(mixed, "LEAST_ENTRIES", 1):
        code = bytearray(CODECS["context"].encode(replace(tensor, segments=parts)))
    code[data.draw(st.integers(0, len(code) - 1))] ^= data.draw(st.integers(1, 255))
    reader = ByteReader(bytes(code))
    try:
        found = CODECS["context"].decode(reader, tensor.shape, VALUES)
    except InputError:
        return
    assert reader.at <= len(code)
    assert found.labels.size == tensor.labels.size


def test_a_segment_of_a_context_code_begins_at_a_row_and_costs_some_thirty_bytes() -> None:
    """A quarter of a million weights, 90,000 of them in eight segments: a third of a percent."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random((500, 500)) < 0.35, rng.integers(1, 8, (500, 500)), 0).astype(np.uint8)
    tensor = Labels(labels.ravel(), labels.shape, VALUES)
    codes = [CODECS["context"].encode(replace(tensor, segments=parts)) for parts in (None, 8)]
    assert 8 * 10 < len(codes[1]) - len(codes[0]) < 8 * 60
    streams = CODECS["context"].decode(ByteReader(codes[1]), labels.shape, VALUES).streams
    assert len(streams.segment_bits) == 8
    assert streams.segment_symbols.max() < 1.1 * streams.segment_symbols.mean()


def test_few_entries_are_one_segment_of_a_context_code() -> None:
    labels = np.arange(64 * 60, dtype=np.uint8) % 3
    tensor = Labels(labels, (64, 60), VALUES)
    assert CODECS["context"].encode(replace(tensor, segments=768)) == CODECS["context"].encode(tensor)


@pytest.mark.parametrize("coding", ["fixed", "huffman"])
@given(data=st.binary(max_size=40))
def test_any_bytes_with_segments_are_decoded_or_refused(coding: str, data: bytes) -> None:
    for flag in (0x13, 0x23):
        reader = ByteReader(bytes([flag]) + data)
        try:
            found = CODECS[coding].decode(reader, (4, 10), VALUES)
        except InputError:
            continue
        assert reader.at <= len(data) + 1
        assert found.labels.max() <= len(VALUES)


@pytest.mark.parametrize(
    ("coding", "code"),
    [
        ("fixed", "130206070706db268912db36244a04b66d4489026d2b4a14"),
        ("huffman", "13030a0a06040402380188204644ce394802e79c4902394b"),
    ],
)
def test_segments_of_version_1_that_begin_at_whole_bytes_are_read(coding: str, code: str) -> None:
    labels = (np.arange(96) * 7 % 11).astype(np.uint8)
    labels[labels > 3] = 0
    data = bytes.fromhex(code)
    found = CODECS[coding].decode(ByteReader(data), (8, 12), VALUES[:3])
    np.testing.assert_array_equal(found.labels, labels)
    assert len(found.streams.segment_bits) > 2
    assert sum(found.streams.bits.values()) == 8 * len(data)


def test_an_entry_point_takes_some_two_bytes() -> None:
    """A million weights in 1,024 segments: a third of a percent of the bytes are entry points."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random((1024, 1024)) < 0.3, rng.integers(1, 8, (1024, 1024)), 0).astype(np.uint8)
    tensor = Labels(labels.ravel(), labels.shape, VALUES)
    sizes = [CODECS["huffman"].size(replace(tensor, segments=parts)) for parts in (1, 1024)]
    assert 1024 < sizes[1] - sizes[0] < 2.5 * 1024
