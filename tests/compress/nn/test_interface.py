"""What the first dimension of a network's inputs counts, and runs of items that do not mix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compress.format.container import Artifact, parse
from compress.nn.interface import OPEN, Interface
from compress.nn.items import mixing
from compress.nn.network import INPUT, Network, Node
from hwsim.errors import InputError

RNG = np.random.default_rng(3)
SUMS = (
    Node("flat", "reshape", attrs={"shape": (1, -1, 2)}),
    Node("sum", "reduce_sum", ("flat",), {"axes": (1,), "keepdims": 0}),
)
"""Sums over items and rows: one answer for all items together."""


def sums(**interface: object) -> Network:
    return Network("sums", (3, 2), SUMS, {}, interface=Interface(**interface))  # type: ignore[arg-type]


def test_items_that_mix_run_one_at_a_time():
    network = sums(apart=True, dimension="n")
    x = RNG.standard_normal((4, 3, 2)).astype(np.float32)
    assert network.forward(x) == pytest.approx(x.sum(axis=1))
    assert sums().forward(x).shape == (1, 2)
    assert network.interface.sentence() == "the first dimension (n) mixes items: items run one at a time"


def test_observers_see_all_items_once():
    seen = []
    x = RNG.standard_normal((4, 3, 2)).astype(np.float32)
    sums(apart=True).run(x, observe=lambda name, output: seen.append((name, output.shape)))
    assert seen == [("flat", (4, 3, 2)), ("sum", (4, 2))]


def test_mixing_is_found_by_two_random_items():
    assert "together" in mixing(sums())
    assert mixing(Network("plain", (3, 2), (Node("y", "relu"),), {})) == ""
    assert "together" in mixing(sums(apart=True))


def test_a_sequence_is_one_item_of_any_length():
    network = sums(lead={"input": OPEN})
    x = RNG.standard_normal((5, 3, 2)).astype(np.float32)
    assert network.forward(x) == pytest.approx(x.sum(axis=(0, 1))[np.newaxis])
    several = network.forward(np.stack([x, 2 * x]))
    assert several == pytest.approx(np.stack([x, 2 * x]).sum(axis=(1, 2)))
    assert network.shapes(steps=7)["flat"] == (1, 21, 2)


def test_states_go_in_whole_and_come_out_whole():
    nodes = (
        Node("next", "add", ("state", "input")),
        Node("seen", "linear", attrs={"alpha": 2.0, "beta": 0.0}),
    )
    network = Network(
        "cell", (2,), nodes, {}, ("seen", "next"), {"state": (2,)}, Interface(lead={"state": 3})
    )
    x, state = np.ones((4, 2), np.float32), np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    found = network.run(x, extra={"state": state})
    assert found["next"].shape == (4, 3, 2)
    assert found["next"].tolist() == (state + 1).tolist()
    assert found["seen"].tolist() == (2 * x).tolist()
    assert (
        network.run(x, extra={"state": state[0]})["next"].tolist() == (np.stack([state[0]] * 4) + 1).tolist()
    )
    with pytest.raises(InputError, match=r"input state has shape \(4, 2, 2\), expected \(items,\) \(3, 2\)"):
        network.run(x, extra={"state": state[:, :2]})


def test_the_file_keeps_the_interface():
    interface = Interface(
        names={"input": "x"},
        outputs=("y",),
        types={"input": "int64"},
        lead={"input": 2},
        dimension="t",
        steps=7,
    )
    network = replace(sums(), interface=interface)
    assert parse(Artifact.of(network, "dense").to_bytes())[0].topology.interface == interface
    assert parse(Artifact.of(sums(apart=True), "dense").to_bytes())[0].topology.interface == Interface(
        apart=True
    )


def test_observers_see_single_numbers_of_items_that_run_apart():
    nodes = (
        Node("flat", "reshape", attrs={"shape": (-1,)}),
        Node("all", "reduce_sum", ("flat",), {"axes": (0,), "keepdims": 0}),
        Node("scaled", "mul", ("input", "all")),
    )
    network = Network("scaled", (3, 2), nodes, {}, interface=Interface(apart=True))
    seen = {}
    x = RNG.standard_normal((4, 3, 2)).astype(np.float32)
    found = network.run(x, observe=seen.__setitem__)
    assert seen["all"] == pytest.approx(x.sum(axis=(1, 2)))
    assert found["scaled"] == pytest.approx(x * x.sum(axis=(1, 2), keepdims=True), rel=1e-5)


@pytest.mark.parametrize("value", [None, 3, [1.0], "x"])
def test_what_is_no_array_is_refused(value):
    network = Network("one", (2,), (Node("r", "relu", (INPUT,)),), {})
    with pytest.raises(InputError, match=r"input input is .*, expected an array of numbers"):
        network.forward(value)
