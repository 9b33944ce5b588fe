"""Carry energies to another node by what foundries claim of their processes.

A foundry says how much less power a process takes at the same speed. The claims are links between nodes; the
energy of an operation at another node is the product of the claims on the way there. At another voltage than
the node's it grows with the square. `hwsim.energy.trend` is the other rule: boards of today are priced by
the claims, because the gain of one generation of GPUs over the last is nearer to them.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from hwsim.csvfile import read_rows
from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.csvfile import Row

RULE = "foundry-claims"
"""Name of the rule in the name of a table."""

COLUMNS = (
    "older", "newer", "older_nm", "newer_nm", "power", "kind", "source", "confidence", "note",
)  # fmt: skip


def claims() -> list[Row]:
    """Return the rows of ``data/node_claims.csv``."""
    return read_rows(resources.files("hwsim") / "data" / "node_claims.csv", COLUMNS)


@cache
def _links() -> dict[float, dict[float, float]]:
    """Energy at a node relative to a neighbour: by the node it is known at, then by the other node."""
    links: dict[float, dict[float, float]] = {}
    for row in claims():
        if row.text("kind") == "foundry":
            older, newer, power = (row.number(name) for name in ("older_nm", "newer_nm", "power"))
            links.setdefault(older, {})[newer] = power
            links.setdefault(newer, {})[older] = 1 / power
    return links


def claimed_factor(from_nm: float, to_nm: float) -> float:
    """Energy of an operation at the second node, relative to the first, each at its nominal voltage.

    Raises
    ------
    InputError
        If no claims lead from one to the other.
    """
    found, reached = {from_nm: 1.0}, [from_nm]
    for node in reached:
        for neighbour, power in _links().get(node, {}).items():
            if neighbour not in found:
                found[neighbour] = found[node] * power
                reached.append(neighbour)
    if to_nm not in found:
        known = ", ".join(f"{node:g}" for node in sorted(_links()))
        raise InputError(f"node {to_nm:g} nm: no foundry's claims lead there, expected one of {known} nm")
    return found[to_nm]
