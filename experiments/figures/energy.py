"""Energy per inference of each stage, stacked by component: drawn as `hwsim.plotting` draws a single run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.figures import style
from experiments.figures.canvas import broken
from experiments.runs import labels
from experiments.runs.phrases import changed
from hwsim.plotting import energy_figure

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure


def draw(energy: pd.DataFrame) -> Figure:
    """Draw one panel per network, one row per stage.

    Parameters
    ----------
    energy : DataFrame
        Tidy: columns ``network``, ``stage``, ``component`` and ``energy_J`` (joules per inference).
        Networks are drawn in the order they appear, stages and components in the order of `style`.

    Raises
    ------
    InputError
        If a stage or component has no colour in `style`.
    """
    components = style.in_order(set(energy["component"]), style.COMPONENTS, "component")
    tables = {
        labels.in_words(str(network)): stages_by_component(rows, components)
        for network, rows in energy.groupby("network", sort=False)
    }
    with style.applied():
        return energy_figure(tables, broken(_result(tables)))


def _result(tables: dict[str, pd.DataFrame]) -> str:
    """Say what the last stage takes off the energy of the first one, at most and at least."""
    totals = {name: table.sum(axis=1) for name, table in tables.items()}
    gains = {name: float(total.iloc[0] / total.iloc[-1]) for name, total in totals.items()}
    ends = dict.fromkeys((max(gains, key=gains.__getitem__), min(gains, key=gains.__getitem__)))
    return "; ".join(f"{name}: {changed(gains[name], 'energy')}" for name in ends)


def save(energy: pd.DataFrame, path: Path) -> list[Path]:
    """Draw `energy` and write it to `path` as PNG and SVG; see `draw`."""
    return style.save(draw(energy), path)


def stages_by_component(energy: pd.DataFrame, components: list[str]) -> pd.DataFrame:
    """Joules of one network: labels of stages down, components across."""
    stages = style.in_order(set(energy["stage"]), style.STAGES, "stage")
    table = energy.pivot_table(index="stage", columns="component", values="energy_J", aggfunc="sum")
    names = {stage: style.STAGES[stage][0] for stage in stages}
    return table.reindex(index=stages, columns=components).fillna(0.0).rename(index=names)
