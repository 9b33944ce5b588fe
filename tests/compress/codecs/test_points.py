"""Entry points: exact, as narrow as they differ, bounded on anything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.codecs.fields import ByteReader, ByteWriter
from compress.codecs.points import read_points, write_points
from hwsim.errors import InputError


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40), st.binary(max_size=3))
def test_what_is_read_is_what_was_written(values: list[int], behind: bytes) -> None:
    writer = ByteWriter()
    write_points(writer, np.array(values, np.int64))
    reader = ByteReader(bytes(writer.data) + behind)
    assert read_points(reader, len(values)).tolist() == values
    assert reader.at == len(writer.data)


def test_their_differences_set_their_width() -> None:
    """A thousand numbers of a million and up to seven more: three bytes, one for the width, 3,000 bits."""
    writer = ByteWriter()
    write_points(writer, 10**6 + np.arange(1000, dtype=np.int64) % 8)
    assert len(writer.data) == 3 + 1 + 375


@given(st.binary(max_size=20), st.integers(1, 10**6))
def test_any_bytes_are_read_or_refused(data: bytes, count: int) -> None:
    reader = ByteReader(data)
    try:
        found = read_points(reader, count)
    except InputError:
        return
    assert found.shape == (count,)
    assert reader.at <= len(data)


def test_more_segments_than_bytes_can_tell_are_refused() -> None:
    with pytest.raises(InputError, match="100000 segments declared where 0 bytes are left"):
        read_points(ByteReader(b"\1\0"), 100_000)
