"""Configurations: published numbers of parameters, and one sentence for what is not known."""

import json

import pytest

from hwsim.errors import InputError
from hwsim.workload.language.shipped import FAMILIES, model_from, model_names, model_of, published_parameters


@pytest.mark.parametrize("name", model_names())
def test_parameters_are_the_published_ones(name):
    assert model_of(name).parameters == published_parameters(name)


def test_parameters_of_a_llama_block_by_hand():
    model = model_of("llama-3-8b")
    attention = 2 * 4096 * 4096 + 2 * 4096 * 1024  # 32 heads of 128, 8 of keys and values
    block = attention + 3 * 4096 * 14336 + 2 * 4096
    assert model.blocks[0].parameters(4096, "rms").total == block
    assert model.parameters == 32 * block + 2 * 128256 * 4096 + 4096


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("mixtral-8x7b", 12.9),  # Jiang et al., 2024: 12.9 of 46.7 billion
        ("qwen3-30b-a3b", 3.3),  # Qwen Team, 2025: 3.3 of 30.5 billion
        (
            "deepseek-v2-lite",
            2.4 + 0.21,
        ),  # model card: 2.4 of 15.7 billion, the embedding of 0.21 not counted
        ("deepseek-v3", 37.0 + 0.6),  # the report: 37 of 671 billion
    ],
)
def test_active_parameters_are_the_published_ones(name, billions):
    assert model_of(name).active_parameters / 1e9 == pytest.approx(billions, rel=0.025)


LLAMA = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def test_a_configuration_file_and_its_folder_are_read(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA | {"torch_dtype": "bfloat16", "rope_scaling": None}))
    model = model_of(folder / "config.json")
    assert model == model_of(folder)
    assert (model.name, model.longest, len(model.decoder)) == ("small", 512, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "rwkv"}, "model_type is 'rwkv', expected one of llama, mistral"),
        ({"model_type": ["llama"]}, "model_type is"),
        ({"n_clusters": 3}, "unknown key 'n_clusters' of llama, expected some of attention_bias, head_dim"),
        ({"hidden_size": 0}, "hidden_size is 0, expected"),
        ({"hidden_size": "64"}, "hidden_size is '64', expected"),
        ({"hidden_act": "snake"}, "hidden_act is 'snake', expected one of silu"),
        ({"num_key_value_heads": 3}, "3 heads of keys and values, expected a divisor of the 4 heads"),
        ({"num_attention_heads": 5}, "num_attention_heads is 5, expected a divisor of the 64 features"),
        ({"num_hidden_layers": 5000}, "num_hidden_layers is 5000, expected"),
        ({"hidden_size": 1 << 23, "intermediate_size": 1 << 24}, "1266639114862592 parameters, expected"),
    ],
)
def test_what_is_not_known_is_one_sentence(changes, message):
    with pytest.raises(InputError) as refused:
        model_from(LLAMA | changes, "small", "config.json")
    assert str(refused.value).startswith("config.json: " + message)


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match="no key 'vocab_size', expected it in a configuration of llama"):
        model_from({key: value for key, value in LLAMA.items() if key != "vocab_size"}, "small", "c.json")


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000])
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text):
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"config\.json: .*expected"):
        model_of(file)


def test_an_unknown_name_lists_the_known_ones():
    known = r"no model 'llama-9' \(did you mean .*\?\), expected one of smollm2-135m, .* or a config\.json"
    with pytest.raises(InputError, match=known):
        model_of("llama-9")


def test_every_family_has_a_shipped_model():
    assert {model_of(name).family for name in model_names()} == set(FAMILIES)
