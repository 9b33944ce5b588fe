"""Measure CPU time: of a call in this process, or of a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LEAST_S = 0.2
"""A call too short for the clock is repeated until it has taken this long."""


@dataclass(frozen=True)
class Measurement:
    """One figure, and the target it is held against.

    Parameters
    ----------
    quantity, unit : str
    value : float
    target : float or None
        None: reported only.
    better : {"more", "less"}
        Which side of the target is good.
    """

    quantity: str
    value: float
    unit: str
    target: float | None = None
    better: Literal["more", "less"] = "more"

    @property
    def verdict(self) -> str:
        """``met`` or ``missed``; empty without a target."""
        if self.target is None:
            return ""
        met = self.value >= self.target if self.better == "more" else self.value <= self.target
        return "met" if met else "missed"


def cpu_s(call: Callable[[], object], runs: int = 5) -> float:
    """CPU seconds of one call, warm: the best of `runs`, each long enough for the clock."""
    call()
    started, repeats = time.process_time(), 0
    while time.process_time() - started < LEAST_S:
        call()
        repeats += 1
    best = (time.process_time() - started) / repeats
    for _ in range(runs - 1):
        started = time.process_time()
        for _ in range(repeats):
            call()
        best = min(best, (time.process_time() - started) / repeats)
    return best


@dataclass(frozen=True)
class Child:
    """What a process printed, and the time it took."""

    output: str
    cpu_s: float
    wall_s: float


def run_child(
    command: Sequence[str],
    text: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    limit_s: float | None = None,
) -> Child:
    """Run a process with `text` on its standard input, and measure it.

    Parameters
    ----------
    command : sequence of str
    text : str
    environment : mapping of str to str, optional
        Variables to add to those of this process.
    folder : Path, optional
        Where it runs; the current folder by default.
    limit_s : float, optional
        Seconds by the clock after which it is stopped; any number by default.

    Raises
    ------
    InputError
        If it cannot be run, takes longer, or fails: with the last line it wrote.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    try:
        done = subprocess.run(
            list(command),
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | dict(environment or {}),
            cwd=folder,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{command[0]} takes more than {limit_s:g} s") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or "no message").splitlines()[-1]
        raise InputError(f"{command[0]} failed: {last}") from None
    except OSError as error:
        raise InputError(f"{command[0]} cannot be run: {error.strerror}") from None
    wall_s = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Child(done.stdout, spent_s, wall_s)


def peak_B() -> int:
    """Most memory that this process or one it started has held, on Linux, which counts it in KiB.

    For this one the count of `resource.getrusage` would not do: a process takes over that of its parent.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return 1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
