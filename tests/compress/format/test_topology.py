"""Graphs survive the file, usual or not, in few bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.format.fields import WORDS, Reader, Writer
from compress.format.topology import Topology, read_topology, write_topology
from compress.nn.lenets import build
from compress.nn.network import INPUT, Node
from hwsim.errors import InputError


def stored(topology: Topology) -> bytes:
    writer = Writer()
    write_topology(writer, topology)
    return bytes(writer.data)


def test_lenet_5_takes_few_bytes_and_survives() -> None:
    topology = Topology.of(build("lenet5", np.random.default_rng(0)))
    data = stored(topology)
    assert read_topology(Reader(data)) == topology
    assert len(data) < 40


def test_a_graph_with_every_kind_of_reference_survives() -> None:
    nodes = (
        Node("fc1", "fc", (INPUT,), params=("fc1.weight",)),
        Node("parts", "split", ("fc1",), {"axis": -1, "sizes": (2, 3)}),
        Node("odd name", "relu", ("parts:1",)),
        Node("again", "fc", ("odd name",), params=("fc1.weight", "own")),
        Node("look", "gather", ("table", INPUT), {"axis": 0}),
        Node("join", "concat", ("again", "look", "parts"), {"axis": 1}),
    )
    topology = Topology("net", (5,), nodes, ("join", "parts:1"))
    assert read_topology(Reader(stored(topology))) == topology
    assert topology.param_names() == ("fc1.weight", "own", "table")


scalars = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)


def depth(value: object) -> int:
    return 1 + max(map(depth, value), default=0) if isinstance(value, tuple) else 0


@given(st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), values.filter(lambda v: depth(v) < 5)))
def test_attributes_survive(attrs: dict[str, object]) -> None:
    topology = Topology("n", (1,), (Node("a", "relu", attrs=attrs),), ("a",))
    assert read_topology(Reader(stored(topology))).nodes[0].attrs == attrs


@pytest.mark.parametrize("value", [None, b"x", {"a": 1}, 1 << 63, ((((((1,),),),),),)])
def test_other_attributes_are_refused(value: object) -> None:
    with pytest.raises(InputError, match="cannot be stored"):
        stored(Topology("n", (1,), (Node("a", "relu", attrs={"x": value}),), ("a",)))


def test_numpy_numbers_become_plain_ones() -> None:
    attrs = {"a": np.int64(3), "b": np.float32(0.5), "c": [np.int32(1), 2], "d": math.inf}
    topology = Topology("n", (1,), (Node("a", "relu", attrs=attrs),), ("a",))
    assert read_topology(Reader(stored(topology))).nodes[0].attrs == {
        "a": 3,
        "b": 0.5,
        "c": (1, 2),
        "d": math.inf,
    }


@given(st.binary(max_size=80))
def test_any_bytes_are_a_graph_or_refused(data: bytes) -> None:
    try:
        topology = read_topology(Reader(data))
    except InputError:
        return
    assert topology.nodes


@given(st.integers(0, 2**70 - 1))
def test_varints_round_trip(value: int) -> None:
    writer = Writer()
    writer.varint(value)
    assert Reader(bytes(writer.data)).varint() == value


def test_a_varint_without_end_is_refused() -> None:
    with pytest.raises(InputError, match="longer than"):
        Reader(b"\xff" * 20).varint()


def test_further_inputs_survive() -> None:
    nodes = (Node("sum", "add", (INPUT, "cache", "mask", "table")),)
    extra = {"cache": (4, 1), "mask": ()}
    topology = Topology("two", (4, 4), nodes, ("sum",), extra)
    assert read_topology(Reader(stored(topology))) == topology
    assert topology.param_names() == ("table",)
