"""The zoo: published counts of parameters and MACs, and every network runs."""

from __future__ import annotations

import numpy as np
import pytest

from compress.nn.counting import macs
from compress.nn.folding import fold
from compress.nn.zoo import ZOO, build
from compress.nn.zoo.transformer import LLAMA_7B, causal_mask, llama_decode, llama_prefill, rotary
from hwsim.errors import InputError

PUBLISHED = {
    "lenet300": (266_610, 266_200),
    "lenet5": (431_080, 2_293_000),
    "alexnet": (60_965_224, 724_406_816),
    "vgg16": (138_357_544, 15_470_264_320),
    "squeezenet1_0": (1_248_424, 861_339_936),
    "squeezenet1_1": (1_235_496, 349_151_936),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet1202": (19_421_274, 2_829_238_912),
    "mobilenet_v1": (4_231_976, 568_740_352),
    "mobilenet_v2": (3_504_872, 300_774_272),
    "lstm": (10_000 * 650 + 2 * 4 * 650 * 1301 + 651 * 10_000, 35 * (2 * 4 * 650 * 1300 + 650 * 10_000)),
    "neural_ode": (208_266, 56_955_776),
    "bert_base_encoder": (85_054_464, 128 * 12 * (4 * 768**2 + 2 * 768 * 3072 + 2 * 128 * 768)),
    "llama_prefill": (202_383_360, 128 * (202_383_360 - 2 * 4096 + 2 * 128 * 4096)),
    "llama_decode": (202_383_360, 202_383_360 - 2 * 4096 + 2 * 513 * 4096),
}
"""Parameters and MACs: as published where a paper or a model zoo prints them, else from the formula."""

SMALL = ("lenet300", "lenet5", "squeezenet1_1", "neural_ode")


def test_every_network_is_published_here():
    assert ZOO.keys() == PUBLISHED.keys()


@pytest.mark.parametrize("name", ZOO)
def test_parameters_and_macs(name):
    network = build(name)
    assert (network.parameter_count, sum(macs(network).values())) == PUBLISHED[name]


def test_a_whole_llama_has_the_published_number_of_parameters():
    layer = build("llama_decode").parameter_count
    assert 32 * layer + 2 * 32_000 * LLAMA_7B["width"] + LLAMA_7B["width"] == 6_738_415_616


@pytest.mark.parametrize(
    "name",
    [
        name if name in SMALL else pytest.param(name, marks=pytest.mark.slow)
        for name in ZOO
        if "llama" not in name
    ],
)
def test_networks_run_and_the_same_seed_gives_the_same(name):
    network = build(name, np.random.default_rng(3))
    x = sample(network, 2)
    y = network.forward(x)
    assert y.shape == network.shapes(2)[network.outputs[0]]
    assert np.isfinite(y).all()
    assert len(np.unique(y)) > y.size / 3
    again = build(name, np.random.default_rng(3)).forward(x[1:])
    np.testing.assert_allclose(again[0], y[1], rtol=1e-3, atol=1e-5 * np.abs(y).max())


def sample(network, batch):
    rng = np.random.default_rng(4)
    if network.name == "lstm":
        return rng.integers(0, 10_000, (batch, 35))
    return rng.standard_normal((batch, *network.input_shape), np.float32)


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18"])
def test_folding_batch_normalisation_changes_nothing(name):
    rng = np.random.default_rng(5)
    network = build(name, rng)
    norms = {
        key: value * rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
        if key.endswith("scale")
        else rng.standard_normal(value.shape, np.float32)
        for key, value in network.params.items()
        if "norm" in key
    }
    network = network.with_params(norms)
    folded = fold(network)
    assert "affine" in {node.op for node in network.nodes}
    assert "affine" not in {node.op for node in folded.nodes}
    x = sample(network, 1)
    y = network.forward(x)
    assert np.abs(folded.forward(x) - y).max() <= 1e-4 * np.abs(y).max()


def test_decode_continues_prefill(monkeypatch):
    """The last of five tokens gets the same output alone, given keys and values of the four before."""
    small = {"width": 16, "heads": 2, "hidden": 24}
    monkeypatch.setattr("compress.nn.zoo.transformer.LLAMA_7B", small)
    whole = llama_prefill(np.random.default_rng(6), tokens=5)
    x = np.random.default_rng(7).standard_normal((1, 5, 16), np.float32)
    seen = {}
    y = whole.forward(
        x,
        extra=rotary(0, 5) | causal_mask(5),
        observe=seen.__setitem__,
    )
    step = llama_decode(np.random.default_rng(6), past=4).with_params(whole.params)
    cache = {"keys": seen["k_rotated"][:, :, :4], "values": seen["v_heads"][:, :, :4]}
    one = step.forward(x[:, 4:], extra=rotary(4, 1) | cache)
    np.testing.assert_allclose(one, y[:, 4:], rtol=1e-4, atol=1e-5)


def test_unknown_network():
    with pytest.raises(
        InputError, match="network 'lenet' is unknown, expected one of lenet300, lenet5, alexnet"
    ):
        build("lenet")
