"""Families with an encoder: BERT and those that follow it, and T5, which has a decoder, too."""

from __future__ import annotations

from typing import Any, ClassVar

from hwsim.workload.language.config import Config, Depth, Size, activation_of, head_width
from hwsim.workload.language.model import Attention, Block, FeedForward, LanguageModel


class Bert(Config):
    """BERT (Devlin et al., NAACL 2019): an encoder."""

    family: ClassVar[str] = "bert"

    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Depth
    num_attention_heads: Size
    max_position_embeddings: Size
    type_vocab_size: Size
    hidden_act: str = "gelu"
    tie_word_embeddings: bool = True

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        block = _encoder_block(
            self.hidden_size, self.num_attention_heads, self.intermediate_size, self.hidden_act, "hidden_act"
        )
        return LanguageModel(
            name,
            self.family,
            self.hidden_size,
            self.vocab_size,
            decoder=(),
            encoder=(block,) * self.num_hidden_layers,
            norm="layer",
            longest=self.max_position_embeddings - self._unused,
            positions=self.max_position_embeddings,
            token_types=self.type_vocab_size,
            embedding_norm=True,
            final_norm=False,
            pooler=True,
        )

    @property
    def _unused(self) -> int:
        """Rows of the table of positions that no token uses."""
        return 0


class Roberta(Bert):
    """RoBERTa (Liu et al., 2019): an encoder as BERT, whose positions start at two."""

    family: ClassVar[str] = "roberta"

    @property
    def _unused(self) -> int:
        return 2


class DistilBert(Config):
    """DistilBERT (Sanh et al., 2019): an encoder as BERT, without segments and pooler."""

    family: ClassVar[str] = "distilbert"

    vocab_size: Size
    dim: Size
    hidden_dim: Size
    n_layers: Depth
    n_heads: Size
    max_position_embeddings: Size
    activation: str = "gelu"
    tie_word_embeddings: bool = True

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        block = _encoder_block(self.dim, self.n_heads, self.hidden_dim, self.activation, "activation")
        return LanguageModel(
            name,
            self.family,
            self.dim,
            self.vocab_size,
            decoder=(),
            encoder=(block,) * self.n_layers,
            norm="layer",
            longest=self.max_position_embeddings,
            positions=self.max_position_embeddings,
            embedding_norm=True,
            final_norm=False,
        )


class T5(Config):
    """T5 (Raffel et al., JMLR 2020): an encoder, and a decoder that attends to its output."""

    family: ClassVar[str] = "t5"

    vocab_size: Size
    d_model: Size
    d_kv: Size
    d_ff: Size
    num_layers: Depth
    num_decoder_layers: Depth | None = None
    num_heads: Size
    n_positions: Size | None = None
    relative_attention_num_buckets: Size = 32
    feed_forward_proj: str = "relu"
    dense_act_fn: str | None = None
    is_gated_act: bool | None = None
    tie_word_embeddings: bool = True

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        decoder_layers = self.num_decoder_layers or self.num_layers
        return LanguageModel(
            name,
            self.family,
            self.d_model,
            self.vocab_size,
            decoder=self._stack(decoder_layers, Attention(self.num_heads, self.num_heads, self.d_kv)),
            encoder=self._stack(self.num_layers, None),
            norm="rms",
            longest=None,
            tied=self.tie_word_embeddings,
        )

    def _stack(self, count: int, cross: Attention | None) -> tuple[Block, ...]:
        """Blocks whose first owns the relative positions of all."""

        def attention(**extra: Any) -> Attention:
            buckets = self.relative_attention_num_buckets
            return Attention(self.num_heads, self.num_heads, self.d_kv, buckets=buckets, **extra)

        gated, name = (
            self.feed_forward_proj.startswith("gated-"),
            self.feed_forward_proj.removeprefix("gated-"),
        )
        feed_forward = FeedForward(self.d_ff, gated, activation_of(name, "feed_forward_proj"))
        first = Block(attention(owns_buckets=True), feed_forward, cross=cross)
        return (first, *(Block(attention(), feed_forward, cross=cross),) * (count - 1))


def _encoder_block(features: int, heads: int, width: int, activation: str, key: str) -> Block:
    head = head_width(features, heads, "heads")
    attention = Attention(heads, heads, head, bias=True, output_bias=True)
    return Block(attention, FeedForward(width, False, activation_of(activation, key), bias=True), "after")


FAMILIES: tuple[type[Config], ...] = (Bert, Roberta, DistilBert, T5)
"""The families of this module."""
