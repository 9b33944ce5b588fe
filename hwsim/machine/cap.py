"""The power cap: its watts, its scope and its averaging window.

A cap on the *board* counts all power. A cap on the *die* does not count DRAM, DRAM standby power and
the board's own power.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hwsim.energy.components import component_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip


@dataclass(frozen=True, kw_only=True)
class Cap:
    """A limit on power, averaged over aligned windows.

    Parameters
    ----------
    chip : str
        Name of the chip, for messages.
    limit_W : float
    static_W : float
        Power that is always drawn and counts against the cap. On a die this is leakage; on a board it
        also includes DRAM standby and fans.
    scope : {"board", "die"}
    window_ticks : int
    tick_s : float
        Seconds of a tick.
    clock_W : float
        Power of the clock tree and of what it keeps awake, at the nominal clock and voltage.

    Raises
    ------
    InputError
        If the window is shorter than a tick.
    """

    chip: str
    limit_W: float
    static_W: float
    scope: Literal["board", "die"]
    window_ticks: int
    tick_s: float
    clock_W: float = 0.0

    @classmethod
    def of(cls, chip: Chip) -> Cap:
        """Return the cap of a chip, with its window in whole ticks."""
        power = chip.power
        return cls(
            chip=chip.name,
            limit_W=power.cap_W,
            static_W=chip.static_W if power.scope == "board" else power.leakage_W,
            scope=power.scope,
            window_ticks=max(1, round(power.window_us * 1e-6 / chip.tick_s)),
            tick_s=chip.tick_s,
            clock_W=power.clock_W,
        )

    def __post_init__(self) -> None:
        if self.window_ticks < 1:
            raise InputError(f"power window is {self.window_ticks} ticks, expected at least 1")

    def counts(self, component: str) -> bool:
        """Whether the dynamic energy of a component counts against the cap."""
        return self.scope == "board" or component_of(component).on_die

    @property
    def awake(self) -> Cap:
        """The cap of a die whose clock tree never slows down."""
        return replace(self, static_W=self.static_W + self.clock_W, clock_W=0.0)

    @property
    def budget_W(self) -> float:
        """Dynamic power that the cap allows; zero or negative if static power reaches the cap."""
        return self.limit_W - self.static_W

    @property
    def window_s(self) -> float:
        """Seconds of one window."""
        return self.window_ticks * self.tick_s

    @property
    def window_budget_pJ(self) -> float:
        """Dynamic energy that one window may spend."""
        return self.budget_W * self.window_s * 1e12

    def drawn_W(self, dynamic_J: float, period_s: float) -> float:
        """Average power against the cap when `dynamic_J` joules are spent every `period_s` seconds."""
        return self.static_W + dynamic_J / period_s

    def require_budget(self) -> None:
        """Check that the cap is above static power.

        Raises
        ------
        InputError
            If it is not.
        """
        if not self.budget_W > 0:
            raise InputError(
                f"chip {self.chip}: power cap is {self.limit_W:g} W, expected more than the "
                f"{self.static_W:g} W of leakage and standby"
            )
