"""Byte-pair encoding with a vocabulary of a few words."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_files import MERGES, SPECIAL, VALUES, WORDS

from compress.language.tokenizer import Tokenizer
from hwsim.errors import InputError

TOKENIZER = Tokenizer.of_gguf(VALUES, "here")


def spelled(text):
    return [WORDS[number] for number in TOKENIZER.encode(text)]


def test_merges_are_applied_in_their_order():
    assert spelled("the cat") == ["the", "Ġ", "ca", "t"]
    assert spelled("cat the") == ["ca", "t", "Ġthe"]
    assert spelled("thth") == ["th", "th"]


def test_digits_special_words_and_contractions_are_cut_off():
    assert spelled("a12") == ["a", "1", "2"]
    assert spelled(" 1") == ["Ġ", "1"]
    assert spelled("x<|end|>the") == ["x", "<|end|>", "the"]
    assert spelled("t'he") == ["t", "'", "h", "e"]  # no merge across the mark
    assert spelled("a  the") == ["a", "Ġ", "Ġthe"]
    assert spelled("é²") == ["Ã", "©", "Â", "²"]


@given(st.text(max_size=40))
def test_any_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text.replace("<|end|>", "")


def test_the_tokenizer_comes_back_from_its_bytes():
    again = Tokenizer.from_bytes(TOKENIZER.to_bytes())
    assert (again.words, again.merges, again.special, again.end) == (WORDS, MERGES, [SPECIAL], SPECIAL)
    assert again.encode("the cat") == TOKENIZER.encode("the cat")


def test_damaged_bytes_are_refused():
    data = TOKENIZER.to_bytes()
    rng = random.Random(0)
    for broken in (b"", b"{}", data[:50], *(data[: rng.randrange(len(data) // 2)] for _ in range(20))):
        with pytest.raises(InputError, match="the tokenizer is damaged"):
            Tokenizer.from_bytes(broken)


def test_a_text_without_words_is_refused():
    with pytest.raises(InputError, match="text 'q' has no words in this vocabulary"):
        Tokenizer(["a"], [], [], "gpt-2").encode("q")


def test_a_list_that_is_absent_is_named():
    with pytest.raises(InputError, match=r"here: no tokenizer.ggml.merges, expected a tokenizer"):
        Tokenizer.of_gguf({k: v for k, v in VALUES.items() if k != "tokenizer.ggml.merges"}, "here")
