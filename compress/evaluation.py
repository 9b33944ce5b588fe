"""Test error of a compressed network on a data set."""

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
    """Execute a compressed network on the test images and return its test error, from 0 to 1.

    Quantized layers are computed in integers.

    Parameters
    ----------
    model : Artifact, str or Path
        An artifact, or the path of a ``.dcz`` file.
    dataset : Dataset, str or Path
        A data set, or a name or path as for `load_dataset`.
    stored : bool
        Compute with codebook indices, not with decoded weights.

    Raises
    ------
    InputError
        If the file cannot be read, the network cannot be executed, its outputs are not one score per class,
        or the data set does not exist.
    """
    network = executable(model, stored=stored)
    train.require_classifier(network, CLASSES)
    return train.evaluate(network, dataset_of(dataset).test)
