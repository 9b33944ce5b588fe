"""Other mappers: no single layer moves more than the best peer finds."""

from functools import cache

import pytest

from hwsim.analysis.mappers import PRINTED_PCT, against_mappers


@cache
def table():
    return against_mappers()


def test_no_peer_moves_less():
    assert len(table()) == 12
    above = table()[table()["error_pct"] > PRINTED_PCT]
    assert above.empty, above.to_string()


def test_a_layer_that_moves_every_tensor_once_by_hand():
    """256 to 256 channels of 14 x 14, 3 x 3: 589,824 B of weights, 50,176 B in and as many out."""
    row = table().iloc[0]
    assert row["ours_kB"] == pytest.approx(589.824 + 2 * 50.176)
    assert row["above_bound"] == pytest.approx(1.0)


def test_blocks_lie_in_the_memory_and_never_below_the_bound():
    assert (table()["needed_KiB"] <= table()["sram_KiB"]).all()
    assert (table()["above_bound"] >= 1 - 1e-12).all()
