"""What a language model consists of, and how many parameters that is.

All blocks of a model are described by the same few parts, whatever the family names them. Numbers of
parameters follow the published modules exactly, so that a model card can be checked against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from hwsim.errors import InputError

Norm = Literal["rms", "layer"]
Activation = Literal["silu", "gelu", "relu"]
Order = Literal["before", "after", "around", "parallel", "parallel-two", "alone"]

NORM_PARAMETERS: dict[Norm, int] = {"rms": 1, "layer": 2}
"""Parameters per feature: a gain, and with ``layer`` an offset."""

NORMS: dict[Order, int] = {
    "before": 2, "after": 2, "around": 4, "parallel": 1, "parallel-two": 2, "alone": 1,
}  # fmt: skip
"""Normalisations of a block without cross-attention."""


class Matrix(NamedTuple):
    """A matrix of weights, or equal ones.

    Parameters
    ----------
    inputs, outputs, copies : int
    """

    inputs: int
    outputs: int
    copies: int = 1

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.copies * self.inputs * self.outputs


class Parameters(NamedTuple):
    """Parameters of a part of a model.

    Parameters
    ----------
    matrices : tuple of Matrix
    vectors : int
        All others: biases, normalisations, small tables.
    """

    matrices: tuple[Matrix, ...]
    vectors: int

    @property
    def total(self) -> int:
        """Number of parameters."""
        return sum(matrix.weights for matrix in self.matrices) + self.vectors


@dataclass(frozen=True)
class Attention:
    """Attention with keys and values for each head, or shared by groups of heads.

    Parameters
    ----------
    heads, kv_heads : int
        Query heads, and heads of keys and values (fewer with grouped-query attention).
    head_dim : int
        Features of a head.
    bias, output_bias : bool
        Whether the projections of queries, keys and values, and of the output, have biases.
    window : int, optional
        Keys that a token sees at most, itself included (sliding window).
    rotary : int
        Features of a head that rotary position embedding turns.
    head_norm : bool
        Whether queries and keys of each head are normalised (RMS).
    buckets : int
        Buckets of a learned relative position bias per head, added to the scores (T5).
    owns_buckets : bool
        Whether the bias is stored here; other blocks use that of the first.
    softcap : bool
        Whether scores pass through a scaled tanh (Gemma 2).
    """

    heads: int
    kv_heads: int
    head_dim: int
    bias: bool = False
    output_bias: bool = False
    window: int | None = None
    rotary: int = 0
    head_norm: bool = False
    buckets: int = 0
    owns_buckets: bool = False
    softcap: bool = False

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise InputError(
                f"{self.kv_heads} heads of keys and values, expected a divisor of the {self.heads} heads"
            )

    def parameters(self, features: int) -> Parameters:
        """List the parameters."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        vectors = self.bias * (queries + 2 * keys) + self.output_bias * features
        vectors += self.head_norm * 2 * self.head_dim + self.owns_buckets * self.buckets * self.heads
        projections = (Matrix(features, queries), Matrix(features, keys), Matrix(features, keys))
        return Parameters((*projections, Matrix(queries, features)), vectors)

    @property
    def cached(self) -> tuple[tuple[int, int], ...]:
        """Rows of the cache that a token adds, and elements of each."""
        return ((2 * self.kv_heads, self.head_dim),)


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention: one compressed row of keys and values for all heads (DeepSeek-V2).

    Parameters
    ----------
    heads : int
    query_rank : int, optional
        Features that queries are compressed to; None: they are not.
    rank : int
        Features that keys and values are compressed to.
    plain, rotary, value_dim : int
        Features of a head's key without and with rotary position, and of its value.
    """

    heads: int
    query_rank: int | None
    rank: int
    plain: int
    rotary: int
    value_dim: int
    window: None = None

    def parameters(self, features: int) -> Parameters:
        """List the parameters."""
        rank, queries = self.query_rank, self.heads * (self.plain + self.rotary)
        compressed = (Matrix(features, rank), Matrix(rank, queries)) if rank else (Matrix(features, queries),)
        matrices = (
            *compressed,
            Matrix(features, self.rank + self.rotary),
            Matrix(self.rank, self.heads * self.plain),
            Matrix(self.rank, self.heads * self.value_dim),
            Matrix(self.heads * self.value_dim, features),
        )
        return Parameters(matrices, (rank or 0) + self.rank)

    @property
    def cached(self) -> tuple[tuple[int, int], ...]:
        """Rows of the cache that a token adds, and elements of each."""
        return ((1, self.rank + self.rotary),)


@dataclass(frozen=True)
class StateSpace:
    """A selective state space in place of attention (Mamba, Gu and Dao, 2023).

    Parameters
    ----------
    width : int
        Features inside.
    state : int
        Elements of the state per feature.
    kernel : int
        Tokens of the convolution before it.
    rank : int
        Features that the time steps come from.
    bias, convolution_bias : bool
    """

    width: int
    state: int
    kernel: int
    rank: int
    bias: bool = False
    convolution_bias: bool = True
    window: None = None

    def parameters(self, features: int) -> Parameters:
        """List the parameters."""
        matrices = (
            Matrix(features, 2 * self.width),
            Matrix(self.width, self.rank + 2 * self.state),
            Matrix(self.rank, self.width),
            Matrix(self.width, features),
        )
        vectors = self.width * (self.kernel + self.convolution_bias + 1 + self.state + 1)
        return Parameters(matrices, vectors + self.bias * (2 * self.width + features))

    @property
    def cached(self) -> tuple[tuple[int, int], ...]:
        """Rows that a token adds to the cache: none, the state is as large after any number of tokens."""
        return ()

    @property
    def state_elements(self) -> int:
        """Elements of the state, and of the tokens that the convolution still needs."""
        return self.width * (self.state + self.kernel - 1)


@dataclass(frozen=True)
class FeedForward:
    """Two matrices with an activation function between them, or three if it is gated.

    Parameters
    ----------
    width : int
        Features between the matrices.
    gated : bool
        Whether the activation of a third matrix is multiplied in (GLU).
    activation : {"silu", "gelu", "relu"}
    bias : bool
    """

    width: int
    gated: bool
    activation: Activation
    bias: bool = False

    def parameters(self, features: int, copies: int = 1) -> Parameters:
        """List the parameters of some equal networks."""
        ups = 1 + self.gated
        matrices = (Matrix(features, self.width, copies),) * ups + (Matrix(self.width, features, copies),)
        return Parameters(matrices, copies * self.bias * (ups * self.width + features))


@dataclass(frozen=True)
class Experts:
    """Mixture of experts: a router sends each token to some of many feed-forward networks.

    Parameters
    ----------
    expert : FeedForward
    count, active : int
        Experts, and how many of them a token uses.
    shared : FeedForward, optional
        Used by every token (several shared experts are one of their summed width).
    router_bias : bool
        Whether the router has a bias per expert.
    """

    expert: FeedForward
    count: int
    active: int
    shared: FeedForward | None = None
    router_bias: bool = False

    def parameters(self, features: int, copies: int | None = None) -> Parameters:
        """List the parameters, with all experts or with some of them."""
        parts = [self.expert.parameters(features, self.count if copies is None else copies)]
        if self.shared:
            parts.append(self.shared.parameters(features))
        router = Parameters((Matrix(features, self.count),), self.router_bias * self.count)
        return _together([router, *parts])

    def touched(self, tokens: int) -> int:
        """Experts that a batch of so many tokens uses: the expected number, each token choosing at random."""
        missed = (1.0 - self.active / self.count) ** tokens
        return max(self.active, min(self.count, round(self.count * (1.0 - missed))))


@dataclass(frozen=True)
class Block:
    """One block: attention and a feed-forward network, each added to its input.

    Parameters
    ----------
    attention : Attention, LatentAttention or StateSpace
    feed_forward : FeedForward, Experts or None
        None with the order ``alone``.
    order : {"before", "after", "around", "parallel", "parallel-two"}
        Where normalisations stand: before each part, after each sum (BERT), before and after each part
        (Gemma 2). ``parallel``: both parts have the same input (GPT-J); with two normalisations, GPT-NeoX.
        ``alone``: there is one part (Mamba).
    cross : Attention, optional
        Attention to the output of an encoder (T5), between the two parts.
    """

    attention: Attention | LatentAttention | StateSpace
    feed_forward: FeedForward | Experts | None
    order: Order = "before"
    cross: Attention | None = None

    def parameters(self, features: int, norm: Norm, experts: int | None = None) -> Parameters:
        """List the parameters, with all experts or with some of them."""
        norms = NORMS[self.order] + (self.cross is not None)
        part = self.feed_forward
        parts = [self.attention.parameters(features)]
        if isinstance(part, Experts):
            parts.append(part.parameters(features, experts))
        elif part:
            parts.append(part.parameters(features))
        if self.cross:
            parts.append(self.cross.parameters(features))
        return _together([*parts, Parameters((), norms * NORM_PARAMETERS[norm] * features)])

    @property
    def active_experts(self) -> int | None:
        """Experts that a token uses; None without experts."""
        return self.feed_forward.active if isinstance(self.feed_forward, Experts) else None


@dataclass(frozen=True)
class LanguageModel:
    """A transformer for language, whatever its family.

    Parameters
    ----------
    name, family : str
        Name, and ``model_type`` of its configuration.
    features, vocabulary : int
        Width of the residual stream, and rows of the embedding.
    decoder, encoder : tuple of Block
        Blocks in order; a decoder sees earlier tokens alone. One of the two may be empty.
    norm : {"rms", "layer"}
    longest : int, optional
        Largest number of tokens it was made for; None: there is none.
    tied : bool
        Whether the output matrix is the embedding.
    head_bias : bool
        Whether the output matrix has a bias.
    positions : int
        Rows of a learned table of positions; 0: there is none.
    token_types : int
        Rows of a table of segments (BERT).
    embedding_norm : bool
        Whether the embedding is normalised (BERT).
    final_norm : bool
        Whether the output of each stack is normalised.
    pooler : bool
        Whether a matrix of features x features follows the first token (BERT); such a model has no output
        matrix.
    """

    name: str
    family: str
    features: int
    vocabulary: int
    decoder: tuple[Block, ...]
    norm: Norm
    longest: int | None
    encoder: tuple[Block, ...] = ()
    tied: bool = False
    head_bias: bool = False
    positions: int = 0
    token_types: int = 0
    embedding_norm: bool = False
    final_norm: bool = True
    pooler: bool = False

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, the encoder's first."""
        return (*self.encoder, *self.decoder)

    @property
    def table_rows(self) -> int:
        """Rows of all tables: words, positions, segments."""
        return self.vocabulary + self.positions + self.token_types

    @property
    def head(self) -> Parameters:
        """Output matrix, or the pooler of an encoder, as far as it is not the embedding."""
        if self.pooler:
            return Parameters((Matrix(self.features, self.features),), self.features)
        if not self.decoder:
            return Parameters((), 0)
        matrices = () if self.tied else (Matrix(self.features, self.vocabulary),)
        return Parameters(matrices, self.head_bias * self.vocabulary)

    @property
    def inner(self) -> Parameters:
        """All parameters but those of tables and head."""
        return self._inner([None] * len(self.blocks))

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return self.table_rows * self.features + self.head.total + self.inner.total

    @property
    def active_parameters(self) -> int:
        """Number of parameters that a token uses: with experts, fewer than all."""
        inner = self._inner([block.active_experts for block in self.blocks])
        return self.table_rows * self.features + self.head.total + inner.total

    def _inner(self, experts: list[int | None]) -> Parameters:
        stacks = bool(self.encoder) + bool(self.decoder)
        norms = (self.embedding_norm + self.final_norm * stacks) * NORM_PARAMETERS[self.norm] * self.features
        blocks = (
            block.parameters(self.features, self.norm, used)
            for block, used in zip(self.blocks, experts, strict=True)
        )
        return _together([*blocks, Parameters((), norms)])


def _together(parts: list[Parameters]) -> Parameters:
    matrices = tuple(matrix for part in parts for matrix in part.matrices)
    return Parameters(matrices, sum(part.vectors for part in parts))
