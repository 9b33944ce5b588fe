"""Weights coded anew: the same numbers, and a stage that says what was done to them."""

from __future__ import annotations

import numpy as np
import pytest
from small_network import small_problem

from compress.format.container import Artifact, parse
from compress.format.recode import recode
from compress.format.tensors import SharedTensor
from compress.methods.quantize import quantize_network
from hwsim.errors import InputError

CODINGS = ("fixed", "huffman", "context", "smallest")


@pytest.mark.parametrize("coding", CODINGS)
def test_quantized_weights_are_coded_and_keep_their_stage(coding):
    network, dataset = small_problem()
    original = quantize_network(network, dataset.train.x, 4)
    coded, layout = parse(recode(original, coding).to_bytes())
    assert coded.stage == "int4"
    if coding != "smallest":
        assert layout.tensor("fc1.weight").form == f"int4 {coding}"
    for name, value in original.arrays().items():
        np.testing.assert_array_equal(coded.arrays()[name], value)
    assert coded.topology == original.topology


def test_the_smallest_coding_of_quantized_zeros_is_smaller():
    network, dataset = small_problem(hidden=200)
    sparse = network.with_params({"fc1.weight": network.params["fc1.weight"] * (np.arange(16) == 0)})
    original = quantize_network(sparse, dataset.train.x)
    assert len(recode(original, "smallest").to_bytes()) < 0.6 * len(original.to_bytes())


@pytest.mark.parametrize("coding", CODINGS)
def test_shared_weights_name_their_coding(coding):
    network, _ = small_problem()
    labels = np.random.default_rng(0).integers(0, 4, (20, 16))
    shared = SharedTensor(labels, np.array([1, 2, 3], np.float32))
    coded = recode(Artifact.of(network, "shared", {"fc1.weight": shared}), coding)
    assert coded.stage == ("shared" if coding == "fixed" else coding)
    assert coded.tensors["fc1.weight"].coding == coding


def test_what_is_not_shared_or_quantized_is_refused():
    network, _ = small_problem()
    with pytest.raises(InputError, match=r"small \(stage dense\): nothing to code, expected shared or quant"):
        recode(Artifact.of(network, "dense"), "huffman")
