"""Write a run as Chrome trace events, for Perfetto or ``chrome://tracing``.

Format: "Trace Event Format" (Chromium project): complete events ``X``, counters ``C`` and
metadata ``M``, times in microseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.engine.stream import VECTOR_UNIT
from hwsim.engine.timeline import COMPUTE, DECODE, PHASES, READ, WRITE
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.engine.stream import TileStream
    from hwsim.engine.timeline import Timeline
    from hwsim.power.trace import PowerTrace

PROCESS = 1
DRAM, DECODER, ARRAY, VECTOR = 1, 2, 3, 4
TRACKS = {DRAM: "DRAM channel", DECODER: "decoder", ARRAY: "MAC array", VECTOR: "vector unit"}


def chrome_trace(
    timeline: Timeline,
    stream: TileStream,
    layer_names: Sequence[str],
    tick_s: float,
    power: PowerTrace | None = None,
    title: str = "hwsim",
) -> dict[str, Any]:
    """Trace-event JSON object of a run; operations of zero ticks are left out.

    Parameters
    ----------
    timeline, stream
        A run and what was run.
    layer_names : sequence of str
        Names by the stream's layer index.
    tick_s : float
    power : PowerTrace, optional
        Adds a counter track of watts by component.
    title : str
        Name of the process that holds the tracks.

    Raises
    ------
    InputError
        If a layer of the stream has no name.
    """
    if len(stream) and int(stream.layer.max()) >= len(layer_names):
        raise InputError(f"trace: {len(layer_names)} layer names, expected {int(stream.layer.max()) + 1}")
    events = [_metadata("process_name", PROCESS, title)]
    for track, name in TRACKS.items():
        events.append(_metadata("thread_name", track, name))
    start_us, end_us = (np.round(ticks * (tick_s * 1e6), 6) for ticks in (timeline.start, timeline.end))
    events += [
        {
            "name": f"{layer_names[stream.layer[step]]} {verb}",
            "cat": verb,
            "ph": "X",
            "pid": PROCESS,
            "tid": _track(phase, int(stream.unit[step])),
            "ts": float(start_us[phase, step]),
            "dur": round(float(end_us[phase, step] - start_us[phase, step]), 6),
            "args": {"step": step},
        }
        for phase, verb in enumerate(PHASES)
        for step in np.flatnonzero(timeline.ticks[phase]).tolist()
    ]
    if power is not None:
        events += _counters(power)
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def _track(phase: int, unit: int) -> int:
    if phase == COMPUTE:
        return VECTOR if unit == VECTOR_UNIT else ARRAY
    return {READ: DRAM, WRITE: DRAM, DECODE: DECODER}[phase]


def _metadata(kind: str, track: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": PROCESS, "tid": track, "args": {"name": name}}


def _counters(power: PowerTrace) -> list[dict[str, Any]]:
    watts = [*power.W.tolist(), [0.0] * len(power.components)]
    return [
        {
            "name": "power (W)",
            "ph": "C",
            "pid": PROCESS,
            "ts": round(window * power.window_s * 1e6, 6),
            "args": dict(zip(power.components, values, strict=True)),
        }
        for window, values in enumerate(watts)
    ]
