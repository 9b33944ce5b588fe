"""Context-mixing code of a sparse matrix of labels: where the non-zeros are, and what they are.

First come the rows and the columns that hold any non-zero; what follows skips the others. Then, row
by row, whether each weight is zero, and after each non-zero its sign and the rank of its magnitude,
bit by bit down a binary tree. What follows of necessity (the last weight of a row that holds none
yet) is not coded. Four contexts estimate each bit, and a mixer (see `mixing`) joins them:

* a position: how full its row and column are so far; the weights beside it; those above it; how
  full the columns around are. *Beside* and *around* include the weights `width` and `area` away
  in the row, which are neighbours in a kernel or an image.
* a sign, a rank: by itself; given the last one in the column; given the weights beside and above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.codecs.arithmetic import end_decoder, end_encoder, start_decoder, start_encoder
from compress.codecs.context_model import Neighbours, code_labels
from hwsim.compiled import njit
from hwsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.codecs.alphabet import Alphabet
    from compress.codecs.words import Scalar

__all__ = ["Neighbours", "decode", "encode"]


def encode(labels: NDArray[np.uint16], alphabet: Alphabet, neighbours: Neighbours) -> bytes:
    """Encode a matrix with at least one label that is not zero.

    Parameters
    ----------
    labels : ndarray of uint16, shape (rows, columns)
    """
    nonzeros = int(np.count_nonzero(labels))
    room = labels.size // 4 + nonzeros * (alphabet.depth + 8) // 4 + 64
    while True:
        data = np.zeros(room, np.uint8)
        end, _ = _code(labels, nonzeros, alphabet, neighbours, data, False)
        if end <= room:
            return data[:end].tobytes()
        room = end


def decode(
    data: NDArray[np.uint8],
    labels: NDArray[np.uint16],
    nonzeros: int,
    alphabet: Alphabet,
    neighbours: Neighbours,
) -> tuple[int, int]:
    """Fill zeroed `labels`; return the byte behind the code, and how many bits were decided.

    Raises
    ------
    InputError
        If the code leads to a label that does not exist or ends beyond the data.
    """
    end, decisions = _code(labels, nonzeros, alphabet, neighbours, data, True)
    if decisions < 0 or end > len(data):
        raise InputError("an arithmetic code leads out of its alphabet or its data")
    return end, decisions


@njit(cache=True)
def _code(
    labels: NDArray[np.uint16],
    nonzeros: int,
    alphabet: Alphabet,
    neighbours: Neighbours,
    data: NDArray[np.uint8],
    decoding: bool,
) -> tuple[Scalar, Scalar]:
    """Write or read `data`: one function for both, as compiling it takes seconds."""
    coder = start_decoder(data, 0) if decoding else start_encoder()
    coder, decisions = code_labels(labels, nonzeros, alphabet, neighbours, coder, data, decoding)
    return end_decoder(coder) if decoding else end_encoder(coder, data), decisions
