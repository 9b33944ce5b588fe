"""Scale energy, delay and area from one technology node to another by a named rule.

The rule is that of Stillmaker and Baas (Integration 58, 2017, 74-81): polynomials fitted to
circuit simulations of a fanout-of-4 inverter, ``energy = b2 V^2 + b1 V + b0`` and
``delay = a3 V^3 + a2 V^2 + a1 V + a0``, and a table of relative areas. It describes logic. Measured
energies improve far less from node to node; `hwsim.energy.compare` shows the difference. Only tables
whose name contains the rule are scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

import numpy as np

from hwsim.csvfile import read_rows
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


Device = Literal["HP", "LP"]
"""High-performance or low-power transistors; above 45 nm the rule has only one kind."""

COEFFICIENTS = ("a3", "a2", "a1", "a0", "b2", "b1", "b0")
VOLTAGE_RANGE = (0.5, 1.25)
"""Share of the nominal supply within which the polynomials are used: a choice."""

COLUMNS = ("node_nm", "device", "nominal_V", *COEFFICIENTS, "area_vs_45nm", "source", "confidence", "note")


@dataclass(frozen=True)
class NodeModel:
    """Polynomials of one node; energy and delay are relative to the other nodes of the rule."""

    nominal_V: float
    delay: tuple[float, ...]
    energy: tuple[float, ...]
    area: float


def nominal_voltage(node_nm: float) -> float:
    """Nominal supply of a node, linear between the nodes of the rule."""
    return _between(node_nm, "HP", lambda model: model.nominal_V)


def energy_factor(from_nm: float, from_V: float, to_nm: float, to_V: float, device: Device = "HP") -> float:
    """Energy of an operation at the second node and voltage, relative to the first.

    Raises
    ------
    InputError
        If a node lies outside the rule (7 to 180 nm) or a polynomial is not positive at a voltage.
    """
    return _at(to_nm, to_V, device, "energy") / _at(from_nm, from_V, device, "energy")


def delay_factor(from_nm: float, from_V: float, to_nm: float, to_V: float, device: Device = "HP") -> float:
    """Delay of a gate at the second node and voltage, relative to the first; see `energy_factor`."""
    return _at(to_nm, to_V, device, "delay") / _at(from_nm, from_V, device, "delay")


def area_factor(from_nm: float, to_nm: float) -> float:
    """Area of a circuit at the second node, relative to the first."""
    return math.exp(
        _between(to_nm, "HP", lambda m: math.log(m.area))
        - _between(from_nm, "HP", lambda m: math.log(m.area))
    )


@cache
def _models() -> dict[tuple[str, float], NodeModel]:
    models = {}
    for row in read_rows(resources.files("hwsim") / "data" / "scaling.csv", COLUMNS):
        values = [row.number(name, low=-math.inf) for name in COEFFICIENTS]
        model = NodeModel(
            row.number("nominal_V"), tuple(values[:4]), tuple(values[4:]), row.number("area_vs_45nm")
        )
        device = row.text("device", ("bulk", "HP", "LP"))
        for key in ("HP", "LP") if device == "bulk" else (device,):
            models[key, row.number("node_nm")] = model
    return models


def _between(node_nm: float, device: Device, value: Callable[[NodeModel], float]) -> float:
    """Value at a node, linear in the logarithm of the feature size between the nodes of the rule."""
    nodes = sorted(node for kind, node in _models() if kind == device)
    if not nodes[0] <= node_nm <= nodes[-1]:
        raise InputError(
            f"node {node_nm:g} nm: outside the scaling rule, expected {nodes[0]:g} to {nodes[-1]:g} nm"
        )
    above = next(node for node in nodes if node >= node_nm)
    high = value(_models()[device, above])
    if above == node_nm:
        return high
    below = nodes[nodes.index(above) - 1]
    low = value(_models()[device, below])
    share = math.log(node_nm / below) / math.log(above / below)
    return low + share * (high - low)


def _at(node_nm: float, voltage_V: float, device: Device, curve: Literal["energy", "delay"]) -> float:
    def log_value(model: NodeModel) -> float:
        low, high = (share * model.nominal_V for share in VOLTAGE_RANGE)
        value = float(np.polyval(getattr(model, curve), voltage_V))
        if not low <= voltage_V <= high or value <= 0:
            raise InputError(
                f"{voltage_V:g} V at {node_nm:g} nm: outside the scaling rule, "
                f"expected {low:.3g} to {high:.3g} V"
            )
        return math.log(value)

    return math.exp(_between(node_nm, device, log_value))
