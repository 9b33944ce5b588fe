"""Decoders of the Llama family (Touvron et al. 2023), numbers of words in, scores of the next word out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.interface import OPEN, Interface
from compress.nn.network import INPUT, Node
from compress.nn.ops.base import Array  # noqa: TC001

if TYPE_CHECKING:
    from compress.nn.ops.base import Shape

TABLE, HEAD, NORM = "embedding.weight", "head.weight", "norm.scale"

MATRICES = ("query", "key", "value", "output", "gate", "up", "down")
"""Matrices of a block, by the names of their layers; they are called as in `hwsim.workload.language`."""


@dataclass(frozen=True)
class LlamaShape:
    """Sizes of a decoder.

    Parameters
    ----------
    words, features, blocks, heads, kv_heads, hidden : int
        Vocabulary, width, blocks, heads of queries, heads of keys and values, width between the matrices of
        a feed-forward network.
    base : float
        Of the rotary positions.
    epsilon : float
        Of the normalisations.
    tied : bool
        Whether the embedding is the output matrix.
    """

    words: int
    features: int
    blocks: int
    heads: int
    kv_heads: int
    hidden: int
    base: float = 10_000.0
    epsilon: float = 1e-5
    tied: bool = True

    def parameters(self) -> dict[str, Shape]:
        """Shape of every parameter by name."""
        wide, narrow = self.features, self.features // self.heads * self.kv_heads
        inputs = {"output": self.features, "down": self.hidden}
        outputs = {"key": narrow, "value": narrow, "gate": self.hidden, "up": self.hidden}
        shapes: dict[str, Shape] = {TABLE: (self.words, wide), NORM: (wide,)}
        for block in range(self.blocks):
            shapes |= {f"{block}.norm{part}.scale": (wide,) for part in (1, 2)}
            shapes |= {
                f"{block}.{name}.weight": (outputs.get(name, wide), inputs.get(name, wide))
                for name in MATRICES
            }
        return shapes if self.tied else shapes | {HEAD: (self.words, wide)}

    def nodes(self) -> tuple[Node, ...]:
        """Operators in the order of execution."""
        made = [Node("embedding", "gather", (TABLE, INPUT), {"axis": 0})]
        for block in range(self.blocks):
            made += self._block(f"{block}.", made[-1].name)
        made.append(self._norm("norm", made[-1].name))
        made.append(Node("head", "fc", ("norm",), {}, (TABLE if self.tied else HEAD,)))
        return tuple(made)

    def _block(self, at: str, source: str) -> list[Node]:
        attention = {"heads": self.heads, "kv_heads": self.kv_heads, "base": self.base}
        return [
            self._norm(f"{at}norm1", source),
            *(_matrix(at + name, f"{at}norm1") for name in ("query", "key", "value")),
            Node(f"{at}attention", "attention", (f"{at}query", f"{at}key", f"{at}value"), attention),
            _matrix(f"{at}output", f"{at}attention"),
            Node(f"{at}add1", "add", (source, f"{at}output")),
            self._norm(f"{at}norm2", f"{at}add1"),
            _matrix(f"{at}gate", f"{at}norm2"),
            Node(f"{at}sigmoid", "sigmoid", (f"{at}gate",)),
            Node(f"{at}silu", "mul", (f"{at}gate", f"{at}sigmoid")),
            _matrix(f"{at}up", f"{at}norm2"),
            Node(f"{at}product", "mul", (f"{at}silu", f"{at}up")),
            _matrix(f"{at}down", f"{at}product"),
            Node(f"{at}add2", "add", (f"{at}add1", f"{at}down")),
        ]

    def _norm(self, name: str, source: str) -> Node:
        return Node(name, "rms_norm", (source,), {"epsilon": self.epsilon}, (f"{name}.scale",))

    def interface(self) -> Interface:
        """One sequence of word numbers at a time, of any length."""
        return Interface({INPUT: "tokens"}, ("scores",), {INPUT: "int64"}, {INPUT: OPEN}, dimension="tokens")

    def random(self, rng: np.random.Generator) -> dict[str, Array]:
        """Draw parameters of the usual size: scales of 1, weights of variance 1 / inputs."""
        return {
            name: np.ones(shape, np.float32)
            if len(shape) == 1
            else rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(shape[1]))
            for name, shape in self.parameters().items()
        }


def _matrix(name: str, source: str) -> Node:
    return Node(name, "fc", (source,), {}, (f"{name}.weight",))
