"""The components of a machine, one row each, with all their properties.

A new component needs one row here and its energy in `hwsim.pricing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwsim.errors import InputError


@dataclass(frozen=True)
class Component:
    """One component that energy is booked on.

    Parameters
    ----------
    name : str
        As counts and tables name it.
    on_die : bool
        Whether its dynamic energy counts against a cap on the die alone.
    core_voltage : bool
        Whether it is on the core's supply, so that its energy follows the core's voltage.
    phase : {"transfer", "decode", "compute", None}
        Phase of the tile stream that spends its energy: a transfer is a read or a write. None for
        static power, which is drawn in every phase.
    label : str
        As figures write it.
    colour : str
        As figures draw it, ``#RRGGBB``.
    """

    name: str
    on_die: bool
    core_voltage: bool
    phase: Literal["transfer", "decode", "compute"] | None
    label: str
    colour: str


COMPONENTS: dict[str, Component] = {
    row.name: row
    for row in (
        Component("dram", False, False, "transfer", "DRAM", "#D55E00"),
        Component("sram", True, True, "compute", "SRAM and wires", "#E69F00"),
        Component("scratchpad", True, True, "compute", "scratchpads", "#F0E442"),
        Component("spad_matrix", True, True, "compute", "PE memory: weights", "#B5A300"),
        Component("spad_pointer", True, True, "compute", "PE memory: pointers", "#7A5C12"),
        Component("spad_activation", True, True, "compute", "PE memory: activations", "#F7F2B0"),
        Component("spad_filter", True, True, "compute", "PE memory: filters", "#948600"),
        Component("register", True, True, "compute", "registers", "#56B4E9"),
        Component("mac", True, True, "compute", "MACs", "#0072B2"),
        Component("vector", True, True, "compute", "vector unit", "#CC79A7"),
        Component("decoder", True, True, "decode", "decoder", "#009E73"),
        Component("control", True, True, "compute", "instructions", "#8FD6C1"),
        Component("noc", True, True, "compute", "links between PEs", "#7D1F4F"),
        Component("clock", True, True, "compute", "clock and control", "#332288"),
        Component("static", False, False, None, "leakage and standby", "#8C8C8C"),
    )
}
"""Components by name, in the order in which bars are stacked.

Most colours are those of Okabe and Ito, "Color Universal Design" (2008). Memories inside PEs are
shades of the scratchpads' yellow.
"""


def component_of(name: str) -> Component:
    """Return the row of a component.

    Raises
    ------
    InputError
        If there is no such component.
    """
    if name not in COMPONENTS:
        raise InputError(f"component {name!r}, expected one of {', '.join(COMPONENTS)}")
    return COMPONENTS[name]


def look_of(name: str) -> tuple[str, str]:
    """Return the label and the colour of a component.

    Raises
    ------
    InputError
        If there is no such component.
    """
    row = component_of(name)
    return row.label, row.colour


def phase_of(name: str, action: str) -> str:
    """Return the phase of the tile stream that spends an action's energy.

    Returns
    -------
    str
        ``read``, ``decode``, ``compute`` or ``write``.

    Raises
    ------
    InputError
        If there is no such component, or its power is static.
    """
    phase = component_of(name).phase
    if phase is None:
        raise InputError(f"component {name!r} draws static power, which has no phase")
    if phase == "transfer":
        return "read" if action == "read_bit" else "write"
    return phase
