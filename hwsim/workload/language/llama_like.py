"""Families of decoders with rotary positions and RMS normalisation: Llama and those that follow it."""

from __future__ import annotations

from typing import ClassVar, Literal

from hwsim.workload.language.config import Config, Depth, Share, Size, activation_of, head_width
from hwsim.workload.language.model import Attention, Block, Experts, FeedForward, LanguageModel, Order


class Llama(Config):
    """Llama (Touvron et al., 2023), and SmolLM, which has its configuration."""

    family: ClassVar[str] = "llama"
    order: ClassVar[Order] = "before"

    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Depth
    num_attention_heads: Size
    num_key_value_heads: Size | None = None
    head_dim: Size | None = None
    hidden_act: str = "silu"
    max_position_embeddings: Size
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    partial_rotary_factor: Share = 1.0

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        blocks = tuple(
            Block(self._attention(number), self._feed_forward(number), self.order)
            for number in range(self.num_hidden_layers)
        )
        return LanguageModel(
            name,
            self.family,
            self.hidden_size,
            self.vocab_size,
            decoder=blocks,
            norm="rms",
            longest=self.max_position_embeddings,
            tied=self.tie_word_embeddings,
        )

    def _attention(self, number: int) -> Attention:
        width = self.head_dim or head_width(self.hidden_size, self.num_attention_heads, "num_attention_heads")
        shared = self.num_key_value_heads or self.num_attention_heads
        return Attention(
            self.num_attention_heads,
            shared,
            width,
            bias=self._biases[0],
            output_bias=self._biases[1],
            window=self._window(number),
            rotary=int(width * self.partial_rotary_factor),
            **self._extras(),
        )

    @property
    def _biases(self) -> tuple[bool, bool]:
        """Whether queries, keys and values, and whether the output, have biases."""
        return self.attention_bias, self.attention_bias

    def _window(self, number: int) -> int | None:
        return None

    def _extras(self) -> dict[str, bool]:
        return {}

    def _feed_forward(self, number: int) -> FeedForward | Experts:
        activation = activation_of(self.hidden_act, "hidden_act")
        return FeedForward(self.intermediate_size, True, activation, self.mlp_bias)


class Mistral(Llama):
    """Mistral (Jiang et al., 2023): all blocks have the same sliding window, or none."""

    family: ClassVar[str] = "mistral"

    sliding_window: Size | None = None

    def _window(self, number: int) -> int | None:
        return self.sliding_window


class Phi3(Mistral):
    """Phi-3 (Abdin et al., 2024)."""

    family: ClassVar[str] = "phi3"


class Qwen2(Llama):
    """Qwen2 and Qwen2.5 (Yang et al., 2024): queries, keys and values have biases."""

    family: ClassVar[str] = "qwen2"

    use_sliding_window: bool = False
    sliding_window: Size | None = None
    max_window_layers: int = 28
    layer_types: tuple[str, ...] | None = None

    @property
    def _biases(self) -> tuple[bool, bool]:
        return True, False

    def _window(self, number: int) -> int | None:
        return self.sliding_window if self.use_sliding_window and number >= self.max_window_layers else None


class Qwen3(Qwen2):
    """Qwen3 (Yang et al., 2025): queries and keys are normalised, and have no biases."""

    family: ClassVar[str] = "qwen3"

    head_dim: Size | None = 128

    @property
    def _biases(self) -> tuple[bool, bool]:
        return self.attention_bias, self.attention_bias

    def _extras(self) -> dict[str, bool]:
        return {"head_norm": True}


class Gemma(Llama):
    """Gemma (Gemma Team, 2024): the embedding is the output matrix, and heads are wide."""

    family: ClassVar[str] = "gemma"

    head_dim: Size | None = 256
    hidden_act: str = "gelu_pytorch_tanh"
    hidden_activation: str | None = None
    tie_word_embeddings: bool = True

    def _feed_forward(self, number: int) -> FeedForward:
        key = "hidden_activation" if self.hidden_activation else "hidden_act"
        return FeedForward(self.intermediate_size, True, activation_of(getattr(self, key), key))


class Gemma2(Gemma):
    """Gemma 2 (Gemma Team, 2024): every second block has a sliding window; four normalisations a block."""

    family: ClassVar[str] = "gemma2"
    order: ClassVar[Order] = "around"

    sliding_window: Size = 4096
    attn_logit_softcapping: float | None = 50.0
    sliding_window_size: Size | None = None

    def _window(self, number: int) -> int | None:
        return self.sliding_window if (number + 1) % self._pattern else None

    @property
    def _pattern(self) -> int:
        """Every so many blocks, one sees all tokens."""
        return 2

    def _extras(self) -> dict[str, bool]:
        return {"softcap": self.attn_logit_softcapping is not None}


class Gemma3(Gemma2):
    """Gemma 3 for text (Gemma Team, 2025): one block in six sees all tokens; queries and keys are
    normalised.
    """

    family: ClassVar[str] = "gemma3_text"

    attn_logit_softcapping: float | None = None
    sliding_window_pattern: Size = 6

    @property
    def _pattern(self) -> int:
        return self.sliding_window_pattern

    def _extras(self) -> dict[str, bool]:
        return super()._extras() | {"head_norm": True}


class Mixtral(Mistral):
    """Mixtral (Jiang et al., 2024): experts in place of every feed-forward network."""

    family: ClassVar[str] = "mixtral"

    num_local_experts: Size = 8
    num_experts_per_tok: Size = 2

    def _feed_forward(self, number: int) -> Experts:
        expert = FeedForward(self.intermediate_size, True, activation_of(self.hidden_act, "hidden_act"))
        return Experts(expert, self.num_local_experts, self.num_experts_per_tok)


class Qwen3Experts(Qwen3):
    """Qwen3 with experts (Yang et al., 2025)."""

    family: ClassVar[str] = "qwen3_moe"

    num_experts: Size = 128
    num_experts_per_tok: Size = 8
    moe_intermediate_size: Size
    decoder_sparse_step: Literal[1] = 1
    mlp_only_layers: tuple[int, ...] | None = ()

    def _feed_forward(self, number: int) -> FeedForward | Experts:
        activation = activation_of(self.hidden_act, "hidden_act")
        if number in (self.mlp_only_layers or ()):
            return FeedForward(self.intermediate_size, True, activation)
        expert = FeedForward(self.moe_intermediate_size, True, activation)
        return Experts(expert, self.num_experts, self.num_experts_per_tok)


FAMILIES: tuple[type[Config], ...] = (
    Llama, Mistral, Phi3, Qwen2, Qwen3, Gemma, Gemma2, Gemma3, Mixtral, Qwen3Experts,
)  # fmt: skip
"""The families of this module."""
