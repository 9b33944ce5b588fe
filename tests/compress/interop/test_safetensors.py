"""Language models in folders of safetensors: beside a decoder written from the definition."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from llama_files import MERGES, SPECIAL, WORDS

from compress.format.execution import executable
from compress.interop.model import import_model
from compress.interop.safetensors import import_safetensors
from compress.language.session import open_model, write
from compress.language.tokenizer import Tokenizer
from hwsim.errors import InputError

CONFIGURATION = {
    "model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
    "rope_theta": 500.0, "tie_word_embeddings": False, "hidden_act": "silu",
}  # fmt: skip
TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype(ml_dtypes.bfloat16)}


def weights(rng: np.random.Generator, configuration: dict) -> dict[str, np.ndarray]:
    wide, hidden, words = (configuration[key] for key in ("hidden_size", "intermediate_size", "vocab_size"))
    narrow = wide // configuration["num_attention_heads"] * configuration["num_key_value_heads"]
    sizes = {"model.embed_tokens": (words, wide), "model.norm": (wide,), "lm_head": (words, wide)}
    for block in range(configuration["num_hidden_layers"]):
        at = f"model.layers.{block}."
        sizes |= {at + "input_layernorm": (wide,), at + "post_attention_layernorm": (wide,)}
        sizes |= {at + f"self_attn.{name}_proj": (wide, wide) for name in "qo"}
        sizes |= {at + f"self_attn.{name}_proj": (narrow, wide) for name in "kv"}
        sizes |= {at + f"mlp.{name}_proj": (hidden, wide) for name in ("gate", "up")}
        sizes[at + "mlp.down_proj"] = (wide, hidden)
    return {f"{name}.weight": rng.normal(size=size).astype(np.float32) / size[-1] ** 0.5
            + (len(size) == 1) for name, size in sizes.items()}  # fmt: skip


def safetensors(values: dict[str, np.ndarray], kind: str) -> bytes:
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in values.items():
        stored = array.astype(TYPES[kind]).tobytes()
        places = [len(data), len(data) + len(stored)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": places}
        data += stored
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def written(folder, kind="F32", files=1, configuration=CONFIGURATION):
    """Folder of a model, its tensors in one file or dealt to several, and the values that are stored."""
    values = weights(np.random.default_rng(0), configuration)
    if configuration["tie_word_embeddings"]:
        del values["lm_head.weight"]
    for part in range(files):
        dealt = {name: values[name] for name in sorted(values)[part::files]}
        (folder / f"model-{part}.safetensors").write_bytes(safetensors(dealt, kind))
    (folder / "config.json").write_text(json.dumps(configuration))
    return {name: array.astype(TYPES[kind]).astype(np.float32) for name, array in values.items()}


def decoder(values: dict[str, np.ndarray], words: np.ndarray) -> np.ndarray:
    """Scores after each word, one head and one word at a time (Touvron et al. 2023; Su et al. 2021)."""
    heads, shared, base = 4, 2, CONFIGURATION["rope_theta"]

    def norm(x, name):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-5) * values[name]

    def turned(x):  # (words, depth): element i with element i + depth / 2
        half = x.shape[1] // 2
        angles = np.outer(np.arange(len(x)), base ** (-np.arange(half) / half))
        first, second = x[:, :half], x[:, half:]
        return np.concatenate([first * np.cos(angles) - second * np.sin(angles),
                               second * np.cos(angles) + first * np.sin(angles)], axis=1)  # fmt: skip

    x = values["model.embed_tokens.weight"][words].astype(np.float64)
    for block in range(2):
        at = f"model.layers.{block}."
        h = norm(x, at + "input_layernorm.weight")
        q, k, v = (np.split(h @ values[f"{at}self_attn.{name}_proj.weight"].T, count, axis=1)
                   for name, count in (("q", heads), ("k", shared), ("v", shared)))  # fmt: skip
        mixed = []
        for head in range(heads):
            group = head // (heads // shared)
            scores = turned(q[head]) @ turned(k[group]).T / np.sqrt(8)
            scores[np.triu_indices(len(words), 1)] = -np.inf
            parts = np.exp(scores - scores.max(axis=1, keepdims=True))
            mixed.append(parts / parts.sum(axis=1, keepdims=True) @ v[group])
        x = x + np.concatenate(mixed, axis=1) @ values[at + "self_attn.o_proj.weight"].T
        h = norm(x, at + "post_attention_layernorm.weight")
        gate, up = (h @ values[f"{at}mlp.{name}_proj.weight"].T for name in ("gate", "up"))
        x = x + gate / (1 + np.exp(-gate)) * up @ values[at + "mlp.down_proj.weight"].T
    head = values.get("lm_head.weight", values["model.embed_tokens.weight"])
    return norm(x, "model.norm.weight") @ head.T


@pytest.mark.parametrize(("kind", "stage"), [("F32", "dense"), ("F16", "fp16"), ("BF16", "bf16")])
@pytest.mark.parametrize("files", [1, 3])
def test_a_folder_executes_as_the_definition_says(tmp_path, kind, stage, files):
    values = written(tmp_path, kind, files)
    artifact = import_model(tmp_path)
    assert artifact.stage == stage
    words = np.array([1, 299, 7, 7, 120])
    assert executable(artifact).forward(words) == pytest.approx(decoder(values, words), abs=2e-5)
    assert artifact.save(tmp_path / "model.dcz") < 1.1 * TYPES[kind].itemsize * sum(
        array.size for array in values.values()
    )
    assert executable(tmp_path / "model.dcz").forward(words) == pytest.approx(
        decoder(values, words), abs=2e-5
    )


def test_a_tied_table_is_stored_once(tmp_path):
    values = written(tmp_path, configuration=CONFIGURATION | {"tie_word_embeddings": True})
    artifact = import_safetensors(tmp_path)
    assert "head.weight" not in artifact.tensors
    words = np.array([3, 5])
    assert executable(artifact).forward(words) == pytest.approx(decoder(values, words), abs=2e-5)


def tokenizer_json(**changes: object) -> dict:
    steps = [{"type": "Digits", "individual_digits": True},
             {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]  # fmt: skip
    return {
        "added_tokens": [{"id": SPECIAL, "content": "<|end|>", "special": True}],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "model": {"type": "BPE", "vocab": {word: number for number, word in enumerate(WORDS)},
                  "merges": [merge.split() for merge in MERGES]},
    } | changes  # fmt: skip


def test_a_text_is_continued(tmp_path):
    written(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    import_safetensors(tmp_path).save(tmp_path / "model.dcz")
    network, tokenizer = open_model(tmp_path / "model.dcz")
    assert [WORDS[word] for word in tokenizer.encode("a12 the cat<|end|>")] == [
        "a", "1", "2", "Ġthe", "Ġ", "ca", "t", "<|end|>",
    ]  # fmt: skip
    words = list(write(network, tokenizer.encode("the cat"), 4))
    assert words == [
        int(network.forward(np.array([*tokenizer.encode("the cat"), *words[:at]]))[-1].argmax())
        for at in range(4)
    ]


def test_a_tokenizer_of_another_kind_is_left_out(tmp_path):
    other = {"type": "Metaspace", "replacement": "_"}
    assert Tokenizer.of_json(tokenizer_json(pre_tokenizer=other)) is None
    assert Tokenizer.of_json(tokenizer_json(pre_tokenizer=None)) is None
    assert Tokenizer.of_json(tokenizer_json(pre_tokenizer={"type": "ByteLevel"})).cut == "gpt-2"
    written(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json(pre_tokenizer=other)))
    assert not import_safetensors(tmp_path).beside


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model_type": "bert"},
            "model_type is 'bert', expected llama or mistral to execute it",
        ),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling is set to another value, expected null"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "rope_scaling is set to another value"),
        ({"attention_bias": True}, "attention_bias is set to another value, expected false"),
        ({"sliding_window": 4096}, "sliding_window is set to another value, expected null"),
        ({"hidden_size": None}, "hidden_size is None, expected a number above 0"),
        ({"head_dim": 16}, "4 heads of 16, 2 of keys and a width of 32 do not fit"),
        ({"vocab_size": 301}, r"tensor model.embed_tokens.weight is of shape \(300, 32\), expected shape"),
        ({"num_hidden_layers": 1}, "tensor model.layers.1.* is unknown, expected those of a plain Llama"),
        ({"num_hidden_layers": 3}, "tensor model.layers.2.* is absent, expected shape"),
    ],
)
def test_what_is_not_executed_is_refused(tmp_path, change, message):
    written(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIGURATION | change))
    with pytest.raises(InputError, match=message):
        import_model(tmp_path)


def test_files_that_are_not_whole_are_refused(tmp_path):
    written(tmp_path)
    file, text = tmp_path / "model-0.safetensors", (tmp_path / "config.json").read_text()
    data = file.read_bytes()
    file.write_bytes(data[:-4])
    with pytest.raises(InputError, match=r"ends within tensor .*, expected a whole file"):
        import_model(tmp_path)
    file.write_bytes(data)
    (tmp_path / "copy.safetensors").write_bytes(data)
    with pytest.raises(InputError, match="is in another file, too"):
        import_model(tmp_path)
    (tmp_path / "copy.safetensors").unlink()
    (tmp_path / "config.json").write_text(text[:-3])
    with pytest.raises(InputError, match="is no JSON object, expected a configuration"):
        import_model(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(InputError, match=r"cannot read .*config.json: No such file"):
        import_model(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["Llama", "Mistral"])
@pytest.mark.filterwarnings("ignore")
def test_a_folder_that_transformers_saves_executes_as_there(tmp_path, family):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    sizes = {key: value for key, value in CONFIGURATION.items() if key not in ("model_type", "hidden_act")}
    window = {"sliding_window": None} if family == "Mistral" else {}
    made = getattr(transformers, f"{family}Config")(**sizes, **window)
    model = getattr(transformers, f"{family}ForCausalLM")(made).eval()
    model.save_pretrained(tmp_path)
    words = np.array([1, 299, 7, 7, 120])
    with torch.no_grad():
        expected = model(torch.tensor(words[None])).logits[0].numpy()
    assert executable(import_model(tmp_path)).forward(words) == pytest.approx(expected, abs=1e-5)
