"""Energy of every operation of a tile stream.

The table of components says in which phase a component spends its energy. The energy of a layer in a phase
is divided among its steps in proportion to their duration in that phase. A layer in the output path of
another spends its energy in the steps of that layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.energy.components import component_of, phase_of
from hwsim.engine.timeline import PHASES
from hwsim.power.trace import OperationEnergy

if TYPE_CHECKING:
    from hwsim.mapping.work import Schedule
    from hwsim.pricing import PriceList


def operation_energy(schedule: Schedule, prices: PriceList) -> OperationEnergy:
    """Dynamic energy of every operation of one batch. The sum equals the energy of all counts."""
    components = sorted({action[1] for work in schedule.work for action in work.counts})
    column = {name: index for index, name in enumerate(components)}
    stream = schedule.stream
    layer_pJ = np.zeros((len(PHASES), len(schedule.work), len(components)))
    for work in schedule.work:
        for (_, component, action), pJ in prices.energy_pJ(work.counts).items():
            phase = PHASES.index(phase_of(component, action))
            layer_pJ[phase, work.root, column[component]] += pJ
    placed = [
        _shares(ticks, stream.layer, len(schedule.work))[:, None] * layer_pJ[phase][stream.layer]
        for phase, ticks in enumerate((stream.read, stream.decode, stream.compute, stream.write))
    ]
    on_core = np.array([component_of(name).core_voltage for name in components])
    return OperationEnergy(tuple(components), np.stack(placed), on_core)


def _shares(ticks: np.ndarray, layer: np.ndarray, layers: int) -> np.ndarray:
    """Each step's share of its layer: by duration, equal where a layer takes no time."""
    busy = np.bincount(layer, ticks, layers)
    steps = np.bincount(layer, minlength=layers)
    return np.where(busy[layer] > 0, ticks / np.maximum(busy[layer], 1), 1 / steps[layer])
