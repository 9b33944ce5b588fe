"""Commands about power: `hwsim relight` and `hwsim roofline`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson, Show, Wide
from hwsim.errors import InputError
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    from hwsim.analysis.roofline import Roofline

RELIGHT = [
    "network", "stage", "DRAM", "headroom", "computing", "loading", "stalled", "throttled", "power-gated",
    "inferences/s", "inferences/J", "inferences/Wh", "limiter",
]  # fmt: skip
RELIGHT_OPTIONAL = ("throttled", "inferences/J", "headroom", "DRAM", "loading", "inferences/Wh")
ROOF_OPTIONAL = ("active at the ridge", "core", "DRAM")
ROOFS = [
    "chip", "peak", "bandwidth", "power", "core", "DRAM", "ridge", "active at most", "active at the ridge",
]  # fmt: skip
POINTS = ["layer", "kind", "MACs/byte", "MACs/s", "of peak", "core", "limiter"]


def relight(
    batch: Annotated[int, typer.Option(help="Batch size of the table that is printed.")] = 64,
    strategy: Annotated[str, typer.Option(help="How the cap is kept: dimming, gating or DVFS.")] = "dimming",
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Power and tile activity under a 250 W cap at each compression stage: tables and figures."""
    import pandas as pd

    from experiments.cli.show import show_figures
    from experiments.console import print_ending, print_json, print_line, print_table, require_choice
    from experiments.runs.scenes import AS_IT_IS, LABELS
    from experiments.studies.registry import run_study
    from experiments.studies.relight import STRATEGIES, batches

    require_choice("--strategy", strategy, STRATEGIES)
    require_choice("--batch", batch, batches(strategy))
    folder = run_study("relight")
    if show:
        show_figures(folder)
    runs = pd.read_csv(folder / "runs.csv")
    asked = (runs["variant"] == AS_IT_IS) & (runs["batch"] == batch) & (runs["strategy"] == strategy)
    chosen: list[dict[Any, Any]] = runs[asked].to_dict("records")
    if as_json:
        print_json(chosen)
        return
    title = f"reference_250w, batch {batch}, {strategy} (* density assumed)"
    rows = [_relight_row(LABELS, row) for row in chosen]
    print_table(title, RELIGHT, rows, optional=RELIGHT_OPTIONAL, wide=wide)
    if strategy == "DVFS":
        print_line("The voltages of DVFS rest on figures of low confidence (alpha-power law).")
    print_line(f"Tables and figures: {folder}")
    print_ending(
        _relit(LABELS, chosen), f"hwsim run reference_250w alexnet --batch {batch} --plot energy.png"
    )


def roofline(
    chip: Annotated[
        str, typer.Argument(help="A shipped chip or a chip file; the roofs of all shipped ones by default.")
    ] = "",
    network: Annotated[
        str | None,
        typer.Option(help="Network whose layers are put under the roofs of CHIP.", show_default="alexnet"),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Its compression stage.", show_default="dense")] = None,
    batch: Annotated[int | None, typer.Option(help="Items per batch.", show_default="1")] = None,
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """What compute, bandwidth and the power cap allow a chip, and where the layers of a network lie."""
    from experiments.console import print_ending, print_json, print_line, print_table
    from experiments.studies.roofline import all_chips, roofs_table

    if not chip:
        if (network, stage, batch) != (None, None, None):
            raise InputError("--network, --stage, --batch: expected a chip, under whose roofs they lie")
        if show:
            _show_all_chips()
        roofs = roofs_table(all_chips()[0]).to_dict("records")
        if as_json:
            print_json(roofs)
        else:
            rows = [_roof_row(row) for row in roofs]
            print_table("Roofs at the precision of each chip", ROOFS, rows, optional=ROOF_OPTIONAL, wide=wide)
            print_line(f"{LOW} rests on a figure of low confidence")
            print_ending(_all_roofs(roofs), "hwsim roofline edge --network lenet5 --show")
        return

    from experiments.runs.assumed_stages import load_stage
    from hwsim.analysis import roofline as model
    from hwsim.machine.chip import load_chip
    from hwsim.run import simulate

    network, stage, batch = network or "alexnet", stage or "dense", 1 if batch is None else batch
    report = simulate(load_chip(chip), load_stage(network, stage), batch)
    roof = model.roofline([report])
    table = roofs_table({report.chip.name: roof}).to_dict("records")
    layers = model.points(report)
    if show:
        _show_one_chip(roof, layers, f"{network}, {stage}, batch {batch}, on {report.chip.name}")
    if as_json:
        finite = [row | {"intensity_MAC_per_B": _or_none(row["intensity_MAC_per_B"])} for row in layers]
        print_json({"roofs": table[0], "layers": finite})
        return
    print_table("Roofs", ROOFS, [_roof_row(row) for row in table], optional=ROOF_OPTIONAL, wide=wide)
    if roof.low_confidence:
        print_line(f"{LOW} rests on a figure of low confidence")
    title = f"{network}, {stage}, batch {batch} ({report.workload.provenance})"
    print_table(title, POINTS, [_point_row(row, roof.peak_MAC_per_s) for row in layers])
    bound = Counter(row["limiter"] for row in layers).most_common(1)[0]
    print_ending(
        f"{bound[1]} of {len(layers)} layers are limited by {bound[0]}.",
        f"hwsim run {chip} {network} --stage {stage} --batch {batch}",
    )


def _all_roofs(roofs: list[dict[Any, Any]]) -> str:
    """Say which chips cannot keep all tiles active under their cap."""
    dark = [row["chip"] for row in roofs if row["active_at_most"] < 1]
    return f"{len(dark)} of {len(roofs)} chips cannot run all tiles at full clock under their cap."


def _show_all_chips() -> None:
    from experiments.cli.show import show_figures
    from experiments.studies.registry import run_study

    show_figures(run_study("roofline"))


def _show_one_chip(roof: Roofline, layers: list[dict[str, Any]], title: str) -> None:
    import pandas as pd

    from experiments.cli.show import show_figures
    from experiments.figures.roofline import one_chip
    from experiments.figures.style import save
    from experiments.runs.record import recording

    with recording("roofline-of-one") as run:
        points = pd.DataFrame(layers)
        run.write_csv("layers.csv", points)
        save(one_chip(roof, points, title), run.folder / "roofline")
    show_figures(run.target)


def _roof_row(row: dict[Any, Any]) -> list[str]:
    low = f" {LOW}" if row["low_confidence"] else ""
    return [
        row["chip"],
        engineering(row["peak_MAC_per_s"], "MAC/s"),
        engineering(row["bandwidth_B_per_s"], "B/s"),
        engineering(row["dynamic_W"], "W"),
        f"{row['core_pJ_per_MAC']:.3g} pJ/MAC{low}",
        f"{row['dram_pJ_per_B']:.3g} pJ/B",
        f"{row['ridge_MAC_per_B']:,.4g} MAC/B",
        f"{row['active_at_most']:.0%}",
        f"{row['active_at_ridge']:.0%}",
    ]


def _point_row(row: dict[str, Any], peak_MAC_per_s: float) -> list[str]:
    return [
        row["layer"],
        row["kind"],
        f"{row['intensity_MAC_per_B']:.4g}",
        engineering(row["MAC_per_s"], ""),
        f"{row['MAC_per_s'] / peak_MAC_per_s:.1%}",
        f"{row['core_pJ_per_MAC']:.3g} pJ/MAC",
        row["limiter"],
    ]


def _or_none(value: float) -> float | None:
    """JSON has no infinity."""
    return value if value < float("inf") else None


def _relit(labels: dict[str, str], rows: list[dict[Any, Any]]) -> str:
    """Say what compression gains most: the stage of most inferences per joule against the first."""
    best = max(rows, key=lambda row: row["inferences_per_J"])
    of_network = [row for row in rows if row["network"] == best["network"]]
    gain = best["inferences_per_J"] / of_network[0]["inferences_per_J"]
    return (
        f"{labels[best['network']]}, {best['stage']}, does most per joule: {gain:.3g} times its "
        f"{of_network[0]['stage']} stage."
    )


def _relight_row(labels: dict[str, str], row: dict[Any, Any]) -> list[str]:
    from hwsim.tile_states import TileStates

    return [
        labels[row["network"]],
        row["stage"],
        engineering(row["dram_W"], "W"),
        engineering(row["headroom_W"], "W"),
        *(f"{row[f'{state}_share']:.0%}" for state in TileStates._fields),
        engineering(row["inferences_per_s"], ""),
        engineering(row["inferences_per_J"], ""),
        engineering(row["inferences_per_Wh"], ""),
        row["limiter"],
    ]
