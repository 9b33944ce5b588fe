"""Threads: calls that run at once give what they give one after another."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import hwsim
from compress.codecs.table import CODECS
from compress.format.container import Artifact, parse
from compress.format.execution import executable
from compress.format.tensors import SharedTensor
from compress.nn.datasets import Dataset, Split
from compress.nn.lenets import lenet_300_100
from compress.pipeline.recipe import Recipe
from compress.pipeline.run import compress
from hwsim import budget

THREADS, CALLS = 4, 12

TRAIN = {"kind": "train", "epochs": 1, "batch": 20}
PRUNE = {"kind": "prune", "density": 0.2, "epochs": 1, "batch": 20}
SHARE = {
    "kind": "share",
    "values": {"fc1": 5, "fc2": 4, "fc3": 4},
    "epochs": 1,
    "batch": 20,
    "learning_rate": 0.002,
}
ENCODE = {"kind": "encode", "coding": "huffman"}


def split(count):
    rng = np.random.default_rng(count)
    return Split(rng.random((count, 1, 28, 28), np.float32), rng.integers(10, size=count))


DATA = Dataset("noise", split(60), split(0), split(20), "none")


@pytest.fixture(autouse=True)
def _threads_take_turns_often():
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def at_once_and_after(call):
    """Answers of calls by several threads, which find nothing remembered, and of one."""
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(call, range(CALLS)))
    return together, [call(at) for at in range(CALLS)]


def model(seed):
    """A file of random labels."""
    rng = np.random.default_rng(seed)
    network = lenet_300_100(rng, (20, 10))
    labels = rng.integers(0, 8, network.params["fc1.weight"].shape)
    weights = SharedTensor(labels, np.linspace(-0.1, 0.1, 7, dtype=np.float32), list(CODECS)[seed % 3])
    return Artifact.of(network, "huffman", {"fc1.weight": weights})


def test_simulations():
    def simulated(at):
        chip = hwsim.load_chip("edge").replace(**{"sram.capacity_B": 65_536 + 1_024 * (at % 3)})
        report = hwsim.simulate(chip, ("lenet5", "lenet300")[at % 2], 1 + at % 4)
        return report.summary(), report.energy_by("component").to_dict()

    together, after = at_once_and_after(simulated)
    assert together == after


def test_executions_of_one_network():
    network, images = executable(model(0)), np.random.default_rng(1).random((CALLS, 1, 28, 28), np.float32)
    together, after = at_once_and_after(lambda at: network.forward(images[: at + 1]).tobytes())
    assert together == after


def test_compressions():
    recipe = Recipe.model_validate(
        {"name": "short", "description": "", "network": "lenet300", "step": [TRAIN, PRUNE, SHARE, ENCODE]}
    )
    together, after = at_once_and_after(
        lambda at: [one.to_bytes() for one in compress(recipe, DATA, seed=at % 3)]
    )
    assert together == after


def test_files():
    together, after = at_once_and_after(lambda at: model(at).to_bytes())
    assert together == after
    assert at_once_and_after(lambda at: parse(after[at])[0].to_bytes()) == (after, after)


def test_memory_that_one_thread_allows_is_its_own():
    def allowed(at):
        budget.allow_memory(1 + at)
        with pytest.raises(hwsim.InputError) as refused:
            budget.require_memory("work", {"arrays": 1e9})
        return str(refused.value)

    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(allowed, range(CALLS)))
    assert [f"at most {1 + at} B" in text for at, text in enumerate(together)] == [True] * CALLS
    budget.require_memory("work", {"arrays": 1e9})
