"""An NVIDIA board: PyTorch runs the kernels, NVML reads the board (extra ``hwsim[gpu]``)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from experiments.measure.device import Reading, Unsupported
from experiments.measure.nvml import Meter
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.measure.device import Settings
    from experiments.measure.tasks import Task

PACKAGES = {"torch": "torch", "pynvml": "nvidia-ml-py"}
"""Modules of the extra, and the packages that hold them."""

SETTLE_S, MEASURE_S = 1.5, 4.0
"""Time until clock and power are steady, and time that is measured: forty updates of an energy counter."""

REST_S = 5.0
"""Time until a board without work is at its lowest clock."""

ROUND_S = 0.2
"""Work between two moments at which the host waits for the board."""

WAIT_CYCLES = 10_000_000


@dataclass(frozen=True)
class _Captured:
    """A graph of launches. It knows the addresses of its operands only: `launch` keeps them alive."""

    graph: Any
    launch: Callable[[], object]

    def __call__(self) -> None:
        self.graph.replay()


class NvidiaBoard:
    """The first NVIDIA board that CUDA may use, at the settings it has.

    Raises
    ------
    InputError
        If a package is missing, or there is no board.
    """

    def __init__(self) -> None:
        missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
        if missing:
            raise InputError(
                f"hwsim measure needs {' and '.join(missing)}: install them with pip install 'hwsim[gpu]'"
            )
        self._meter = Meter(import_module("pynvml"))
        self._torch: Any = import_module("torch")
        if not self._torch.cuda.is_available():
            raise InputError(
                f"torch {self._torch.__version__} finds no CUDA board, expected a build of torch for CUDA "
                "and a driver that is new enough for it"
            )
        self.board = self._meter.board

    def settings(self) -> Settings:
        """Return the power limit and the clocks of applications."""
        return self._meter.settings()

    def choices(self) -> tuple[Settings, ...]:
        """Return two lower clocks, and a power limit halfway to the least."""
        return self._meter.choices()

    def apply(self, settings: Settings) -> None:
        """Set power limit and clocks."""
        self._meter.apply(settings)

    def measure(self, task: Task) -> Reading:
        """Let the board settle, then repeat a task for some seconds."""
        if task.kind == "idle":
            time.sleep(REST_S)
            return self._reading(task, lambda: (0, _slept(MEASURE_S)))
        try:
            replay = self._prepared(task)
            done, seconds = self._repeated(replay, SETTLE_S, 1)
            together = max(1, round(ROUND_S * done / seconds))
            return self._reading(task, lambda: self._repeated(replay, MEASURE_S, together))
        except RuntimeError as error:  # of torch: no such kernel, not enough memory
            raise Unsupported(str(error).partition("\n")[0]) from error

    def _reading(self, task: Task, work: Callable[[], tuple[int, float]]) -> Reading:
        (done, seconds), joules, samples = self._meter.during(work)
        launches = done * task.at_once if task.workload else 0
        return Reading(task, self.settings(), launches, seconds, joules, samples)

    def _repeated(self, replay: Callable[[], object], seconds: float, together: int) -> tuple[int, float]:
        """Repeat for some seconds; return how often, and the seconds it took."""
        synchronize = self._torch.cuda.synchronize
        synchronize()
        started, done = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            for _ in range(together):
                replay()
            synchronize()
            done += together
        return done, elapsed

    def _prepared(self, task: Task) -> Callable[[], object]:
        """Return what launches a task `at_once` times: a graph, for which the host does little."""
        torch = self._torch
        if task.kind == "wait":
            return lambda: torch.cuda._sleep(WAIT_CYCLES)
        launch, graph, stream = self._kernel(task), torch.cuda.CUDAGraph(), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            launch()  # libraries load their kernels, which they could not do during the capture
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(task.at_once):
                launch()
        return _Captured(graph, launch)

    def _kernel(self, task: Task) -> Callable[[], object]:
        """Return a function that launches a kernel once, on operands of random values."""
        torch = self._torch
        if task.kind == "copy":
            source = self._random(task.arithmetic, task.n)
            target = torch.empty_like(source)
            return lambda: target.copy_(source)
        a = self._random(task.arithmetic, task.m, task.k)
        b = self._random(task.arithmetic, task.n, task.k).t()
        if task.arithmetic == "int8":
            out = torch.empty((task.m, task.n), dtype=torch.int32, device="cuda")
            return lambda: torch._int_mm(a, b, out=out)
        out = torch.empty((task.m, task.n), dtype=a.dtype, device="cuda")
        return lambda: torch.mm(a, b, out=out)

    def _random(self, arithmetic: str, *shape: int) -> Any:
        """Random values: zeros would save power."""
        torch = self._torch
        if arithmetic == "int8":
            return torch.randint(-128, 128, shape, dtype=torch.int8, device="cuda")
        return torch.randn(shape, dtype=torch.float16, device="cuda")


def _slept(seconds: float) -> float:
    started = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - started
