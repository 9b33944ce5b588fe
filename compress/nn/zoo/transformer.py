"""A BERT-base encoder and a Llama decoder layer, in prefill and in decode."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.network import INPUT
from compress.nn.zoo.sketch import Sketch

if TYPE_CHECKING:
    from compress.nn.network import Network
    from compress.nn.ops.base import Array

BERT_BASE = {"layers": 12, "width": 768, "heads": 12, "hidden": 3072}
"""Devlin et al. 2018, section 3."""

LLAMA_7B = {"width": 4096, "heads": 32, "hidden": 11008}
"""Touvron et al. 2023 (Llama 2), the 7B model; one of its 32 layers has 202,383,360 parameters."""


def bert_base_encoder(
    rng: np.random.Generator | None = None, tokens: int = 128, layers: int = BERT_BASE["layers"]
) -> Network:
    """The encoder layers of BERT-base on embedded tokens; all twelve have 85,054,464 parameters."""
    width, heads, hidden = (BERT_BASE[key] for key in ("width", "heads", "hidden"))
    sketch = Sketch("bert_base_encoder", (tokens, width))
    x = INPUT
    for layer in range(1, layers + 1):
        name = f"layer{layer}"
        q, k, v = (
            _heads(sketch, f"{name}_{part}", sketch.fc(f"{name}_{part}", x, width), heads) for part in "qkv"
        )
        mixed = sketch.fc(f"{name}_out", _attention(sketch, name, q, k, v), width)
        x = _normalised(sketch, f"{name}_norm1", sketch.add(f"{name}_sum1", "add", x, mixed))
        wide = sketch.add(f"{name}_gelu", "gelu", sketch.fc(f"{name}_fc1", x, hidden))
        narrow = sketch.fc(f"{name}_fc2", wide, width)
        x = _normalised(sketch, f"{name}_norm2", sketch.add(f"{name}_sum2", "add", x, narrow))
    return sketch.network(rng)


def llama_prefill(rng: np.random.Generator | None = None, tokens: int = 128) -> Network:
    """One Llama-2-7B layer on `tokens` embedded tokens at once; inputs as `rotary` and `causal_mask` give."""
    return _llama("llama_prefill", tokens, 0, rng)


def llama_decode(rng: np.random.Generator | None = None, past: int = 512) -> Network:
    """One Llama-2-7B layer on the token after `past` others, whose keys and values are inputs."""
    return _llama("llama_decode", 1, past, rng)


def _llama(name: str, tokens: int, past: int, rng: np.random.Generator | None) -> Network:
    width, heads, hidden = (LLAMA_7B[key] for key in ("width", "heads", "hidden"))
    depth = width // heads
    extra = {"cos": (1, tokens, depth), "sin": (1, tokens, depth)}
    extra |= (
        {"keys": (heads, past, depth), "values": (heads, past, depth)}
        if past
        else {"mask": (1, tokens, tokens)}
    )
    sketch = Sketch(name, (tokens, width), extra)
    x = _scaled(sketch, "norm1", INPUT)
    q, k, v = (_heads(sketch, part, sketch.fc(part, x, width, bias=False), heads) for part in "qkv")
    q, k = _rotated(sketch, "q", q), _rotated(sketch, "k", k)
    if past:
        k = sketch.add("all_keys", "concat", "keys", k, axis=2)
        v = sketch.add("all_values", "concat", "values", v, axis=2)
    mixed = sketch.fc(
        "out", _attention(sketch, "attention", q, k, v, None if past else "mask"), width, bias=False
    )
    x = sketch.add("sum1", "add", INPUT, mixed)
    y = _scaled(sketch, "norm2", x)
    gate = sketch.fc("gate", y, hidden, bias=False)
    silu = sketch.add("silu", "mul", gate, sketch.add("sigmoid", "sigmoid", gate))
    product = sketch.add("gated", "mul", silu, sketch.fc("up", y, hidden, bias=False))
    sketch.add("sum2", "add", x, sketch.fc("down", product, width, bias=False))
    return sketch.network(rng)


def rotary(first: int, tokens: int) -> dict[str, Array]:
    """Cosines and sines of the rotary embedding for positions from `first` on (Su et al. 2021).

    Returns
    -------
    dict of str to ndarray, shape (1, 1, tokens, depth of a head)
    """
    depth = LLAMA_7B["width"] // LLAMA_7B["heads"]
    rates = 10000.0 ** -(np.arange(0, depth, 2) / depth)
    angles = np.tile(np.outer(np.arange(first, first + tokens), rates), 2)[None, None]
    return {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}


def causal_mask(tokens: int) -> dict[str, Array]:
    """Zero where a token may look, the lowest number where it may not; shape (1, 1, tokens, tokens)."""
    later = np.triu(np.ones((tokens, tokens), bool), 1)[None, None]
    return {"mask": np.where(later, np.finfo(np.float32).min, 0).astype(np.float32)}


def _heads(sketch: Sketch, name: str, x: str, heads: int) -> str:
    """(batch, tokens, width) to (batch, heads, tokens, depth)."""
    _, tokens, width = sketch.shape(x)
    split = sketch.add(f"{name}_split", "reshape", x, shape=(0, tokens, heads, width // heads))
    return sketch.add(f"{name}_heads", "transpose", split, order=(0, 2, 1, 3))


def _attention(sketch: Sketch, name: str, q: str, k: str, v: str, mask: str | None = None) -> str:
    """Scaled dot-product attention of all heads (Vaswani et al. 2017, eq. 1), heads joined again."""
    _, heads, tokens, depth = sketch.shape(q)
    turned = sketch.add(f"{name}_kt", "transpose", k, order=(0, 1, 3, 2))
    scores = sketch.add(f"{name}_scores", "matmul", q, turned)
    scores = sketch.add(f"{name}_scaled", "linear", scores, alpha=1 / math.sqrt(depth), beta=0.0)
    if mask:
        scores = sketch.add(f"{name}_masked", "add", scores, mask)
    weights = sketch.add(f"{name}_weights", "softmax", scores, axis=-1)
    mixed = sketch.add(f"{name}_mixed", "matmul", weights, v)
    back = sketch.add(f"{name}_back", "transpose", mixed, order=(0, 2, 1, 3))
    return sketch.add(f"{name}_joined", "reshape", back, shape=(0, tokens, heads * depth))


def _rotated(sketch: Sketch, name: str, x: str) -> str:
    """Rotate pairs of elements, at a distance of half a head, by the token's angle."""
    half = sketch.shape(x)[3] // 2
    first = sketch.add(f"{name}_halves", "split", x, axis=3, sizes=(half, half))
    crossed = sketch.add(f"{name}_minus", "neg", f"{first}:1")
    swapped = sketch.add(f"{name}_swapped", "concat", crossed, first, axis=3)
    straight = sketch.add(f"{name}_cos", "mul", x, "cos")
    return sketch.add(f"{name}_rotated", "add", straight, sketch.add(f"{name}_sin", "mul", swapped, "sin"))


def _normalised(sketch: Sketch, name: str, x: str) -> str:
    width = sketch.shape(x)[-1:]
    return sketch.add(name, "layer_norm", x, params={"scale": width, "bias": width}, epsilon=1e-12)


def _scaled(sketch: Sketch, name: str, x: str) -> str:
    return sketch.add(name, "rms_norm", x, params={"scale": sketch.shape(x)[-1:]}, epsilon=1e-5)
