"""Attention of a decoder against loops over its definition, and a session against the whole sequence."""

import math

import numpy as np
import pytest
from llama_files import SHAPE, small_llama

from compress.language.session import READ, Session, write
from compress.nn.network import INPUT, Network, Node
from compress.nn.ops import OPS, Context
from compress.nn.ops.attention import ROWS
from hwsim.errors import InputError

ATTRS = {"heads": 4, "kv_heads": 2, "base": 100.0}


def turned(head, place, base):
    """One head of one token, turned pair by pair (Su et al. 2021, eq. 15)."""
    out = np.empty_like(head)
    for pair in range(len(head) // 2):
        angle = place * base ** (-2 * pair / len(head))
        x, y = head[2 * pair], head[2 * pair + 1]
        out[2 * pair] = x * math.cos(angle) - y * math.sin(angle)
        out[2 * pair + 1] = x * math.sin(angle) + y * math.cos(angle)
    return out


def by_definition(queries, keys, values, heads, kv_heads, base):
    tokens, depth = len(queries), queries.shape[1] // heads
    out = np.empty_like(queries)
    for token in range(tokens):
        for head in range(heads):
            shared = head // (heads // kv_heads)
            at, to = slice(head * depth, (head + 1) * depth), slice(shared * depth, (shared + 1) * depth)
            query = turned(queries[token, at], token, base)
            scores = np.array(
                [query @ turned(keys[seen, to], seen, base) / math.sqrt(depth) for seen in range(token + 1)]
            )
            weights = np.exp(scores - scores.max())
            out[token, at] = (weights / weights.sum()) @ values[: token + 1, to]
    return out


def drawn(tokens, seed=1):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((tokens, width), np.float32) for width in (32, 16, 16))


def test_attention_is_what_its_definition_says():
    inputs = drawn(9)
    found = OPS["attention"].forward(inputs, (), ATTRS, Context())
    np.testing.assert_allclose(found, by_definition(*inputs, **ATTRS), atol=2e-6)


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_cache_gives_what_the_whole_sequence_gives(cut):
    inputs = drawn(9)
    whole = OPS["attention"].forward(inputs, (), ATTRS, Context())
    ctx = Context(cache={})
    parts = [
        OPS["attention"].forward(tuple(x[at : at + cut] for x in inputs), (), ATTRS, ctx)
        for at in range(0, 9, cut)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


def test_many_queries_are_attended_part_by_part():
    inputs = drawn(ROWS + 5)
    found = OPS["attention"].forward(inputs, (), ATTRS, Context())
    alone = OPS["attention"].forward(tuple(x[: ROWS - 3] for x in inputs), (), ATTRS, Context())
    np.testing.assert_allclose(found[: ROWS - 3], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("attrs", "shapes"),
    [
        (ATTRS | {"kv_heads": 3}, ((5, 32), (5, 24), (5, 24))),
        (ATTRS, ((5, 32), (5, 16), (5, 8))),
        (ATTRS, ((5, 32), (4, 16), (4, 16))),
        (ATTRS, ((5, 30), (5, 14), (5, 14))),
        (ATTRS | {"base": 0.0}, ((5, 32), (5, 16), (5, 16))),
    ],
)
def test_what_does_not_fit_is_refused(attrs, shapes):
    with pytest.raises(InputError, match="heads"):
        OPS["attention"].infer(shapes, (), attrs)


def forward_by_hand(params, tokens):
    """Scores after the last token, by the formulas of Touvron et al. 2023, block by block."""

    def norm(x, scale):
        return x / np.sqrt((x * x).mean(axis=1, keepdims=True) + SHAPE.epsilon) * scale

    x = params["embedding.weight"][tokens].astype(np.float64)
    for block in range(SHAPE.blocks):
        weight = {name: params[f"{block}.{name}.weight"].astype(np.float64) for name in
                  ("query", "key", "value", "output", "gate", "up", "down")}  # fmt: skip
        y = norm(x, params[f"{block}.norm1.scale"])
        q, k, v = (y @ weight[name].T for name in ("query", "key", "value"))
        x = x + by_definition(q, k, v, SHAPE.heads, SHAPE.kv_heads, SHAPE.base) @ weight["output"].T
        y = norm(x, params[f"{block}.norm2.scale"])
        gate = y @ weight["gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ weight["up"].T)) @ weight["down"].T
    return norm(x, params["norm.scale"])[-1] @ params["embedding.weight"].T.astype(np.float64)


def test_a_small_llama_computes_what_its_formulas_say():
    network = small_llama()
    tokens = np.random.default_rng(2).integers(0, SHAPE.words, 12)
    wanted = forward_by_hand(network.params, tokens)
    np.testing.assert_allclose(network.forward(tokens)[-1], wanted, atol=1e-4)
    np.testing.assert_allclose(Session(network).read(tokens)[-1], wanted, atol=1e-4)
    session = Session(network)
    for token in tokens:
        scores = session.read([token])
    np.testing.assert_allclose(scores[-1], wanted, atol=1e-4)


def test_a_long_prompt_is_read_in_parts():
    network = small_llama()
    tokens = np.random.default_rng(3).integers(0, SHAPE.words, READ + 7).tolist()
    found = Session(network).read(tokens, all_scores=True)
    assert found.shape == (READ + 7, SHAPE.words)
    np.testing.assert_allclose(found, network.forward(np.array(tokens)), atol=1e-4)


def test_the_likeliest_word_is_written_and_drawn_words_repeat_with_their_seed():
    network, prompt = small_llama(), [5, 6, 7]
    greedy = list(write(network, prompt, 6))
    read = [*prompt]
    for word in greedy:
        assert word == int(network.forward(np.array(read))[-1].argmax())
        read.append(word)

    def drawn_words(seed, temperature=1.5):
        return list(write(network, prompt, 12, temperature=temperature, rng=np.random.default_rng(seed)))

    assert drawn_words(1) == drawn_words(1) != drawn_words(2)
    assert drawn_words(1, 1e-6)[:6] == greedy
    assert list(write(network, prompt, 6, end=greedy[2])) == greedy[: greedy.index(greedy[2])]


def test_what_cannot_be_written_is_refused():
    network = small_llama()
    with pytest.raises(InputError, match="no tokens, expected at least one"):
        next(write(network, [], 3))
    with pytest.raises(InputError, match=r"temperature is 1.0, expected 0, or more with a Generator"):
        next(write(network, [1], 3, temperature=1.0))
    with pytest.raises(InputError, match=r"an index is outside|is out of bounds"):
        next(write(network, [SHAPE.words], 3))
    other = Network("other", (3,), (Node("relu", "relu", (INPUT,)),), {})
    with pytest.raises(InputError, match="network other: is no language model"):
        Session(other)
