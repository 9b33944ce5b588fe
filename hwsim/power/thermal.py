"""Die temperature by a lumped RC ladder from die to air.

Node i stores ``capacity[i]`` and passes heat to node i + 1 (the last one to the air) through
``resistance[i]``. For power that is constant over an interval the temperatures at its end are exact:
``T' = Tss + exp(A t) (T - Tss)`` (Skadron et al., HotSpot, ISCA 2003, with one node per layer).

Leakage grows exponentially with the temperature of the die. It is constant over an interval, at its
value at the start. At the slowdown temperature the clock is reduced, until the die is back at the
operating limit. At the shutdown temperature the run ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.compiled import njit
from hwsim.energy.constants import thermal_constants
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hwsim.power.trace import PowerTrace


@dataclass(frozen=True)
class Board:
    """Heat path and temperature limits of a card.

    Parameters
    ----------
    capacity_J_per_K, resistance_K_per_W : tuple of float
        One per node, the die first; a resistance leads to the next node or the air.
    inlet_C : float
    operating_C, slowdown_C, shutdown_C : float
        Highest temperature at full clock, at which the clock is cut, at which power goes off.
    slowdown_clock : float
        Fraction of the dynamic power that is left when the clock is cut.
    """

    capacity_J_per_K: tuple[float, ...]
    resistance_K_per_W: tuple[float, ...]
    inlet_C: float
    operating_C: float
    slowdown_C: float
    shutdown_C: float
    slowdown_clock: float

    def __post_init__(self) -> None:
        nodes = (self.capacity_J_per_K, self.resistance_K_per_W)
        if not len(nodes[0]) == len(nodes[1]) > 0 or min(map(min, nodes)) <= 0:
            raise InputError("board: expected as many capacities as resistances, each above 0")
        if not self.inlet_C < self.operating_C <= self.slowdown_C < self.shutdown_C:
            raise InputError(
                f"board: inlet {self.inlet_C:g}, operating {self.operating_C:g}, slowdown "
                f"{self.slowdown_C:g}, shutdown {self.shutdown_C:g} degC, expected them to rise in this order"
            )

    @classmethod
    def default(cls) -> Board:
        """A 250 W card: die, spreader and sink of the shipped constants."""
        value = {name: constant.value for name, constant in thermal_constants().items()}
        return cls(
            (value["die.capacity"], value["spreader.capacity"], value["sink.capacity"]),
            (value["die.to_spreader"], value["spreader.to_sink"], value["sink.to_air"]),
            value["air.inlet"],
            value["limit.operating"],
            value["limit.slowdown"],
            value["limit.shutdown"],
            value["slowdown.clock"],
        )

    def dynamics(self) -> NDArray[np.float64]:
        """Matrix A of ``dT/dt = A (T - Tss)``, per second, shape (nodes, nodes)."""
        conductance = 1.0 / np.array(self.resistance_K_per_W)
        inward = np.append(0.0, conductance[:-1])
        flows = np.diag(inward[1:], -1) + np.diag(conductance[:-1], 1) - np.diag(inward + conductance)
        return flows / np.array(self.capacity_J_per_K)[:, None]

    def steady_C(self, die_W: float) -> NDArray[np.float64]:
        """Temperatures at which `die_W` of heat flows out, shape (nodes,)."""
        return self.inlet_C + die_W * np.cumsum(self.resistance_K_per_W[::-1])[::-1]


@dataclass(frozen=True)
class Leakage:
    """Leakage power against die temperature, ``reference_W exp(per_K (T - reference_C))``."""

    reference_W: float
    reference_C: float
    per_K: float

    @classmethod
    def default(cls, reference_W: float) -> Leakage:
        """Leakage of a die whose chip file says `reference_W`."""
        constants = thermal_constants()
        return cls(reference_W, constants["leakage.reference"].value, constants["leakage.per_K"].value)

    def W(self, die_C: float) -> float:
        """Watts at `die_C`."""
        return self.reference_W * float(np.exp(self.per_K * (die_C - self.reference_C)))


def equilibrium_C(board: Board, die_W: float, leakage: Leakage) -> float | None:
    """Die temperature at which heat out equals `die_W` of dynamic power plus leakage.

    ``T = T0 + R P_leak(T)`` has its lower solution on the main branch of Lambert's W.

    Returns
    -------
    float or None
        None if there is no such temperature: the die runs away.
    """
    from scipy.special import lambertw

    resistance = sum(board.resistance_K_per_W)
    without = board.inlet_C + resistance * die_W
    gain = leakage.per_K * resistance * leakage.W(without)
    if gain == 0:
        return without + resistance * leakage.W(without)
    if gain > np.exp(-1.0):
        return None
    return without - float(np.real(lambertw(-gain))) / leakage.per_K


def die_heat_W(trace: PowerTrace, share: Mapping[str, float]) -> NDArray[np.float64]:
    """Power that heats the die in each window, shape (windows,), without leakage.

    Parameters
    ----------
    share : mapping of str to float
        Fraction of a component's power that is spent on the die; 1 by default. DRAM has the share of its
        PHY. DRAM standby and the board have 0. So has the leakage of the trace, because `heat` adds it.
    """
    return trace.W @ np.array([share.get(name, 1.0) for name in trace.components])


@dataclass(frozen=True)
class ThermalRun:
    """Temperatures over time.

    Parameters
    ----------
    time_s : ndarray, shape (intervals,)
        End of each interval.
    node_C : ndarray, shape (intervals, nodes)
        Temperatures at these times.
    leakage_W : ndarray, shape (intervals,)
        Leakage drawn in each interval.
    throttled : ndarray of bool, shape (intervals,)
        Whether the clock was cut.
    shutdown_s : float or None
        When the shutdown temperature ended the run.
    runaway : bool
        Whether it did so because no temperature balances the mean power, clock cut or not.
    """

    time_s: NDArray[np.float64]
    node_C: NDArray[np.float64]
    leakage_W: NDArray[np.float64]
    throttled: NDArray[np.bool_]
    shutdown_s: float | None
    runaway: bool

    @property
    def sustained(self) -> bool:
        """Whether the clock was never cut."""
        return self.shutdown_s is None and not self.throttled.any()


def heat(
    board: Board,
    die_W: NDArray[np.float64],
    interval_s: float,
    leakage: Leakage,
    repeats: int = 1,
    start_C: NDArray[np.float64] | None = None,
) -> ThermalRun:
    """Follow the temperatures of `board` under a power trace that repeats.

    Parameters
    ----------
    die_W : ndarray, shape (n,)
        Dynamic power that heats the die at full clock, one value per interval.
    interval_s : float
        Length of an interval; short against the die's time constant, if leakage matters.
    repeats : int
        How often the trace is played.
    start_C : ndarray, shape (nodes,), optional
        Temperatures to start from; those of the inlet air unless given.

    Raises
    ------
    InputError
        If the trace is empty, negative or not finite, or the interval or repeats not positive.
    """
    from scipy.linalg import expm

    die_W = np.asarray(die_W, dtype=np.float64)
    if die_W.size == 0 or not np.isfinite(die_W).all() or die_W.min() < 0:
        raise InputError("power trace: expected one finite value of 0 W or more per interval")
    if not interval_s > 0 or repeats < 1:
        raise InputError(f"power trace: interval {interval_s:g} s x {repeats}, expected both above 0")
    nodes = len(board.capacity_J_per_K)
    node_C = np.full(nodes, board.inlet_C) if start_C is None else np.array(start_C, dtype=np.float64)
    if node_C.shape != (nodes,):
        raise InputError(f"start temperatures have shape {node_C.shape}, expected ({nodes},)")
    temperatures, leakage_W, throttled = _follow(
        die_W,
        repeats,
        expm(board.dynamics() * interval_s),
        board.steady_C(1.0) - board.inlet_C,
        board.inlet_C,
        node_C,
        np.array([board.operating_C, board.slowdown_C, board.shutdown_C, board.slowdown_clock]),
        np.array([leakage.reference_W, leakage.reference_C, leakage.per_K]),
    )
    time_s = np.arange(1, len(temperatures) + 1) * np.float64(interval_s)
    off = bool(temperatures[-1, 0] >= board.shutdown_C)
    least_W = float(die_W.mean()) * board.slowdown_clock
    runaway = off and equilibrium_C(board, least_W, leakage) is None
    return ThermalRun(time_s, temperatures, leakage_W, throttled, float(time_s[-1]) if off else None, runaway)


@njit(cache=True)
def _follow(die_W, repeats, decay, rise, inlet, node_C, limits, leakage):  # type: ignore[no-untyped-def]
    """Temperatures and leakage at the end of each interval, until shutdown."""
    operating, slowdown, shutdown, clock = limits
    reference_W, reference_C, per_K = leakage
    intervals, nodes = len(die_W) * repeats, len(node_C)
    temperatures = np.empty((intervals, nodes))
    leakage_W = np.empty(intervals)
    throttled = np.zeros(intervals, np.bool_)
    cut = False
    for i in range(intervals):
        cut = node_C[0] >= slowdown or (cut and node_C[0] > operating)
        leakage_W[i] = reference_W * np.exp(per_K * (node_C[0] - reference_C))
        heat_W = die_W[i % len(die_W)] * (clock if cut else 1.0) + leakage_W[i]
        steady = inlet + rise * heat_W
        above = node_C - steady
        for row in range(nodes):
            total = steady[row]
            for column in range(nodes):
                total += decay[row, column] * above[column]
            temperatures[i, row] = total
        node_C = temperatures[i]
        throttled[i] = cut
        if node_C[0] >= shutdown:
            return temperatures[: i + 1], leakage_W[: i + 1], throttled[: i + 1]
    return temperatures, leakage_W, throttled
