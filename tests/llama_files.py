"""A small random Llama, and the bytes of its GGUF file, written from the descriptions of the format."""

import struct

import numpy as np
from model_files import gguf

from compress.interop.gguf import NAMES
from compress.nn.network import Network
from compress.nn.zoo.llama import LlamaShape

SHAPE = LlamaShape(words=300, features=64, blocks=2, heads=4, kv_heads=2, hidden=96, base=100.0)

LETTERS = [chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))]
WORDS = [*LETTERS, *(chr(code) for code in range(0x100, 0x144)), "<|end|>", "th", "the", "Ġt", "Ġthe", "ca"]
WORDS += [f"<{number}>" for number in range(SHAPE.words - len(WORDS))]
MERGES = ["t h", "th e", "Ġ t", "Ġ the", "c a"]
SPECIAL = WORDS.index("<|end|>")

VALUES = {
    "general.architecture": "llama",
    "llama.block_count": SHAPE.blocks,
    "llama.context_length": 512,
    "llama.embedding_length": SHAPE.features,
    "llama.feed_forward_length": SHAPE.hidden,
    "llama.attention.head_count": SHAPE.heads,
    "llama.attention.head_count_kv": SHAPE.kv_heads,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.freq_base": SHAPE.base,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": WORDS,
    "tokenizer.ggml.token_type": [3 if number == SPECIAL else 1 for number in range(len(WORDS))],
    "tokenizer.ggml.merges": MERGES,
    "tokenizer.ggml.eos_token_id": SPECIAL,
}


def small_llama(seed=0):
    """A network with random weights."""
    params = SHAPE.random(np.random.default_rng(seed))
    return Network("small", (), SHAPE.nodes(), params, interface=SHAPE.interface())


def q4_1(weight):
    """Bytes of blocks of 32 values in 4 bits, and the values that they stand for."""
    blocks = weight.reshape(-1, 32)
    low = blocks.min(axis=1).astype(np.float16)
    scale = ((blocks.max(axis=1) - blocks.min(axis=1)) / 15).astype(np.float16)
    wide = [part.astype(np.float32)[:, None] for part in (scale, low)]
    levels = np.clip(np.rint((blocks - wide[1]) / wide[0]), 0, 15).astype(np.uint8)
    packed = levels[:, :16] | levels[:, 16:] << 4
    data = b"".join(
        struct.pack("<ee", float(d), float(m)) + row.tobytes()
        for d, m, row in zip(scale, low, packed, strict=True)
    )
    return data, (levels * wide[0] + wide[1]).reshape(weight.shape)


def q8_0(weight):
    """Bytes of blocks of 32 values in 8 bits, and the values that they stand for."""
    blocks = weight.reshape(-1, 32)
    scale = (np.abs(blocks).max(axis=1) / 127).astype(np.float16)
    wide = scale.astype(np.float32)[:, None]
    levels = np.rint(blocks / wide).astype(np.int8)
    data = b"".join(struct.pack("<e", float(d)) + row.tobytes() for d, row in zip(scale, levels, strict=True))
    return data, (levels * wide).reshape(weight.shape)


def plain(weight):
    """Bytes of float32."""
    return weight.astype("<f4").tobytes(), weight


WRITERS = {0: plain, 3: q4_1, 8: q8_0}


def gguf_file(network, matrices=3, table=8):
    """Bytes of the file of a network, and the values that are stored there, by our names."""
    names = {"embedding.weight": "token_embd.weight", "norm.scale": "output_norm.weight"}
    for block in range(SHAPE.blocks):
        names |= {
            f"{block}.norm{n}.scale": f"blk.{block}.{k}_norm.weight" for n, k in ((1, "attn"), (2, "ffn"))
        }
        names |= {f"{block}.{ours}.weight": f"blk.{block}.{theirs}.weight" for ours, theirs in NAMES.items()}
    tensors, data, values = [], b"", {}
    for ours, theirs in names.items():
        weight = network.params[ours]
        kind = 0 if weight.ndim == 1 else table if ours == "embedding.weight" else matrices
        stored, values[ours] = WRITERS[kind](weight)
        tensors.append((theirs, weight.shape[::-1], kind, len(data)))
        data += stored + bytes(-len(stored) % 32)
    head = gguf(VALUES, tensors)
    return head + bytes(-len(head) % 32) + data, values
