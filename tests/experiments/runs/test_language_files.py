"""Models whose sizes and forms come from the headers of their files."""

import json

import pytest
from model_files import LLAMA_VALUES, gguf, llama_tensors, safetensors

from experiments.runs.language import LanguageOptions, is_language_model, served
from hwsim.errors import InputError

MATRICES = 2 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 512)
DOWN = 2 * 256 * 512
VECTORS = 5 * 256


@pytest.fixture
def small_gguf(tmp_path):
    file = tmp_path / "small.gguf"
    file.write_bytes(gguf(LLAMA_VALUES, llama_tensors()))
    return file


def test_weights_of_a_gguf_file_take_the_bytes_they_have_there(small_gguf):
    assert is_language_model(str(small_gguf))
    found = served(str(small_gguf), LanguageOptions())
    assert found.model.name == "small"
    assert found.model.parameters == 1000 * 256 + MATRICES + VECTORS
    assert found.model.tied
    parts = found.storage.parts
    assert (parts.weights.name, parts.table.name, parts.head.name) == ("q4_k + q6_k", "q4_k", "q4_k")
    stored_bits = (MATRICES - DOWN) * 4.5 + DOWN * 6.5625 + 256_000 * 4.5 + VECTORS * 16
    assert found.weights_B == pytest.approx(stored_bits / 8, abs=1)
    step = found.decode(100)
    read = sum(layer.weights.payload_bits for layer in step.layers if layer.weights)
    assert read == pytest.approx((MATRICES - DOWN) * 4.5 + DOWN * 6.5625 + 256_000 * 4.5, rel=1e-6)


def test_a_file_of_one_form_has_its_name(tmp_path):
    file = tmp_path / "one.gguf"
    file.write_bytes(gguf(LLAMA_VALUES, [*llama_tensors(8, 8, 8), ("output.weight", (256, 1000), 14)]))
    parts = served(str(file), LanguageOptions()).storage.parts
    assert (parts.weights.name, parts.table.name, parts.head.name) == ("q8_0", "q8_0", "q6_k")


CONFIG = {
    "model_type": "llama", "vocab_size": 1000, "hidden_size": 256, "intermediate_size": 512,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 512, "tie_word_embeddings": True,
}  # fmt: skip


def folder_of(tmp_path, kind, bits, factor=1):
    """A folder of two safetensors files, whose matrices are packed `factor` values to an element."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    first = [("model.embed_tokens.weight", "BF16", [1000, 256]), ("model.norm.weight", "BF16", [256])]
    second = [
        (
            f"model.layers.{name}",
            kind if len(shape) > 1 else "BF16",
            [shape[0] // factor if len(shape) > 1 else shape[0], *shape[1:]],
        )
        for name, shape, _ in llama_tensors()[2:]
    ]
    for number, tensors in enumerate((first, second)):
        (tmp_path / f"model-{number}.safetensors").write_bytes(safetensors(tensors, {"BF16": 16, kind: bits}))
    return str(tmp_path)


def test_a_folder_of_safetensors(tmp_path):
    folder = folder_of(tmp_path, "BF16", 16)
    assert is_language_model(folder)
    found = served(folder, LanguageOptions())
    assert found.storage.parts.weights.name == "bf16"
    assert found.weights_B == 2 * found.model.parameters


def test_packed_weights_take_the_bytes_they_have(tmp_path):
    """Eight values of 4 bits in an integer of 32."""
    found = served(folder_of(tmp_path, "I32", 32, factor=8), LanguageOptions())
    assert found.storage.parts.weights.bits_per_value == 4
    assert found.storage.parts.weights.decoded("fp16")
    assert found.weights_B == MATRICES // 2 + 256_000 * 2 + VECTORS * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.architecture": "rwkv7"}, "general.architecture is 'rwkv7', expected one of llama, qwen2"),
        ({"llama.block_count": 5}, "weights in matrices of blocks, expected"),
        ({"llama.attention.head_count_kv": [2, 2]}, "num_key_value_heads is"),
    ],
)
def test_a_gguf_file_that_is_no_known_model(tmp_path, changes, message):
    file = tmp_path / "other.gguf"
    file.write_bytes(gguf(LLAMA_VALUES | changes, llama_tensors()))
    with pytest.raises(InputError, match=message):
        served(str(file), LanguageOptions())


def test_types_and_tensors_that_are_not_known(tmp_path):
    file = tmp_path / "other.gguf"
    file.write_bytes(gguf(LLAMA_VALUES, llama_tensors(matrices=99)))
    with pytest.raises(InputError, match=r"tensor blk.0.attn_q.weight is of type 99"):
        served(str(file), LanguageOptions())
    file.write_bytes(gguf(LLAMA_VALUES, []))
    with pytest.raises(InputError, match=r"no tensor token_embd.weight"):
        served(str(file), LanguageOptions())


def test_a_file_has_its_own_weights(small_gguf):
    with pytest.raises(InputError, match="a file has its own weights, expected no --weights q8_0"):
        served(str(small_gguf), LanguageOptions(weights="q8_0"))


def test_a_folder_without_a_configuration_is_no_model(tmp_path, monkeypatch):
    """A folder may have the name of a network."""
    (tmp_path / "alexnet").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not is_language_model("alexnet")
