"""What the studies that train have in common: a part of MNIST, and steps of compression in Python."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.datasets import load_dataset
from compress.pipeline.steps import KINDS, Workbench

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.format.container import Artifact
    from compress.nn.datasets import Dataset
    from compress.pipeline.recipe import Step
    from compress.pipeline.state import State

IMAGES = 5_000
"""Training images: few, so that many networks can be trained."""

VALIDATION = 10_000
"""Training images set apart, on which anything is chosen."""


def small_mnist() -> Dataset:
    """MNIST with the first `IMAGES` training images only, and all test images."""
    dataset = load_dataset("mnist", validation=VALIDATION)
    return replace(dataset, train=dataset.train[:IMAGES])


def follow(state: State, steps: Sequence[Step], dataset: Dataset, seed: int) -> tuple[State, Artifact]:
    """Take steps from a state; return the state they end in and the file that stands for it.

    Parameters
    ----------
    state : State
    steps : sequence of Step
        At least one; each draws its random numbers from the seed and its place.
    dataset : Dataset
    seed : int
    """
    for index, step in enumerate(steps):
        bench = Workbench(dataset, np.random.default_rng([seed, index + 1]))
        state = KINDS[step.kind].run(step, state, bench)  # type: ignore[attr-defined]
    return state, KINDS[step.kind].artifact(step, state, bench)  # type: ignore[attr-defined]
