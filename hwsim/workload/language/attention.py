"""The layers of attention to the tokens of a sequence, with or without a cache.

A causal kernel skips the pairs that the mask removes, so the work is that of the mean number of keys per
token, rounded up. Queries that share keys are rows of one product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hwsim.whole import ceil_div
from hwsim.workload.language.layers import OUTSIDE
from hwsim.workload.layer import Layer
from hwsim.workload.operators import FUNCTION_OPS, OPERATORS

if TYPE_CHECKING:
    from hwsim.workload.language.layers import Layers
    from hwsim.workload.language.model import Attention

SOFTCAP_OPS = FUNCTION_OPS + 2
"""Scalar operations of a scaled tanh."""


class Step(NamedTuple):
    """What one pass of a model works on, for one sequence.

    Parameters
    ----------
    tokens : int
        New tokens.
    past : int
        Tokens whose keys and values are in the cache.
    causal : bool
        Whether a token sees earlier tokens alone; else it sees all, and nothing is cached.
    batch : int
        Sequences at once: with experts, it decides how many are read.
    source : int
        Tokens of the encoder whose output is attended to.
    """

    tokens: int
    past: int = 0
    causal: bool = True
    batch: int = 1
    source: int = 0


class Seen(NamedTuple):
    """Keys that the new tokens of a sequence attend to.

    Parameters
    ----------
    each : int
        Per token: the mean, rounded up.
    cached : int
        Read from the cache.
    made : int
        Made in this pass and used on chip. A single new token reads its own from the cache, where an
        attention kernel finds it with the others.
    """

    each: int
    cached: int
    made: int


class Product(NamedTuple):
    """Shape of a product of activations.

    Parameters
    ----------
    rows, depth, filters : int
        Of one group: (rows, depth) x (depth, filters).
    groups : int
    """

    rows: int
    depth: int
    filters: int
    groups: int


def seen_by(step: Step, window: int | None) -> Seen:
    """Count the keys that the new tokens of a sequence attend to.

    Parameters
    ----------
    step : Step
    window : int, optional
        Keys that a token sees at most, itself included.
    """
    if not step.causal:
        return Seen(step.past + step.tokens, step.past, step.tokens)
    most = step.past + step.tokens if window is None else window
    growing = min(step.tokens, max(0, most - step.past))  # new tokens that see all before them
    pairs = growing * step.past + growing * (growing + 1) // 2 + (step.tokens - growing) * most
    if step.tokens == 1:
        return Seen(pairs, pairs, 0)
    return Seen(ceil_div(pairs, step.tokens), min(step.past, most - 1), step.tokens)


def add_attention(layers: Layers, part: Attention, source: int, features: int, step: Step) -> int:
    """Add attention to the sequence itself, and return the index of its output."""
    tokens, shared = step.tokens, part.kv_heads
    seen = seen_by(step, part.window)
    query = _projected(layers, part, "query", source, features, part.heads, tokens)
    key = _projected(layers, part, "key", source, features, shared, tokens)
    value = layers.matrix("value", source, features, shared * part.head_dim, tokens, bias=part.bias)
    if step.causal:
        for name, made in (("key_cache", key), ("value_cache", value)):
            layers.cached(name, made, tokens, tokens * shared * part.head_dim, read_on_chip=seen.made > 0)
    context = _attend(layers, part, query, (key, value) if seen.made else None, seen, tokens)
    wide = part.heads * part.head_dim
    return layers.matrix("output", context, wide, features, tokens, bias=part.output_bias)


def add_cross_attention(layers: Layers, part: Attention, source: int, features: int, step: Step) -> int:
    """Add attention to the output of an encoder, whose keys and values are in the cache."""
    wide = part.heads * part.head_dim
    query = layers.matrix("cross_query", source, features, wide, step.tokens, bias=part.bias)
    seen = Seen(step.source, step.source, 0)
    context = _attend(layers, part, query, None, seen, step.tokens, name="cross_")
    return layers.matrix("cross_output", context, wide, features, step.tokens, bias=part.output_bias)


def add_kept_keys(layers: Layers, part: Attention, source: int, features: int, tokens: int) -> None:
    """Add the keys and values that attention to an encoder keeps in the cache."""
    wide = part.kv_heads * part.head_dim
    for name in ("key", "value"):
        made = layers.matrix(name, source, features, wide, tokens, bias=part.bias)
        layers.cached(f"{name}_cache", made, tokens, tokens * wide, read_on_chip=False)


def _projected(
    layers: Layers, part: Attention, name: str, source: int, features: int, heads: int, tokens: int
) -> int:
    """Queries or keys, normalised and turned by their position."""
    made = layers.matrix(name, source, features, heads * part.head_dim, tokens, bias=part.bias)
    if part.head_norm:
        made = layers.normalise(f"{name}_norm", made, part.head_dim, tokens * heads)
    return turned(layers, f"{name}_rope", made, tokens, heads, part.head_dim, part.rotary)


def turned(
    layers: Layers, name: str, source: int, tokens: int, heads: int, features: int, rotary: int
) -> int:
    """Turn `rotary` of the features of every head by its position; no layer is added where that is none."""
    if not rotary:
        return source
    ops = tokens * heads * rotary * (OPERATORS["rope"].ops or 0)
    return layers.each(name, "rope", (source,), tokens, tokens * heads * features, ops)


def _attend(
    layers: Layers,
    part: Attention,
    query: int,
    made: tuple[int, int] | None,
    seen: Seen,
    tokens: int,
    name: str = "",
) -> int:
    """Scores, softmax, and the weighted sum of values; `made` are layers of new keys and values."""
    rows, groups, width = tokens * part.heads // part.kv_heads, part.kv_heads, part.head_dim
    key, value = made or (None, None)
    extra_ops = part.softcap * SOFTCAP_OPS + (part.buckets > 0)
    scores = product(
        layers, name + "scores", query, Product(rows, width, seen.each, groups), seen, groups, width, key
    )
    values = 2 * seen.cached * groups * width
    weights = softmax(layers, name + "softmax", scores, rows, rows * groups * seen.each, extra_ops, values)
    return product(
        layers, name + "context", weights, Product(rows, seen.each, width, groups), seen, groups, width, value
    )


def softmax(
    layers: Layers, name: str, scores: int, rows: int, elements: int, extra_ops: int = 0, cached: int = 0
) -> int:
    """Add a softmax, with what the vector unit does beside it in a kernel of attention.

    Parameters
    ----------
    rows, elements : int
        Of the scores.
    extra_ops : int
        More scalar operations per element.
    cached : int
        Values of the cache that are brought to the arithmetic, where they are stored in fewer bits.
    """
    ops = elements * ((OPERATORS["softmax"].ops or 0) + extra_ops) + layers.dequantize_ops(cached)
    return layers.each(name, "softmax", (scores,), rows, elements, ops, arithmetic=layers.storage.attention)


def product(
    layers: Layers,
    name: str,
    first: int,
    shape: Product,
    seen: Seen,
    cached_rows: int,
    width: int,
    made: int | None = None,
) -> int:
    """Multiply activations by keys or values of the sequence, from the cache and from this pass.

    Parameters
    ----------
    first : int
        Layer that makes the first operand.
    shape : Product
    cached_rows, width : int
        Rows of the cache per token that are read (0: an earlier product has read them), and their elements.
    made : int, optional
        Layer that makes the new keys or values, where they are used on chip.
    """
    cached = seen.cached * cached_rows
    fresh = 0 if made is None else seen.made * cached_rows * width
    sources = (first, *([OUTSIDE] if cached else []), *([] if made is None else [made]))
    outputs = shape.rows * shape.groups
    return layers.add(
        Layer(
            layers.prefix + name,
            "matmul",
            shape.rows,
            shape.filters,
            shape.depth,
            outputs * shape.depth + cached * width + fresh,
            outputs * shape.filters,
            shape.groups,
            inputs=sources,
            arithmetic=layers.storage.attention,
            outside_bits=layers.storage.cache.bits(cached * width, cached) if cached else None,
        )
    )
