"""Outputs are judged by what they are."""

from __future__ import annotations

import numpy as np
import pytest

from compress.methods.agreement import Scale, agreement, output_scales
from compress.nn.interface import Interface
from compress.nn.network import Network, Node

RNG = np.random.default_rng(2)


def values(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def scale_of(*nodes: Node, shape: tuple[int, ...] = (4,), name: str = "y", **params: np.ndarray) -> Scale:
    network = Network("n", shape, nodes, params, interface=Interface(outputs=(name,)))
    return output_scales(network)[name]


def fc(filters: int) -> tuple[Node, dict[str, np.ndarray]]:
    return Node("f", "fc", params=("w",)), {"w": values(filters, 4)}


def test_classes_lie_along_the_last_axis_of_a_product():
    node, params = fc(5)
    assert scale_of(node, **params).classes == 1
    assert scale_of(node, shape=(7, 4), **params).classes == 2


def test_classes_of_a_segmentation_are_its_channels_not_its_pixels():
    conv = Node("c", "conv", params=("w",))
    weight = values(2, 3, 1, 1)
    assert scale_of(conv, shape=(3, 8, 8), w=weight).classes == 1
    last = Node("t", "transpose", ("c",), {"order": (0, 2, 3, 1)})
    assert scale_of(conv, last, shape=(3, 8, 8), w=weight).classes == 3
    image = values(3, 3, 1, 1)
    assert scale_of(conv, shape=(3, 8, 8), w=image) == Scale()
    softmax = Node("s", "softmax", ("c",), {"axis": 1})
    assert scale_of(conv, softmax, shape=(3, 8, 8), w=image).classes == 1


def test_a_value_a_score_and_a_box():
    node, params = fc(1)
    assert scale_of(node, **params) == Scale()
    assert scale_of(node, Node("s", "sigmoid", ("f",)), **params) == Scale(threshold=0.5)
    assert scale_of(node, name="score", **params) == Scale(threshold=0.0)
    node, params = fc(4)
    assert scale_of(node, name="boxes", **params) == Scale()


def test_figures_by_hand():
    original = np.array([[[3, 0], [1, 1]], [[0, 2], [5, 5]]], np.float32)  # two classes, two positions
    other = original.copy()
    other[0, 1, 0] = 9  # item 0, class 1, position 0: its best class changes
    assert agreement(original, other, Scale(classes=1)).top_1 == 0.75
    found = agreement(original, other, Scale(threshold=0.5))
    assert (found.top_1, found.flips) == (None, 0)
    assert agreement(original, -original, Scale(threshold=0.5)).flips == pytest.approx(6 / 8)
    alone = agreement(np.array([[2.0], [4.0]]), np.array([[2.0], [3.0]]))
    assert (alone.top_1, alone.flips, alone.largest_error) == (None, None, 0.25)
    assert alone.snr_dB == pytest.approx(10 * np.log10(20))
