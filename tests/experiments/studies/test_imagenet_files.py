"""Synthetic weights: as many and as even as asked for, clustered where asked for."""

from __future__ import annotations

import numpy as np
import pytest

from compress.format.paper_table import published_layers
from experiments.studies.imagenet_files import NETWORKS, WAYS, file_table, synthetic


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize("density", [0.04, 0.3, 0.84])
def test_density_and_values_are_as_asked_for(density, spread):
    tensor = synthetic((300, 40, 3, 3), density, 31, spread, np.random.default_rng(1))
    assert tensor.shape == (300, 40, 3, 3)
    assert len(tensor.codebook) <= 31
    # quantiles stand for the scales of 300 rows and 360 columns
    assert np.count_nonzero(tensor.labels) / tensor.labels.size == pytest.approx(density, rel=0.1)


def test_independent_masks_have_even_rows_and_clustered_ones_do_not():
    deviations = []
    for spread in (0.0, 0.5):
        tensor = synthetic((400, 400), 0.1, 31, spread, np.random.default_rng(1))
        deviations.append(np.count_nonzero(tensor.labels, axis=1).std())
    assert deviations[0] == pytest.approx(np.sqrt(400 * 0.1 * 0.9), rel=0.15)
    assert deviations[1] > 4 * deviations[0]


def test_magnitudes_beyond_the_threshold_are_exponential():
    """Of Laplace weights of scale 1 the part exp(-t) is kept, t + 1 on average: 3.3 for 10%."""
    tensor = synthetic((500, 500), 0.1, 255, 0.0, np.random.default_rng(1))
    values = np.abs(tensor.to_array()[tensor.labels > 0])
    assert values.mean() == pytest.approx(np.log(10) + 1, rel=0.01)


@pytest.mark.parametrize("network", NETWORKS)
def test_published_rows_have_every_layer(network):
    table = published_layers(network)
    assert len(table) == {"alexnet": 9, "vgg16": 17}[network]
    assert {"P+Q", "P+Q+H"} < {way.name for way in WAYS}


def test_ratios_stand_beside_the_published_ones():
    class Layout:
        file_bits, ratio = 8_000, 20.0

    table = file_table("alexnet", "independent", {"P+Q": Layout(), "context mixing": Layout()})
    assert table["published_ratio"].iloc[0] == pytest.approx(100 / 3.7)
    assert table["over_published"].iloc[0] == pytest.approx(100 / 3.7 / 20)
    assert np.isnan(table["published_ratio"].iloc[1])
