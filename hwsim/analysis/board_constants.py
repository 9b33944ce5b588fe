"""What the fitted constants of families buy: the error of simulated boards without each of them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from hwsim.machine.families import constants

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip
    from hwsim.machine.families import Constant

FROM_FAMILY = "family "
"""How the source of a key begins that a chip takes from its family."""


def constants_of(chip: Chip) -> list[Constant]:
    """Constants that a chip takes from its family, because its file does not state them.

    Parameters
    ----------
    chip : Chip
    """
    return [
        constant
        for constant in constants()
        if constant.family == chip.kernels.family
        and chip.sources.get(constant.key, "").startswith(FROM_FAMILY)
    ]


def without(chip: Chip, constant: Constant) -> Chip:
    """Copy of a chip where one constant of its family has no effect.

    Parameters
    ----------
    chip : Chip
    constant : Constant
        One of `constants_of` the chip.
    """
    held = float(attrgetter(constant.key)(chip))
    return chip.replace(**{constant.key: round(held * constant.neutral / constant.value, 6)})
