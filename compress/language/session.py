"""A language model that writes: a session keeps the keys and values of the tokens it has read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.format.container import opened
from compress.format.execution import executable
from compress.language.tokenizer import KEPT, Tokenizer
from compress.nn.network import INPUT
from compress.nn.ops import OPS, Context
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from compress.format.container import Artifact
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array

READ = 512
"""Tokens of a prompt that are read at a time."""


def is_decoder(network: Network) -> bool:
    """Whether a network reads a sequence of words and scores the next one."""
    return any(node.op == "attention" for node in network.nodes) and network.interface.sequence


class Session:
    """One sequence of a decoder, read piece by piece.

    Parameters
    ----------
    network : Network
        Words in, scores of the next word out, the last node a matrix; as `compress.nn.zoo.llama` builds it.
    observe : callable, optional
        Called as ``observe(node, inputs)`` before each node.

    Raises
    ------
    InputError
        If it is no such network.
    """

    def __init__(
        self, network: Network, observe: Callable[[Node, tuple[Array, ...]], None] | None = None
    ) -> None:
        if not is_decoder(network):
            raise InputError(f"network {network.name}: is no language model, expected one that reads words")
        self.network, self.observe = network, observe
        self._contexts = {node.name: Context(cache={}) for node in network.nodes}

    def read(self, tokens: Sequence[int], *, all_scores: bool = False) -> Array:
        """Read more tokens and return the scores of what follows.

        Parameters
        ----------
        tokens : sequence of int
        all_scores : bool
            After every token; after the last one alone by default.

        Returns
        -------
        ndarray of float32, shape (1 or tokens, words)

        Raises
        ------
        InputError
            If there are no tokens, or one is no word of the vocabulary.
        """
        if not len(tokens):
            raise InputError(f"network {self.network.name}: no tokens, expected at least one")
        parts = [
            self._pass(np.asarray(tokens[at : at + READ], np.int64), all_scores)
            for at in range(0, len(tokens), READ)
        ]
        return np.concatenate(parts) if all_scores else parts[-1]

    def _pass(self, tokens: Array, all_scores: bool) -> Array:
        params, values = self.network.params, {INPUT: tokens}
        last_use = {name: node.name for node in self.network.nodes for name in node.inputs}
        *body, head = self.network.nodes
        for node in (*body, head):
            inputs = tuple(params[name] if name in params else values[name] for name in node.inputs)
            if node is head and not all_scores:
                inputs = tuple(value[-1:] for value in inputs)
            if self.observe is not None:
                self.observe(node, inputs)
            values[node.name] = OPS[node.op].forward(  # type: ignore[assignment]
                inputs, tuple(params[name] for name in node.params), node.attrs, self._contexts[node.name]
            )
            for name in node.inputs:
                if last_use[name] == node.name:
                    values.pop(name, None)
        return values[head.name]


def write(
    network: Network,
    prompt: Sequence[int],
    tokens: int,
    *,
    temperature: float = 0.0,
    rng: np.random.Generator | None = None,
    end: int = -1,
) -> Iterator[int]:
    """Continue a prompt word by word.

    Parameters
    ----------
    network : Network
        As for `Session`.
    prompt : sequence of int
    tokens : int
        Most words to write.
    temperature : float
        0 takes the word of the highest score, the first one of equals. Otherwise words are drawn with the
        probabilities of the scores over the temperature.
    rng : numpy.random.Generator, optional
        Draws the words.
    end : int
        Word after which nothing is written; it is not part of the result.

    Raises
    ------
    InputError
        If the prompt is empty, the temperature is below 0, or there is no generator to draw with.
    """
    if temperature < 0 or (temperature and rng is None):
        raise InputError(f"temperature is {temperature}, expected 0, or more with a Generator")
    session = Session(network)
    scores = session.read(prompt)[-1]
    for count in range(tokens):
        word = _chosen(scores, temperature, rng)
        if word == end:
            return
        yield word
        if count + 1 < tokens:
            scores = session.read([word])[-1]


def _chosen(scores: Array, temperature: float, rng: np.random.Generator | None) -> int:
    if rng is None or not temperature:
        return int(scores.argmax())
    weights = np.exp((scores.astype(np.float64) - scores.max()) / temperature)
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def open_model(model: Artifact | str | Path) -> tuple[Network, Tokenizer]:
    """Read a language model and its tokenizer from a compressed file.

    Raises
    ------
    InputError
        If the file has no tokenizer, or the network cannot be executed.
    """
    artifact = opened(model)
    if KEPT not in artifact.beside:
        raise InputError(f"network {artifact.topology.name}: has no tokenizer, expected a language model")
    return executable(artifact), Tokenizer.from_bytes(artifact.beside[KEPT])
