"""Fields of a file: those of a stream, and words that take one byte."""

from __future__ import annotations

from compress.codecs.fields import ByteReader, ByteWriter
from hwsim.errors import InputError

WORDS = (
    "kernel",
    "stride",
    "pads",
    "groups",
    "axis",
    "rate",
    "dilation",
    "ceil_mode",
    "count_include_pad",
    "epsilon",
    "alpha",
    "beta",
    "bias",
    "size",
    "axes",
    "conv",
    "fc",
    "max_pool",
    "avg_pool",
    "global_avg_pool",
    "relu",
    "flatten",
    "dropout",
    "concat",
    "add",
    "softmax",
    "batch_norm",
    "dense",
    "pruned",
    "shared",
    "huffman",
    "int8",
    "int4",
    "lenet5",
    "lenet300",
    "keepdims",
    "shape",
    "order",
    "ranges",
    "sizes",
    "mode",
    "value",
    "min",
    "max",
    "to",
    "affine",
    "reshape",
    "mul",
    "compact",
)
"""Texts that take one byte. The order is part of the format: add at the end only."""

_NUMBERS = {word: number for number, word in enumerate(WORDS, start=1)}


class Writer(ByteWriter):
    """Collects fields into `data`, words among them."""

    def word(self, text: str) -> None:
        """Append a text; one of `WORDS` takes a byte."""
        number = word_number(text)
        self.varint(number)
        if number == 0:
            self.text(text)


class Reader(ByteReader):
    """Reads fields in order, words among them."""

    def word(self) -> str:
        """Return a text that `Writer.word` wrote."""
        return self.numbered_word(self.varint())

    def numbered_word(self, number: int) -> str:
        """Return the word of a number read before, or the text that follows when it is 0."""
        if number == 0:
            return self.text()
        if number > len(WORDS):
            raise InputError(f"word {number} is unknown, expected at most {len(WORDS)}")
        return WORDS[number - 1]


def word_number(text: str) -> int:
    """Return the number of one of `WORDS`, or 0."""
    return _NUMBERS.get(text, 0)
