"""Benchmarks of commands as people start them: the first use after an installation, warm, and for minutes.

A process of its own each, on one thread, so on a machine with a core to spare a command takes its CPU time.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compress.codecs.base import Labels
from compress.codecs.fields import ByteReader
from compress.codecs.table import CODECS
from compress.format.container import Artifact
from compress.format.tensors import SharedTensor
from compress.nn.lenets import lenet_300_100
from experiments.bench.measuring import Measurement, run_child
from experiments.console import print_json
from experiments.runs.record import REFERENCE
from experiments.threads import ONE_THREAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.bench.measuring import Child

RUNS = 5
"""Processes that are started for one measurement of a warm command."""

AS_INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
"""A program of a user does not compile its modules anew at each start, even if this process does."""

IMPORTS = {"import hwsim": 0.1, "import compress": 0.1}
"""Most CPU seconds."""
HELP_S = 0.35

MODEL = "model.dcz"
COMMANDS: dict[str, tuple[float | None, float | None]] = {
    "hwsim run edge lenet5": (2.5, 0.7),
    "hwsim run reference_250w alexnet": (None, 1.0),
    f"dcz inspect {MODEL}": (2.5, 0.6),
    f"dcz evaluate {MODEL}": (2.5, None),
}
"""Most CPU seconds of a command that is used first, and of one that was used before."""

LONG = {
    "page": ("hwsim page -o page", 120, None),
    "all-experiments": ("hwsim experiments run --all --workers 1", 150, 1024),
}
"""Commands of minutes: most CPU seconds, and most MiB of a process."""

FIRST_CALLS = {
    ("context", "encode"): 3.0,
    ("context", "decode"): None,
    ("huffman", "encode"): 1.5,
    ("huffman", "decode"): 1.5,
}
"""Most CPU seconds of the first call of a codec."""

DENSITY, VALUES = 0.09, 15
"""Of the model that is inspected and executed."""


def first_use() -> list[Measurement]:
    """Start commands where nothing is compiled yet, as after an installation, and again."""
    measured = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small_model().save(folder / MODEL)
        for line, (most_first_s, most_warm_s) in COMMANDS.items():
            first = _run(line, folder, {"NUMBA_CACHE_DIR": tempfile.mkdtemp(dir=folder)})
            warm_s = min(_run(line, folder).cpu_s for _ in range(1 + RUNS))
            measured += [
                Measurement(f"{line}, the first ever", first.cpu_s, "CPU s", most_first_s, "less"),
                Measurement(f"{line}, warm", warm_s, "CPU s", most_warm_s, "less"),
            ]
    return measured


def small_model() -> Artifact:
    """LeNet-300-100 of random weights, pruned, shared and Huffman-coded."""
    rng = np.random.default_rng(0)
    network = lenet_300_100(rng)
    codebook = np.linspace(-0.1, 0.1, VALUES, dtype=np.float32)
    tensors = {
        name: SharedTensor(
            np.where(rng.random(value.shape) < DENSITY, rng.integers(1, VALUES + 1, value.shape), 0),
            codebook,
            "huffman",
        )
        for name, value in network.params.items()
        if value.ndim > 1
    }
    return Artifact.of(network, "huffman", tensors)


def light() -> list[Measurement]:
    """What every program and every ``--help`` pays: the best of a few processes, warm."""
    calls: dict[str, tuple[Callable[[], Child], float]] = {
        code: (partial(_run_code, code), most_s) for code, most_s in IMPORTS.items()
    }
    calls["hwsim --help"] = (partial(_run, "hwsim --help"), HELP_S)
    return [
        Measurement(name, min(call().cpu_s for _ in range(RUNS)), "CPU s", most_s, "less")
        for name, (call, most_s) in calls.items()
    ]


def compiling() -> list[Measurement]:
    """The first call of each codec, where nothing is compiled yet; imports do not count."""
    measured = []
    for (coding, way), most_s in FIRST_CALLS.items():
        with tempfile.TemporaryDirectory() as cache:
            done = _run_code(
                f"from {__name__} import print_first_call; print_first_call({coding!r}, {way!r})",
                {"NUMBA_CACHE_DIR": cache},
                CODECS[coding].encode(_labels()).hex(),
            )
        measured.append(
            Measurement(f"first {coding} {way}, compiling", float(done.output), "CPU s", most_s, "less")
        )
    return measured


def print_first_call(coding: str, way: str) -> None:
    """Print the CPU seconds of the first call of a codec, with what it shall decode on standard input."""
    labels, data = _labels(), bytes.fromhex(sys.stdin.read())
    started = time.process_time()
    if way == "encode":
        CODECS[coding].encode(labels)
    else:
        CODECS[coding].decode(ByteReader(data), labels.shape, labels.values)
    print_json(time.process_time() - started)


def _labels() -> Labels:
    rng, values = np.random.default_rng(0), np.arange(1, VALUES + 1, dtype=np.float32)
    labels = np.where(rng.random(4096) < DENSITY, rng.integers(1, VALUES + 1, 4096), 0).astype(np.uint8)
    return Labels(labels, (64, 64), values)


PEAK_AT_END = """
import atexit
from experiments.bench.measuring import peak_B
atexit.register(lambda: print(peak_B()))
"""
"""Begin of a program whose last line of output is the most memory that it held, in bytes."""


def long(name: str) -> list[Measurement]:
    """Run a command of minutes once, in a folder of its own; the references here are there, too."""
    line, most_s, most_MiB = LONG[name]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / REFERENCE.parent
        results.mkdir()
        (results / REFERENCE.name).symlink_to(REFERENCE.resolve())
        done = _run_code(PEAK_AT_END + _program(line), folder=Path(folder))
    peak_MiB = int(done.output.splitlines()[-1]) / 2**20
    return [
        Measurement(line, done.cpu_s, "CPU s", most_s, "less"),
        Measurement(f"{line}: most memory of a process", peak_MiB, "MiB", most_MiB, "less"),
    ]


def _run(line: str, folder: Path | None = None, environment: dict[str, str] | None = None) -> Child:
    """Run a command line of the package."""
    return _run_code(_program(line), environment, folder=folder)


def _program(line: str) -> str:
    name, *words = shlex.split(line)
    return f"import sys; from experiments.cli.main import {name}; sys.argv[1:] = {words!r}; {name}()"


def _run_code(
    code: str, environment: dict[str, str] | None = None, text: str = "", folder: Path | None = None
) -> Child:
    return run_child(
        [sys.executable, "-c", code], text, {**ONE_THREAD, **AS_INSTALLED, **(environment or {})}, folder
    )
