"""Bytes of a stream, field by field: variable-length integers, texts, floats."""

from __future__ import annotations

import struct

from hwsim.errors import InputError

MAX_VARINT_BYTES = 10


class ByteWriter:
    """Collects fields into `data`."""

    def __init__(self) -> None:
        self.data = bytearray()

    def raw(self, data: bytes) -> None:
        """Append bytes as they are."""
        self.data += data

    def byte(self, value: int) -> None:
        """Append one byte."""
        self.data.append(value)

    def varint(self, value: int) -> None:
        """Append a whole number >= 0, seven bits a byte, lowest first."""
        while value >= 0x80:
            self.data.append(value & 0x7F | 0x80)
            value >>= 7
        self.data.append(value)

    def signed(self, value: int) -> None:
        """Append a whole number of either sign: 0, -1, 1, -2..."""
        self.varint(2 * value if value >= 0 else -2 * value - 1)

    def text(self, text: str) -> None:
        """Append a text with its length."""
        encoded = text.encode("utf-8")
        self.varint(len(encoded))
        self.raw(encoded)

    def float64(self, value: float) -> None:
        """Append eight bytes."""
        self.raw(struct.pack("<d", value))

    def float32(self, value: float) -> None:
        """Append four bytes."""
        self.raw(struct.pack("<f", value))


class ByteReader:
    """Reads fields in order, and never beyond the end.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    InputError
        From every method, if the data end too early or hold what cannot be.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.at

    def raw(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if count > self.left:
            raise InputError(f"{count} bytes expected where {self.left} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        """Return the next byte."""
        return self.raw(1)[0]

    def varint(self) -> int:
        """Return a whole number >= 0."""
        value = 0
        for position in range(MAX_VARINT_BYTES):
            byte = self.byte()
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:
                return value
        raise InputError(f"a number is longer than {MAX_VARINT_BYTES} bytes")

    def count(self, least_bytes_each: int = 1) -> int:
        """Return how many items follow, checked against the bytes that are left."""
        value = self.varint()
        if value * least_bytes_each > self.left:
            raise InputError(f"{value} items declared where {self.left} bytes are left")
        return value

    def signed(self) -> int:
        """Return a whole number of either sign."""
        value = self.varint()
        return -(value >> 1) - 1 if value & 1 else value >> 1

    def text(self) -> str:
        """Return a text with its length before it."""
        try:
            return self.raw(self.count()).decode("utf-8")
        except UnicodeDecodeError:
            raise InputError("a text is not valid UTF-8") from None

    def float64(self) -> float:
        """Return a double."""
        return float(struct.unpack("<d", self.raw(8))[0])

    def float32(self) -> float:
        """Return a single-precision number."""
        return float(struct.unpack("<f", self.raw(4))[0])
