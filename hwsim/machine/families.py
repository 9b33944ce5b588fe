"""Families of chips: constants that no data sheet says, fitted to published measurements of boards.

A chip file names its family in ``kernels.family``. A key of the family that the file leaves out gets the
family's constant: a number, or a multiple of what the file says elsewhere. `hwsim validate` shows what
each constant buys.
"""

from __future__ import annotations

from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.energy.dram import load_dram
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DRAM, DIE = "dram.type", "die"
"""What a constant may multiply: see `Constant.per`."""

DIE_KEYS = ("process.die_mm2", "process.voltage_V", "process.clock_GHz")

COLUMNS = ("family", "key", "value", "per", "neutral", "meaning", "source")


class Constant(NamedTuple):
    """One constant of a family.

    Parameters
    ----------
    family : str
    key : str
        Dotted key of a chip file.
    value : float
    per : str
        What the value multiplies: ``dram.type`` (its energy per bit), ``die`` (area x V^2 x clock, so that
        the value is a switched capacitance in nF per mm2), or nothing.
    neutral : float
        Value at which it has no effect.
    meaning, source : str
    """

    family: str
    key: str
    value: float
    per: str
    neutral: float
    meaning: str
    source: str


@cache
def constants() -> tuple[Constant, ...]:
    """Constants of all families, from ``data/families.csv``."""
    path = resources.files("hwsim") / "data" / "families.csv"
    return tuple(
        Constant(
            row.text("family"),
            row.text("key"),
            row.number("value"),
            row.cells["per"],
            row.number("neutral"),
            row.text("meaning"),
            row.text("source"),
        )
        for row in read_rows(path, COLUMNS)
    )


def family_names() -> list[str]:
    """Names of the families."""
    return sorted({constant.family for constant in constants()})


def completed(tables: dict[str, Any], where: str) -> dict[str, Any]:
    """Tables of a chip file with the constants of its family for what it leaves out.

    Parameters
    ----------
    tables : dict
        As read from the file; it is not changed.
    where : str
        File, for errors.

    Raises
    ------
    InputError
        If the family is unknown.
    """
    kernels = tables.get("kernels")
    family = kernels.get("family", "") if isinstance(kernels, dict) else ""
    if not family:
        return tables
    if family not in family_names():
        raise InputError(
            f"{where}: key kernels.family: found {family!r}, expected one of {', '.join(family_names())}"
        )
    found = {key: dict(value) if isinstance(value, dict) else value for key, value in tables.items()}
    for constant in constants():
        table, _, key = constant.key.partition(".")
        section = found.get(table)
        if constant.family != family or not isinstance(section, dict) or key in section:
            continue
        base = base_of(partial(_said, found), constant.per)
        if base is not None:
            section[key], source = value_of(constant, base)
            found.setdefault("sources", {})[constant.key] = source
    return found


def taken(family: str, sources: Mapping[str, str]) -> list[Constant]:
    """Constants that a chip takes from its family, because its file does not state them.

    Parameters
    ----------
    family : str
    sources : mapping of str to str
        Where the chip has each key from.
    """
    return [c for c in constants() if c.family == family and _origin(family) in sources.get(c.key, "")]


def value_of(constant: Constant, base: float) -> tuple[float, str]:
    """Value of a key from a constant and what it multiplies, and its source."""
    return round(constant.value * base, 6), _origin(constant.family) + _rule(constant)


def base_of(said: Callable[[str], Any], per: str) -> float | None:
    """What a constant multiplies.

    Parameters
    ----------
    said : callable
        Value of a dotted key of the chip; None where it says nothing.
    per : str
        As of `Constant`.

    Returns
    -------
    float or None
        None where the chip does not say what is needed, which is refused later.
    """
    if not per:
        return 1.0
    if per == DRAM:
        try:
            return load_dram(str(said(DRAM))).pJ_per_bit
        except InputError:
            return None
    mm2, volts, GHz = (said(key) for key in DIE_KEYS)
    if not all(isinstance(value, int | float) for value in (mm2, volts, GHz)):
        return None
    return float(mm2 * volts**2 * GHz)


def _said(tables: dict[str, Any], dotted: str) -> Any:
    table, _, key = dotted.partition(".")
    section = tables.get(table, {})
    return section.get(key) if isinstance(section, dict) else None


def _origin(family: str) -> str:
    return f"family {family}: "


def _rule(constant: Constant) -> str:
    by = {"": "", DRAM: " x the energy of the type", DIE: " nF per mm2 of the die, x V^2 x clock"}
    return f"{constant.value:g}{by[constant.per]}, {constant.source}"
