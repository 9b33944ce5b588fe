"""What the fitted constants of families buy: the error of simulated boards without each of them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from hwsim.analysis.boards import Served, reports_of
from hwsim.analysis.recosting import recosted
from hwsim.machine.families import taken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.analysis.boards import Measured
    from hwsim.machine.chip import Chip
    from hwsim.machine.families import Constant


def constants_of(chip: Chip) -> list[Constant]:
    """Constants that a chip takes from its family, because its file does not state them.

    Parameters
    ----------
    chip : Chip
    """
    return taken(chip.kernels.family, chip.sources)


def with_and_without(row: Measured, held: Sequence[Constant]) -> list[Served]:
    """Figures of a row with all constants of its chip, and then without each of some.

    The row is simulated once; without a constant it keeps its plan (`hwsim.analysis.recosting`).

    Parameters
    ----------
    row : Measured
    held : sequence of Constant
        Some of `constants_of` the row's chip.
    """
    reports, items = reports_of(row)
    chips = [without(row.chip, constant) for constant in held]
    again = ([(recosted(report, chip), times) for report, times in reports] for chip in chips)
    return [Served(reports, items), *(Served(parts, items) for parts in again)]


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
