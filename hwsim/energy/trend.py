"""Carry energies to another node along the line through two tables of published energies.

Horowitz (ISSCC 2014) publishes operations at 45 nm and 0.9 V, and Jouppi et al. (ISCA 2021) publish the same
operations at 7 nm. The energy of each operation is taken as a power of the node, through both figures. Below
7 nm the line goes on to 4 nm, which is an estimate.

The supply voltage is linear in the logarithm of the node. Below 7 nm it stays as it is at 7 nm. Energy at
another voltage grows with its square.

Foundries claim larger gains per node than this line has. `hwsim.energy.compare.trend_vs_claims` shows both.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, log
from typing import TYPE_CHECKING, NamedTuple

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

RULE = "published-trend"
"""Name of the rule in the name of a table."""

LEAST_NM = 4.0
"""How far the line goes on below the newer table."""


VOLTAGE_RANGE = (0.5, 1.5)
"""Share of the nominal supply within which energy is taken to follow its square: boards boost above it."""


class Corner(NamedTuple):
    """A node and its supply voltage."""

    node_nm: float
    voltage_V: float


class Point(NamedTuple):
    """Published energy of one action, and the node it is for."""

    node_nm: float
    pJ: float


@dataclass(frozen=True)
class Trend:
    """Lines through two tables.

    Parameters
    ----------
    older, newer : Corner
        Node and voltage of the two tables.
    exponents : dict of str to float
        Power of the node by action, for actions in both tables.
    """

    older: Corner
    newer: Corner
    exponents: Mapping[str, float]

    @property
    def mean_exponent(self) -> float:
        """Power of the node for an action that is not in both tables: the mean of all others."""
        return fsum(self.exponents.values()) / len(self.exponents)

    def share(self, node_nm: float) -> float:
        """Return how far a node is on the way from the older table (0) to the newer one (1)."""
        way = log(self.older.node_nm / node_nm) / log(self.older.node_nm / self.newer.node_nm)
        return min(max(way, 0.0), 1.0)

    def nominal_voltage(self, node_nm: float) -> float:
        """Supply of a node in volts.

        Raises
        ------
        InputError
            If the line does not reach the node.
        """
        if not LEAST_NM <= node_nm <= self.older.node_nm:
            raise InputError(
                f"node {node_nm:g} nm: outside the rule {RULE}, "
                f"expected {LEAST_NM:g} to {self.older.node_nm:g} nm"
            )
        fall = self.newer.voltage_V - self.older.voltage_V
        return round(self.older.voltage_V + self.share(node_nm) * fall, 3)

    def factor(self, action: str, at: Corner, to: Corner) -> float:
        """Energy of an action at the second node and voltage, relative to the first.

        Raises
        ------
        InputError
            If the line does not reach a node, or a voltage is far from the supply of its node.
        """
        exponent = self.exponents.get(action, self.mean_exponent)
        volts = self.overdrive(to) / self.overdrive(at)
        return exp(exponent * log(to.node_nm / at.node_nm)) * volts**2

    def overdrive(self, corner: Corner) -> float:
        """Voltage relative to the supply of the node."""
        nominal_V = self.nominal_voltage(corner.node_nm)
        low_V, high_V = (share * nominal_V for share in VOLTAGE_RANGE)
        if not low_V <= corner.voltage_V <= high_V:
            raise InputError(
                f"{corner.voltage_V:g} V at {corner.node_nm:g} nm: outside the rule {RULE}, "
                f"expected {low_V:.3g} to {high_V:.3g} V"
            )
        return corner.voltage_V / nominal_V


def drawn_through(
    older: Corner, newer: Corner, before: Mapping[str, Point], after: Mapping[str, Point]
) -> Trend:
    """Lines through the energies of two tables.

    Parameters
    ----------
    older, newer : Corner
        Node and voltage of the two tables.
    before, after : mapping of str to Point
        Energies of logic and SRAM by action.
    """
    shared = {action: (before[action], after[action]) for action in before if action in after}
    exponents = {
        action: log(was.pJ / now.pJ) / log(was.node_nm / now.node_nm) for action, (was, now) in shared.items()
    }
    return Trend(older, newer, exponents)
