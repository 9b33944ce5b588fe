"""Bytes that a model, its cache and its activations take in DRAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.whole import ceil_div
from hwsim.workload.language.forms import VECTOR_BITS, Parts
from hwsim.workload.language.model import StateSpace
from hwsim.workload.language.passes import decode, forward, prefill, storage_of
from hwsim.workload.language.shipped import model_of

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.workload.language.layers import Storage
    from hwsim.workload.language.model import LanguageModel
    from hwsim.workload.layer import Arithmetic, Workload


@dataclass(frozen=True)
class Served:
    """A model, how it is stored, and how it is computed.

    Parameters
    ----------
    model : LanguageModel
    weights : str or Parts, optional
        Form of the weights, or of each part of a file; that of the arithmetic by default.
    kv : str, optional
        Form of the cache; that of the arithmetic by default.
    arithmetic : str
    """

    model: LanguageModel
    weights: str | Parts | None = None
    kv: str | None = None
    arithmetic: Arithmetic = "fp16"

    @classmethod
    def of(
        cls,
        model: LanguageModel | str | Path,
        weights: str | Parts | None = None,
        kv: str | None = None,
        arithmetic: Arithmetic = "fp16",
    ) -> Served:
        """Find a model by name or file, and check that its forms are known and fit the arithmetic.

        Raises
        ------
        InputError
            If they do not.
        """
        found = model_of(model)
        storage_of(found, weights, kv, arithmetic)
        return cls(found, weights, kv, arithmetic)

    @property
    def storage(self) -> Storage:
        """Forms of weights, output matrix and cache."""
        return storage_of(self.model, self.weights, self.kv, self.arithmetic)

    def decode(self, context: int, batch: int = 1, tokens: int = 1, source: int | None = None) -> Workload:
        """Build a decode step: see `passes.decode`."""
        return decode(
            self.model, context, batch, tokens=tokens, source=source, weights=self.weights, kv=self.kv,
            arithmetic=self.arithmetic,
        )  # fmt: skip

    def prefill(self, tokens: int, batch: int = 1, past: int = 0) -> Workload:
        """Build a prefill: see `passes.prefill`."""
        return prefill(
            self.model, tokens, batch, past=past, weights=self.weights, kv=self.kv, arithmetic=self.arithmetic
        )

    def forward(self, tokens: int, batch: int = 1) -> Workload:
        """Build a forward pass: see `passes.forward`."""
        return forward(self.model, tokens, batch, weights=self.weights, arithmetic=self.arithmetic)

    @property
    def weights_B(self) -> int:
        """Bytes of all parameters: matrices, tables and output matrix in their forms, vectors in 16 bits."""
        model, parts = self.model, self.storage.parts
        bits = parts.table.bits(model.table_rows * model.features, model.table_rows)
        for form, part in ((parts.weights, model.inner), (parts.head, model.head)):
            bits += VECTOR_BITS * part.vectors
            bits += sum(form.bits(found.weights, found.copies * found.outputs) for found in part.matrices)
        return ceil_div(bits, 8)

    def cache_B(self, context: int, source: int | None = None) -> int:
        """Bytes of the keys and values of one sequence.

        Parameters
        ----------
        context : int
            Its tokens; a block with a sliding window keeps those of the window.
        source : int, optional
            Tokens of the encoder's input, whose keys and values a decoder keeps, too; `context` by default.
        """
        cache, bits = self.storage.cache, 0
        for block in self.model.decoder:
            kept = min(context, block.attention.window or context)
            for part, tokens in (
                (block.attention, kept),
                (block.cross, context if source is None else source),
            ):
                for rows, width in part.cached if part else ():
                    bits += cache.bits(tokens * rows * width, tokens * rows)
            if isinstance(block.attention, StateSpace):
                bits += cache.bits(block.attention.state_elements, block.attention.width)
        return ceil_div(bits, 8)


@dataclass(frozen=True)
class Footprint:
    """Bytes in DRAM.

    Parameters
    ----------
    weights_B : int
    cache_B, activations_B : int
        Of all sequences.
    """

    weights_B: int
    cache_B: int
    activations_B: int

    @property
    def total_B(self) -> int:
        """All of them."""
        return self.weights_B + self.cache_B + self.activations_B

    def plus(self, other: Footprint) -> Footprint:
        """Both in one memory."""
        return Footprint(
            self.weights_B + other.weights_B,
            self.cache_B + other.cache_B,
            self.activations_B + other.activations_B,
        )


def footprint(served: Served, context: int, batch: int = 1, tokens: int = 1) -> Footprint:
    """Count the bytes of a model that serves some sequences.

    Activations are the largest input and output of a layer that is no part of attention, whose scores stay
    on chip.

    Parameters
    ----------
    served : Served
    context : int
        Tokens of each sequence in the cache; of an encoder, those that it reads.
    batch : int
        Sequences at once.
    tokens : int
        New tokens of each in one pass.
    """
    model = served.model
    around = max(matrix.inputs + matrix.outputs for matrix in model.inner.matrices)
    scores = model.vocabulary if model.decoder else 0
    elements = max(tokens * around, model.features + scores)
    activations = ceil_div(batch * elements * served.storage.operand_bits, 8)
    return Footprint(served.weights_B, batch * served.cache_B(context), activations)
