"""Power over time, from the energy and the time of every operation.

The energy of an operation is spread evenly over its duration. An operation of zero ticks adds its energy
to the window in which it ends. Static power is drawn from the first tick to the last. Windows are aligned
and of equal length. The last window is averaged over its whole length, so that power times window length
is exactly the energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.compiled import njit
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from hwsim.engine.timeline import Timeline
    from hwsim.machine.cap import Cap


@dataclass(frozen=True)
class OperationEnergy:
    """Dynamic energy of every operation of a stream.

    Parameters
    ----------
    components : tuple of str
    pJ : ndarray of float, shape (4, n, components)
        By phase (rows of `hwsim.engine.timeline.PHASES`), step and component, at the nominal voltage.
    core : ndarray of bool, shape (components,)
        Components on the core's supply, whose energy follows its voltage; DRAM is not.

    Raises
    ------
    InputError
        If shapes disagree or an energy is negative or not finite.
    """

    components: tuple[str, ...]
    pJ: NDArray[np.float64]
    core: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.components)
        if self.pJ.ndim != 3 or self.pJ.shape[0] != 4 or self.pJ.shape[2] != count:
            raise InputError(f"operation energy: pJ has shape {self.pJ.shape}, expected (4, steps, {count})")
        if self.core.shape != (count,):
            raise InputError(f"operation energy: core has shape {self.core.shape}, expected ({count},)")
        if not (np.isfinite(self.pJ).all() and (self.pJ >= 0).all()):
            raise InputError("operation energy: pJ has a negative or infinite figure, expected 0 or more")

    def counted(self, cap: Cap) -> NDArray[np.bool_]:
        """Which components count against `cap`, shape (components,)."""
        return np.array([cap.counts(name) for name in self.components], dtype=bool)

    def repeat(self, times: int) -> OperationEnergy:
        """Energies of the stream repeated `times` times."""
        return OperationEnergy(self.components, np.tile(self.pJ, (1, times, 1)), self.core)


@dataclass(frozen=True)
class PowerTrace:
    """Average power of each component in aligned windows.

    Parameters
    ----------
    components : tuple of str
        Dynamic components first, then those of static power.
    W : ndarray of float, shape (windows, components)
    window_s : float
    """

    components: tuple[str, ...]
    W: NDArray[np.float64]
    window_s: float

    @property
    def total_W(self) -> NDArray[np.float64]:
        """Power of all components, shape (windows,)."""
        return self.W.sum(axis=1)

    @property
    def joules(self) -> dict[str, float]:
        """Energy under the trace by component."""
        return dict(zip(self.components, (self.W.sum(axis=0) * self.window_s).tolist(), strict=True))

    def to_frame(self) -> pd.DataFrame:
        """One row per window: ``start_s`` and watts by component."""
        import pandas as pd

        frame = pd.DataFrame(self.W, columns=list(self.components))
        frame.insert(0, "start_s", np.arange(len(self.W)) * self.window_s)
        return frame


def power_trace(
    timeline: Timeline,
    energy: OperationEnergy,
    static_W: Mapping[str, float],
    window_ticks: int,
    tick_s: float,
) -> PowerTrace:
    """Place every operation's energy in time and average it over windows.

    Parameters
    ----------
    timeline : Timeline
    energy : OperationEnergy
        Of the same steps as `timeline`.
    static_W : mapping of str to float
        Power drawn at all times by component, for example ``{"leakage": 7.0, "standby": 8.0}``.
    window_ticks : int
        Length of a window (>= 1).
    tick_s : float
        Seconds of a tick.

    Raises
    ------
    InputError
        If the window is shorter than a tick or `energy` is of another stream.
    """
    if window_ticks < 1:
        raise InputError(f"power window is {window_ticks} ticks, expected at least 1")
    if energy.pJ.shape[1] != len(timeline):
        raise InputError(
            f"operation energy has {energy.pJ.shape[1]} steps, expected the timeline's {len(timeline)}"
        )
    window_s = window_ticks * tick_s
    dynamic = _placed(timeline.start, timeline.end, energy.pJ, window_ticks) * (1e-12 / window_s)
    drawn = np.clip(timeline.makespan / window_ticks - np.arange(len(dynamic)), 0.0, 1.0)
    static = drawn[:, None] * np.array(list(static_W.values()), dtype=float).reshape(1, -1)
    return PowerTrace((*energy.components, *static_W), np.hstack([dynamic, static]), window_s)


@njit(cache=True)
def _placed(start, end, pJ, window):  # type: ignore[no-untyped-def]
    """Picojoules by window and component."""
    phases, steps, components = pJ.shape
    windows = end.max() // window + 1 if steps else 1
    placed = np.zeros((windows, components))
    for phase in range(phases):
        for step in range(steps):
            first, last = start[phase, step], end[phase, step]
            if first == last:
                placed[first // window] += pJ[phase, step]
                continue
            for w in range(first // window, (last - 1) // window + 1):
                inside = min(last, (w + 1) * window) - max(first, w * window)
                share = inside / (last - first)
                for c in range(components):
                    placed[w, c] += share * pJ[phase, step, c]
    if windows > 1 and end.max() % window == 0 and not placed[-1].any():
        return placed[:-1]
    return placed
