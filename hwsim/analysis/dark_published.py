"""Published results about dark silicon, compared with the results of our tables and rules.

*Conservation cores* (Venkatesh 2010): which fraction of a die full of operators can switch at full clock
within 80 W? *Is dark silicon useful?* (Taylor 2012): what does one technology generation add, and how much
of it can be used? *The end of multicore scaling* (Esmaeilzadeh 2011): which fraction of a die stays dark if
designs are chosen for speed?
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from hwsim.csvfile import read_rows
from hwsim.energy.scaling import area_factor, delay_factor, energy_factor, nominal_voltage
from hwsim.energy.table import LOW_CONFIDENCE, EnergyTable
from hwsim.machine.area import unit_mm2

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("quantity", "value", "relation", "unit", "node_nm", "source", "confidence", "note")
RELATIONS = ("below", "equal", "above")
ROADMAP_COLUMNS = (
    "node_nm", "roadmap", "generations", "frequency", "voltage", "capacitance", "power", "source",
    "confidence", "note",
)  # fmt: skip

BASE_NM, BASE_V = 45, 0.9
"""Node and voltage of the default energy table."""

OPERATOR = ("multiply_int32", "add_int32")
BY_OPERATORS = ("venkatesh_active", "venkatesh_table", "venkatesh_fall")
"""Ours rest on recalled areas of operators, and on a recalled clock."""

SHRINK = 2**0.5
"""How much smaller features become in one generation."""


class Published(NamedTuple):
    """One figure; ``relation`` says whether ours should be below, equal to or above it."""

    quantity: str
    value: float
    relation: str
    unit: str
    node_nm: float
    source: str
    confidence: str
    note: str


class Generation(NamedTuple):
    """One node of a roadmap: halvings of area since 45 nm, power of a transistor relative to then."""

    node_nm: float
    roadmap: str
    generations: int
    power: float

    @property
    def dark(self) -> float:
        """Dark part of a die that was just within its power at 45 nm, all at full clock."""
        return max(0.0, 1.0 - 1.0 / (self.power * 2**self.generations))


class PostDennard(NamedTuple):
    """What one generation multiplies if the voltage stays: transistors x clock, and what of it may run."""

    capability: float
    usable: float
    shortfall: float


def published() -> list[Published]:
    """Every shipped figure."""
    rows = read_rows(resources.files("hwsim") / "data" / "dark_silicon.csv", COLUMNS)
    return [
        Published(
            row.text("quantity"),
            row.number("value"),
            row.text("relation", RELATIONS),
            row.text("unit"),
            row.number("node_nm"),
            row.text("source"),
            row.text("confidence"),
            row.cells["note"],
        )
        for row in rows
    ]


def roadmaps() -> list[Generation]:
    """Shipped roadmaps, node by node."""
    rows = read_rows(resources.files("hwsim") / "data" / "roadmap.csv", ROADMAP_COLUMNS)
    return [
        Generation(
            row.number("node_nm"), row.text("roadmap"), row.integer("generations"), row.number("power")
        )
        for row in rows
    ]


def post_dennard(shrink: float) -> PostDennard:
    """One generation that makes features `shrink` times smaller (Taylor, DAC 2012, section 2).

    Transistors grow as its square and switch faster by it; an operation charges that much less
    capacitance, at the same voltage. Power at full clock grows as its square.
    """
    capability, energy = shrink**3, 1 / shrink
    return PostDennard(capability, 1 / energy, capability * energy)


def by_rule(node_nm: float) -> PostDennard:
    """The same from 45 nm to any node, all generations together, by the rule of Stillmaker and Baas."""
    volts = BASE_V if node_nm == BASE_NM else nominal_voltage(node_nm)
    energy = energy_factor(BASE_NM, BASE_V, node_nm, volts)
    capability = 1 / area_factor(BASE_NM, node_nm) / delay_factor(BASE_NM, BASE_V, node_nm, volts)
    return PostDennard(capability, 1 / energy, capability * energy)


def active_by_operators(node_nm: float, die_mm2: float, power_W: float, clock_GHz: float) -> float:
    """Part of a die full of 32-bit integer multiply-adders that may run at full clock.

    Parameters
    ----------
    node_nm : float
    die_mm2, power_W : float
    clock_GHz : float
        Full clock at 45 nm; it rises with gate speed.
    """
    table = EnergyTable.load("45nm")
    operation_pJ = sum(table[unit].pJ for unit in OPERATOR) / by_rule(node_nm).usable
    operators = die_mm2 / sum(unit_mm2(unit, node_nm) for unit in OPERATOR)
    volts = BASE_V if node_nm == BASE_NM else nominal_voltage(node_nm)
    clock = clock_GHz / delay_factor(BASE_NM, BASE_V, node_nm, volts)
    return min(1.0, power_W / (operators * operation_pJ * 1e-3 * clock))


def compare() -> pd.DataFrame:
    """Every published figure beside ours, one row a way of working it out.

    Returns
    -------
    DataFrame
        source, quantity, node_nm, unit, relation, published, ours, ratio (ours over published), holds
        (whether ours stands in the relation; within a tenth for ``equal``), how (ours is worked
        out), why (it differs), confidence, and whether it or ours is of low confidence.
    """
    rows = []
    for figure in published():
        for how, ours, why in _ours(figure):
            holds = {
                "below": ours < figure.value,
                "above": ours > figure.value,
                "equal": abs(ours / figure.value - 1) <= 0.1,
            }[figure.relation]
            rows.append(
                {
                    "source": figure.source,
                    "quantity": figure.quantity,
                    "node_nm": figure.node_nm,
                    "unit": figure.unit,
                    "relation": figure.relation,
                    "published": figure.value,
                    "ours": ours,
                    "ratio": ours / figure.value,
                    "holds": holds,
                    "how": how,
                    "why": why,
                    "confidence": figure.confidence,
                    "low_confidence": figure.confidence in LOW_CONFIDENCE,
                    "ours_low_confidence": figure.quantity in BY_OPERATORS,
                }
            )
    return pd.DataFrame(rows)


def _ours(figure: Published) -> Iterator[tuple[str, float, str]]:
    """How we work the figure out, what comes out, and why it differs; nothing for mere conditions."""
    conditions = {found.quantity: found.value for found in published()}
    if figure.quantity in BY_OPERATORS:
        yield from _operators(figure, conditions)
    elif figure.quantity.startswith("taylor_"):
        name = figure.quantity.removeprefix("taylor_")
        yield "shrink by the root of 2, same voltage", getattr(post_dennard(SHRINK), name), "their own law"
        why = "the rule gives 32 nm more density and speed than one ideal shrink"
        yield "45 to 32 nm by the rule", getattr(by_rule(figure.node_nm), name), why
    elif figure.quantity == "esmaeilzadeh_dark":
        why = "full clock and full die; theirs are the best designs, of cores and caches for real programs"
        for found in roadmaps():
            if found.node_nm == figure.node_nm:
                yield f"all at full clock, {found.roadmap} roadmap", 100 * found.dark, why
        ruled = 1 - 1 / by_rule(figure.node_nm).shortfall
        yield "all at full clock, by the rule", 100 * ruled, why


def _operators(figure: Published, conditions: dict[str, float]) -> Iterator[tuple[str, float, str]]:
    limits = (conditions["venkatesh_area"], conditions["venkatesh_power"], conditions["venkatesh_clock"])
    active = active_by_operators(figure.node_nm, *limits)
    how = "32-bit multiply-adders of our tables, their clock at 45 nm"
    why = "theirs are 64-bit operators of a synthesis library; per area ours take about as much power"
    if figure.quantity == "venkatesh_fall":
        yield how, active_by_operators(BASE_NM, *limits) / active, why
    else:
        yield how, 100 * active, why
