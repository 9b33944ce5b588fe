"""The layers of multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

One compressed row per token is cached for all heads. With a cache, queries are brought to the compressed
space, where all heads share keys and values; a pass without a cache makes keys and values of every head.
Both ways use the same weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.workload.language.attention import Product, Seen, product, seen_by, softmax, turned

if TYPE_CHECKING:
    from hwsim.workload.language.attention import Step
    from hwsim.workload.language.layers import Layers
    from hwsim.workload.language.model import LatentAttention


def add_latent_attention(
    layers: Layers, part: LatentAttention, source: int, features: int, step: Step
) -> int:
    """Add attention to compressed keys and values, and return the index of its output."""
    tokens, row = step.tokens, part.rank + part.rotary
    seen = seen_by(step, None)
    query = _queries(layers, part, source, features, tokens)
    latent = layers.matrix("latent", source, features, row, tokens)
    latent = layers.normalise("latent_norm", latent, part.rank, tokens, whole=tokens * row)
    latent = turned(layers, "latent_rope", latent, tokens, 1, row, part.rotary)
    layers.cached("latent_cache", latent, tokens, tokens * row, read_on_chip=seen.made > 0)
    attend = _in_latent_space if seen.cached else _with_keys_of_heads
    values = attend(layers, part, query, latent, seen, tokens)
    return layers.matrix("output", values, part.heads * part.value_dim, features, tokens)


def _queries(layers: Layers, part: LatentAttention, source: int, features: int, tokens: int) -> int:
    if part.query_rank is not None:
        down = layers.matrix("query_down", source, features, part.query_rank, tokens)
        source = layers.normalise("query_norm", down, part.query_rank, tokens)
        features = part.query_rank
    width = part.plain + part.rotary
    query = layers.matrix("query", source, features, part.heads * width, tokens)
    return turned(layers, "query_rope", query, tokens, part.heads, width, part.rotary)


def _in_latent_space(
    layers: Layers, part: LatentAttention, query: int, latent: int, seen: Seen, tokens: int
) -> int:
    heads, row = part.heads, part.rank + part.rotary
    made = latent if seen.made else None
    inner = layers.matrix(
        "query_to_latent", query, heads * part.plain, heads * part.rank, tokens, groups=heads
    )
    rows = tokens * heads
    scores = product(layers, "scores", inner, Product(rows, row, seen.each, 1), seen, 1, row, made)
    weights = softmax(layers, "softmax", scores, rows, rows * seen.each, cached=seen.cached * row)
    # the rows that the scores have read are the values, too
    context = product(layers, "context", weights, Product(rows, seen.each, part.rank, 1), seen, 0, part.rank)
    return layers.matrix(
        "value_from_latent", context, heads * part.rank, heads * part.value_dim, tokens, groups=heads
    )


def _with_keys_of_heads(
    layers: Layers, part: LatentAttention, query: int, latent: int, seen: Seen, tokens: int
) -> int:
    heads, width = part.heads, part.plain + part.rotary
    key = layers.matrix("key", latent, part.rank, heads * part.plain, tokens)
    value = layers.matrix("value", latent, part.rank, heads * part.value_dim, tokens)
    shape = Product(tokens, width, seen.each, heads)
    scores = product(layers, "scores", query, shape, seen, heads, part.plain, key)
    weights = softmax(layers, "softmax", scores, tokens, tokens * heads * seen.each)
    shape = Product(tokens, seen.each, part.value_dim, heads)
    return product(layers, "context", weights, shape, seen, heads, part.value_dim, value)
