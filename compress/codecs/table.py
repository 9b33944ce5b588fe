"""All codecs of labels, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.codecs.mixed import CONTEXT
from compress.codecs.sparse import FIXED, HUFFMAN
from compress.codecs.word_codes import WORDS

if TYPE_CHECKING:
    from compress.codecs.base import Codec

CODECS: dict[str, Codec] = {codec.name: codec for codec in (FIXED, HUFFMAN, CONTEXT, WORDS)}
"""The order is part of the file format, which stores numbers from 1: add at the end only."""

SMALLEST = "smallest"
"""Name for the codec that gives the fewest bytes of one tensor."""


def codings() -> tuple[str, ...]:
    """Names of all codecs, and `SMALLEST`."""
    return (*CODECS, SMALLEST)
