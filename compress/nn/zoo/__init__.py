"""Networks by name, executable; with random weights, or with zeros that take no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.nn.lenets import lenet_5, lenet_300_100
from compress.nn.zoo.mobilenet import mobilenet_v1, mobilenet_v2
from compress.nn.zoo.plain import alexnet, vgg_16
from compress.nn.zoo.resnet import resnet_18, resnet_50, resnet_1202
from compress.nn.zoo.sequential import lstm, neural_ode
from compress.nn.zoo.squeezenet import squeezenet_1_0, squeezenet_1_1
from compress.nn.zoo.transformer import bert_base_encoder, llama_decode, llama_prefill
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.nn.network import Network

__all__ = ["ZOO", "build"]

ZOO: dict[str, Callable[[np.random.Generator | None], Network]] = {
    "lenet300": lambda rng: lenet_300_100(rng or np.random.default_rng(0)),
    "lenet5": lambda rng: lenet_5(rng or np.random.default_rng(0)),
    "alexnet": alexnet,
    "vgg16": vgg_16,
    "squeezenet1_0": squeezenet_1_0,
    "squeezenet1_1": squeezenet_1_1,
    "resnet18": resnet_18,
    "resnet50": resnet_50,
    "resnet1202": resnet_1202,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "lstm": lstm,
    "neural_ode": neural_ode,
    "bert_base_encoder": bert_base_encoder,
    "llama_prefill": llama_prefill,
    "llama_decode": llama_decode,
}


def build(name: str, rng: np.random.Generator | None = None) -> Network:
    """Make the named network.

    Parameters
    ----------
    rng : numpy.random.Generator, optional
        Draws the weights; without it they are zeros (the LeNets', which are small, are drawn).

    Raises
    ------
    InputError
        If there is no network of that name.
    """
    if name not in ZOO:
        raise InputError(f"network {name!r} is unknown, expected one of {', '.join(ZOO)}")
    return ZOO[name](rng)
