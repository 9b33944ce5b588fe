"""Energy, power, clocks and limits of an NVIDIA board by NVML (package nvidia-ml-py)."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from experiments.measure.device import Board, Refused, Sample, Settings
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLE_S = 0.02
"""Between two samples; the sensors of boards average over 25 to 100 ms."""

CLOCK_SHARES = (0.75, 0.5)
"""Of the highest clock that the board would take: those that are set when clocks may be."""

VISIBLE = "CUDA_VISIBLE_DEVICES"

Returned = TypeVar("Returned")


class Meter:
    """The first NVIDIA board that CUDA may use, as NVML sees it.

    Parameters
    ----------
    nvml : module
        ``pynvml``.

    Raises
    ------
    InputError
        If there is no board, or it does not tell its power.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        with self._plain("no NVIDIA board is found", "a machine with one and its driver"):
            nvml.nvmlInit()
            self._handle = self._first()
        with self._plain("the board's power cannot be read", "a board whose driver tells its power"):
            self.board = self._board()
            self._sample(0.0)

    def _first(self) -> Any:
        """Handle of the board; CUDA is told to use the same one, whatever its own order is."""
        nvml, chosen = self._nvml, os.environ.get(VISIBLE, "0").split(",")[0].strip()
        if chosen.isdecimal():
            handle = nvml.nvmlDeviceGetHandleByIndex(int(chosen))
        else:
            handle = nvml.nvmlDeviceGetHandleByUUID(chosen)
        os.environ[VISIBLE] = nvml.nvmlDeviceGetUUID(handle)
        return handle

    def _board(self) -> Board:
        nvml, handle = self._nvml, self._handle
        others = [
            one.pid for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle) if one.pid != os.getpid()
        ]
        remarks = (
            (f"{len(others)} other processes use the board, so its figures include them",) if others else ()
        )
        today = datetime.now(UTC).date().isoformat()
        return Board(nvml.nvmlDeviceGetName(handle), nvml.nvmlSystemGetDriverVersion(), today, remarks)

    def settings(self) -> Settings:
        """Return the power limit, and the clocks of applications if they are not the default."""
        with self._plain("the power limit cannot be read", "a board that has one"):
            limit_W = self._nvml.nvmlDeviceGetPowerManagementLimit(self._handle) / 1000
        clocks = self._clocks()
        default = self._clocks("Default")
        return Settings(limit_W) if clocks in (None, default) else Settings(limit_W, *clocks)

    def _clocks(self, which: str = "") -> tuple[int, int] | None:
        """Clocks of applications, of cores and memory; None on boards and drivers that have none."""
        nvml = self._nvml
        read = getattr(nvml, f"nvmlDeviceGet{which}ApplicationsClock")
        try:
            return read(self._handle, nvml.NVML_CLOCK_GRAPHICS), read(self._handle, nvml.NVML_CLOCK_MEM)
        except nvml.NVMLError:
            return None

    def choices(self) -> tuple[Settings, ...]:
        """Return two lower clocks, and a power limit halfway to the least."""
        found, clocks = self.settings(), self._clocks()
        with self._refusing("the clocks and power limits that the board takes cannot be read"):
            least_W = self._nvml.nvmlDeviceGetPowerManagementLimitConstraints(self._handle)[0] / 1000
            choices = self._lower_clocks(found, clocks[1]) if clocks else []
        if least_W < found.power_limit_W:
            middle_W = float(round((least_W + found.power_limit_W) / 2))
            choices.append(Settings(middle_W, found.clock_MHz, found.memory_MHz))
        return tuple(choices)

    def _lower_clocks(self, found: Settings, memory_MHz: int) -> list[Settings]:
        supported = self._nvml.nvmlDeviceGetSupportedGraphicsClocks(self._handle, memory_MHz)
        top = found.clock_MHz or max(supported)
        lower = (max((one for one in supported if one <= share * top), default=0) for share in CLOCK_SHARES)
        return [Settings(found.power_limit_W, clock_MHz, memory_MHz) for clock_MHz in lower if clock_MHz]

    def apply(self, settings: Settings) -> None:
        """Set what differs; one that fails does not keep the other from being set.

        The default clocks are reset, not set: some boards run faster than these as long as nobody sets them.
        """
        nvml, handle, now = self._nvml, self._handle, self.settings()
        try:
            if settings.clock_MHz is None and now.clock_MHz is not None:
                with self._refusing("the clock cannot be reset"):
                    nvml.nvmlDeviceResetApplicationsClocks(handle)
            elif settings.clock_MHz != now.clock_MHz:
                with self._refusing(f"the clock cannot be set to {settings.clock_MHz} MHz"):
                    nvml.nvmlDeviceSetApplicationsClocks(handle, settings.memory_MHz, settings.clock_MHz)
        finally:
            if settings.power_limit_W != now.power_limit_W:
                with self._refusing(f"the power limit cannot be set to {settings.power_limit_W:g} W"):
                    nvml.nvmlDeviceSetPowerManagementLimit(handle, round(1000 * settings.power_limit_W))

    def during(self, work: Callable[[], Returned]) -> tuple[Returned, float | None, tuple[Sample, ...]]:
        """Do some work; return what it returns, the joules by the counter, and samples."""
        samples: list[Sample] = []
        done = threading.Event()
        started = time.perf_counter()

        def sample() -> None:
            while not done.wait(SAMPLE_S):
                samples.append(self._sample(time.perf_counter() - started))

        sampler = threading.Thread(target=sample, daemon=True)
        with self._plain("the board cannot be read any more", "one that stays"):
            samples.append(self._sample(0.0))
            before_J = self._counter_J()
            sampler.start()
            try:
                returned = work()
            finally:
                done.set()
                sampler.join()
            after_J = self._counter_J()
            samples.append(self._sample(time.perf_counter() - started))
        counted_J = None if before_J is None or after_J is None else after_J - before_J
        return returned, counted_J, tuple(samples)

    def _counter_J(self) -> float | None:
        """Joules since the driver was loaded; None on boards before Volta."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except self._nvml.NVMLError:
            return None

    def _sample(self, at_s: float) -> Sample:
        nvml, handle = self._nvml, self._handle
        power_W = nvml.nvmlDeviceGetPowerUsage(handle) / 1000
        return Sample(at_s, power_W, float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)))

    @contextmanager
    def _plain(self, what: str, expected: str) -> Iterator[None]:
        """Turn errors of NVML into one sentence."""
        try:
            yield
        except self._nvml.NVMLError as error:
            raise InputError(f"{what}: NVML says {error}, expected {expected}") from error

    @contextmanager
    def _refusing(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._nvml.NVMLError as error:
            raise Refused(f"{what}: NVML says {error}, expected the rights of an administrator") from error
