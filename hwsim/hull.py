"""Choices that cost something and lose something: those worth making, cheapest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class Choice(NamedTuple, Generic[T]):
    """What a choice costs, what is lost by it, and what it is."""

    cost: float
    loss: float
    what: T


def lower_hull(choices: Iterable[Choice[T]]) -> list[Choice[T]]:
    """Lower convex hull of loss over cost, from the cheapest choice to the one of least loss.

    Where losses and costs of several parts add up, the steps along the hulls of all parts, steepest first,
    are the best choices for every budget (Shoham and Gersho 1988, "Efficient bit allocation for an
    arbitrary set of quantizers").

    Parameters
    ----------
    choices : iterable of Choice
        In any order. Of equals the one whose `what` is least is kept.
    """
    hull: list[Choice[T]] = []
    for choice in sorted(choices):
        if hull and choice.loss >= hull[-1].loss:
            continue
        while len(hull) > 1 and slope(hull[-2], hull[-1]) >= slope(hull[-1], choice):
            hull.pop()
        hull.append(choice)
    return hull


def slope(before: Choice[T], after: Choice[T]) -> float:
    """Loss per unit of cost from one choice of a hull to the next, negative: the lower, the better."""
    more = after.cost - before.cost
    return (after.loss - before.loss) / more if more else float("-inf")
