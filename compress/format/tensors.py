"""The forms in which one parameter tensor is stored: full precision, sparse, shared, quantized.

Each form holds exactly what a file holds, and `to_array` gives the tensor the network computes
with, bit for bit. Scan order is row-major everywhere: (out, in) for fully-connected layers and
(filters, channels, height, width) for convolutions, so one row is one output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.codecs.sparse import MAX_GAP_BITS
from compress.codecs.table import codings
from compress.codecs.word_codes import WORDS
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

RAW = "raw"
"""Coding of quantized weights that stores every level at its width."""

MAX_CODEBOOK = 4095

_DENSE_DTYPES = tuple(np.dtype(name) for name in ("f4", "f2", "i1", "u1", "i2", "i4", "i8"))


def stage_of(coding: str) -> str:
    """Name of the stage in which shared weights are written by `coding`."""
    return "shared" if coding == "fixed" else coding


@dataclass(frozen=True, eq=False)
class DenseTensor:
    """Every value stored: float32, float16, or integers (index tables).

    Parameters
    ----------
    values : ndarray
        float32, float16, int8, uint8, int16, int32 or int64; the dtype is what the file holds.
    bfloat16 : bool
        Whether the file holds only the upper half of each float32 value; the lower half is zero.
    coding : str
        Of the exponents of bfloat16 values: ``raw``, or ``words`` for a Huffman code word of each.

    Raises
    ------
    InputError
        If the dtype is another, a value does not fit bfloat16, or other values are to be coded.
    """

    values: NDArray[Any]
    bfloat16: bool = False
    coding: str = RAW

    def __post_init__(self) -> None:
        _check_choice("coding of a dense tensor", self.coding, (RAW, WORDS.name) if self.bfloat16 else (RAW,))
        values = np.ascontiguousarray(self.values).reshape(np.shape(self.values))
        if self.bfloat16 and (values.dtype != np.float32 or np.any(values.view(np.uint32) & 0xFFFF)):
            raise InputError("values need more than 16 bits each, expected bfloat16")
        if values.dtype not in _DENSE_DTYPES:
            names = ", ".join(dtype.name for dtype in _DENSE_DTYPES)
            raise InputError(f"dense tensor has dtype {values.dtype}, expected one of {names}")
        _freeze(self, values=values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.values.shape

    @property
    def nonzeros(self) -> int:
        """Values that are not zero."""
        return int(np.count_nonzero(self.values))

    def to_array(self) -> NDArray[Any]:
        """Return the tensor, in its shape: float32, or the integers as they are."""
        is_float = np.issubdtype(self.values.dtype, np.floating)
        return self.values.astype(np.float32) if is_float else self.values


@dataclass(frozen=True, eq=False)
class PrunedTensor:
    """A sparse tensor: fp32 non-zeros and the gaps between them.

    Parameters
    ----------
    values : ndarray of float32
        With its zeros; a negative zero becomes a zero.
    gap_bits : int, optional
        Width of a gap; the one that gives the fewest bits by default.

    Raises
    ------
    InputError
        If the dtype or the width cannot be stored.
    """

    values: NDArray[np.float32]
    gap_bits: int | None = None

    def __post_init__(self) -> None:
        if self.values.dtype != np.float32:
            raise InputError(f"pruned tensor has dtype {self.values.dtype}, expected float32")
        _check_gap_bits(self.gap_bits)
        _freeze(self, values=np.asarray(self.values + np.float32(0), np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.values.shape

    @property
    def nonzeros(self) -> int:
        """Values that are not zero."""
        return int(np.count_nonzero(self.values))

    def to_array(self) -> NDArray[np.float32]:
        """Return the tensor, in its shape, in float32."""
        return self.values


@dataclass(frozen=True, eq=False)
class SharedTensor:
    """Weights that share the values of a codebook (Han et al., Deep Compression, section 3).

    Parameters
    ----------
    labels : ndarray of int
        Shaped as the tensor: 0 is a zero weight, ``i > 0`` is ``codebook[i - 1]``.
    codebook : ndarray of float32 or float16, shape (k,)
        A fixed-width label takes ``ceil(log2(k + 1))`` bits, since zero is a label too.
    coding : str
        How labels are written: a codec of `compress.codecs.table`, or ``smallest``.
    gap_bits : int, optional
        Width of a gap; the one that gives the fewest bits by default.
    segments : int, optional
        Parts that decoders should be able to enter, where the coding has any; by its bytes by default.

    Raises
    ------
    InputError
        If a label is outside the codebook, or dtype, coding or width cannot be stored.
    """

    labels: NDArray[Any]
    codebook: NDArray[Any]
    coding: str = "fixed"
    gap_bits: int | None = None
    segments: int | None = None

    def __post_init__(self) -> None:
        codebook = np.ascontiguousarray(self.codebook)
        if codebook.dtype not in (np.float32, np.float16) or codebook.ndim != 1:
            raise InputError(
                f"codebook has dtype {codebook.dtype} and shape {codebook.shape}, expected float32 or "
                "float16 in one dimension"
            )
        if len(codebook) > MAX_CODEBOOK:
            raise InputError(f"codebook has {len(codebook)} entries, expected at most {MAX_CODEBOOK}")
        _check_choice("coding of a shared tensor", self.coding, codings())
        _check_gap_bits(self.gap_bits)
        labels = _integers("labels", self.labels, 0, len(codebook))
        dtype = np.uint8 if len(codebook) < 256 else np.uint16
        _freeze(self, labels=labels.astype(dtype, copy=False), codebook=codebook)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.labels.shape

    @property
    def nonzeros(self) -> int:
        """Weights with a label of the codebook."""
        return int(np.count_nonzero(self.labels))

    def to_array(self) -> NDArray[np.float32]:
        """Look every label up in the codebook; the tensor in its shape."""
        table = np.concatenate([[0], self.codebook]).astype(np.float32)
        return table[self.labels]


@dataclass(frozen=True, eq=False)
class QuantizedTensor:
    """Linearly quantized weights: a small integer times a scale, plus an offset where there is one.

    Parameters
    ----------
    q : ndarray of int8
        Levels, in ``-2**(bits - 1) .. 2**(bits - 1) - 1``.
    scale : ndarray of float32, shape () or (out,) or (out, blocks)
        One for the tensor, one for each output (the first axis of `q`), or one for each block of an output.
        Scales of blocks may be float16.
    bits : int
        Width of a stored level, 2 to 8.
    coding : str
        As for shared weights, or ``raw``: every integer stored, zeros included, without gaps.
    gap_bits : int, optional
        Width of a gap where the coding has gaps; the one that gives the fewest bits by default.
    block : int, optional
        Levels of an output that share a scale, where there is one for each block; the last may be shorter.
    offset : ndarray of float16, shape (out, blocks), optional
        Value of the lowest level of each block, whose scale is float16, too. Without it level 0 is 0.
    segments : int, optional
        As for shared weights.

    Raises
    ------
    InputError
        If a level needs more bits, scales or offsets do not fit, or dtype, coding or width cannot be stored.
    """

    q: NDArray[np.int8]
    scale: NDArray[Any]
    bits: int = 8
    coding: str = RAW
    gap_bits: int | None = None
    block: int | None = None
    offset: NDArray[np.float16] | None = None
    segments: int | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise InputError(f"quantized tensor has {self.bits} bits, expected 2 to 8")
        _check_choice("coding of a quantized tensor", self.coding, (RAW, *codings()))
        _check_gap_bits(self.gap_bits)
        top = 1 << (self.bits - 1)
        q = _integers("quantized levels", self.q, -top, top - 1).astype(np.int8)
        scale = np.asarray(self.scale)
        fitting = ((), q.shape[:1]) if self.block is None else (scales_of_blocks(q.shape, self.block),)
        half = scale.dtype == np.float16 and self.block is not None
        if not (half or scale.dtype == np.float32) or scale.shape not in fitting:
            raise InputError(
                f"scale has dtype {scale.dtype} and shape {scale.shape}, expected float32 and "
                f"{' or '.join(map(str, fitting))}"
            )
        if not np.isfinite(scale).all():
            raise InputError("a scale is not finite, expected a number")
        _freeze(self, q=q, scale=scale)
        if self.offset is not None:
            self._check_offset(half)

    def _check_offset(self, half: bool) -> None:
        offset = np.asarray(self.offset)
        if not half or offset.dtype != np.float16 or offset.shape != self.scale.shape:
            raise InputError(
                f"offset has dtype {offset.dtype} and shape {offset.shape}, expected float16 and "
                f"{self.scale.shape} as scales of blocks have"
            )
        if not np.isfinite(offset).all():
            raise InputError("an offset is not finite, expected a number")
        _freeze(self, offset=offset)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.q.shape

    @property
    def nonzeros(self) -> int:
        """Levels that are not zero; all of them where they have an offset."""
        return int(np.count_nonzero(self.q)) if self.offset is None else self.q.size

    def to_array(self) -> NDArray[np.float32]:
        """Multiply every level by its scale, in float32, and add the offset; the tensor in its shape."""
        with np.errstate(over="ignore"):
            if self.offset is None:
                return self.q.astype(np.float32) * self.scales()
            lowest = np.float32(-(1 << (self.bits - 1)))
            values = (self.q.astype(np.float32) - lowest) * self.scales()
            values += self._of_levels(self.offset)
            return values

    def scales(self) -> NDArray[np.float32]:
        """Return the scale of every level, in a shape that broadcasts to them."""
        if self.block is not None:
            return self._of_levels(self.scale)
        return self.scale.reshape(-1, *(1,) * (self.q.ndim - 1)) if self.scale.ndim else self.scale

    def _of_levels(self, of_blocks: NDArray[Any]) -> NDArray[np.float32]:
        """Repeat what blocks have for each of their levels."""
        rows = np.repeat(of_blocks.astype(np.float32), self.block or 1, axis=1)
        return rows[:, : math.prod(self.q.shape[1:])].reshape(self.q.shape)


def scales_of_blocks(shape: tuple[int, ...], block: int) -> tuple[int, int]:
    """Shape of the scales of a tensor that has one for each block of an output.

    Raises
    ------
    InputError
        If there are no outputs, or the block is not above 0.
    """
    if not shape or block < 1:
        raise InputError(f"levels of shape {shape} have no blocks of {block}, expected at least one level")
    return shape[0], ceil_div(math.prod(shape[1:]), block)


StoredTensor = DenseTensor | PrunedTensor | SharedTensor | QuantizedTensor


def _integers(what: str, values: NDArray[Any], low: int, high: int) -> NDArray[Any]:
    array = np.ascontiguousarray(values).reshape(np.shape(values))
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{what} have dtype {array.dtype}, expected integers")
    if array.size and not (low <= array.min() and array.max() <= high):
        raise InputError(f"{what} run from {array.min()} to {array.max()}, expected {low} to {high}")
    return array


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{what} is {value!r}, expected one of {', '.join(choices)}")


def _check_gap_bits(gap_bits: int | None) -> None:
    if gap_bits is not None and not 1 <= gap_bits <= MAX_GAP_BITS:
        raise InputError(f"gap width is {gap_bits} bits, expected 1 to {MAX_GAP_BITS}")


def _freeze(owner: object, **arrays: NDArray[Any]) -> None:
    for name, array in arrays.items():
        view = array.view()
        view.setflags(write=False)
        object.__setattr__(owner, name, view)
