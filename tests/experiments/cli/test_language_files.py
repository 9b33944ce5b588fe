"""A language model from its GGUF file through the commands: import, execute, perplexity, simulate."""

import json

import pytest
from llama_files import gguf_file, small_llama

from experiments.cli.main import DCZ, HWSIM, run
from experiments.runs.language import LanguageOptions, is_language_model, served


@pytest.fixture
def model(tmp_path, capsys):
    data, _ = gguf_file(small_llama())
    (tmp_path / "small.gguf").write_bytes(data)
    assert run(DCZ, ["import", str(tmp_path / "small.gguf"), "-o", str(tmp_path / "small.dcz")]) == 0
    assert "small, stage q4_1" in capsys.readouterr().out
    return tmp_path / "small.dcz"


def said(capsys, app, *arguments):
    code = run(app, list(map(str, arguments)))
    found = capsys.readouterr()
    return code, found.out or found.err


def test_a_file_continues_a_text(model, capsys):
    code, out = said(capsys, DCZ, "execute", model, "--prompt", "the cat", "--tokens", 5, "--json")
    first = json.loads(out)
    assert code == 0
    assert len(first["tokens"]) <= 5
    again = json.loads(said(capsys, DCZ, "execute", model, "--prompt", "the cat", "--tokens", 5, "--json")[1])
    assert again["tokens"] == first["tokens"]
    drawn = ["execute", model, "--prompt", "the cat", "--temperature", 2, "--json"]
    by_seed = [json.loads(said(capsys, DCZ, *drawn, "--seed", seed)[1])["tokens"] for seed in (1, 1, 2)]
    assert by_seed[0] == by_seed[1] != by_seed[2]
    assert "tokens/s" in said(capsys, DCZ, "execute", model, "--prompt", "the cat")[1]


def test_inputs_or_a_prompt(model, capsys):
    code, message = said(capsys, DCZ, "execute", model)
    assert code == 2
    assert "expected either --inputs, or --prompt of a language model" in message


def test_perplexity_of_a_text(model, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("the cat and the other cat " * 5)
    code, out = said(capsys, DCZ, "evaluate", model, "--text", tmp_path / "text.txt", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["perplexity"] > 1
    assert found["tokens"] > 40
    code, message = said(capsys, DCZ, "evaluate", model, "--text", tmp_path / "none.txt")
    assert code == 2
    assert "none.txt: No such file" in message


def test_a_compressed_file_is_a_language_model_with_the_bits_it_has(model, capsys):
    from compress.format.container import read

    assert is_language_model(str(model))
    found = served(str(model), LanguageOptions(context=8))
    artifact, layout = read(model)
    layers = {layer.name: layer for layer in found.decode(8).layers}
    bits = {tensor.name: tensor.payload_bits + tensor.side_bits for tensor in layout.tensors}
    for name in ("0.query", "1.down"):
        assert layers[name].stored_bits == bits[f"{name}.weight"]
        steps = layers[name].weights.segment_symbols.sum()
        assert steps == pytest.approx(layers[name].weight_count * 4 / 32, abs=64)
    assert layers["head"].stored_bits == bits["embedding.weight"]
    assert found.model.parameters == sum(tensor.size for tensor in layout.tensors)
    assert artifact.stage == "q4_1"
    code, out = said(capsys, HWSIM, "run", "edge", model, "--context", 8, "--json")
    assert code == 0
    assert json.loads(out)[0]["energy_J"] > 0
    assert "expected either --context" in said(capsys, HWSIM, "run", "edge", model)[1]
    assert (
        "a file has its own weights"
        in said(capsys, HWSIM, "run", "edge", model, "--context", 8, "--weights", "int8")[1]
    )


def test_a_point_names_a_language_model(model):
    from experiments.runs.names import label_of, parse_run, report_of

    run_of = parse_run(f"edge:{model}:4:context=8:sram.capacity_B=65536")
    assert (run_of.batch, run_of.language, run_of.stage) == (4, (("context", 8),), "")
    assert label_of(run_of) == f"edge:{model}:4:context=8:sram.capacity_B=65536"
    assert report_of(run_of).batch == 4
    narrow, wide = (
        report_of(parse_run(f"edge:gpt2:context=8:weights={form}")) for form in ("int4-g64", "bf16")
    )
    assert narrow.energy_per_inference_J < wide.energy_per_inference_J


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("edge:smollm2-135m", "expected either --context"),
        ("edge:smollm2-135m:dense:context=8", "is a language model, expected no stage dense"),
        ("edge:smollm2-135m:context=long", "context=long: expected a whole number of tokens"),
        ("edge:lenet5:weights=int8", "--weights int8: lenet5 is no language model"),
    ],
)
def test_a_point_that_is_none_is_one_sentence(point, message, capsys):
    code, out = said(capsys, HWSIM, "compare", point, "edge:lenet5")
    assert code == 2
    assert message in out
