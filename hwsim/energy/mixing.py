"""What decoding one bit of a context-mixing code takes, counted from its program."""

from __future__ import annotations

from typing import NamedTuple


class Mixing(NamedTuple):
    """Operations on 32-bit integers, and bits of tables, that one bit of a context-mixing code takes."""

    contexts: int = 4

    @property
    def multiplications(self) -> int:
        """Of each context: trust, mix, learn, move. Besides, the error by its rate and the interval."""
        return 4 * self.contexts + 2

    @property
    def additions(self) -> int:
        """Of each context: less the base, into the mix, onto the weight, onto the slot. And the interval."""
        return 4 * self.contexts + 2

    @property
    def read_bits(self) -> int:
        """Of each context a slot and a weight of 32 bits, and stretch, trust and step of 16; and squash."""
        return self.contexts * (2 * 32 + 3 * 16) + 16

    @property
    def written_bits(self) -> int:
        """Of each context a slot and a weight."""
        return self.contexts * 2 * 32


MIXING = Mixing()
"""Mahoney, "Adaptive weighing of context models for lossless data compression", 2005; four contexts."""
