"""Perplexity against closed forms, and its windows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_files import SHAPE, small_llama

from compress.language.perplexity import perplexity, surprises, windows
from hwsim.errors import InputError

TOKENS = np.random.default_rng(4).integers(0, SHAPE.words, 40).tolist()


def test_a_model_that_knows_nothing_is_as_surprised_as_by_a_fair_die():
    network = small_llama()
    silent = network.with_params({"norm.scale": np.zeros(SHAPE.features, np.float32)})
    assert perplexity(silent, TOKENS) == pytest.approx(SHAPE.words, rel=1e-6)


def test_surprise_is_the_logarithm_of_the_probability():
    network = small_llama()
    scores = network.forward(np.array(TOKENS)).astype(np.float64)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    wanted = [-math.log(probabilities[at, token]) for at, token in enumerate(TOKENS[1:])]
    np.testing.assert_allclose(surprises(network, TOKENS), wanted, atol=1e-4)
    assert perplexity(network, TOKENS) == pytest.approx(math.exp(np.mean(wanted)), rel=1e-5)


def test_a_window_sees_its_own_tokens_alone():
    network = small_llama()
    found = surprises(network, TOKENS, window=16, stride=8)
    np.testing.assert_allclose(found[15:23], surprises(network, TOKENS[8:24])[7:], atol=1e-4)


@given(st.integers(2, 60), st.integers(2, 20), st.data())
def test_every_token_but_the_first_is_scored_once(tokens, window, data):
    stride = data.draw(st.integers(1, window - 1))
    scored = [at for first, begin, end in windows(tokens, window, stride) for at in range(begin, end)]
    assert scored == list(range(1, tokens))
    assert all(
        end - first <= window and begin > first for first, begin, end in windows(tokens, window, stride)
    )


@pytest.mark.parametrize(("tokens", "window", "stride"), [(1, 8, 4), (9, 8, 8), (9, 8, 0)])
def test_what_cannot_be_scored_is_refused(tokens, window, stride):
    with pytest.raises(InputError, match="expected two and more, and a stride below the window"):
        surprises(small_llama(), TOKENS[:tokens], window=window, stride=stride)
