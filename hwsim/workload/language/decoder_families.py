"""Families of decoders of their own shape: GPT-2, GPT-J, GPT-NeoX, Phi, OPT, DeepSeek, Mamba."""

from __future__ import annotations

from typing import ClassVar, Literal

from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.language.config import Config, Depth, Share, Size, activation_of, head_width
from hwsim.workload.language.model import (
    Attention,
    Block,
    Experts,
    FeedForward,
    LanguageModel,
    LatentAttention,
    Order,
    StateSpace,
)


class Gpt2(Config):
    """GPT-2 (Radford et al., 2019)."""

    family: ClassVar[str] = "gpt2"

    vocab_size: Size
    n_embd: Size
    n_layer: Depth
    n_head: Size
    n_positions: Size
    n_ctx: Size | None = None
    n_inner: Size | None = None
    activation_function: str = "gelu_new"
    tie_word_embeddings: bool = True
    add_cross_attention: Literal[False] = False

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        width = head_width(self.n_embd, self.n_head, "n_head")
        attention = Attention(self.n_head, self.n_head, width, bias=True, output_bias=True)
        activation = activation_of(self.activation_function, "activation_function")
        block = Block(attention, FeedForward(self.n_inner or 4 * self.n_embd, False, activation, bias=True))
        return LanguageModel(
            name,
            self.family,
            self.n_embd,
            self.vocab_size,
            decoder=(block,) * self.n_layer,
            norm="layer",
            longest=self.n_positions,
            tied=self.tie_word_embeddings,
            positions=self.n_positions,
        )


class GptJ(Config):
    """GPT-J (Wang and Komatsuzaki, 2021): attention and feed-forward network have the same input."""

    family: ClassVar[str] = "gptj"

    vocab_size: Size
    n_embd: Size
    n_layer: Depth
    n_head: Size
    n_positions: Size
    n_inner: Size | None = None
    rotary: Literal[True] = True
    rotary_dim: Size = 64
    activation_function: str = "gelu_new"
    tie_word_embeddings: bool = False

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        width = head_width(self.n_embd, self.n_head, "n_head")
        attention = Attention(self.n_head, self.n_head, width, rotary=self.rotary_dim)
        activation = activation_of(self.activation_function, "activation_function")
        feed_forward = FeedForward(self.n_inner or 4 * self.n_embd, False, activation, bias=True)
        return LanguageModel(
            name,
            self.family,
            self.n_embd,
            self.vocab_size,
            decoder=(Block(attention, feed_forward, "parallel"),) * self.n_layer,
            norm="layer",
            longest=self.n_positions,
            tied=self.tie_word_embeddings,
            head_bias=True,
        )


class GptNeoX(Config):
    """GPT-NeoX (Black et al., 2022), and Pythia, which has its configuration."""

    family: ClassVar[str] = "gpt_neox"

    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Depth
    num_attention_heads: Size
    max_position_embeddings: Size
    hidden_act: str = "gelu"
    rotary_pct: Share = 0.25
    use_parallel_residual: bool = True
    attention_bias: bool = True
    tie_word_embeddings: bool = False

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        width = head_width(self.hidden_size, self.num_attention_heads, "num_attention_heads")
        heads, bias = self.num_attention_heads, self.attention_bias
        attention = Attention(
            heads, heads, width, bias=bias, output_bias=bias, rotary=int(width * self.rotary_pct)
        )
        activation = activation_of(self.hidden_act, "hidden_act")
        feed_forward = FeedForward(self.intermediate_size, False, activation, bias=True)
        order: Order = "parallel-two" if self.use_parallel_residual else "before"
        return LanguageModel(
            name,
            self.family,
            self.hidden_size,
            self.vocab_size,
            decoder=(Block(attention, feed_forward, order),) * self.num_hidden_layers,
            norm="layer",
            longest=self.max_position_embeddings,
            tied=self.tie_word_embeddings,
        )


class Phi(Config):
    """Phi-1.5 and Phi-2 (Li et al., 2023): attention and feed-forward network have the same input."""

    family: ClassVar[str] = "phi"

    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Depth
    num_attention_heads: Size
    num_key_value_heads: Size | None = None
    max_position_embeddings: Size
    hidden_act: str = "gelu_new"
    partial_rotary_factor: Share = 0.5
    qk_layernorm: Literal[False] = False
    tie_word_embeddings: bool = False

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        width = head_width(self.hidden_size, self.num_attention_heads, "num_attention_heads")
        attention = Attention(
            self.num_attention_heads,
            self.num_key_value_heads or self.num_attention_heads,
            width,
            bias=True,
            output_bias=True,
            rotary=int(width * self.partial_rotary_factor),
        )
        activation = activation_of(self.hidden_act, "hidden_act")
        feed_forward = FeedForward(self.intermediate_size, False, activation, bias=True)
        return LanguageModel(
            name,
            self.family,
            self.hidden_size,
            self.vocab_size,
            decoder=(Block(attention, feed_forward, "parallel"),) * self.num_hidden_layers,
            norm="layer",
            longest=self.max_position_embeddings,
            tied=self.tie_word_embeddings,
            head_bias=True,
        )


class Opt(Config):
    """OPT (Zhang et al., 2022)."""

    family: ClassVar[str] = "opt"

    vocab_size: Size
    hidden_size: Size
    ffn_dim: Size
    num_hidden_layers: Depth
    num_attention_heads: Size
    max_position_embeddings: Size
    activation_function: str = "relu"
    do_layer_norm_before: bool = True
    enable_bias: bool = True
    word_embed_proj_dim: Size | None = None
    remove_final_layer_norm: bool = False
    tie_word_embeddings: bool = True

    positions_before: ClassVar[int] = 2
    """Rows of the table of positions that no token uses."""

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        if self.word_embed_proj_dim not in (None, self.hidden_size):
            raise InputError(
                f"word_embed_proj_dim is {self.word_embed_proj_dim}, expected hidden_size, {self.hidden_size}"
            )
        width = head_width(self.hidden_size, self.num_attention_heads, "num_attention_heads")
        heads, bias = self.num_attention_heads, self.enable_bias
        attention = Attention(heads, heads, width, bias=bias, output_bias=bias)
        activation = activation_of(self.activation_function, "activation_function")
        order: Order = "before" if self.do_layer_norm_before else "after"
        block = Block(attention, FeedForward(self.ffn_dim, False, activation, bias=bias), order)
        return LanguageModel(
            name,
            self.family,
            self.hidden_size,
            self.vocab_size,
            decoder=(block,) * self.num_hidden_layers,
            norm="layer",
            longest=self.max_position_embeddings,
            tied=self.tie_word_embeddings,
            positions=self.max_position_embeddings + self.positions_before,
            final_norm=self.do_layer_norm_before and not self.remove_final_layer_norm,
        )


class DeepSeek2(Config):
    """DeepSeek-V2 (2024): latent attention, and experts of which some are shared by all tokens."""

    family: ClassVar[str] = "deepseek_v2"
    router_bias: ClassVar[bool] = False

    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size
    moe_intermediate_size: Size
    num_hidden_layers: Depth
    num_attention_heads: Size
    num_key_value_heads: Size | None = None
    kv_lora_rank: Size
    q_lora_rank: Size | None = None
    qk_nope_head_dim: Size
    qk_rope_head_dim: Size
    v_head_dim: Size
    n_routed_experts: Size
    n_shared_experts: Size | None = None
    num_experts_per_tok: Size
    first_k_dense_replace: int = 0
    moe_layer_freq: Literal[1] = 1
    hidden_act: str = "silu"
    max_position_embeddings: Size
    attention_bias: Literal[False] = False
    tie_word_embeddings: bool = False

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        attention = LatentAttention(
            self.num_attention_heads,
            self.q_lora_rank,
            self.kv_lora_rank,
            self.qk_nope_head_dim,
            self.qk_rope_head_dim,
            self.v_head_dim,
        )
        dense = Block(attention, self._gated(self.intermediate_size))
        shared = self.n_shared_experts
        experts = Experts(
            self._gated(self.moe_intermediate_size),
            self.n_routed_experts,
            self.num_experts_per_tok,
            self._gated(shared * self.moe_intermediate_size) if shared else None,
            self.router_bias,
        )
        first = min(self.first_k_dense_replace, self.num_hidden_layers)
        rest = (Block(attention, experts),) * (self.num_hidden_layers - first)
        return LanguageModel(
            name,
            self.family,
            self.hidden_size,
            self.vocab_size,
            decoder=(dense,) * first + rest,
            norm="rms",
            longest=self.max_position_embeddings,
            tied=self.tie_word_embeddings,
        )

    def _gated(self, width: int) -> FeedForward:
        return FeedForward(width, True, activation_of(self.hidden_act, "hidden_act"))


class DeepSeek3(DeepSeek2):
    """DeepSeek-V3 (2024), without its module that predicts further tokens: the router has biases."""

    family: ClassVar[str] = "deepseek_v3"
    router_bias: ClassVar[bool] = True

    num_nextn_predict_layers: int = 0


class Mamba(Config):
    """Mamba (Gu and Dao, 2023): state spaces in place of attention."""

    family: ClassVar[str] = "mamba"

    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size | None = None
    state_size: Size = 16
    num_hidden_layers: Depth
    expand: Size = 2
    conv_kernel: Size = 4
    time_step_rank: Size | Literal["auto"] = "auto"
    use_bias: bool = False
    use_conv_bias: bool = True
    hidden_act: Literal["silu"] = "silu"
    tie_word_embeddings: bool = True

    def model(self, name: str) -> LanguageModel:
        """Describe the model."""
        rank = ceil_div(self.hidden_size, 16) if self.time_step_rank == "auto" else self.time_step_rank
        width = self.intermediate_size or self.expand * self.hidden_size
        part = StateSpace(width, self.state_size, self.conv_kernel, rank, self.use_bias, self.use_conv_bias)
        return LanguageModel(
            name,
            self.family,
            self.hidden_size,
            self.vocab_size,
            decoder=(Block(part, None, "alone"),) * self.num_hidden_layers,
            norm="rms",
            longest=None,
            tied=self.tie_word_embeddings,
        )


FAMILIES: tuple[type[Config], ...] = (Gpt2, GptJ, GptNeoX, Phi, Opt, DeepSeek2, DeepSeek3, Mamba)
"""The families of this module."""
