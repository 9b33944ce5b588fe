"""Headers of GGUF and safetensors files, sound and broken."""

import struct

import pytest
from model_files import LLAMA_VALUES, gguf, llama_tensors, safetensors

from compress.interop.tensor_headers import ListOf, read_gguf, read_safetensors
from hwsim.errors import InputError


@pytest.fixture
def written(tmp_path):
    def write(data):
        file = tmp_path / "model.bin"
        file.write_bytes(data)
        return file

    return write


@pytest.mark.parametrize("version", [2, 3])
def test_a_gguf_header(written, version):
    header = read_gguf(written(gguf(LLAMA_VALUES, llama_tensors(), version) + b"data"))
    assert header.values["llama.embedding_length"] == 256
    assert header.values["general.name"] == "a small one"
    assert header.values["llama.rope.freq_base"] == 10000.0
    assert header.values["tokenizer.ggml.tokens"] == header.values["tokenizer.ggml.token_type"] == ListOf(3)
    assert [(one.name, one.shape, one.type) for one in header.tensors] == llama_tensors()
    assert header.tensors[0].elements == 256_000


def test_a_safetensors_header(written):
    header = read_safetensors(
        written(safetensors([("a", "BF16", [2, 3]), ("b", "I8", [5])], {"BF16": 16, "I8": 8}))
    )
    assert header.values == {"format": "pt"}
    assert [(one.name, one.type, one.shape, one.stored_B) for one in header.tensors] == [
        ("a", "BF16", (2, 3), 12),
        ("b", "I8", (5,), 5),
    ]


def test_every_gguf_file_that_ends_early_is_refused(written):
    whole = gguf(LLAMA_VALUES, llama_tensors())
    for size in range(len(whole)):
        with pytest.raises(InputError, match=r"expected a (whole )?GGUF file"):
            read_gguf(written(whole[:size]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GGML" + bytes(20), "does not begin with GGUF"),
        (gguf({}, [], version=1), "GGUF version 1, expected 2 or 3"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0), "tensors, expected at most"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 62), "a text of"),
        (b"GGUF" + struct.pack("<IQQQcI", 3, 0, 1, 1, b"a", 77), "a value of type 77"),
        (b"GGUF" + struct.pack("<IQQQcIIQ", 3, 0, 1, 1, b"a", 9, 0, 1 << 62), "elements of a list"),
        (b"GGUF" + struct.pack("<IQQQcIIQQ", 3, 0, 1, 1, b"a", 9, 8, 1, 1 << 62), "ends within its header"),
        (b"GGUF" + struct.pack("<IQQQcI", 3, 1, 0, 1, b"a", 1 << 30), "dimensions, expected at most 8"),
    ],
)
def test_a_hostile_gguf_header_is_refused(written, data, message):
    with pytest.raises(InputError, match=message):
        read_gguf(written(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("<Q", 1 << 60),
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{x",
        struct.pack("<Q", 8) + b'{"a": 1}',
        safetensors([("a", "F16", [-2, 3])], {"F16": 16}),
        safetensors([("a", 7, [2, 3])], {7: 16}),
    ],
)
def test_a_hostile_safetensors_header_is_refused(written, data):
    with pytest.raises(InputError, match="expected a safetensors file"):
        read_safetensors(written(data))
