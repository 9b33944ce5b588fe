"""Weights of a small network as it is trained, pruned, trained again and brought back: lesson 2.

LeNet-300-100 on 10,000 images of MNIST for a few epochs: enough to see what happens to the weights,
not enough for errors to quote. Errors are on 5,000 other training images; the test set is not used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.methods.dsd import Schedule, dense_sparse_dense
from compress.methods.prune import layer_masks, weights_of
from compress.nn.config import TrainConfig
from compress.nn.datasets import load_dataset
from compress.nn.lenets import build
from compress.nn.train import evaluate
from hwsim.workload.storage import FLOAT_BITS, stored_entries

if TYPE_CHECKING:
    from compress.nn.datasets import Dataset
    from compress.nn.network import Network

IMAGES, HELD_OUT = 10_000, 5_000
DENSITIES = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02)
CONFIG = TrainConfig(epochs=3)
GAP_BITS = 5
SHOWN = "fc1.weight"
EDGES = np.linspace(-0.2, 0.2, 81)
SEED = 0


def pruning() -> dict[str, Any]:
    """Histograms of the first layer and errors at each density; density 1 is training without pruning."""
    whole = load_dataset(validation=HELD_OUT)
    dataset = replace(whole, train=whole.train[:IMAGES])
    return {
        "images": IMAGES,
        "held_out": HELD_OUT,
        "weights": sum(build("lenet300", np.random.default_rng(SEED)).params[name].size for name in _names()),
        "centres": np.round((EDGES[:-1] + EDGES[1:]) / 2, 4).tolist(),
        "runs": [_run(dataset, density) for density in DENSITIES],
    }


def _names() -> list[str]:
    return list(weights_of(build("lenet300", np.random.default_rng(SEED))).values())


def _run(dataset: Dataset, density: float) -> dict[str, Any]:
    fresh = build("lenet300", np.random.default_rng(SEED))
    schedule = Schedule.published(CONFIG, sparsity=1 - density)
    periods = dense_sparse_dense(fresh, dataset, schedule, rng=np.random.default_rng(SEED + 1))
    weights = {name: periods.dense.params[name] for name in _names()}
    masks = layer_masks(weights, dict.fromkeys(weights, density))
    cut = periods.dense.with_params(
        {name: value * masks.get(name, True) for name, value in periods.dense.params.items()}
    )
    steps = {"dense": periods.dense, "pruned": cut, "retrained": periods.sparse, "dense again": periods.final}
    return {
        "density": density,
        "stored_bytes": _stored_bytes(periods.sparse)
        if density < 1
        else 4 * sum(map(np.size, weights.values())),
        "steps": {name: _seen(network, dataset) for name, network in steps.items()},
    }


def _stored_bytes(network: Network) -> float:
    """Bytes of all weights as fp32 values and gaps between them."""
    bits = 0
    for name in _names():
        weight = network.params[name]
        density = np.count_nonzero(weight) / weight.size
        stored = stored_entries("pruned", weight.size, len(weight), density, FLOAT_BITS, GAP_BITS, bias=False)
        bits += stored.total_bits
    return bits / 8


def _seen(network: Network, dataset: Dataset) -> dict[str, Any]:
    """Histogram of the first layer without zeros and the few weights beyond its edges, and the error."""
    weight = network.params[SHOWN].ravel()
    kept = weight[weight != 0]
    counts, _ = np.histogram(kept, EDGES)
    return {
        "counts": counts.tolist(),
        "zeros": int(weight.size - kept.size),
        "error_pct": round(100 * evaluate(network, dataset.validation), 2),
    }
