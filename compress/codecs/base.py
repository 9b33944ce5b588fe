"""The contract of a codec: labels of one tensor in, bytes out, and back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsim.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compress.codecs.fields import ByteReader


def rows_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (rows, columns) of the matrix a tensor is scanned as: one row is one output."""
    if len(shape) < 2:
        return 1, math.prod(shape)
    return shape[0], math.prod(shape[1:])


@dataclass(frozen=True, eq=False)
class Labels:
    """A tensor as a codec sees it.

    Parameters
    ----------
    labels : ndarray of whole numbers, shape (n,)
        Scanned row by row: 0 is a zero weight, ``i > 0`` stands for ``values[i - 1]``.
    shape : tuple of int
        Of the tensor.
    values : ndarray, shape (k,)
        What the labels stand for.
    segments : int, optional
        Parts that decoders should be able to enter; a codec may write fewer. By its bytes by default.
    """

    labels: NDArray[Any]
    shape: tuple[int, ...]
    values: NDArray[Any]
    segments: int | None = None

    @property
    def alphabet(self) -> int:
        """Number of labels, 0 included."""
        return len(self.values) + 1


@dataclass(frozen=True, eq=False)
class Streams:
    """What the payload of one tensor takes, counted when it is read.

    Parameters
    ----------
    entries : int
        Stored entries, fillers included.
    segment_bits, segment_symbols : ndarray of int64, shape (segments,)
        Payload bits, and symbols of a variable-length code, of each part that a decoder can enter.
    bits : dict of str to int
        Bits by stream: payload (``values``, ``gaps``, ``context``) and side information
        (``tables``, ``entry_points``, ``padding``).
    """

    entries: int
    segment_bits: NDArray[np.int64]
    segment_symbols: NDArray[np.int64]
    bits: dict[str, int]


class Decoded(NamedTuple):
    """What a codec reads: labels, shape (n,), the bits they take, and the width of a gap if it has gaps."""

    labels: NDArray[Any]
    streams: Streams
    gap_bits: int | None


class Limits(NamedTuple):
    """What a codec can write.

    Parameters
    ----------
    labels : int
        Most labels, 0 included.
    gap_bits : int or None
        Widest gap; None for a codec that stores no gaps and ignores their width.
    """

    labels: int
    gap_bits: int | None


class Codec(ABC):
    """One way to write the labels of a tensor: a name, limits, `encode`, `decode` and `size`.

    1. `decode` gives the labels that were encoded, for all labels within `limits`, an empty tensor included.
    2. `encode` gives the same bytes on every machine.
    3. `decode` leaves the reader behind the last byte of the code, whatever follows.
    4. `decode` raises `InputError` for bytes that are no code, and reads and stores no more than they allow.
    5. The bits of its `Streams` add up to the bytes read; their payload is the sum of `segment_bits`.
    """

    name: str
    limits: Limits

    @abstractmethod
    def encode(self, tensor: Labels, gap_bits: int | None = None) -> bytes:
        """Code a tensor.

        Parameters
        ----------
        tensor : Labels
        gap_bits : int, optional
            Width of a gap; the one that gives the fewest bits by default.
        """

    @abstractmethod
    def decode(self, reader: ByteReader, shape: tuple[int, ...], values: NDArray[Any]) -> Decoded:
        """Read what `encode` wrote.

        Parameters
        ----------
        reader : ByteReader
            At the first byte of the code.
        shape : tuple of int
        values : ndarray, shape (k,)
            As they were given to `encode`.

        Raises
        ------
        InputError
            If the bytes are no code of such a tensor.
        """

    def size(self, tensor: Labels, gap_bits: int | None = None) -> int:
        """Bytes that `encode` takes."""
        return len(self.encode(tensor, gap_bits))

    def check(self, tensor: Labels, gap_bits: int | None) -> None:
        """Refuse what the codec cannot write.

        Raises
        ------
        InputError
            If there are too many labels, or gaps are too wide.
        """
        if tensor.alphabet > self.limits.labels:
            raise InputError(
                f"coding {self.name}: {tensor.alphabet} labels, expected at most {self.limits.labels}"
            )
        if self.limits.gap_bits is not None and (gap_bits or 0) > self.limits.gap_bits:
            raise InputError(
                f"coding {self.name}: gaps of {gap_bits} bits, expected at most {self.limits.gap_bits}"
            )
