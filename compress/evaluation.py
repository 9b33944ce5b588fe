"""The error of a compressed network on a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.format.execution import executable
from compress.nn import train
from compress.nn.datasets import CLASSES, dataset_of

if TYPE_CHECKING:
    from pathlib import Path

    from compress.format.container import Artifact
    from compress.nn.datasets import Dataset


def evaluate(
    model: Artifact | str | Path, dataset: Dataset | str | Path = "mnist", *, stored: bool = False
) -> float:
    """Execute a compressed network on test images and return the fraction it classifies wrongly.

    Quantized layers run on integers.

    Parameters
    ----------
    model : Artifact, str or Path
        An artifact, or the path of a ``.dcz`` file.
    dataset : Dataset, str or Path
        A data set, or what `load_dataset` takes.
    stored : bool
        Compute from labels and codebooks, not from decoded weights.

    Raises
    ------
    InputError
        If the file cannot be read, the network cannot be executed or does not score the classes of the data
        set, or there is no such data set.
    """
    network = executable(model, stored=stored)
    train.require_classifier(network, CLASSES)
    return train.evaluate(network, dataset_of(dataset).test)
