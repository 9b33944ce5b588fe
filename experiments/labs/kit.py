"""What labs share: a network that trains in a second, and `check`, which works out the right answer anew."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.nn.config import TrainConfig
from compress.nn.datasets import load_dataset
from compress.nn.lenets import build
from compress.nn.train import train
from experiments.labs.answers import ANSWERS
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.nn.datasets import Dataset
    from compress.nn.network import Network

IMAGES = 10_000
"""Training images of the labs: enough for an error of 4%, and a second of work."""

QUICK = TrainConfig(epochs=4, learning_rate=0.1)


@cache
def digits() -> Dataset:
    """MNIST with a sixth of its training images, and all test images."""
    whole = load_dataset("mnist")
    return replace(whole, train=whole.train[:IMAGES])


@cache
def trained() -> Network:
    """LeNet-300-100, trained on `digits`; the same weights every time."""
    network = build("lenet300", np.random.default_rng(0))
    return train(network, digits(), QUICK, rng=np.random.default_rng(0))


def retrained(network: Network, masks: dict[str, Any]) -> Network:
    """Train what the masks leave of a network for as long again."""
    return train(network, digits(), QUICK, rng=np.random.default_rng(1), masks=masks)


def check(question: str, answer: Any) -> None:
    """Say whether an answer is right; the right one is worked out here and now, it is stored nowhere.

    Parameters
    ----------
    question : str
        Its number in the lab, such as ``"1.2"``.
    answer : number, str or None
        None is no answer yet.

    Raises
    ------
    InputError
        If there is no such question.
    """
    if question not in ANSWERS:
        raise InputError(f"no question {question!r}, expected one of {', '.join(ANSWERS)}")
    expected = ANSWERS[question]
    if answer is None:
        said = "no answer yet"
    elif _same(answer, expected.compute(), expected.tolerance):
        said = f"right ({_shown(answer)})"
    else:
        said = f"not yet: {_shown(answer)}. {expected.hint}"
    sys.stdout.write(f"{question}  {said}\n")


def _same(answer: Any, right: Any, tolerance: float) -> bool:
    if isinstance(right, str):
        return str(answer).strip().lower() == right.lower()
    try:
        return math.isclose(float(answer), float(right), rel_tol=tolerance)
    except (TypeError, ValueError):
        return False


def _shown(answer: Any) -> str:
    return f"{answer:,.4g}" if isinstance(answer, float) else f"{answer}"
