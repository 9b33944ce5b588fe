"""What labs share: a network that trains in a second, and `check`, which works out the right answer anew."""

from __future__ import annotations

import math
import os
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
from experiments.labs.tasks import TASKS
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.nn.datasets import Dataset
    from compress.nn.network import Network

IMAGES = 10_000
"""Training images of the labs: enough for an error of 4%, and a second of work."""

MEASURED = 0.01
"""Tolerance from which a number may be rounded to two significant figures; others are counts."""

GRADER = "NBGRADER_EXECUTION"
"""Set where nbgrader runs a notebook, to grade or to validate it; there a wrong answer is an error."""

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
    answer : number, str, callable or None
        None is no answer yet. Two significant figures are enough for a number that is measured.

    Raises
    ------
    InputError
        If there is no such question.
    AssertionError
        If the answer is not right and nbgrader runs the notebook.
    """
    hint = _hint(question)
    right = answer is not None and is_right(question, answer)
    if answer is None:
        said = "no answer yet"
    elif right:
        said = f"right ({_shown(answer)})"
    else:
        said = f"not yet: {_shown(answer)}. {hint}"
    sys.stdout.write(f"{question}  {said}\n")
    if not right and GRADER in os.environ:
        raise AssertionError(f"{question}  {said}")


def is_right(question: str, answer: Any) -> bool:
    """Whether an answer is right: a number or a name by what is computed, a function by its tests.

    Raises
    ------
    InputError
        If there is no such question.
    """
    _hint(question)
    if question in TASKS:
        return callable(answer) and TASKS[question].passed(answer)
    expected = ANSWERS[question]
    return _same(answer, expected.compute(), expected.tolerance)


def _hint(question: str) -> str:
    known = ANSWERS | TASKS
    if question not in known:
        raise InputError(f"no question {question!r}, expected one of {', '.join(sorted(known))}")
    return known[question].hint


def _same(answer: Any, right: Any, tolerance: float) -> bool:
    if isinstance(right, str):
        return str(answer).strip().lower() == right.lower()
    try:
        found, wanted = float(answer), float(right)
        rounded = tolerance >= MEASURED and found == float(f"{wanted:.2g}")
        return rounded or math.isclose(found, wanted, rel_tol=tolerance)
    except (TypeError, ValueError):
        return False


def _shown(answer: Any) -> str:
    if callable(answer):
        return getattr(answer, "__name__", "a function")
    return f"{answer:,.4g}" if isinstance(answer, float) else f"{answer}"
