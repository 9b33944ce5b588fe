"""Families of chips: constants that no data sheet says, fitted to published measurements of boards.

A chip file names its family in ``kernels.family``. A key of the family that the file leaves out gets the
family's constant: a number, or a multiple of what the file says elsewhere. `hwsim validate` shows what
each constant buys.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.energy.dram import load_dram
from hwsim.errors import InputError

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
        What the value multiplies: ``power.cap_W``, ``dram.type`` (its energy per bit), or nothing.
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
        base = _base(found, constant.per)
        if base is not None:
            section[key] = round(constant.value * base, 6)
            found.setdefault("sources", {})[constant.key] = f"family {family}: {_rule(constant)}"
    return found


def _base(tables: dict[str, Any], per: str) -> float | None:
    """What a constant multiplies; nothing where the file does not say it, which is refused later."""
    if not per:
        return 1.0
    table, _, key = per.partition(".")
    value = tables.get(table, {}).get(key)
    if per == "dram.type":
        try:
            return load_dram(str(value)).pJ_per_bit
        except InputError:
            return None
    return float(value) if isinstance(value, int | float) else None


def _rule(constant: Constant) -> str:
    times = f"{constant.value:g} x {constant.per}" if constant.per else f"{constant.value:g}"
    return f"{times}, {constant.source}"
