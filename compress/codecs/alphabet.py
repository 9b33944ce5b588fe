"""Labels of a codebook as a sign and a rank of magnitude, which neighbours have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Alphabet(NamedTuple):
    """The *code* of a label is ``sign << depth | rank``.

    Parameters
    ----------
    code : ndarray of int64, shape (labels,)
        Of each label; that of label 0 (a zero weight) is not used.
    label : ndarray of int64, shape (2 << depth,)
        Label of each code, 0 where there is none.
    depth : int
        Bits of a rank.
    signed : bool
        Whether there are values of both signs.
    """

    code: NDArray[np.int64]
    label: NDArray[np.int64]
    depth: int
    signed: bool


def alphabet_of(values: NDArray[Any]) -> Alphabet:
    """Rank the values of labels 1, 2... by magnitude, in one ranking per sign.

    Parameters
    ----------
    values : ndarray, shape (k,)
    """
    negative = np.signbit(values)
    order = np.argsort(np.abs(values), kind="stable")
    rank = np.zeros(len(values), np.int64)
    for side in (False, True):
        chosen = order[negative[order] == side]
        rank[chosen] = np.arange(len(chosen))
    depth = int(rank.max(initial=0)).bit_length()
    signed = 0 < np.count_nonzero(negative) < len(values)
    code = np.zeros(len(values) + 1, np.int64)
    code[1:] = rank + (negative << depth if signed else 0)
    label = np.zeros(2 << depth, np.int64)
    label[code[1:]] = np.arange(1, len(values) + 1)
    return Alphabet(code, label, depth, bool(signed))
