"""Results of one run: energy, time, power and limits, as numbers and tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import TYPE_CHECKING

from hwsim import display
from hwsim.arrays.base import Validated
from hwsim.energy import bar
from hwsim.layer_run import LayerRun
from hwsim.machine.checks import over_the_die
from hwsim.units import engineering, memory_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from hwsim.machine.chip import Chip
    from hwsim.mapping.work import Schedule
    from hwsim.plotting import Figure
    from hwsim.power.steady import Capped
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Workload


ACTION_COLUMNS = ["layer", "tensor", "component", "action", "count", "energy_per_batch_J"]
"""Columns of `Report.actions`; counts and energies are per batch."""


@dataclass(frozen=True)
class Report:
    """Results of one run. Numbers are per batch; names with ``per_inference`` are per inference.

    Parameters
    ----------
    chip, workload, batch
        The chip, the workload and the batch size that were simulated.
    schedule : Schedule
    capped : Capped
        Clocks, stream and period under the cap.
    latency_ticks : int
        From the first fetch to the last write-back of one batch.
    cold_start_s : float
        Seconds to load the weights that stay on chip. This happens once, before the first batch.
    prices : PriceList
    """

    chip: Chip
    workload: Workload
    batch: int
    schedule: Schedule
    capped: Capped
    latency_ticks: int
    cold_start_s: float
    prices: PriceList

    @property
    def period_s(self) -> float:
        """Seconds between two batches in steady state."""
        return self.capped.period_ticks * self.chip.tick_s

    @property
    def latency_s(self) -> float:
        """Seconds from the first fetch to the last write-back of one batch."""
        return self.latency_ticks * self.chip.tick_s

    @cached_property
    def runs(self) -> tuple[LayerRun, ...]:
        """The layers of the run, in order, with their work and their clock."""
        return tuple(
            LayerRun(index, layer, work, clock, scale, pinned_bits, self.prices)
            for index, (layer, work, clock, scale, pinned_bits) in enumerate(
                zip(
                    self.workload.layers,
                    self.schedule.work,
                    self.capped.clocks.tolist(),
                    self.capped.core_scale.tolist(),
                    self.schedule.residency.pinned_bits,
                    strict=True,
                )
            )
        )

    @cached_property
    def clock(self) -> float:
        """Fraction of the nominal clock, averaged over the time the core is busy."""
        nominal = sum(run.core_ticks for run in self.runs)
        stretched = sum(run.core_ticks / run.clock for run in self.runs)
        return nominal / stretched if stretched else 1.0

    @property
    def clock_W(self) -> float:
        """Power of the clock tree, and of what it keeps awake, at the clock and voltage of the run."""
        return self.chip.power.clock_W * self.capped.clock_factor

    @cached_property
    def _actions(self) -> list[tuple[str, str, str, str, float, float]]:
        rows: list[tuple[str, str, str, str, float, float]] = [
            (run.layer.name, *action, run.work.counts[action], joules)
            for run in self.runs
            for action, joules in run.joules().items()
        ]
        if self.clock_W:
            rows.append(("-", "-", "clock", "second", self.period_s, self.clock_W * self.period_s))
        rows.append(("-", "-", "static", "second", self.period_s, self.chip.static_W * self.period_s))
        return rows

    @cached_property
    def actions(self) -> pd.DataFrame:
        """Tidy table of all actions of one batch; the columns are `ACTION_COLUMNS`.

        What is drawn all the time has the layer ``-``: the components ``clock`` and ``static``.
        """
        import pandas as pd

        return pd.DataFrame(self._actions, columns=ACTION_COLUMNS)

    @cached_property
    def energy_per_inference_J(self) -> float:
        """Joules per inference, including static energy."""
        return fsum(row[-1] for row in self._actions) / self.batch

    @cached_property
    def low_confidence(self) -> list[str]:
        """Actions whose energy constants have low confidence, as ``component action``."""
        found = dict.fromkeys(row[2:4] for row in self._actions if row[0] != "-")
        return [" ".join(key) for key in found if self.prices[key].low_confidence]

    @property
    def notes(self) -> tuple[str, ...]:
        """What has followed from changes of the chip, a sentence for each cause."""
        return self.chip.notes

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What to be wary of, a sentence each.

        What contradicts itself in the chip for this workload, why it has no batch, and that the mapping of
        the array has been validated on other networks.
        """
        multiplied = (layer.arithmetic for layer in self.workload.layers if layer.macs)
        alone = (self.workload.alone,) if self.workload.alone else ()
        return (*self.chip.warnings, *over_the_die(self.chip, multiplied), *alone, *self._extrapolated())

    def _extrapolated(self) -> Iterator[str]:
        array, name = self.chip.array, self.workload.name
        if isinstance(array, Validated) and name not in array.validated_on:
            yield (
                f"mappings of the {array.kind} array are validated on {' and '.join(array.validated_on)}; "
                f"those of {name} follow the same rule and were compared with nothing"
            )

    @property
    def power_W(self) -> float:
        """Average power of the whole board."""
        return self.energy_per_inference_J * self.batch / self.period_s

    @property
    def inferences_per_s(self) -> float:
        """Throughput in steady state."""
        return self.batch / self.period_s

    def joules_by(self, *keys: str) -> dict[tuple[str, ...], float]:
        """Joules per inference, grouped by the given columns of `actions`, in their order there."""
        columns = [ACTION_COLUMNS.index(key) for key in keys]
        joules: dict[tuple[str, ...], list[float]] = {}
        for row in self._actions:
            joules.setdefault(tuple(str(row[column]) for column in columns), []).append(row[-1])
        return {values: fsum(found) / self.batch for values, found in joules.items()}

    def energy_by(self, *keys: str) -> pd.Series:
        """Return `joules_by` as a series indexed by those columns."""
        import pandas as pd

        joules = self.joules_by(*keys)
        index = (
            pd.Index([value for (value,) in joules], name=keys[0])
            if len(keys) == 1
            else pd.MultiIndex.from_tuples(joules, names=keys)
        )
        return pd.Series(list(joules.values()), index, name="energy_J")

    @property
    def requested_weight_bits(self) -> int:
        """DRAM bits of weights requested per batch: stored bits times fetches."""
        return sum(work.requested_weight_bits for work in self.schedule.work)

    @property
    def transferred_weight_bits(self) -> int:
        """DRAM bits of weights transferred per batch, in whole bursts. Energy is charged for these."""
        return sum(work.transferred_weight_bits for work in self.schedule.work)

    @property
    def activation_bits(self) -> int:
        """DRAM bits of activations per batch, in whole bursts."""
        return sum(work.activation_bits for work in self.schedule.work)

    @property
    def weights_home(self) -> str:
        """Where the weights are stored: ``on chip``, ``DRAM``, or the share of them that is pinned."""
        pinned = sum(run.pinned_bits for run in self.runs if run.layer.like is None)
        total = self.workload.weight_bits
        if pinned == total:
            return "on chip"
        return f"{100 * pinned / total:.3g}% on chip" if pinned else "DRAM"

    @cached_property
    def limiter(self) -> str:
        """The resource that limits the run for most of the time.

        It is ``dependencies`` if every resource is idle for more than half of the time.
        """
        time: Counter[str] = Counter()
        for run in self.runs:
            time[run.bound_by] += round(run.busy_ticks)
        if time.total() < 0.5 * self.capped.period_ticks:
            return "dependencies"
        return max(time, key=lambda name: time[name])

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per layer: cycles, utilisation, DRAM bits, energy per inference, limiter."""
        import pandas as pd

        rows = []
        for run in self.runs:
            layer, work = run.layer, run.work
            rows.append(
                {
                    "layer": layer.name,
                    "kind": layer.kind,
                    "macs": layer.macs,
                    "useful_macs": work.cost.useful_macs / self.batch,
                    "weights_on_chip": run.pinned,
                    "array_cycles": work.cost.cycles,
                    "dram_cycles": work.ticks["dram"],
                    "decoder_cycles": work.ticks["decoder"],
                    "clock_fraction": run.clock,
                    "utilisation": work.cost.utilisation,
                    "requested_weight_bits": work.requested_weight_bits,
                    "activation_bits": work.activation_bits,
                    "dram_row_misses": work.row_misses,
                    "energy_J": fsum(run.joules().values()) / self.batch,
                    "limiter": run.bound_by,
                }
            )
        return pd.DataFrame(rows)

    def summary(self) -> dict[str, object]:
        """Return the main results as one row of a table. Energy and traffic are per inference."""
        return {
            "chip": self.chip.name,
            "network": self.workload.name,
            "stage": self.workload.stage,
            "batch": self.batch,
            "weight_bytes": self.workload.weight_bits / 8,
            "weights_home": self.weights_home,
            "requested_weight_bits": self.requested_weight_bits / self.batch,
            "transferred_weight_bits": self.transferred_weight_bits / self.batch,
            "activation_bits": self.activation_bits / self.batch,
            "energy_J": self.energy_per_inference_J,
            "power_W": self.power_W,
            "latency_cycles": self.latency_ticks,
            "inferences_per_s": self.inferences_per_s,
            "clock_fraction": self.clock,
            "limiter": self.limiter,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return the table of layers, one row per layer, as a copy.

        `actions` has more detail: one row per layer, component and action.
        """
        return self.layers.copy()

    def plot(self) -> Figure:
        """Draw the energy per inference by component: to scale on the left, magnified on the right.

        Returns
        -------
        Figure
            A notebook displays it. ``savefig`` writes it to a file.
        """
        return energy_chart([self])

    def __repr__(self) -> str:
        return display.text(f"Report: {self._title}", self._facts)

    def _repr_html_(self) -> str:
        return display.card(self._title, self._facts, bar.as_html(self._bar))

    @property
    def _bar(self) -> dict[str, float]:
        joules = self.joules_by("component")
        return bar.stacked({component: value for (component,), value in joules.items()})

    @property
    def _title(self) -> str:
        workload = self.workload
        return f"{workload.name} ({workload.stage}) on {self.chip.name}, batch {self.batch}"

    @property
    def _facts(self) -> dict[str, str]:
        return {
            "energy": f"{engineering(self.energy_per_inference_J, 'J')} per inference",
            "power": engineering(self.power_W, "W"),
            "throughput": f"{self.inferences_per_s:,.4g} inferences/s",
            "latency": f"{engineering(self.latency_s, 's')} per batch",
            "weights": f"{memory_size(self.workload.weight_bits / 8)}, {self.weights_home}",
            "limited by": self.limiter,
        }


def energy_chart(reports: Sequence[Report]) -> Figure:
    """Draw the energy per inference of several stages of one network by component, one bar each.

    Parameters
    ----------
    reports : sequence of Report
        Runs on one chip, at least one.

    Returns
    -------
    Figure
    """
    import pandas as pd

    from hwsim.plotting import energy_figure

    first = reports[0]
    if len(reports) == 1:
        title = first._title
    else:
        title = f"{first.workload.name} on {first.chip.name}, batch {first.batch}"
    bars = pd.DataFrame([report._bar for report in reports], index=[r.workload.stage for r in reports])
    return energy_figure({title: bars.fillna(0.0)})
