"""The lower convex hull of choices, against small cases worked out by hand and all mixtures of two."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hwsim.hull import Choice, lower_hull, slope


def test_a_choice_above_the_line_between_two_others_is_left_out():
    cheap, above, best = Choice(0.0, 10.0, "cheap"), Choice(5.0, 6.0, "above"), Choice(10.0, 0.0, "best")
    assert lower_hull([best, above, cheap]) == [cheap, best]
    below = above._replace(loss=4.0)
    assert lower_hull([best, below, cheap]) == [cheap, below, best]


def test_what_costs_more_and_loses_as_much_is_left_out():
    assert lower_hull([Choice(1.0, 2.0, "b"), Choice(3.0, 2.0, "c"), Choice(1.0, 2.0, "a")]) == [
        Choice(1.0, 2.0, "a")
    ]


def test_a_gain_for_nothing_comes_first():
    assert slope(Choice(1.0, 2.0, ""), Choice(1.0, 1.0, "")) == float("-inf")
    assert slope(Choice(1.0, 2.0, ""), Choice(3.0, 1.0, "")) == -0.5


points = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8)


@given(points)
def test_slopes_rise_and_no_choice_lies_below_the_hull(pairs):
    hull = lower_hull(Choice(float(cost), float(loss), None) for cost, loss in pairs)
    assert hull[0].cost == min(cost for cost, _ in pairs)
    assert hull[-1].loss == min(loss for _, loss in pairs)
    steps = list(pairwise(hull))
    assert all(slope(*one) < slope(*two) for one, two in pairwise(steps))
    for before, after in steps:
        for cost, loss in pairs:
            if before.cost <= cost <= after.cost:
                assert loss >= before.loss + slope(before, after) * (cost - before.cost) - 1e-9
