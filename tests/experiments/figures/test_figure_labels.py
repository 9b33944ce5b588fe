"""Labels are moved apart, as little as needed, and stay within bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.figures.labels import spread

POSITIONS = st.lists(st.floats(-100, 100), min_size=1, max_size=12)


def test_labels_with_room_stay_and_two_that_collide_part_evenly():
    assert spread([3.0, 1.0], 1.0) == [3.0, 1.0]
    assert spread([1.0, 1.0, 9.0], 1.0) == pytest.approx([0.5, 1.5, 9.0])
    assert spread([0.0, 0.0, 0.0], 1.0, low=0.0) == pytest.approx([0.0, 1.0, 2.0])
    assert spread([5.0, 5.0], 1.0, high=5.0) == pytest.approx([4.0, 5.0])


@given(POSITIONS, st.floats(0.01, 5))
def test_gaps_are_kept_in_the_order_of_the_positions(positions, gap):
    moved = np.array(spread(positions, gap))[np.argsort(positions, kind="stable")]
    assert (np.diff(moved) >= gap - 1e-9).all()


@given(POSITIONS, st.floats(0.01, 5))
def test_the_mean_does_not_drift(positions, gap):
    assert np.mean(spread(positions, gap)) == pytest.approx(np.mean(positions), abs=1e-9)


@given(POSITIONS, st.floats(0.01, 5))
def test_bounds_with_room_are_kept(positions, gap):
    high = gap * len(positions)
    moved = spread(positions, gap, low=0.0, high=high)
    assert min(moved) >= 0.0
    assert max(moved) <= high + 1e-9
