"""The executor beside onnxruntime: CPU seconds and memory of one item, one thread each.

``python -m experiments.bench.executor FILE.csv`` writes the table; ``hwsim bench executor`` measures the
same. Networks of the right shapes have random weights, which take as long as trained ones. Both programs get
the same network: one as a ``.dcz`` file, the other as the ONNX file that is exported from it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from compress.format.container import Artifact
from compress.interop.export import export
from compress.nn import zoo
from compress.nn.folding import fold
from compress.nn.zoo.transformer import bert_base_encoder
from experiments.bench.measuring import Measurement, run_child
from experiments.bench.yolo import yolo_v8n
from experiments.console import print_note
from experiments.threads import ONE_THREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from compress.nn.network import Network

ROUNDS, RUNS = 5, 7
"""Processes of each program, in turns so that other work on the machine meets both, and runs in each."""

MOST_MEMORY = 1.5
"""Times the peak memory of onnxruntime's process that ours may have."""

NEEDED = ("onnx", "onnxruntime")


class Timed(NamedTuple):
    """A network, and the most times of onnxruntime's CPU time that it may take."""

    make: Callable[[np.random.Generator], Network]
    most: float


NETWORKS = {
    "SqueezeNet 1.1": Timed(partial(zoo.build, "squeezenet1_1"), 1.5),
    "ResNet-50": Timed(partial(zoo.build, "resnet50"), 1.5),
    "MobileNet-v2": Timed(partial(zoo.build, "mobilenet_v2"), 2.0),
    "BERT-base layer, 128 tokens": Timed(partial(bert_base_encoder, layers=1), 1.3),
    "YOLOv8n": Timed(yolo_v8n, 2.0),
}


class Row(NamedTuple):
    """One network.

    Parameters
    ----------
    network : str
    cpu_s, runtime_cpu_s : float
        Median CPU seconds of an item: ours and those of onnxruntime.
    times, most : float
        The median of their ratio, and what it may be.
    peak_MB, runtime_peak_MB : float
        Most memory that each process held.
    times_memory : float
    difference : float
        Largest difference of an answer, relative to the largest answer.
    """

    network: str
    cpu_s: float
    runtime_cpu_s: float
    times: float
    most: float
    peak_MB: float
    runtime_peak_MB: float
    times_memory: float
    difference: float


def row(name: str) -> Row:
    """Measure one network of `NETWORKS`."""
    rng = np.random.default_rng(0)
    network = fold(NETWORKS[name].make(rng))
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, items = (Path(folder, file) for file in ("net.dcz", "net.onnx", "items.npy"))
        artifact = Artifact.of(network, "dense")
        artifact.save(ours)
        export(artifact, theirs)
        np.save(items, rng.standard_normal((1, *network.input_shape), np.float32))
        turns = [[_child(path, items) for path in (ours, theirs)] for _ in range(ROUNDS)]
        answers = [np.load(f"{path}.npy") for path in (ours, theirs)]
    (cpu_s, runtime_cpu_s, times), (peak_B, runtime_peak_B, times_memory) = (
        _medians(turns, key) for key in ("s", "peak_B")
    )
    difference = float(np.abs(answers[0] - answers[1]).max() / np.abs(answers[1]).max())
    spent = cpu_s, runtime_cpu_s, times, NETWORKS[name].most
    return Row(name, *spent, peak_B / 1e6, runtime_peak_B / 1e6, times_memory, difference)


def _medians(turns: Sequence[Sequence[Mapping[str, float]]], key: str) -> tuple[float, float, float]:
    """Median of ours, of onnxruntime's, and of their ratio in a turn."""
    figures = np.array([[found[key] for found in turn] for turn in turns])
    ours, theirs, ratio = np.median([*figures.T, figures[:, 0] / figures[:, 1]], axis=1)
    return float(ours), float(theirs), float(ratio)


def _child(model: Path, items: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "experiments.bench.one_item", str(model), str(items), str(RUNS)]
    answer: dict[str, float] = json.loads(run_child(command, environment=ONE_THREAD).output)
    return answer


def executor() -> list[Measurement]:
    """Every network; none where a package is missing, with a word."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print_note(f"executor: skipped, {missing[0]} is not installed")
        return []
    return [measurement for name in NETWORKS for measurement in _measurements(row(name))]


def _measurements(found: Row) -> list[Measurement]:
    name = found.network
    return [
        Measurement(f"{name}: one item", found.cpu_s, "CPU s"),
        Measurement(f"{name}: the same by onnxruntime", found.runtime_cpu_s, "CPU s"),
        Measurement(f"{name}: our time over onnxruntime's", found.times, "x", found.most, "less"),
        Measurement(f"{name}: peak memory of the process", found.peak_MB, "MB"),
        Measurement(f"{name}: our memory over onnxruntime's", found.times_memory, "x", MOST_MEMORY, "less"),
    ]


if __name__ == "__main__":
    pd.DataFrame([row(name) for name in NETWORKS]).to_csv(sys.argv[1], index=False, float_format="%.4g")
