"""What fits the DRAM of a chip: a language model, the caches of its sequences, its activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.errors import InputError
from hwsim.units import memory_size
from hwsim.workload.language.memory import footprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.machine.chip import Chip
    from hwsim.workload.language.memory import Footprint, Served

LARGEST = 1 << 30
"""Largest batch or context that is looked for."""


def require_fit(chip: Chip, name: str, found: Footprint, boards: int = 1) -> None:
    """Refuse what the DRAM of a chip cannot hold. A chip without a stated capacity holds everything.

    Parameters
    ----------
    chip : Chip
    name : str
        Of the model.
    found : Footprint
    boards : int
        Chips that share it.

    Raises
    ------
    InputError
        If it is too much; the message has the sum.
    """
    capacity = chip.dram.capacity_B
    if capacity is None or found.total_B <= boards * capacity:
        return
    there = memory_size(capacity) if boards == 1 else f"{boards} x {memory_size(capacity)}"
    raise InputError(
        f"chip {chip.name}: {name} takes {memory_size(found.weights_B)} of weights, "
        f"{memory_size(found.cache_B)} of cache and {memory_size(found.activations_B)} of activations, "
        f"{memory_size(found.total_B)} in all, expected at most dram.capacity_B = {there}"
    )


def largest_batch(chip: Chip, served: Served, context: int, boards: int = 1) -> int | None:
    """Largest number of sequences of so many tokens that fit; None if the capacity is not stated."""
    return _largest(chip, boards, lambda batch: footprint(served, context, batch))


def largest_context(chip: Chip, served: Served, batch: int, boards: int = 1) -> int | None:
    """Largest number of tokens of each sequence that fits, up to what the model was made for.

    None if the capacity is not stated, or nothing that the model keeps grows with the context.
    """
    found = _largest(chip, boards, lambda context: footprint(served, context, batch))
    if found is None or (found == LARGEST and served.model.longest is None):
        return None
    return min(found, served.model.longest or found)


def _largest(chip: Chip, boards: int, taken: Callable[[int], Footprint]) -> int | None:
    """Largest number that fits, by bisection: bytes grow with it. 0 if not even 1 does."""
    if chip.dram.capacity_B is None:
        return None
    capacity = boards * chip.dram.capacity_B
    low, high = 0, LARGEST
    while low < high:
        middle = (low + high + 1) // 2
        if taken(middle).total_B <= capacity:
            low = middle
        else:
            high = middle - 1
    return low
