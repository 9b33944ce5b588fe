"""Studies that train: what they conclude, by hand, from measurements made up for the purpose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from compress.nn.lenets import lenet_300_100
from compress.pipeline.recipe import TrainStep
from compress.pipeline.state import State
from experiments.studies import (
    density,
    dsd,
    large_or_small,
    precision,
    sensitivity,
    training,
    weight_histogram,
)
from experiments.studies.training import follow, small_mnist


def test_dense_sparse_dense_is_compared_seed_by_seed():
    rows = [
        (seed, sparsity, period, base + (0.5 if sparsity and seed else 0.0))
        for seed, base in enumerate((5.0, 6.0, 7.0))
        for sparsity in (0.0, 0.3)
        for period in ("dense", "final")
    ]
    measured = pd.DataFrame(rows, columns=["seed", "sparsity", "period", "test_error_pct"])
    table = dsd.compared(measured).set_index(["sparsity", "period"])
    final = table.loc[(0.3, "final")]
    assert (final["better"], final["seeds"], final["sign_test_p"]) == (0, 3, 0.5)
    assert final["difference_mean"] == pytest.approx(1 / 3)
    assert final["difference_standard_error"] == pytest.approx(1 / 6)
    assert table.loc[(0.0, "final"), "sign_test_p"] == 1.0


def test_density_is_compared_with_the_dense_network_of_the_same_seed():
    rows = [(0, 1.0, 0, 5.0), (0, 0.1, 1, 5.5), (1, 1.0, 0, 7.0), (1, 0.1, 1, 6.5)]
    measured = pd.DataFrame(rows, columns=["seed", "density", "train_error_pct", "test_error_pct"])
    table = density.compared(measured).set_index("density")
    assert table.loc[0.1, "difference_mean"] == 0.0
    assert table.loc[0.1, "difference_standard_error"] == pytest.approx(0.5)
    assert table.loc[0.1, "better"] == 1


def test_the_contest_interpolates_between_small_networks():
    rows = [
        ("large, compressed", 0, 9, 9, 1000, 10.0),
        ("small, fp32", 0, 9, 9, 100, 30.0),
        ("small, fp32", 1, 9, 9, 10_000, 20.0),
        ("small, fp32", 2, 9, 9, 1_000_000, 5.0),
    ]
    points = pd.DataFrame(
        rows, columns=["method", "rank", "parameters", "nonzeros", "bytes", "test_error_pct"]
    )
    (row,) = large_or_small.contest(points).to_dict("records")
    assert row["small_error_pct"] == pytest.approx(25.0)  # half-way from 100 to 10,000 bytes
    assert row["small_bytes"] == pytest.approx(10_000 * 100 ** (2 / 3))
    assert row["bytes_ratio"] == pytest.approx(10 * 100 ** (2 / 3))


def test_a_layer_is_unharmed_as_far_as_all_denser_ones_are():
    rows = [("net", "fc1", d, e) for d, e in ((1.0, 5.0), (0.5, 5.4), (0.3, 6.0), (0.1, 5.1))]
    medians = pd.DataFrame(rows, columns=["network", "layer", "density", "error_pct"])
    assert sensitivity.unharmed(medians).to_dict("records") == [
        {"network": "net", "layer": "fc1", "density": 0.5}
    ]


def test_zeros_of_a_histogram_are_counted_apart():
    columns = ["stage", "layer", "low", "high", "weights", "zeros"]
    rows = [("pruned", "fc1", -1, 0, 3, 0), ("pruned", "fc1", 0, 1, 7, 6), ("pruned", "fc1", 1, 2, 0, 0)]
    (row,) = weight_histogram.summary(pd.DataFrame(rows, columns=columns)).to_dict("records")
    expected = {"weights": 10, "zeros_pct": 60.0, "filled_bins": 2}
    assert {key: row[key] for key in expected} == expected


def test_steps_are_followed_and_the_same_seed_gives_the_same_bytes(monkeypatch):
    monkeypatch.setattr(training, "IMAGES", 300)
    dataset = small_mnist()
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (300, 10_000, 10_000)
    fresh = State(lenet_300_100(np.random.default_rng(0), (12, 8)))
    files = [
        follow(fresh, [TrainStep(kind="train", epochs=1)], dataset, seed)[1].to_bytes() for seed in (3, 3, 4)
    ]
    assert files[0] == files[1] != files[2]


def test_formats_of_16_bits_are_rounded_before_every_layer():
    network = lenet_300_100(np.random.default_rng(0))
    rounded = precision.in_16_bits(network, "bf16")
    assert [node.op for node in rounded.nodes].count("round_float") == 3
    weight = rounded.params["fc1.weight"]
    assert np.array_equal(weight.view(np.uint32) & 0xFFFF, np.zeros(weight.shape, np.uint32))
    assert np.abs(weight / network.params["fc1.weight"] - 1).max() <= 2**-8


def test_energies_fall_with_every_narrower_format():
    energies = precision.energies().set_index("format")["energy_J"]
    order = ["fp32", "fp16", *(f"int{bits}" for bits in precision.BITS)]
    assert (energies[order].diff().dropna() < 0).all()
