"""Where a batch's energy goes in its tile stream: each layer's joules on the operations that spend them.

DRAM energy belongs to reads and write-backs, the decoder's to decoding, everything else to
computing. A layer's energy at a stage is shared among its steps by how long they take there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.engine.timeline import COMPUTE, DECODE, READ, STAGES, WRITE
from hwsim.machine.cap import on_die
from hwsim.power.trace import OperationEnergy

if TYPE_CHECKING:
    from hwsim.mapping.work import Schedule
    from hwsim.pricing import PriceList


def operation_energy(schedule: Schedule, prices: PriceList) -> OperationEnergy:
    """Dynamic energy of every operation of one batch; it sums to the priced counts."""
    components = sorted({action[1] for work in schedule.work for action in work.counts})
    column = {name: index for index, name in enumerate(components)}
    stream = schedule.stream
    layer_pJ = np.zeros((len(STAGES), len(schedule.work), len(components)))
    for index, work in enumerate(schedule.work):
        for (_, component, action), pJ in prices.energy_pJ(work.counts).items():
            layer_pJ[_stage(component, action), index, column[component]] += pJ
    placed = [
        _shares(ticks, stream.layer, len(schedule.work))[:, None] * layer_pJ[stage][stream.layer]
        for stage, ticks in enumerate((stream.read, stream.decode, stream.compute, stream.write))
    ]
    on_core = np.array([on_die(name) for name in components])
    return OperationEnergy(tuple(components), np.stack(placed), on_core)


def _stage(component: str, action: str) -> int:
    if component == "dram":
        return READ if action == "read_bit" else WRITE
    return DECODE if component == "decoder" else COMPUTE


def _shares(ticks: np.ndarray, layer: np.ndarray, layers: int) -> np.ndarray:
    """Each step's share of its layer: by duration, equal where a layer takes no time."""
    busy = np.bincount(layer, ticks, layers)
    steps = np.bincount(layer, minlength=layers)
    return np.where(busy[layer] > 0, ticks / np.maximum(busy[layer], 1), 1 / steps[layer])
