"""Benchmarks: how fast and how small, beside what others need. One function each.

Times are CPU seconds, which other work on the machine disturbs least; a short run is repeated and
its best time counts. SCALE-Sim runs in an environment of its own, in the same call.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import pandas as pd
import simpy

from experiments.bench.commands import LONG, compiling, first_use, light, long
from experiments.bench.executor import executor
from experiments.bench.measuring import Measurement, cpu_s, run_child
from experiments.bench.peers import scalesim_cycles
from experiments.bench.sweeps import sweeps
from hwsim.analysis.mappers import compared_layers, layer_of
from hwsim.arrays.systolic import SystolicArray
from hwsim.csvfile import read_rows
from hwsim.engine.event import Machine
from hwsim.engine.fast import run_fast
from hwsim.machine.chip import load_chip
from hwsim.mapping.tiling import best_tiling
from hwsim.run import simulate
from hwsim.workload.layer import Layer
from hwsim.workload.networks import load_network, network_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from experiments.runs.record import Run
    from hwsim.arrays.systolic import Dataflow
    from hwsim.machine.chip import Chip
    from hwsim.mapping.problem import Problem
    from hwsim.workload.layer import Workload

RESULTS = Path("results") / "bench"
MEASUREMENTS, MACHINE = "measurements.csv", "machine.json"

SETS = ("lenet5", "gemm16")
"""Workloads of SCALE-Sim whose cycles are shipped."""

CHIP, NETWORK = "reference_250w", "alexnet"
REPORTS = {
    "alexnet": {1: 600, 64: 200},
    "resnet50": {1: 250, 64: 80},
    "bert_layer": {1: 200, 64: 60},
    "llama_layer_decode": {1: 60, 64: 20},
}
"""Least reports a second, by network and batch."""
SRAM_MIB = (4, 8, 12, 16, 32)
REPORT_RUNS = 2
LARGE_NETWORKS = ("vgg16", "resnet50")


def produce(run: Run, measurements: list[Measurement]) -> None:
    """Write measurements and the machine they were made on."""
    run.write_csv(MEASUREMENTS, to_frame(measurements))
    run.write_json(MACHINE, machine())


def to_frame(measurements: list[Measurement]) -> pd.DataFrame:
    """One row a measurement, with its verdict."""
    return pd.DataFrame([vars(found) | {"verdict": found.verdict} for found in measurements])


def machine() -> dict[str, object]:
    """The machine as far as it can be told: processor, cores, load."""
    models = [
        line.partition(":")[2].strip()
        for line in _text("/proc/cpuinfo").splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.processor(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load average over a minute": round(os.getloadavg()[0], 2),
    }


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8") if Path(path).exists() else ""


class Group(NamedTuple):
    """GEMMs of one set on one systolic array: name, M, N, K each."""

    network: str
    rows: int
    cols: int
    dataflow: str
    gemms: tuple[tuple[str, int, int, int], ...]


def scalesim(peer_python: str) -> list[Measurement]:
    """SCALE-Sim on its LeNet-5 and GEMM sets: the same cycles, warm, and in one process from the start.

    Parameters
    ----------
    peer_python : str
        Python of an environment that has SCALE-Sim 3.0.0.
    """
    groups = scalesim_groups()
    request = json.dumps([group._asdict() for group in groups])
    answer = json.loads(run_child([peer_python, scalesim_cycles.__file__], request).output)
    theirs = dict.fromkeys(SETS, 0.0)
    equal = total = 0
    for group, found in zip(groups, answer, strict=True):
        theirs[group.network] += found["cpu_s"]
        cycles = our_cycles(group)
        equal += sum(cycles[name] == found["cycles"][name] for name in cycles)
        total += len(cycles)
    measured = [Measurement("layers with the cycles of SCALE-Sim", equal, f"of {total}", total)]
    for network in SETS:
        ours = cpu_s(partial(_run_all, [group for group in groups if group.network == network]))
        measured += [
            Measurement(f"{network}: SCALE-Sim", theirs[network], "CPU s"),
            Measurement(f"{network}: hwsim, warm", ours, "CPU s"),
            Measurement(f"{network}: how many times less, warm", theirs[network] / ours, "x", 1000),
        ]
    whole = run_child([sys.executable, "-c", "from experiments.bench.own import whole_set; whole_set()"])
    everything = sum(theirs.values())
    return [
        *measured,
        Measurement("both sets: SCALE-Sim", everything, "CPU s"),
        Measurement("both sets: hwsim, one process from its start", whole.cpu_s, "CPU s"),
        Measurement("both sets: how many times less, one process", everything / whole.cpu_s, "x", 20),
    ]


def scalesim_groups() -> list[Group]:
    """The sets, a group for each array and dataflow."""
    columns = ("network", "layer", "M", "N", "K", "array_rows", "array_cols", "dataflow")
    counts = ("folds", "compute_cycles", "sram_ifmap_reads", "sram_filter_reads", "sram_ofmap_writes")
    path = resources.files("hwsim") / "data" / "published" / "scalesim.csv"
    found: dict[tuple[str, int, int, str], list[tuple[str, int, int, int]]] = {}
    for row in read_rows(path, columns, (*counts, "source", "confidence")):
        if row.text("network") in SETS:
            array = (row.integer("array_rows"), row.integer("array_cols"), row.text("dataflow"))
            gemm = (row.text("layer"), row.integer("M"), row.integer("N"), row.integer("K"))
            found.setdefault((row.text("network"), *array), []).append(gemm)
    return [Group(*key, tuple(gemms)) for key, gemms in found.items()]


def our_cycles(group: Group) -> dict[str, int]:
    """Cycles of every GEMM of a group."""
    array = SystolicArray(group.rows, group.cols, cast("Dataflow", group.dataflow))
    return {
        name: array.cost(Layer(name, "matmul", m, n, k, m * k, m * n), 1).cycles
        for name, m, n, k in group.gemms
    }


def _run_all(groups: list[Group]) -> None:
    for group in groups:
        our_cycles(group)


def whole_set() -> None:
    """Run both sets, as a process of its own does."""
    _run_all(scalesim_groups())


def engines() -> list[Measurement]:
    """Event engine beside a bare SimPy pipeline of as many events, fast engine beside the event engine."""
    stream = simulate(load_chip(CHIP), load_network(NETWORK)).schedule.stream
    started = Machine(stream)
    started.run()
    events = events_of(started.env)
    items = 1000
    items = round(items * events / events_of(bare_pipeline(items)))
    bare_events = events_of(bare_pipeline(items))
    bare_s = cpu_s(partial(bare_pipeline, items)) * events / bare_events
    event_s = cpu_s(lambda: Machine(stream).run())
    fast_s = cpu_s(partial(run_fast, stream))
    return [
        Measurement("steps of the stream", len(stream), "steps"),
        Measurement("events of the event engine", events, "events"),
        Measurement("event engine", event_s, "CPU s"),
        Measurement("bare SimPy pipeline with as many events", bare_s, "CPU s"),
        Measurement("event engine over the bare pipeline", event_s / bare_s, "x", 2, "less"),
        Measurement("event engine", len(stream) / event_s, "steps/s"),
        Measurement("fast engine", len(stream) / fast_s, "steps/s"),
        Measurement("fast engine over the event engine", event_s / fast_s, "x", 1000),
    ]


def events_of(env: simpy.Environment) -> int:
    """Events scheduled so far: SimPy numbers them."""
    return int(next(env._eid))


def bare_pipeline(items: int) -> simpy.Environment:
    """Pass items through four stages of one tick each, two slots between them, and nothing else."""
    env = simpy.Environment()
    between = [simpy.Store(env, capacity=2) for _ in range(3)]

    def stage(source: simpy.Store | None, target: simpy.Store | None) -> Generator[simpy.Event, object, None]:
        for item in range(items):
            if source:
                yield source.get()
            yield env.timeout(1)
            if target:
                yield target.put(item)

    for source, target in zip([None, *between], [*between, None], strict=True):
        env.process(stage(source, target))
    env.run()
    return env


def reports() -> list[Measurement]:
    """Whole reports a second on one core: chip changed and checked, scheduled, simulated, priced."""
    chip = load_chip(CHIP)
    return [
        Measurement(
            f"{network} reports, batch {batch}",
            len(SRAM_MIB) * len(workloads) / cpu_s(partial(_report_all, chip, workloads, batch), REPORT_RUNS),
            "design points/s",
            target,
        )
        for network, targets in REPORTS.items()
        for workloads in [[load_network(network, stage) for stage in network_stages(network)]]
        for batch, target in targets.items()
    ]


def _report_all(chip: Chip, workloads: list[Workload], batch: int) -> None:
    for size in SRAM_MIB:
        changed = chip.replace(**{"sram.capacity_B": size << 20})
        for workload in workloads:
            report = simulate(changed, workload, batch)
            report.summary()
            report.energy_by("component")


def memory() -> list[Measurement]:
    """Peak memory of the simulation of large networks, the program itself included."""
    return [
        Measurement(
            f"{network}, batch {batch}: peak memory",
            float(run_child([sys.executable, "-c", PEAK.format(network=network, batch=batch)]).output) / 1e6,
            "MB",
            500,
            "less",
        )
        for network in LARGE_NETWORKS
        for batch in (1, 64)
    ]


PRINT_PEAK = """
lines = open("/proc/self/status", encoding="ascii").read().splitlines()
print(*(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
"""
"""End of a program that prints the most memory it held, in bytes (Linux counts it)."""

PEAK = f"""
from hwsim.machine.chip import load_chip
from hwsim.workload.networks import load_network, network_stages
from hwsim.run import simulate
simulate(load_chip("{CHIP}"), load_network("{{network}}"), {{batch}}).summary()
{PRINT_PEAK}"""


def files() -> list[Measurement]:
    """Writing and reading whole files of the largest networks, and the most memory that takes."""
    measured = []
    for network in ("alexnet", "vgg16"):
        program = FILES.format(network=network)
        found = dict(
            zip(
                ("write", "read", "peak"),
                run_child([sys.executable, "-c", program]).output.split(),
                strict=True,
            )
        )
        measured += [
            Measurement(f"{network}, P+Q+H: write the file", float(found["write"]), "CPU s", 10, "less"),
            Measurement(f"{network}, P+Q+H: read the file", float(found["read"]), "CPU s", 10, "less"),
            Measurement(f"{network}, P+Q+H: peak memory", float(found["peak"]) / 1e6, "MB", 1000, "less"),
        ]
    return measured


FILES = f"""
import time
from compress.format.container import parse
from experiments.studies.imagenet_files import WAYS, artifact_of, synthetic_tensors
artifact = artifact_of("{{network}}", synthetic_tensors("{{network}}", 0.0), WAYS[1])
marks = [time.process_time()]
data = artifact.to_bytes()
marks.append(time.process_time())
parse(data)
marks.append(time.process_time())
print(marks[1] - marks[0], marks[2] - marks[1])
{PRINT_PEAK}"""
"""Program that prints the CPU seconds of writing and of reading a file, and its peak memory in bytes."""


def mapper() -> list[Measurement]:
    """The search of blocks for each layer that other mappers were run on, once compiled."""
    searches = {
        f"blocks of {layer_of(row).name}, {row.integer('sram_KiB')} KiB": partial(_blocks, problem, space)
        for problem, space, row in compared_layers()
    }
    each_ms = {name: 1e3 * cpu_s(search, REPORT_RUNS) for name, search in searches.items()}
    mean_ms = sum(each_ms.values()) / len(each_ms)
    return [
        *(Measurement(name, spent_ms, "CPU ms") for name, spent_ms in each_ms.items()),
        Measurement("blocks of one layer, on average", mean_ms, "CPU ms", 1, "less"),
    ]


def _blocks(problem: Problem, space_bits: int) -> None:
    """Search the blocks of a layer as if for the first time."""
    best_tiling.cache_clear()
    best_tiling(problem, space_bits)


OWN: dict[str, Callable[[], list[Measurement]]] = {
    "engines": engines,
    "reports": reports,
    "mapper": mapper,
    "first-use": first_use,
    "light": light,
    "compiling": compiling,
    "memory": memory,
    "files": files,
    "sweeps": sweeps,
    **{name: partial(long, name) for name in LONG},
    "executor": executor,
}
"""Benchmarks in this environment; the last one needs onnxruntime there."""
