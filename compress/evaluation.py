"""Test error of a compressed network on a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compress.format.execution import executable
from compress.nn import train
from compress.nn.datasets import CLASSES, dataset_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from compress.format.container import Artifact
    from compress.nn.datasets import Dataset


def evaluate(
    model: Artifact | str | Path,
    dataset: Dataset | str | Path = "mnist",
    *,
    stored: bool = False,
    arithmetic: str = "fp32",
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
    arithmetic : {"fp32", "fp16", "bf16"}
        Of layers in floating point, see `compress.format.execution.executable`.

    Raises
    ------
    InputError
        If the file cannot be read, the network cannot be executed, its outputs are not one score per class,
        or the data set does not exist.
    """
    network = executable(model, stored=stored, arithmetic=arithmetic)
    train.require_classifier(network, CLASSES)
    return train.evaluate(network, dataset_of(dataset).test)


def label_errors(outputs: NDArray[Any], labels: NDArray[Any], best: int = 1) -> float:
    """Fraction of items whose label is not among the best classes.

    Parameters
    ----------
    outputs : ndarray, shape (items, classes)
    labels : ndarray of int, shape (items,)
    best : int
        Classes that count as right.

    Raises
    ------
    InputError
        If the outputs are no scores of classes, or a label is none of them.
    """
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise InputError(
            f"outputs have shape {outputs.shape}, expected (items, classes) to compare with labels"
        )
    if labels.max(initial=0) >= outputs.shape[1]:
        raise InputError(f"label {labels.max()}, expected 0 to {outputs.shape[1] - 1}")
    places = np.argsort(-outputs, axis=1, kind="stable")[:, :best]
    return float(1 - (places == labels[:, np.newaxis]).any(axis=1).mean())
