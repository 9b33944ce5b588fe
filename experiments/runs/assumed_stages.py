"""Compressed stages of networks that nobody published layer by layer, worked out by formula.

One density, one codebook width and one gap width hold for all weights, which are taken to fall at
random. A gap's mean code length is that of a Huffman code built for the distribution which follows;
values are taken as evenly spread over the codebook, so that coding them gains nothing. What is
assumed stands in `Workload.provenance`, and so in every table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from compress.codecs import huffman
from hwsim.errors import InputError
from hwsim.workload.networks import STAGES, load_network, network_stages
from hwsim.workload.storage import FLOAT_BITS, stored_entries

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer, StoredWeights, Workload

COMPRESSED = ("pruned", "shared", "huffman")
"""Stages that a density and bit widths describe."""

MAX_BITS = 16

SAMPLES = 1 << 20
"""Entries whose expected counts a code is built for."""


@dataclass(frozen=True)
class Assumed:
    """How a network is taken to be compressed.

    Parameters
    ----------
    density : float
        Fraction of weights that are not zero.
    value_bits, gap_bits : int
        Widths of a codebook index and of a gap field.
    source : str
        Why these figures.

    Raises
    ------
    InputError
        If a figure is out of range.
    """

    density: float
    value_bits: int
    gap_bits: int
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise InputError(f"compression.density is {self.density}, expected above 0 and at most 1")
        for key in ("value_bits", "gap_bits"):
            found = getattr(self, key)
            if type(found) is not int or not 1 <= found <= MAX_BITS:
                raise InputError(
                    f"compression.{key} is {found}, expected a whole number from 1 to {MAX_BITS}"
                )


ASSUMED = {
    "lstm_2x1500": Assumed(
        0.10, 4, 4, "as the NT-LSTM of EIE, Han et al., ISCA 2016, Table III: 10% of weights, 4 + 4 bits"
    ),
    "llama_layer_decode": Assumed(
        0.50,
        4,
        2,
        "50% of weights with 4 bits, as SparseGPT, Frantar and Alistarh, ICML 2023, keeps OPT models",
    ),
}

USUAL = Assumed(
    0.09,
    5,
    4,
    "as fc6 and fc7 of AlexNet in Deep Compression, Han et al., ICLR 2016, Table 4: 9%, 5 + 4 bits",
)
"""Assumed compression of a network for which only some values are published."""


def stages_of(network: str) -> tuple[str, ...]:
    """Stages `load_stage` knows of a network."""
    return STAGES if network in ASSUMED else network_stages(network)


def load_stage(network: str, stage: str) -> Workload:
    """Load a shipped network at a stage, published or assumed.

    Raises
    ------
    InputError
        If there is no such network, or nothing is known of the stage.
    """
    if stage not in stages_of(network):
        raise InputError(
            f"network {network}: no stage {stage!r}, expected one of {', '.join(stages_of(network))}"
        )
    if stage in network_stages(network):
        return load_network(network, stage)
    return assumed_stage(network, stage, ASSUMED[network])


def assumed_stage(network: str, stage: str, assumed: Assumed) -> Workload:
    """Take a shipped network for compressed alike in all layers, whatever is published of it.

    Raises
    ------
    InputError
        If there is no such network, or density and widths say nothing of the stage.
    """
    if stage not in COMPRESSED:
        raise InputError(
            f"stage {stage!r} has no density and bit widths, expected one of {', '.join(COMPRESSED)}"
        )
    dense = load_network(network, "dense")
    layers = tuple(_compressed(layer, stage, assumed) for layer in dense.layers)
    return replace(dense, stage=stage, layers=layers, provenance=f"assumed ({assumed.source}), no weights")


def _compressed(layer: Layer, stage: str, assumed: Assumed) -> Layer:
    if layer.weights is None or not layer.weight_count:
        return layer
    return replace(layer, weight_density=assumed.density, weights=_stored(layer, stage, assumed))


def _stored(layer: Layer, stage: str, assumed: Assumed) -> StoredWeights:
    filters = layer.filters * layer.groups
    return stored_entries(
        stage,
        layer.weight_count,
        filters,
        assumed.density,
        FLOAT_BITS if stage == "pruned" else assumed.value_bits,
        assumed.gap_bits,
        bias=layer.weights is not None and layer.weights.side_bits >= FLOAT_BITS * filters,
        codebook_bits=0 if stage == "pruned" else assumed.value_bits,
        coded_gap_bits=mean_gap_code_bits(assumed.density, assumed.gap_bits) if stage == "huffman" else None,
    )


@lru_cache
def mean_gap_code_bits(density: float, gap_bits: int) -> float:
    """Mean length of a Huffman code for the gaps of weights that fall at random.

    With ``z = 1 - density`` and ``L = 2**gap_bits``, a non-zero follows ``g`` zeros (modulo L) with
    probability proportional to ``z**g``, and needs ``q / (1 - q)`` fillers, ``q = z**L``, each of
    which stands for L zeros and is written as the largest gap.
    """
    zero = 1.0 - density
    longest = 1 << gap_bits
    gaps = zero ** np.arange(longest)
    fillers = zero**longest / (1.0 - zero**longest)
    entries = gaps / gaps.sum()
    entries[-1] += fillers
    counts = np.rint(entries / entries.sum() * SAMPLES).astype(np.int64)
    return huffman.encoded_bits(huffman.build(counts), counts) / int(counts.sum())
