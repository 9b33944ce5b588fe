"""Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019), from the lists of a GGUF file
or of a ``tokenizer.json``.

A text is cut into special words, digits, words with the space before them, and other marks. The UTF-8 bytes
of each part are spelled in printable characters, then joined by the merges, the first of the list first.
"""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEPT = "tokenizer"
"""Name of the tokenizer in a compressed file."""

LISTED = {str: "texts", int: "whole numbers"}
"""What a list of values of a type is called."""

MODEL, CUTS = "gpt2", ("smollm", "gpt-2")
"""The kind of ``tokenizer.ggml.model``, and the ways to cut a text that are known."""

SPECIAL = 3
"""Type of a word that stands for no text of its own, such as the end of a text."""

ENDS = ("<|endoftext|>", "<|im_end|>", "</s>")
"""Words that end a text, where a file does not say which one does."""

MAX_BYTES = 64 << 20
"""Of a tokenizer, decompressed."""


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """Words and merges.

    Parameters
    ----------
    words : list of str
        By number, spelled in printable characters.
    merges : list of str
        Pairs that are joined, ``"left right"``, the first ones first.
    special : list of int
        Numbers of the words that stand for no text.
    cut : str
        How a text is cut: one of `CUTS`.
    end : int
        Number of the word that ends a text; -1 if there is none.
    """

    words: list[str]
    merges: list[str]
    special: list[int]
    cut: str
    end: int = -1
    _numbers: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _ranks: dict[tuple[str, str], int] = field(default_factory=dict, init=False, repr=False)
    _known: dict[str, list[int]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._numbers.update({word: number for number, word in enumerate(self.words)})
        for rank, merge in enumerate(self.merges):
            left, _, right = merge.partition(" ")
            self._ranks[left, right] = rank

    @classmethod
    def of_gguf(cls, values: Mapping[str, Any], where: str) -> Tokenizer:
        """Build the tokenizer that the header of a GGUF file describes.

        Raises
        ------
        InputError
            If it is of another kind, or a list is absent or holds something else.
        """
        kind, cut = values.get("tokenizer.ggml.model"), values.get("tokenizer.ggml.pre")
        if kind != MODEL or not isinstance(cut, str) or cut not in CUTS:
            raise InputError(
                f"{where}: tokenizer is {kind!r}, {cut!r}, expected {MODEL!r} and one of {', '.join(CUTS)}"
            )

        def listed(key: str, type_: type) -> list[Any]:
            if key not in values:
                raise InputError(f"{where}: no {key}, expected a tokenizer")
            found = values[key]
            if not isinstance(found, list) or not all(isinstance(one, type_) for one in found):
                raise InputError(f"{where}: {key} is no list of {LISTED[type_]}, expected a tokenizer")
            return found

        words, merges = listed("tokenizer.ggml.tokens", str), listed("tokenizer.ggml.merges", str)
        kinds, end = listed("tokenizer.ggml.token_type", int), values.get("tokenizer.ggml.eos_token_id", -1)
        if len(kinds) != len(words):
            raise InputError(f"{where}: {len(kinds)} types of tokens, expected {len(words)}")
        if not isinstance(end, int) or not -1 <= end < len(words):
            raise InputError(f"{where}: tokenizer.ggml.eos_token_id is {end!r}, expected one of the tokens")
        special = [at for at, kind in enumerate(kinds) if kind == SPECIAL]
        return cls(words, merges, special, cut, end)

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Tokenizer | None:
        """Build the tokenizer that a ``tokenizer.json`` describes; None if it is of another kind."""
        try:
            cut = _cut_of(found["pre_tokenizer"])
            vocabulary, merges = found["model"]["vocab"], found["model"]["merges"]
            added = {one["content"]: one["id"] for one in found.get("added_tokens", ()) if one["special"]}
            numbers = {**vocabulary, **added}
            words = sorted(numbers, key=numbers.__getitem__)
            joined = [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]
        except (KeyError, TypeError):
            return None
        if cut not in CUTS or [numbers[word] for word in words] != list(range(len(words))):
            return None
        ends = [number for word, number in added.items() if word in ENDS]
        return cls(words, joined, sorted(added.values()), cut, min(ends, default=-1))

    def to_bytes(self) -> bytes:
        """Return the tokenizer as compressed JSON."""
        facts = {key: getattr(self, key) for key in ("words", "merges", "special", "cut", "end")}
        return zlib.compress(json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode(), 9)

    @classmethod
    def from_bytes(cls, data: bytes) -> Tokenizer:
        """Read what `to_bytes` wrote.

        Raises
        ------
        InputError
            If it is none.
        """
        try:
            text = zlib.decompressobj().decompress(data, MAX_BYTES)
            found = cls(**json.loads(text))
            whole = all(isinstance(word, str) for word in (*found.words, *found.merges, found.cut))
            fits = whole and all(0 <= number < len(found.words) for number in found.special)
        except (zlib.error, ValueError, TypeError, AttributeError, RecursionError):
            fits = False
        if not fits or found.cut not in CUTS or not isinstance(found.end, int):
            raise InputError("the tokenizer is damaged, expected words and merges")
        return found

    def encode(self, text: str) -> list[int]:
        """Return the numbers of the words of a text; special words may stand in it as they are spelled.

        Raises
        ------
        InputError
            If a byte of the text has no word.
        """
        specials = sorted((self.words[number] for number in self.special), key=len, reverse=True)
        pattern = "|".join(map(re.escape, filter(None, specials)))
        parts = re.split(f"({pattern})", text) if pattern else [text]
        numbers: list[int] = []
        for place, part in enumerate(parts):
            if place % 2:
                numbers.append(self._numbers[part])
            else:
                for piece in _cutter(self.cut).findall(part):
                    numbers += self._encoded(piece)
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of some words, special ones left out; bytes that are no UTF-8 are marked."""
        special = set(self.special)
        spelled = "".join(self.words[number] for number in numbers if number not in special)
        to_byte = {character: byte for byte, character in enumerate(_characters())}
        return bytes(to_byte[character] for character in spelled if character in to_byte).decode(
            "utf-8", "replace"
        )

    def _encoded(self, piece: str) -> list[int]:
        if piece not in self._known:
            parts = [_characters()[byte] for byte in piece.encode("utf-8")]
            absent = [part for part in self._joined(parts) if part not in self._numbers]
            if absent:
                raise InputError(f"text {piece!r} has no words in this vocabulary")
            self._known[piece] = [self._numbers[part] for part in self._joined(parts)]
        return self._known[piece]

    def _joined(self, parts: list[str]) -> list[str]:
        """Join neighbours until no merge applies."""
        parts = list(parts)
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, len(self._ranks)) for pair in pairwise(parts)]
            at = min(range(len(ranks)), key=ranks.__getitem__)
            if ranks[at] == len(self._ranks):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return parts


def _cut_of(how: Mapping[str, Any]) -> str:
    """Way to cut a text that a ``pre_tokenizer`` stands for; empty if it is none of `CUTS`."""
    steps = how["pretokenizers"] if how["type"] == "Sequence" else [how]
    last = steps[-1]
    if last["type"] != "ByteLevel" or last.get("add_prefix_space") or not last.get("use_regex", True):
        return ""
    if len(steps) == 1:
        return "gpt-2"
    alone = len(steps) == 2 and steps[0]["type"] == "Digits" and steps[0].get("individual_digits")
    return "smollm" if alone else ""


@cache
def _characters() -> tuple[str, ...]:
    """Printable character of each byte: its own in Latin-1 where that is printable, else one from 256 on."""
    own = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in own else next(others)) for byte in range(256))


@cache
def _cutter(cut: str) -> re.Pattern[str]:
    """Pattern of the parts of a text, as GPT-2 cuts it; SmolLM cuts off every digit, too.

    Python's ``re`` has no classes of letters and numbers: letters are word characters that are neither
    digits, other numbers nor the underscore.
    """
    others = "".join(chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Nl", "No"))
    letter, number = rf"[^\W\d_{others}]", rf"[\d{others}]"
    mark = r"(?:[^\s\w]|_)"
    numbers = number if cut == "smollm" else rf" ?{number}+"
    return re.compile(rf"{numbers}|'s|'t|'re|'ve|'m|'ll|'d| ?{letter}+| ?{mark}+|\s+(?!\S)|\s+")
