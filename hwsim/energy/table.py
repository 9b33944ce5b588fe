"""Energy tables: energy per action, with technology node and source.

A table is a CSV file of `EnergyConstant` rows. The default, ``45nm``, holds the constants of Horowitz
(ISSCC 2014) as printed in EIE (ISCA 2016, Table I). Two published energies of a 32 KB SRAM disagree:
5 pJ per 32 bits (EIE) and 20 pJ per 64 bits (Horowitz). ``45nm`` holds the first and ``45nm_horowitz``
the second. ``7nm`` is the measured table of Jouppi et al. (ISCA 2021). ``links`` has the energy per bit
of wires, links, networks and radios. Other nodes have no table: a name such as
``7nm to 12nm by published-trend`` carries one there by a rule (`RULES`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.energy import claims, trend
from hwsim.energy.scaling import energy_factor, nominal_voltage
from hwsim.errors import InputError, hint, require_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

CONFIDENCE = {
    "verified": "read in the cited work",
    "secondary": "read in a transcription of the cited work",
    "computed": "computed with the cited tool",
    "derived": "follows from other constants as the source column says",
    "scaled": "carried to another node by a named rule",
    "unverified": "recalled, not checked against the cited work",
    "estimate": "no constant is published: an estimate made as the source column says",
}
"""Levels of confidence, from high to low. The last two count as low."""

LOW_CONFIDENCE = ("unverified", "estimate")

KINDS = ("arithmetic", "memory", "instruction", "wire", "dram", "link", "network", "radio")
SCALING_KINDS = ("arithmetic", "memory", "instruction")
"""Kinds that a logic scaling rule applies to. Wires, DRAM and links do not scale like transistors."""

TREND_CORNER = "multiply_fp32"
"""Constant whose node and voltage are those of a table that the trend goes through."""

COLUMNS = ("action", "value_pJ", "kind", "bits", "node_nm", "voltage_V", "source", "confidence", "note")
NUMBER = r"\d{1,4}(?:\.\d{1,4})?"
SCALED_NAME = re.compile(
    rf"(?P<base>\S+|.+\.csv) to (?P<node>{NUMBER})nm(?: at (?P<volt>{NUMBER})V)? by (?P<rule>\S+)", re.ASCII
)


@dataclass(frozen=True)
class EnergyConstant:
    """Energy of one action, and its source.

    Parameters
    ----------
    action : str
        Name of the action: ``multiply_fp32``, ``register_32b``, ``wire_bit_mm`` (one bit of random data
        moved over one mm).
    pJ : float
    kind : str
        One of `KINDS`.
    bits : int
        Width of the operands or of the access.
    node_nm, voltage_V : float or None
        None if the source does not give it.
    source, confidence, note : str
        Citation, a key of `CONFIDENCE`, and a remark.
    """

    action: str
    pJ: float
    kind: str
    bits: int
    node_nm: float | None
    voltage_V: float | None
    source: str
    confidence: str
    note: str = ""

    @property
    def low_confidence(self) -> bool:
        """Whether tables and plots that use the constant must mark it."""
        return self.confidence in LOW_CONFIDENCE

    @property
    def pJ_per_bit(self) -> float:
        """Energy per bit."""
        return self.pJ / self.bits


@dataclass(frozen=True)
class EnergyTable:
    """Energy constants by action.

    Parameters
    ----------
    name : str
        The name given to `load`.
    base : str
        Name of the table before scaling.
    constants : dict of str to EnergyConstant
    rule : str
        Rule that carried the table to another node, one of `RULES`; empty for a table as it was published.
    """

    name: str
    base: str
    constants: dict[str, EnergyConstant]
    rule: str = ""

    @staticmethod
    def names() -> list[str]:
        """Names of the shipped tables."""
        return list(_shipped_names())

    @classmethod
    def load(cls, name: str | Path) -> EnergyTable:
        """Load a shipped table by name, a CSV file by path, or either one scaled to another node.

        Scaling is part of the name: ``7nm to 5nm by published-trend`` or
        ``45nm to 65nm at 1.0V by stillmaker-baas``. Nothing is scaled by default.

        Raises
        ------
        InputError
            If the table or the rule is unknown, or a row of the file is not valid.
        """
        require_type(name, (str, Path), "table", "the name of a shipped energy table or a .csv file")
        scaled = SCALED_NAME.fullmatch(str(name))
        if scaled:
            voltage = float(scaled["volt"]) if scaled["volt"] else None
            corner = (float(scaled["node"]), voltage, scaled["rule"])
            shipped = scaled["base"] in cls.names()
            return (
                _scaled_table(scaled["base"], *corner)
                if shipped
                else cls.load(scaled["base"]).scaled(*corner)
            )
        if str(name) in cls.names():
            return _shipped_table(str(name))
        if str(name).endswith(".csv"):
            return cls(str(name), str(name), _read_constants(Path(name)))
        raise InputError(
            f"no energy table {str(name)!r}{hint(name, cls.names())}: expected a .csv file, one of "
            f"{', '.join(cls.names())}, or "
            f"'TABLE to NODEnm by RULE' with one of the rules {', '.join(RULES)}"
        )

    def __getitem__(self, action: str) -> EnergyConstant:
        """Return the constant of `action`.

        Raises
        ------
        InputError
            If the table has none. There is no default value.
        """
        if action not in self.constants:
            raise InputError(
                f"energy table {self.name}: no constant for {action!r}, expected one of "
                f"{', '.join(sorted(self.constants))}"
            )
        return self.constants[action]

    def __iter__(self) -> Iterator[EnergyConstant]:
        return iter(self.constants.values())

    def to_frame(self) -> pd.DataFrame:
        """Return one row per constant: the fields of `EnergyConstant` and ``low_confidence``."""
        import pandas as pd

        return pd.DataFrame(
            [vars(constant) | {"low_confidence": constant.low_confidence} for constant in self]
        )

    def scaled(self, node_nm: float, voltage_V: float | None, rule: str) -> EnergyTable:
        """Scale logic and SRAM constants to another node by a named rule. Other constants do not change.

        Parameters
        ----------
        node_nm : float
        voltage_V : float or None
            None for the nominal voltage of the node.
        rule : {"stillmaker-baas", "published-trend", "foundry-claims"}
            See `hwsim.energy.scaling`, `hwsim.energy.trend` and `hwsim.energy.claims`.
            `hwsim.energy.compare` holds the first two against what is published.

        Raises
        ------
        InputError
            If there is no such rule, or it does not reach the node or the voltage.
        """
        if rule not in RULES:
            raise InputError(f"no scaling rule {rule!r}, expected {' or '.join(RULES)}")
        volts = RULES[rule].nominal_voltage(node_nm) if voltage_V is None else voltage_V
        name = f"{self.name} to {node_nm:g}nm at {volts:g}V by {rule}"
        constants = {f.action: _carried(f, node_nm, volts, rule) for f in self}
        return replace(self, name=name, constants=constants, rule=rule)


class Rule(NamedTuple):
    """A way to carry energies of logic and SRAM to another node.

    Parameters
    ----------
    nominal_voltage : callable
        Supply in volts of a node in nm.
    factor : callable
        Energy of a constant at another node in nm and voltage in volts, relative to what it is.
    """

    nominal_voltage: Callable[[float], float]
    factor: Callable[[EnergyConstant, float, float], float]


@cache
def published_trend() -> trend.Trend:
    """Lines through the shipped tables ``45nm`` and ``7nm``."""
    older, newer = _shipped_table("45nm"), _shipped_table("7nm")
    return trend.drawn_through(
        _corner(older[TREND_CORNER]), _corner(newer[TREND_CORNER]), _points(older), _points(newer)
    )


def located(name: str, folder: Path) -> str:
    """Name of a table, with a relative path taken relative to `folder`.

    Parameters
    ----------
    name : str
        Name or path as for `EnergyTable.load`. Names of shipped tables, scaled or not, do not change.
    folder : Path
    """
    scaled = SCALED_NAME.fullmatch(name)
    base = scaled["base"] if scaled else name
    return f"{folder / base}{name[len(base) :]}" if base.endswith(".csv") else name


def _shipped() -> Any:
    return resources.files("hwsim") / "data" / "energy"


@cache
def _shipped_names() -> tuple[str, ...]:
    return tuple(sorted(p.name.removesuffix(".csv") for p in _shipped().iterdir() if p.name.endswith(".csv")))


@cache
def _shipped_table(name: str) -> EnergyTable:
    return EnergyTable(name, name, _read_constants(_shipped() / f"{name}.csv"))


@cache
def _scaled_table(name: str, node_nm: float, voltage_V: float | None, rule: str) -> EnergyTable:
    return _shipped_table(name).scaled(node_nm, voltage_V, rule)


def _read_constants(file: Any) -> dict[str, EnergyConstant]:
    constants: dict[str, EnergyConstant] = {}
    for row in read_rows(file, COLUMNS):
        constant = EnergyConstant(
            row.text("action"),
            row.number("value_pJ"),
            row.text("kind", KINDS),
            row.integer("bits", low=1),
            row.number("node_nm", default=0.0) or None,
            row.number("voltage_V", default=0.0) or None,
            row.text("source"),
            row.text("confidence", CONFIDENCE),
            row.cells["note"],
        )
        if constant.action in constants:
            raise row.error("action", "each action once")
        constants[constant.action] = constant
    return constants


def _carried(constant: EnergyConstant, node_nm: float, voltage_V: float, rule: str) -> EnergyConstant:
    if constant.kind not in SCALING_KINDS or constant.node_nm is None or constant.voltage_V is None:
        return constant
    factor = RULES[rule].factor(constant, node_nm, voltage_V)
    carried = "scaled" if node_nm >= published_trend().newer.node_nm else "estimate"
    return replace(
        constant,
        pJ=constant.pJ * factor,
        node_nm=node_nm,
        voltage_V=voltage_V,
        source=f"{constant.source}; x {factor:.4g} by {rule} from {constant.node_nm:g} nm",
        confidence=constant.confidence if constant.low_confidence else carried,
    )


def _points(table: EnergyTable) -> dict[str, trend.Point]:
    return {
        constant.action: trend.Point(constant.node_nm, constant.pJ)
        for constant in table
        if constant.kind in SCALING_KINDS and constant.node_nm
    }


def _corner(constant: EnergyConstant) -> trend.Corner:
    """Node and voltage of a constant that can be scaled."""
    return trend.Corner(constant.node_nm or 0.0, constant.voltage_V or 0.0)


def _by_polynomials(constant: EnergyConstant, node_nm: float, voltage_V: float) -> float:
    return energy_factor(*_corner(constant), node_nm, voltage_V)


def _by_trend(constant: EnergyConstant, node_nm: float, voltage_V: float) -> float:
    return published_trend().factor(constant.action, _corner(constant), trend.Corner(node_nm, voltage_V))


def _by_claims(constant: EnergyConstant, node_nm: float, voltage_V: float) -> float:
    here, line = _corner(constant), published_trend()
    over = line.overdrive(trend.Corner(node_nm, voltage_V)) / line.overdrive(here)
    return claims.claimed_factor(here.node_nm, node_nm) * over**2


RULES = {
    "stillmaker-baas": Rule(nominal_voltage, _by_polynomials),
    trend.RULE: Rule(lambda node_nm: published_trend().nominal_voltage(node_nm), _by_trend),
    claims.RULE: Rule(lambda node_nm: published_trend().nominal_voltage(node_nm), _by_claims),
}
"""Rules by name."""
