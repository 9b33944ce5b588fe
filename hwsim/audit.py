"""Conservation laws that every run must satisfy, checked on the run itself.

Each law is a function that takes a report and yields one sentence per violation. A violation is a fault of
the simulator, never of its input.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import fsum
from typing import TYPE_CHECKING

import numpy as np

from hwsim.engine.event import run_event
from hwsim.engine.fast import run_fast
from hwsim.engine.timeline import COMPUTE
from hwsim.errors import AuditError
from hwsim.machine.cap import Cap
from hwsim.mapping.steps import Cut
from hwsim.power.thermal import Board
from hwsim.tile_states import peak_share, tile_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hwsim.layer_run import LayerRun
    from hwsim.report import Report
    from hwsim.tile_states import TileStates

RELATIVE = 1e-9
MOST_STEPS = 20_000
"""Longest stream the event engine audits; longer ones are cut after so many steps."""


def audit(report: Report, most_steps: int = MOST_STEPS) -> None:
    """Check every law of `LAWS`, the engines over the first `most_steps` of the stream.

    Raises
    ------
    AuditError
        At the first law that is broken.
    """
    where = f"{report.workload.name} ({report.workload.stage}) on {report.chip.name}"
    for law, check in LAWS.items():
        for broken in check(report):
            raise AuditError(f"audit of {where}: {law}: {broken}")
    for broken in engines_differ(report, most_steps):
        raise AuditError(f"audit of {where}: {ENGINES_AGREE}: {broken}")


def _energy_adds_up(report: Report) -> Iterator[str]:
    total = report.energy_per_inference_J
    for keys in (("layer",), ("component",), ("tensor", "component")):
        parts = fsum(report.joules_by(*keys).values())
        if abs(parts - total) > RELATIVE * total:
            yield f"sum over {' x '.join(keys)} is {parts!r} J, the total {total!r} J"


def _requested_is_stored_times_fetches(report: Report) -> Iterator[str]:
    residency = report.schedule.residency
    for run in report.runs:
        layer, work = run.layer, run.work
        stored = layer.weights.total_bits if layer.weights else 0
        expected = residency.dram_fetches(run.index) * (stored - run.pinned_bits)
        if work.requested_weight_bits != expected:
            found = work.requested_weight_bits
            yield f"layer {layer.name} requests {found} bits, stored beside pinned x fetches is {expected}"


def _bursts_cover_requests(report: Report) -> Iterator[str]:
    burst = 8 * report.chip.dram.burst_B
    for run in report.runs:
        layer, work = run.layer, run.work
        extra = work.transferred_weight_bits - work.requested_weight_bits
        if not 0 <= extra < burst * work.passes:
            yield f"layer {layer.name} transfers {extra} bits more than it requests"


def _what_comes_in_is_written(report: Report) -> Iterator[str]:
    for run in report.runs:
        layer, work = run.layer, run.work
        arrived, written = work.requested_weight_bits, work.counts["weights", "sram", "write_bit"]
        decoded = _decoded_bits(report, run) * arrived
        if arrived != written and abs(written - decoded) > work.passes:
            yield f"layer {layer.name}: {arrived} weight bits arrive, {written} are written on chip"


def _decoded_bits(report: Report, run: LayerRun) -> float:
    """Bits on chip of a bit that arrives, where weights wait decoded."""
    stored = run.layer.weights.total_bits if run.layer.weights else 0
    once = report.schedule.residency.decoded_once[run.index]
    return Cut(run.layer, report.chip, once=once).on_chip_bits / stored if stored else 1.0


def _dram_bits_are_counted_once(report: Report) -> Iterator[str]:
    for run in report.runs:
        layer, work = run.layer, run.work
        counted = sum(bits for (_, component, _), bits in work.counts.items() if component == "dram")
        moved = work.transferred_weight_bits + work.activation_bits
        if counted != moved:
            yield f"layer {layer.name} is priced for {counted} DRAM bits and moves {moved}"


def _what_stays_fits(report: Report) -> Iterator[str]:
    residency, capacity = report.schedule.residency, report.chip.sram.capacity_B
    used = residency.pinned_B + residency.activations_B + residency.buffers_B
    if used > capacity:
        yield f"{used} bytes on chip, capacity {capacity}"


def _nothing_runs_above_its_peak(report: Report) -> Iterator[str]:
    for run in report.runs:
        layer, work = run.layer, run.work
        if work.cost.utilisation > 1:
            yield f"layer {layer.name} uses {work.cost.utilisation:.3f} of the array"
        if work.cost.useful_macs > work.cost.macs:
            yield f"layer {layer.name} has {work.cost.useful_macs} useful MACs of {work.cost.macs}"


def _no_resource_is_busy_longer_than_the_period(report: Report) -> Iterator[str]:
    stream = report.capped.stream
    for name in ("read", "decode", "compute", "write"):
        units = [stream.unit == u for u in np.unique(stream.unit)] if name == "compute" else [slice(None)]
        for unit in units:
            busy = int(getattr(stream, name)[unit].sum())
            if busy > report.capped.period_ticks * (1 + RELATIVE):
                yield f"{name} takes {busy} ticks of a period of {report.capped.period_ticks}"


def _power_keeps_the_cap(report: Report) -> Iterator[str]:
    cap = Cap.of(report.chip)
    dynamic_J = sum(run.counted_J(cap) for run in report.runs)
    drawn = report.clock_W + cap.drawn_W(dynamic_J, report.period_s)
    if drawn > cap.limit_W * (1 + RELATIVE):
        yield f"{drawn:.6g} W drawn on average, cap {cap.limit_W:g} W"


def _activations_pass_through_sram(report: Report) -> Iterator[str]:
    """What comes from DRAM is written on chip, what goes there was read; bursts round up a transfer."""
    burst = 8 * report.chip.dram.burst_B
    for run in report.runs:
        layer, work = run.layer, run.work
        for tensor in ("activations", "psums"):
            for dram, sram in (("read_bit", "write_bit"), ("write_bit", "read_bit")):
                moved, passed = work.counts[tensor, "dram", dram], work.counts[tensor, "sram", sram]
                if moved >= passed + burst * work.passes and moved:
                    yield f"layer {layer.name}: {dram} of {moved} {tensor} bits in DRAM, {passed} on chip"


def _psums_come_back(report: Report) -> Iterator[str]:
    for run in report.runs:
        layer, work = run.layer, run.work
        went, came = (work.counts["psums", "dram", f"{way}_bit"] for way in ("write", "read"))
        if went != came:
            yield f"layer {layer.name}: {went} bits of partial sums spill, {came} come back"


def _steps_add_up_to_layers(report: Report) -> Iterator[str]:
    stream = report.schedule.stream
    for run in report.runs:
        layer, work = run.layer, run.work
        here = stream.layer == run.index
        expected = {
            "dram": work.ticks["dram"],
            "decoder": work.ticks["decoder"],
            "array": work.unit_ticks,
        }
        found = {
            "dram": int(stream.read[here].sum() + stream.write[here].sum()),
            "decoder": int(stream.decode[here].sum()),
            "array": int(stream.compute[here].sum()),
        }
        for name, ticks in expected.items():
            if found[name] != ticks:
                yield f"layer {layer.name}: steps take {found[name]} {name} ticks, its passes {ticks}"


def _nothing_moves_faster_than_its_bus(report: Report) -> Iterator[str]:
    chip, period_s = report.chip, report.period_s
    bits = Counter[str]()
    for work in report.schedule.work:
        for (_, component, _), count in work.counts.items():
            bits[component] += count
    most = {
        "dram": 8e9 * chip.dram.bandwidth_GB_per_s,
        "sram": 8e9 * chip.sram.bandwidth_B_per_cycle * chip.process.clock_GHz,
    }
    for name, rate in most.items():
        if bits[name] > rate * period_s * (1 + RELATIVE):
            yield f"{name} moves {bits[name] / period_s:.6g} bits/s, its bus {rate:.6g}"


def _power_and_heat_are_physical(report: Report) -> Iterator[str]:
    least, power_W = report.chip.static_W, report.power_W
    if not least * (1 - RELATIVE) <= power_W < np.inf:
        yield f"{power_W:.6g} W drawn on average, {least:.6g} W of them at rest"
        return
    board = Board.default()
    temperatures = [*board.steady_C(power_W), board.inlet_C]
    if not (np.isfinite(temperatures).all() and (np.diff(temperatures) <= RELATIVE).all()):
        yield f"heat does not flow from die to air: {temperatures} degC"


def _times_are_in_order(report: Report) -> Iterator[str]:
    busy = max(
        (int(getattr(report.capped.stream, name).sum()) for name in ("read", "decode", "write")), default=0
    )
    if report.latency_ticks < busy:
        yield f"a batch takes {report.latency_ticks} ticks, one resource alone {busy}"
    stream = report.capped.stream
    # as many reads of the next batch as there are slots may come between the last write-backs of this one
    turned = report.latency_ticks + 2 * stream.slots * stream.turnaround
    if report.capped.period_ticks > turned * (1 + RELATIVE):
        yield f"batches follow every {report.capped.period_ticks} ticks, one takes {report.latency_ticks}"


def engines_differ(report: Report, most_steps: int) -> Iterator[str]:
    """Where event and fast engine disagree over the first steps of the stream."""
    stream = report.capped.stream.first(most_steps)
    fast, event = run_fast(stream), run_event(stream)
    if not np.array_equal(fast.end, event.end):
        step = int(np.flatnonzero((fast.end != event.end).any(axis=0))[0])
        yield f"step {step} ends at {fast.end[:, step]} in one and {event.end[:, step]} in the other"


def _inputs_come_first(report: Report) -> Iterator[str]:
    stream, layers = report.capped.stream, report.workload.layers
    timeline = run_fast(stream)
    start, end = timeline.start[COMPUTE], timeline.end[COMPUTE]
    order = np.argsort(stream.layer, kind="stable")
    bounds = np.searchsorted(stream.layer[order], np.arange(len(layers) + 1))
    steps = [order[first:last] for first, last in pairwise(bounds)]
    roots = [run.work.root for run in report.runs]
    for reader, layer in zip(steps, layers, strict=True):
        for source in {roots[source] for source in set(layer.inputs) - {-1}} if len(reader) else ():
            before = steps[source][np.searchsorted(steps[source], reader) - 1]
            early = np.flatnonzero(start[reader] < end[before])
            if early.size:
                step = early[0]
                yield (
                    f"step {reader[step]} of {layer.name} starts at {start[reader[step]]}, its input "
                    f"{layers[source].name} ends at {end[before[step]]}"
                )


def _tile_states_are_parts_of_the_time(report: Report) -> Iterator[str]:
    states = _states(report)
    for state, share in states._asdict().items():
        if not -RELATIVE <= share <= 1 + RELATIVE:
            yield f"{state} takes {share!r} of the time"
    if abs(fsum(states) - 1) > RELATIVE:
        yield f"the states take {fsum(states)!r} of the time"


def _computing_is_the_peak_share(report: Report) -> Iterator[str]:
    """MACs over the peak of all tiles; an array may leave out cycles of its count by convention."""
    computing, share = _states(report).computing, peak_share(report, report.capped.period_ticks)
    left_out = sum(run.work.cost.uncounted_cycles for run in report.runs) / report.capped.period_ticks
    if not share - left_out - RELATIVE <= computing <= share + RELATIVE:
        yield f"tiles compute {computing!r} of the time, MACs are {share!r} of the peak"


def _states(report: Report) -> TileStates:
    return tile_states(report, report.capped, np.ones(len(report.runs)))


LAWS: dict[str, Callable[[Report], Iterator[str]]] = {
    "energy is the sum of its parts": _energy_adds_up,
    "requested bits are stored bits times fetches": _requested_is_stored_times_fetches,
    "bursts cover what is requested and no more": _bursts_cover_requests,
    "weights that come in are written on chip": _what_comes_in_is_written,
    "every DRAM bit is priced once": _dram_bits_are_counted_once,
    "what stays on chip fits": _what_stays_fits,
    "nothing runs above its peak": _nothing_runs_above_its_peak,
    "no resource is busy longer than the period": _no_resource_is_busy_longer_than_the_period,
    "average power keeps the cap": _power_keeps_the_cap,
    "activations and partial sums pass through SRAM": _activations_pass_through_sram,
    "partial sums that spill come back": _psums_come_back,
    "steps add up to their layers": _steps_add_up_to_layers,
    "nothing moves faster than its bus": _nothing_moves_faster_than_its_bus,
    "power and heat are physical": _power_and_heat_are_physical,
    "a batch lasts no less than its period and its parts": _times_are_in_order,
    "no layer computes before its inputs": _inputs_come_first,
    "tile states are parts of the time and sum to one": _tile_states_are_parts_of_the_time,
    "the share of computing is MACs over the peak": _computing_is_the_peak_share,
}
ENGINES_AGREE = "both engines give the same times"
