"""AlexNet and VGG-16 as files: the published pipeline on weights drawn at the published densities.

Question. Do the published densities and bits give the published files, 27 and 35 times smaller than
AlexNet, 31 and 49 times smaller than VGG-16? And what does a better codec make of the same weights?

Look for. `files` has the whole file, written in four ways; `layers` the paper's columns, layer by layer,
beside the paper's. Weights are Laplace, pruned by magnitude. Once every weight is pruned by itself, and once
rows and columns differ in scale, so that kept weights cluster as they do in trained networks; by how much
is a guess, not a fit. Where kept weights are evenly spread, no coder can gain on their places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from compress.codecs.base import rows_of
from compress.format.container import Artifact, parse
from compress.format.paper_table import paper_table, published_layers
from compress.format.tensors import SharedTensor
from compress.methods.cluster import kmeans
from compress.methods.prune import weights_of
from compress.nn import zoo
from experiments.figures import imagenet_files as figures
from experiments.runs import labels
from experiments.runs.phrases import listed, percent, span
from hwsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.format.layout import Layout
    from compress.format.tensors import StoredTensor
    from compress.nn.network import Network
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

NETWORKS = ("alexnet", "vgg16")
MASKS = {"independent": 0.0, "clustered": 0.5}
"""Standard deviation of the logarithm of each row's and each column's scale."""

STRIDE = 1 << 22
"""Weights drawn at a time."""

SEED = 0


class Way(NamedTuple):
    """How labels are written, and whether gaps have the published width."""

    name: str
    stage: str
    coding: str
    published_gaps: bool


WAYS = (
    Way("P+Q", "shared", "fixed", True),
    Way("P+Q+H", "huffman", "huffman", True),
    Way("Huffman, best gap width", "huffman", "huffman", False),
    Way("context mixing", "context", "context", False),
)


def produce(run: Run) -> None:
    """Write the tables of layers and of files."""
    layers, files = [], []
    for network in NETWORKS:
        for mask, spread in MASKS.items():
            tensors = synthetic_tensors(network, spread)
            layouts = {way.name: stored(artifact_of(network, tensors, way)) for way in WAYS}
            table = paper_table(network, layouts["P+Q"], layouts["P+Q+H"]).reset_index()
            layers.append(table.assign(network=network, mask=mask))
            files.append(file_table(network, mask, layouts))
    columns = ["network", "mask"]
    for name, tables in (("layers", layers), ("files", files)):
        together = pd.concat(tables)
        together = together[[*columns, *together.columns.drop(columns)]]
        run.write_csv(f"{name}.csv", together)


def synthetic_tensors(network: str, spread: float) -> dict[str, SharedTensor]:
    """Weights by layer, at the published density and with as many values as the published bits allow."""
    rng = np.random.default_rng(SEED)
    net = zoo.build(network)
    shapes = {layer: net.params[name].shape for layer, name in weights_of(net).items()}
    published = published_layers(network)
    densities, bits = published["weights_kept_pct"] / 100, published["weight_bits_PQ"]
    return {
        layer: synthetic(shape, float(densities[layer]), (1 << int(bits[layer])) - 1, spread, rng)
        for layer, shape in shapes.items()
    }


def synthetic(
    shape: tuple[int, ...], density: float, values: int, spread: float, rng: np.random.Generator
) -> SharedTensor:
    """Laplace weights pruned by magnitude and shared as published.

    Row and column i have the scale ``exp(spread * z_i)``, z normal: with a spread, whole rows and
    columns are fuller than others, as in trained networks. Of a Laplace weight of scale s, the part
    ``exp(-t / s)`` is beyond the threshold t, and what is beyond is exponential.
    """
    rows, columns = rows_of(shape)
    row_scale, column_scale = (
        np.exp(spread * rng.standard_normal(n)).astype(np.float32) for n in (rows, columns)
    )
    threshold = _threshold(row_scale, column_scale, density)
    places, magnitudes = [], []
    step = max(STRIDE // columns, 1)
    for first in range(0, rows, step):
        scale = row_scale[first : first + step, np.newaxis] * column_scale
        kept = np.flatnonzero(rng.random(scale.shape, np.float32) < np.exp(-threshold / scale))
        places.append(kept + first * columns)
        magnitudes.append(threshold + scale.ravel()[kept] * rng.standard_exponential(len(kept), np.float32))
    kept_values = np.concatenate(magnitudes)
    kept_values *= rng.choice(np.array([-1, 1], np.float32), len(kept_values))
    clusters = kmeans(kept_values, values, "linear")
    labels = np.zeros(rows * columns, np.uint8)
    labels[np.concatenate(places)] = clusters.assign(kept_values) + 1
    return SharedTensor(labels.reshape(shape), clusters.centroids.astype(np.float32))


def _threshold(row_scale: NDArray[np.float32], column_scale: NDArray[np.float32], density: float) -> float:
    """Threshold that leaves `density`, from quantiles of the scales."""
    ranks = (np.arange(200) + 0.5) / 200
    scale = np.outer(np.quantile(row_scale, ranks), np.quantile(column_scale, ranks))
    return float(brentq(lambda t: np.exp(-t / scale).mean() - density, 0.0, 100.0))


def artifact_of(network: str, tensors: dict[str, SharedTensor], way: Way) -> Artifact:
    """Return the whole network; its biases are zeros in fp32."""
    net: Network = zoo.build(network)
    gap_bits = published_layers(network)["index_bits_PQ"]
    named: dict[str, StoredTensor] = {
        name: replace(
            tensors[layer],
            coding=way.coding,
            gap_bits=int(gap_bits[layer]) if way.published_gaps else None,
        )
        for layer, name in weights_of(net).items()
    }
    return Artifact.of(net, way.stage, named)


def stored(artifact: Artifact) -> Layout:
    """Write the file and read it again.

    Raises
    ------
    InputError
        If what is read is not what was written.
    """
    back, layout = parse(artifact.to_bytes())
    for name, tensor in artifact.tensors.items():
        if isinstance(tensor, SharedTensor) and not np.array_equal(
            tensor.labels, cast("SharedTensor", back.tensors[name]).labels
        ):
            raise InputError(f"{name}: other weights are read than were written")
    return layout


def file_table(network: str, mask: str, layouts: dict[str, Layout]) -> pd.DataFrame:
    """One row a way of writing: bytes and ratio of the whole file, beside the published ones.

    Columns: network, mask, way, bytes, ratio, published_ratio, over_published.
    """
    rates = published_layers(network).loc["total", ["rate_PQ_pct", "rate_PQH_pct"]]
    published = dict(zip(("P+Q", "P+Q+H"), 100 / rates.to_numpy(float), strict=True))
    rows = [
        {
            "network": network,
            "mask": mask,
            "way": way,
            "bytes": layout.file_bits // 8,
            "ratio": layout.ratio,
            "published_ratio": published.get(way),
            "over_published": published[way] / layout.ratio if way in published else None,
        }
        for way, layout in layouts.items()
    ]
    return pd.DataFrame(rows)


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"files": figures.draw(tables["files"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how near the published sizes are, and what better codes make of the same weights."""
    files = tables["files"]
    coded = files[files["way"] == "P+Q+H"]
    sizes = [
        f"{labels.network(str(name))} {span(found['ratio'])} times smaller"
        for name, found in coded.groupby("network", sort=False)
    ]
    over = coded.groupby("mask", sort=False)["over_published"]
    excess = {mask: span(found - 1, percent) for mask, found in over}
    bytes_ = files.pivot_table("bytes", ["network", "mask"], "way")
    best = 1 - bytes_["Huffman, best gap width"] / bytes_["P+Q+H"]
    mixed = 1 - bytes_["context mixing"] / bytes_["Huffman, best gap width"]
    return (
        f"With Huffman codes the published pipeline makes {listed(sizes)}.",
        f"Files are {excess['independent']} larger than published if weights are pruned independently, and "
        f"{excess['clustered']} if kept weights cluster.",
        f"A gap width chosen for each layer saves another {span(best, percent)}. Context mixing then saves "
        f"{span(mixed.xs('independent', level='mask'), percent)} with independent masks and "
        f"{span(mixed.xs('clustered', level='mask'), percent)} with clustered ones.",
    )
