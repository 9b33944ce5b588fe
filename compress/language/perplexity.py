"""Perplexity of a text: the mean surprise of a model at each next token (Jelinek et al. 1977)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from compress.language.session import READ, Session
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compress.nn.network import Network
    from compress.nn.ops.base import Array

WINDOW, STRIDE = 1024, 512
"""Tokens of a window, and tokens by which the next one begins later."""


def windows(tokens: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Cut a text into windows: its first token, the first one that is scored, and the end of each.

    Every token but the first is scored once, with at least ``window - stride`` tokens before it where the
    text has them.
    """
    scored = 1
    for first in range(0, tokens, stride):
        end = min(first + window, tokens)
        if end > scored:
            yield first, scored, end
        scored = max(scored, end)


def surprises(
    network: Network, tokens: Sequence[int], *, window: int = WINDOW, stride: int = STRIDE
) -> np.ndarray:
    """Return the surprise of every token after the first, in nats.

    Parameters
    ----------
    network : Network
        As for `compress.language.session.Session`.
    tokens : sequence of int
    window, stride : int
        As for `windows`.

    Returns
    -------
    ndarray of float64, shape (tokens - 1,)

    Raises
    ------
    InputError
        If there are fewer than two tokens, or the stride is not in 1..window - 1.
    """
    if len(tokens) < 2 or not 1 <= stride < window:
        raise InputError(
            f"{len(tokens)} tokens in windows of {window} by {stride}, expected two and more, and a stride "
            "below the window"
        )
    found = []
    for first, scored, end in windows(len(tokens), window, stride):
        session = Session(network)
        if scored > first + 1:
            session.read(tokens[first : scored - 1])
        for at in range(scored - 1, end - 1, READ):
            until = min(at + READ, end - 1)
            scores = session.read(tokens[at:until], all_scores=True)
            found.append(_of_scores(scores, np.asarray(tokens[at + 1 : until + 1])))
    return np.concatenate(found)


def _of_scores(scores: Array, wanted: Array) -> Array:
    """Surprise of each wanted word, shape (n,), by scores (n, words)."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    of_wanted = shifted[np.arange(len(wanted)), wanted].astype(np.float64)
    np.exp(shifted, out=shifted)
    return np.log(shifted.sum(axis=1, dtype=np.float64)) - of_wanted


def perplexity(
    network: Network, tokens: Sequence[int], *, window: int = WINDOW, stride: int = STRIDE
) -> float:
    """Return the exponential of the mean surprise; parameters and errors as for `surprises`."""
    return math.exp(float(surprises(network, tokens, window=window, stride=stride).mean()))
