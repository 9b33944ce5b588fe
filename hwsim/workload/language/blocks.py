"""The layers of one block: attention, then a feed-forward network or experts, each added to its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.workload.language.attention import add_attention, add_cross_attention
from hwsim.workload.language.latent import add_latent_attention
from hwsim.workload.language.model import Attention, Experts, StateSpace
from hwsim.workload.language.state_space import add_state_space

if TYPE_CHECKING:
    from hwsim.workload.language.attention import Step
    from hwsim.workload.language.layers import Layers
    from hwsim.workload.language.model import Block, FeedForward


def add_block(layers: Layers, block: Block, source: int, features: int, step: Step) -> int:
    """Add one block, and return the index of its last layer."""
    if block.order == "alone":
        part = layers.normalise("norm1", source, features, step.tokens)
        part = _add_attention(layers, block, part, features, step)
        return layers.each("add1", "add", (part, source), step.tokens, step.tokens * features)
    if block.order in ("parallel", "parallel-two"):
        return _in_parallel(layers, block, source, features, step)
    before, around, after = (block.order == order for order in ("before", "around", "after"))
    elements = step.tokens * features

    def normalised(wanted: bool, name: str, index: int) -> int:
        return layers.normalise(name, index, features, step.tokens) if wanted else index

    part = normalised(before or around, "norm1", source)
    part = normalised(around, "norm1_after", _add_attention(layers, block, part, features, step))
    added = normalised(after, "norm1", layers.each("add1", "add", (part, source), step.tokens, elements))
    if block.cross:
        part = normalised(before, "norm_cross", added)
        part = add_cross_attention(layers, block.cross, part, features, step)
        added = layers.each("add_cross", "add", (part, added), step.tokens, elements)
    part = normalised(before or around, "norm2", added)
    part = normalised(around, "norm2_after", _add_feed_forward(layers, block, part, features, step))
    return normalised(after, "norm2", layers.each("add2", "add", (part, added), step.tokens, elements))


def _in_parallel(layers: Layers, block: Block, source: int, features: int, step: Step) -> int:
    first = second = layers.normalise("norm1", source, features, step.tokens)
    if block.order == "parallel-two":
        second = layers.normalise("norm2", source, features, step.tokens)
    attended = _add_attention(layers, block, first, features, step)
    fed = _add_feed_forward(layers, block, second, features, step)
    return layers.each("add", "add", (fed, attended, source), step.tokens, step.tokens * features)


def _add_attention(layers: Layers, block: Block, source: int, features: int, step: Step) -> int:
    part = block.attention
    if isinstance(part, Attention):
        return add_attention(layers, part, source, features, step)
    if isinstance(part, StateSpace):
        return add_state_space(layers, part, source, features, step)
    return add_latent_attention(layers, part, source, features, step)


def _add_feed_forward(layers: Layers, block: Block, source: int, features: int, step: Step) -> int:
    part = block.feed_forward
    if isinstance(part, Experts):
        return _add_experts(layers, part, source, features, step)
    if part is None:
        return source
    return _add_dense(layers, part, source, features, step.tokens)


def _add_dense(
    layers: Layers, part: FeedForward, source: int, features: int, tokens: int, name: str = ""
) -> int:
    width = part.width

    def up(which: str) -> int:
        return layers.matrix(name + which, source, features, width, tokens, bias=part.bias)

    inner = up("gate" if part.gated else "up")
    inner = layers.each(name + part.activation, part.activation, (inner,), tokens, tokens * width)
    if part.gated:
        inner = layers.each(name + "product", "mul", (inner, up("up")), tokens, tokens * width)
    return layers.matrix(name + "down", inner, width, features, tokens, bias=part.bias)


def _add_experts(layers: Layers, part: Experts, source: int, features: int, step: Step) -> int:
    """Router, the experts of a token side by side as one wide network, and the shared ones.

    The weights read are those of all experts that the batch uses. The outputs of a token's experts are
    summed within the last product, after their inputs were weighted by the router.
    """
    tokens, expert = step.tokens, part.expert
    wide, read = part.active * expert.width, part.touched(step.batch * tokens)
    router = layers.matrix("router", source, features, part.count, tokens, bias=part.router_bias)
    layers.each("router_softmax", "softmax", (router,), tokens, tokens * part.count)

    def up(which: str) -> int:
        weights = layers.stored(expert.width, features, copies=read, bias=expert.bias)
        return layers.matrix(f"experts_{which}", source, features, wide, tokens, weights=weights)

    inner = up("gate" if expert.gated else "up")
    inner = layers.each(f"experts_{expert.activation}", expert.activation, (inner,), tokens, tokens * wide)
    if expert.gated:
        inner = layers.each("experts_product", "mul", (inner, up("up")), tokens, tokens * wide)
    inner = layers.each("experts_weighted", "linear", (inner,), tokens, tokens * wide, tokens * wide)
    weights = layers.stored(features, expert.width, copies=read, bias=expert.bias)
    routed = layers.matrix("experts_down", inner, wide, features, tokens, weights=weights)
    if part.shared is None:
        return routed
    shared = _add_dense(layers, part.shared, source, features, tokens, "shared_")
    return layers.each("experts_sum", "add", (shared, routed), tokens, tokens * features)
