"""Numbers in sentences: what answers of studies and titles of figures are put together from.

Two significant digits, because no model of this kind is good for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.runs.labels import LIMITS
from hwsim.units import engineering, memory_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SAME = 0.005
"""Ratios within so much of 1 are called equal."""
NEAR = 0.1
"""Ratios within so much of 1 are told in percent, or with three digits."""


def number(value: float, digits: int = 2) -> str:
    """Write a number with so many significant digits, for example ``26,000`` or ``0.12``."""
    return f"{float(f'{value:.{digits}g}'):,.10g}"


def times(ratio: float) -> str:
    """Write a ratio, for example ``2.8 times``; near 1 with a digit more."""
    return f"{number(ratio, 3 if abs(ratio - 1) < NEAR else 2)} times"


def percent(share: float) -> str:
    """Write a share, for example ``34%``."""
    return f"{number(100 * share)}%"


def points(value: float) -> str:
    """Write a difference of two shares in percent, for example ``0.2 points``."""
    return f"{number(value)} points"


def quantity(value: float, unit: str) -> str:
    """Write a quantity with its SI prefix, for example ``4.2 µJ``."""
    return engineering(float(f"{value:.2g}"), unit)


def joules(value: float) -> str:
    """Write an energy, for example ``4.2 µJ``."""
    return quantity(value, "J")


def watts(value: float) -> str:
    """Write a power in whole watts from 10 W on, for example ``195 W``."""
    return f"{value:.0f} W" if value >= 10 else quantity(value, "W")


def size(value_B: float) -> str:
    """Write a size of memory, for example ``11 MiB``."""
    return memory_size(value_B, 3)


def span(values: Iterable[float], write: Callable[[float], str] = number) -> str:
    """Write the least and the largest of some values, for example ``13 to 38 times``; one if they agree."""
    found = sorted(values)
    low, high = write(found[0]), write(found[-1])
    if low == high:
        return low
    (first, *unit), (_, *same) = low.split(" "), high.split(" ")
    return f"{first.removesuffix('%') if unit == same else low} to {high}"


def listed(names: Iterable[str]) -> str:
    """Write names as a list, for example ``A, B and C``; ``none`` if there is none."""
    found = list(names)
    if not found:
        return "none"
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


def changed(ratio: float, what: str, *, less: str = "less", more: str = "more") -> str:
    """Say how much smaller a thing has become: `ratio` is before over after.

    Parameters
    ----------
    ratio : float
    what : str
        Such as ``energy``.
    less, more : str
        Words for a ratio above 1 and below it.

    Returns
    -------
    str
        For example ``2.8 times less energy``, ``1.2 times more energy`` or ``the same energy``.
    """
    if abs(ratio - 1) < SAME:
        return f"the same {what}"
    word, factor = (less, ratio) if ratio > 1 else (more, 1 / ratio)
    if factor - 1 < NEAR:
        return f"{percent(abs(1 - 1 / ratio))} {word} {what}"
    return f"{times(factor)} {word} {what}"


def costs(ratio: float) -> str:
    """Say how a cost compares: `ratio` is this one over the other one, for example ``12% more``."""
    if abs(ratio - 1) < SAME:
        return "the same"
    return f"{percent(abs(ratio - 1))} {'more' if ratio > 1 else 'less'}"


def moves(before: float, after: float) -> str:
    """Say which way a value goes: ``raises``, ``lowers`` or ``keeps``."""
    if abs(after - before) <= SAME * abs(before):
        return "keeps"
    return "raises" if after > before else "lowers"


def limit(limiter: str) -> str:
    """Say what limits a run, as the literature says it."""
    return LIMITS.get(limiter, f"limited by {limiter}")
