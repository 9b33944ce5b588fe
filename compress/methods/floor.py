"""Pruning and sharing where the answers bear it, rounded weights where they do not.

Half of the weights in 63 values is little for an over-parameterised network and too much for a depthwise one,
whose few weights all matter. So the answers are measured on items that nothing is fitted on. Where pruning
takes them below a floor, weights are rounded with error feedback instead, first to as many bytes, and then to
as many more as the law of rounding asks for: a bit for each weight is worth 6 dB.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from compress.format.execution import executable
from compress.methods.prune import require_weights
from compress.methods.reconstruct import compress_after_training
from compress.methods.remarks import ignore
from compress.methods.rounding import Goal, parted_for_judging, round_after_training, signal_to_noise_dB
from compress.nn.network import INPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from compress.format.container import Artifact
    from compress.nn.network import Network
    from compress.nn.ops.base import Array

LEAST_DB = 15.0
"""Signal-to-noise ratio of the outputs that is kept: a choice, at which most best classes stay."""

DENSITY, BITS = 0.5, 6
"""What pruning keeps of the weights, and the width of a label."""

BIT_DB = 20 * math.log10(2)
"""What a bit more for each weight takes off the error of rounding."""

SPARE_DB = 0.5
"""Asked for beyond the floor, because the law of rounding is not exact: a choice."""

TRIES = 4
"""Sizes that rounding is tried at."""


def compress_to_floor(
    network: Network,
    x: Array,
    *,
    rng: np.random.Generator,
    extra: Mapping[str, Array] | None = None,
    remark: Callable[[str], None] = ignore,
) -> Artifact:
    r"""Prune half of the weights and share the others, or round all where that would ruin the answers.

    Parameters
    ----------
    network : Network
        Trained, batch normalisation folded.
    x : ndarray, shape (items, \*input_shape)
        Unlabelled inputs of the kind the network is used on: a quarter judges, the others are fitted on.
    rng : numpy.random.Generator
        Chooses the positions that layers are fitted on.
    extra : dict of str to ndarray, optional
        Further inputs.
    remark : callable
        Called with a sentence for each layer whose inputs say too little, and if weights are rounded.

    Raises
    ------
    InputError
        If no layer has weights.
    """
    fitted, judged = parted_for_judging({INPUT: x, **(extra or {})})
    further = {name: value for name, value in fitted.items() if name != INPUT}
    said: list[str] = []

    def near(made: Artifact) -> float:
        return signal_to_noise_dB(network, executable(made), judged)

    pruned = compress_after_training(
        network,
        fitted[INPUT],
        density=DENSITY,
        bits=BITS,
        rng=rng,
        coding="fixed",
        extra=further,
        remark=said.append,
    )
    found = near(pruned)
    if found >= LEAST_DB:
        _tell(said, remark)
        return pruned
    most = 4 * sum(value.size for value in network.params.values())
    weights = sum(network.params[name].size for name in set(require_weights(network).values()))
    size, best, kept = len(pruned.to_bytes()), pruned, found
    for _ in range(TRIES):
        tried: list[str] = []
        made = round_after_training(
            network, fitted[INPUT], Goal(size), rng=rng, extra=further, remark=tried.append
        )
        reached = near(made)
        if reached > kept:
            best, kept, said = made, reached, tried
        if kept >= LEAST_DB or size >= most:
            break
        size = min(most, size + math.ceil(weights * (LEAST_DB + SPARE_DB - reached) / BIT_DB / 8))
    _tell(said, remark)
    if best is not pruned:
        remark(
            f"half of the weights leaves {found:.1f} dB of signal to noise, less than {LEAST_DB:g}: all are "
            f"kept, and rounded, which leaves {kept:.1f} dB"
        )
    return best


def _tell(said: list[str], remark: Callable[[str], None]) -> None:
    """Pass on what was said of the network that is kept, each sentence once."""
    for sentence in dict.fromkeys(said):
        remark(sentence)
