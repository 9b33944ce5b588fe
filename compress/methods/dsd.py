"""Dense-sparse-dense training: prune, train the remaining weights, then train all weights.

Han et al. 2017, "DSD: Dense-Sparse-Dense training for deep neural networks", algorithm 1. The
result is dense: accuracy improves, but the file does not become smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from compress.methods.prune import layer_masks, weights_of
from compress.nn.train import train
from hwsim.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from compress.nn.config import TrainConfig
    from compress.nn.datasets import Dataset
    from compress.nn.network import Network


@dataclass(frozen=True)
class Schedule:
    """Three periods of training.

    Parameters
    ----------
    dense, sparse, final : TrainConfig
        The last is published with a tenth of the first's learning rate; see `published`.
    sparsity : float
        Fraction of each layer's weights that the second period does without, the smallest ones;
        0 makes it an ordinary training of the same length, which is what to compare with.

    Raises
    ------
    InputError
        If the sparsity is not between 0 and 1.
    """

    dense: TrainConfig
    sparse: TrainConfig
    final: TrainConfig
    sparsity: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 <= self.sparsity <= 1.0:
            raise InputError(f"dense-sparse-dense: sparsity is {self.sparsity}, expected 0 to 1")

    @classmethod
    def published(cls, config: TrainConfig, sparsity: float = 0.3) -> Schedule:
        """Three equal periods, the last at a tenth of the learning rate (section 3)."""
        return cls(config, config, replace(config, learning_rate=config.learning_rate / 10), sparsity)


class Periods(NamedTuple):
    """The network at the end of each period."""

    dense: Network
    sparse: Network
    final: Network


def dense_sparse_dense(
    network: Network, dataset: Dataset, schedule: Schedule, *, rng: np.random.Generator
) -> Periods:
    """Train densely, train without the smallest weights, and train all again from there.

    Pruned weights come back as zeros.
    """
    dense = train(network, dataset, schedule.dense, rng=rng)
    weights = {name: dense.params[name] for name in weights_of(dense).values()}
    masks = layer_masks(weights, dict.fromkeys(weights, 1.0 - schedule.sparsity))
    sparse = train(dense, dataset, schedule.sparse, rng=rng, masks=masks)
    return Periods(dense, sparse, train(sparse, dataset, schedule.final, rng=rng))
