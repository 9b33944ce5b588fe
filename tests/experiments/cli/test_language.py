"""Language models on the command line."""

import json

import pytest

from experiments.cli import main as cli


@pytest.fixture
def hwsim(capsys):
    def run(text):
        code = cli.run(cli.HWSIM, text.split())
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def configuration(tmp_path):
    """A model of two blocks, whose heads three boards can share."""
    file = tmp_path / "config.json"
    file.write_text(
        json.dumps(
            {
                "model_type": "llama", "vocab_size": 1000, "hidden_size": 96, "intermediate_size": 192,
                "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 3,
                "max_position_embeddings": 512,
            }
        )
    )  # fmt: skip
    return file


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("{} --context 100 --batch 2", "{}, one token after 100"),
        ("{} --prompt 64 --weights q4_0 --kv int8", "{}, prompt of 64"),
        ("distilbert --context 32 --arithmetic bf16", "distilbert, 32 tokens"),
    ],
)
def test_a_pass_is_simulated(hwsim, configuration, options, name):
    code, out, _ = hwsim(f"run a100_pcie {options.format(configuration)} --json --audit")
    (found,) = json.loads(out)
    assert code == 0
    assert found["network"] == name.format(configuration.parent.name)
    assert found["provenance"] == "configuration, no weights"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("run a100_pcie gpt2", "gpt2 is a language model, expected either --context"),
        ("run a100_pcie gpt2 --context 5 --prompt 5", "gpt2 is a language model, expected either --context"),
        ("run a100_pcie gpt2 --context 5 --weights q9", "weights are 'q9', expected one of fp32"),
        (
            "run a100_pcie gpt2 --context 5 --stage int8",
            "gpt2 is a language model, expected no --stage",
        ),
        ("run a100_pcie gpt2 --prompt 5 --training", "gpt2 is a language model, expected no --training"),
        ("run a100_pcie llama-3-70b --context 5", "131.4 GiB of weights, "),
        ("run edge lenet5 --kv int8", "--kv int8: lenet5 is no language model"),
    ],
)
def test_what_cannot_be_is_one_sentence(hwsim, typed, message):
    code, _, error = hwsim(typed)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_a_configuration_file_is_run(hwsim, configuration):
    code, out, _ = hwsim(f"run edge {configuration} --context 10 --arithmetic fp16 --json")
    assert code == 0
    assert json.loads(out)[0]["network"] == f"{configuration.parent.name}, one token after 10"


def test_a_request_is_served(hwsim, configuration):
    options = "--prompt 32 --output 4 --batch 2 --weights q4_0 --boards 3 --link pcie5"
    typed = f"request a100_pcie {configuration} {options}"
    code, out, _ = hwsim(f"{typed} --json")
    assert code == 0
    found = json.loads(out)
    assert found["tokens_per_s"] == pytest.approx(2 * 4 / (found["first_token_s"] + 3 * found["token_s"]))
    assert found["token_J"] * found["tokens_per_s"] == pytest.approx(found["power_W"])
    code, out, _ = hwsim(typed)
    assert code == 0
    assert "3 boards by tensor parallelism over pcie5: a closed form" in out
