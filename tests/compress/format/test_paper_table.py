"""The paper's columns, counted from files."""

from __future__ import annotations

import numpy as np
import pytest

from compress.format.container import Artifact
from compress.format.paper_table import paper_table
from compress.methods.share import share
from compress.nn.lenets import build


def layouts():
    rng = np.random.default_rng(0)
    network = build("lenet300", rng)
    tensors = {}
    for name in ("fc1.weight", "fc2.weight", "fc3.weight"):
        weight = network.params[name] * (rng.random(network.params[name].shape) < 0.1)
        tensors[name] = share(weight.astype(np.float32), 63, "linear")
    shared = Artifact.of(network, "shared", tensors)
    coded = {
        name: type(tensor)(tensor.labels, tensor.codebook, "huffman", 5) for name, tensor in tensors.items()
    }
    return shared.layout(), Artifact.of(network, "huffman", coded).layout()


def test_columns_follow_from_the_files():
    shared, coded = layouts()
    table = paper_table("lenet300", shared, coded)
    assert list(table.index) == ["fc1", "fc2", "fc3", "total"]
    assert table["weights"].tolist() == [235200, 30000, 1000, 266200]
    first = shared.tensor("fc1.weight")
    assert table.loc["fc1", "weights_kept_pct"] == 100 * first.nonzeros / 235200
    assert (table["weight_bits_PQ"] == 6).all()
    assert table.loc["fc1", "index_bits_PQ"] == first.bits["gaps"] / first.entries
    assert (table["weight_bits_PQH"] < 6).all()
    assert (table["index_bits_PQH"] < 5).all()
    bits = first.total_bits + shared.tensor("fc1.bias").total_bits
    assert table.loc["fc1", "rate_PQ_pct"] == pytest.approx(100 * bits / (32 * 235500))
    assert table.loc["total", "rate_PQH_pct"] == pytest.approx(100 * coded.file_bits / (32 * 266610))


def test_published_figures_stand_beside():
    table = paper_table("lenet300", *layouts())
    assert table.loc["fc2", "weight_bits_PQH_published"] == 4.4
    assert table.loc["total", "rate_PQH_pct_published"] == 2.49
    unknown = paper_table("lenet4", *layouts())
    assert not [column for column in unknown if "published" in column]
