"""Threads: calls that run at once give what they give one after another."""

from __future__ import annotations

import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import hwsim
from compress.codecs.table import CODECS
from compress.format.container import Artifact, parse
from compress.format.execution import executable
from compress.format.tensors import SharedTensor
from compress.lowering import workload_of
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


def test_simulations_of_the_same_objects():
    chip, networks = hwsim.load_chip("edge"), [hwsim.load_network("lenet5", "huffman"), workload_of(model(0))]

    def simulated(at):
        report = hwsim.simulate(chip, networks[at % 2], 1 + at % 3)
        return report.summary(), report.energy_by("layer").to_dict()

    together, after = at_once_and_after(simulated)
    assert together == after


def test_one_report_that_is_read_by_all():
    shared = hwsim.simulate("edge", workload_of(model(0)))
    reads = [
        lambda report: report.summary(),
        lambda report: report.to_frame().to_dict(),
        lambda report: report.energy_by("component").to_dict(),
        lambda report: report.power_W,
    ]
    together, _ = at_once_and_after(lambda at: reads[at % 4](shared))
    alone = hwsim.simulate("edge", workload_of(model(0)))
    assert together == [reads[at % 4](alone) for at in range(CALLS)]


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


FORMS = {
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "strided": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "Fortran order": np.asfortranarray,
    "backwards": lambda array: np.ascontiguousarray(array[::-1])[::-1],
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
}
"""The same values in memory otherwise."""


@pytest.mark.parametrize("form", FORMS)
def test_images_in_any_form_give_the_same_bytes(form):
    def otherwise(part):
        return Split(FORMS[form](part.x), FORMS[form](part.y))

    recipe = Recipe.model_validate(
        {"name": "short", "description": "", "network": "lenet300", "step": [TRAIN]}
    )
    other = dataclasses.replace(DATA, train=otherwise(DATA.train), test=otherwise(DATA.test))
    (expected,), (found,) = compress(recipe, DATA), compress(recipe, other)
    assert found.to_bytes() == expected.to_bytes()
    network = executable(expected)
    assert network.forward(FORMS[form](DATA.test.x)).tobytes() == network.forward(DATA.test.x).tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_stored_bits_in_any_form_give_the_same_report(form):
    network = workload_of(model(0))
    layers = [
        dataclasses.replace(layer, weights=in_form(layer.weights, FORMS[form])) for layer in network.layers
    ]
    other = dataclasses.replace(network, layers=tuple(layers))
    assert hwsim.simulate("edge", other).summary() == hwsim.simulate("edge", network).summary()


def in_form(weights, form):
    """Stored weights whose arrays are in another form."""
    if weights is None:
        return None
    bits, symbols = form(weights.segment_bits), form(weights.segment_symbols)
    return dataclasses.replace(weights, segment_bits=bits, segment_symbols=symbols)


def test_arrays_that_are_changed_afterwards_change_no_layer():
    network = workload_of(model(0))
    layer = network.layers[0]
    bits = layer.weights.segment_bits.copy()
    pattern = np.ones((layer.filters, layer.depth), bool)
    weights = dataclasses.replace(layer.weights, segment_bits=bits)
    changed = dataclasses.replace(layer, weights=weights, pattern=pattern)
    other = dataclasses.replace(network, layers=(changed, *network.layers[1:]))
    report = hwsim.simulate("edge", other)
    bits *= 3
    pattern[:] = False
    assert report.to_frame().equals(hwsim.simulate("edge", network).to_frame())
    assert hwsim.simulate("edge", other).summary() == report.summary()
    assert changed.pattern.all()
    with pytest.raises(ValueError, match="read-only"):
        weights.segment_bits[0] = 1


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
