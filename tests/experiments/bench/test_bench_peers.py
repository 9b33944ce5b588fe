"""Benchmarks beside other libraries: bounds by hand, peers that are there and peers that are not."""

from __future__ import annotations

import numpy as np
import pytest

from compress.format.tensors import SharedTensor
from compress.nn import zoo
from experiments.bench import against_peers as bench_peers
from experiments.bench.against_peers import Streams, ask, entropy_bits, levels_of, mask_bound_bytes

TENSOR = SharedTensor(
    np.array([[0, 1, 0, 3], [2, 0, 0, 4]]), np.array([0.5, -2, -1, 3], np.float32)
)  # codebook not in order


def test_bounds_by_hand():
    assert entropy_bits(np.array([1, 1, 0, 2])) == 1.5
    # half of 8 weights are there, 4 different ones: 8 bits of mask and 2 bits each
    assert mask_bound_bytes(TENSOR.labels) == (8 + 4 * 2) / 8


def test_levels_are_in_the_order_of_the_values_and_zero_stays_zero():
    assert levels_of(TENSOR).tolist() == [[0, 1, 0, -1], [-2, 0, 0, 2]]


def test_streams_of_a_tensor():
    streams = Streams.of(TENSOR, 2)
    assert streams.entries.tolist() == [1, 3, 2, 4]
    assert streams.distances.tolist() == [1, 1, 0, 2]
    assert streams.entropy_bytes() == (4 * 2 + 4 * 1.5) / 8
    assert streams.ideal_bytes() >= (4 * 2 + 4 * 1.5) / 8


def test_a_peer_that_is_there_answers_and_one_that_is_not_is_told(capsys):
    symbols = np.arange(200, dtype=np.uint8) % 7
    arrays = {"t/symbols": symbols, "t/levels": symbols.astype(np.int32).reshape(10, 20)}
    answers = ask("", {"what": "codecs", "tensors": ["t"]}, arrays)
    assert 70 < answers["t/zlib_huffman"]["bytes"] < 100  # 2.8 bits each, and a table
    assert answers["t/zlib_huffman"]["items"] == 200
    told = capsys.readouterr().err
    assert "t/nncodec: skipped" in told
    assert "make bench" in told


@pytest.mark.parametrize("name", bench_peers.NETWORKS)
def test_the_timed_networks_exist(name):
    assert bench_peers.build(name, np.random.default_rng(0)).name == name


@pytest.mark.parametrize("name", bench_peers.IMAGES)
def test_the_timed_images_fit_their_networks(name):
    assert zoo.build(name).input_shape[0] == 3


def test_an_image_is_timed_and_a_missing_peer_is_told(monkeypatch, capsys):
    monkeypatch.setattr(bench_peers, "IMAGES", {"lenet5": ("LeNet-5", 60, 1.5)})
    monkeypatch.setattr(bench_peers, "IMAGE_RUNS", 1)
    monkeypatch.setattr(bench_peers, "ask", lambda *_: {"lenet5": {"s": 1e-9}})
    image, memory, theirs, ratio = bench_peers.inference("")
    assert 0 < image.value < 60
    assert image.verdict == "met"
    assert 1 < memory.value < 5000
    assert (theirs.value, ratio.verdict) == (1e-9, "missed")
