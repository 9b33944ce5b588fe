"""Bits of a file by tensor and by stream. Their sum is the size of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PAYLOAD = ("values", "gaps", "context")
"""Streams that hold weights."""

SIDE = ("codebook", "tables", "entry_points", "padding")
"""Streams that are fetched with the weights of a layer."""

HEADER = "header"
"""Form, shape and widths of a tensor."""


@dataclass(frozen=True, eq=False)
class TensorLayout:
    """Bits of one stored tensor.

    Parameters
    ----------
    name : str
    form : str
        How it is stored, for tables.
    size, nonzeros, entries : int
        Elements; those that are not zero; stored ones, fillers included.
    segment_bits, segment_symbols : ndarray of int64, shape (segments,)
        Payload bits, and symbols of a variable-length code, of each part that a decoder can enter.
    bits : dict of str to int
        Bits of each stream of `PAYLOAD`, `SIDE` and `HEADER`.
    shared : bool
        Whether the entries are labels of a codebook.
    """

    name: str
    form: str
    size: int
    nonzeros: int
    entries: int
    segment_bits: NDArray[np.int64]
    segment_symbols: NDArray[np.int64]
    bits: dict[str, int]
    shared: bool = False

    @property
    def payload_bits(self) -> int:
        """Bits of the weights themselves."""
        return sum(self.bits.get(stream, 0) for stream in PAYLOAD)

    @property
    def side_bits(self) -> int:
        """Bits of codebook, tables, entry points and padding."""
        return sum(self.bits.get(stream, 0) for stream in SIDE)

    @property
    def total_bits(self) -> int:
        """All bits of the tensor, its header included."""
        return sum(self.bits.values())


@dataclass(frozen=True, eq=False)
class Layout:
    """Bits of a file; `overhead` and the tensors add up to `file_bits`.

    Parameters
    ----------
    overhead : dict of str to int
        Bits of ``magic``, ``topology``, ``framing`` and ``crc``, and of what is kept ``beside`` the network.
    tensors : tuple of TensorLayout
        In the order of the file.
    file_bits : int
    """

    overhead: dict[str, int]
    tensors: tuple[TensorLayout, ...]
    file_bits: int

    @property
    def dense_bits(self) -> int:
        """fp32 bits of all parameters: what a ratio compares with."""
        return 32 * sum(tensor.size for tensor in self.tensors)

    @property
    def ratio(self) -> float:
        """Bits of the dense fp32 parameters over bits of the whole file."""
        return self.dense_bits / self.file_bits

    def tensor(self, name: str) -> TensorLayout:
        """Return the named tensor's layout."""
        return next(tensor for tensor in self.tensors if tensor.name == name)
