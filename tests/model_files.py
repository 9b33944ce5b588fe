"""Headers of model files, written byte by byte from the descriptions of their formats."""

import json
import struct
from math import prod

TEXT, LIST, U32, F32 = 8, 9, 4, 6


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value_of(found):
    if isinstance(found, str):
        return struct.pack("<I", TEXT) + text(found)
    if isinstance(found, float):
        return struct.pack("<If", F32, found)
    if isinstance(found, list):
        if found and isinstance(found[0], str):
            return struct.pack("<IIQ", LIST, TEXT, len(found)) + b"".join(map(text, found))
        return struct.pack(f"<IIQ{len(found)}I", LIST, U32, len(found), *found)
    return struct.pack("<II", U32, found)


def gguf(values, tensors, version=3):
    """Bytes of a GGUF header: `tensors` are (name, shape, type), and where the data begin, if not at 0."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    keys = b"".join(text(key) + value_of(found) for key, found in values.items())
    records = b"".join(
        text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, begin[0] if begin else 0)
        for name, shape, kind, *begin in tensors
    )
    return head + keys + records


def safetensors(tensors, bits):
    """Bytes of a safetensors header: `tensors` are (name, type, shape), `bits` those of each type."""
    items, end = {"__metadata__": {"format": "pt"}}, 0
    for name, kind, shape in tensors:
        begin, end = end, end + prod(shape) * bits[kind] // 8
        items[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    data = json.dumps(items).encode()
    return struct.pack("<Q", len(data)) + data


LLAMA_VALUES = {
    "general.architecture": "llama",
    "general.name": "a small one",
    "tokenizer.ggml.tokens": ["a", "bc", ""],
    "tokenizer.ggml.token_type": [1, 2, 3],
    "llama.block_count": 2,
    "llama.context_length": 512,
    "llama.embedding_length": 256,
    "llama.feed_forward_length": 512,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.rope.freq_base": 10000.0,
}
"""Two blocks of 256 features."""


def llama_tensors(matrices=12, down=14, table=12):
    """Tensors of that model; types are Q4_K (12) and Q6_K (14)."""
    found = [("token_embd.weight", (256, 1000), table), ("output_norm.weight", (256,), 0)]
    for block in range(2):
        shapes = {
            "attn_q": (256, 256), "attn_k": (256, 128), "attn_v": (256, 128), "attn_output": (256, 256),
            "ffn_gate": (256, 512), "ffn_up": (256, 512),
        }  # fmt: skip
        found += [(f"blk.{block}.{name}.weight", shape, matrices) for name, shape in shapes.items()]
        found += [(f"blk.{block}.ffn_down.weight", (512, 256), down)]
        found += [(f"blk.{block}.{name}.weight", (256,), 0) for name in ("attn_norm", "ffn_norm")]
    return found
