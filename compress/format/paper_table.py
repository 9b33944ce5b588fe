"""The table of Deep Compression for a compressed file, next to the published values."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compress.format.layout import Layout, TensorLayout

TOTAL = "total"


def paper_table(network: str, shared: Layout, coded: Layout) -> pd.DataFrame:
    """Weights, bits and rates by layer in the paper's columns (Han et al. 2016, tables 2 to 5).

    Parameters
    ----------
    network : str
        Name of the network, which finds the published rows if there are any.
    shared, coded : Layout
        Files of the same network after sharing (P+Q) and after Huffman coding (P+Q+H).

    Returns
    -------
    DataFrame
        Indexed by layer, the last row the whole file. ``weights``: their number;
        ``weights_kept_pct``; ``weight_bits`` and ``index_bits``: mean bits of a stored entry, fillers
        included; ``rate_pct``: bits of a layer (codebook, tables and biases included) over those of
        its fp32 weights and biases. ``_PQ`` and ``_PQH`` name the file; ``_published`` the paper's
        figure.
    """
    layers = list(dict.fromkeys(tensor.name.rpartition(".")[0] for tensor in shared.tensors))
    rows = {layer: _row(_tensors(shared, layer), _tensors(coded, layer)) for layer in layers}
    rows[TOTAL] = _row(shared.tensors, coded.tensors) | {
        "rate_PQ_pct": 100 / shared.ratio,
        "rate_PQH_pct": 100 / coded.ratio,
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("layer")
    published = published_layers(network)
    return table.join(published.add_suffix("_published")) if len(published) else table


def _tensors(layout: Layout, layer: str) -> list[TensorLayout]:
    return [tensor for tensor in layout.tensors if tensor.name.rpartition(".")[0] == layer]


def _row(shared: Iterable[TensorLayout], coded: Iterable[TensorLayout]) -> dict[str, float]:
    shared, coded = list(shared), list(coded)
    weights = [tensor for tensor in shared if "gaps" in tensor.bits]
    size = sum(tensor.size for tensor in weights)
    row = {
        "weights": size,
        "weights_kept_pct": 100 * sum(tensor.nonzeros for tensor in weights) / size,
    }
    for suffix, tensors in (("PQ", shared), ("PQH", coded)):
        sparse = [tensor for tensor in tensors if "gaps" in tensor.bits]
        entries = sum(tensor.entries for tensor in sparse)
        row[f"weight_bits_{suffix}"] = sum(tensor.bits["values"] for tensor in sparse) / entries
        row[f"index_bits_{suffix}"] = sum(tensor.bits["gaps"] for tensor in sparse) / entries
        dense_bits = 32 * sum(tensor.size for tensor in tensors)
        row[f"rate_{suffix}_pct"] = 100 * sum(tensor.total_bits for tensor in tensors) / dense_bits
    return row


def published_layers(network: str) -> pd.DataFrame:
    """Rows of the paper's table, indexed by layer; none if it has no such network."""
    path = resources.files("compress") / "data" / "deep_compression.csv"
    with path.open("r", encoding="utf-8") as file:
        table = pd.read_csv(file, comment="#", index_col="layer")
    return table[table["network"] == network].drop(columns=["network", "source"])
