"""`hwsim validate`: published machines against this one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson, Show, Wide

if TYPE_CHECKING:
    import pandas as pd

MISSED = 1
"""Exit code when a bound is missed."""

HEADER = [
    "layer",
    "figure",
    "unit",
    "published",
    "simulated",
    "error",
    "bound",
    "verdict",
    "published figure",
]
SUMMARY = ["machine", "figures", "judged", "met", "missed", "largest judged error", "median error"]
CONSTANTS = ["kind", "machine", "constant", "value", "reason"]
MAPPERS = ["layer", "SRAM", "buffers", "peer", "its DRAM traffic", "ours", "difference", "traffic/bound"]
FUSED = [
    "layers",
    "SRAM",
    "fused",
    "peer",
    "its DRAM traffic",
    "ours",
    "difference",
    "bound",
    "each tensor once",
]
SIMULATOR = "SCALE-Sim"
"""Compared row by row in the files, and in sum on the terminal: its rows are equal or double counts."""


def validate(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Run folder; that of the boards has -boards after its name.",
            show_default="results/runs/validate and results/runs/boards",
        ),
    ] = None,
    show: Show = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Compare with boards of today, published chips, SCALE-Sim and other mappers: errors and bounds."""
    import pandas as pd

    from experiments.cli.mapping_tables import print_mappings
    from experiments.cli.show import show_figures
    from experiments.cli.validate_boards import print_boards, read_tables
    from experiments.console import print_json, print_line, print_next, print_note, print_table
    from experiments.studies.registry import run_study
    from hwsim.analysis.mappers import PRINTED_PCT

    print_note("Simulating boards of today; this takes a few minutes.")
    boards_folder = run_study("boards", output and output.with_name(f"{output.name}-boards"))
    folder = run_study("validate", output)
    if show:
        show_figures(boards_folder)
        show_figures(folder)
    boards = read_tables(boards_folder)
    table = pd.read_csv(folder / "validate.csv")
    constants = pd.read_csv(folder / "constants.csv", dtype=str)
    mappers = pd.read_csv(folder / "mappers.csv")
    fused = pd.read_csv(folder / "fused_mappers.csv")
    mappings = pd.read_csv(folder / "mappings.csv")
    if as_json:
        figures, peers = _plain(table), _plain(mappers)
        boards_data = {name: _plain(found) for name, found in boards.items()}
        print_json(
            {
                "boards": boards_data,
                "figures": figures,
                "constants": _plain(constants),
                "mappers": peers,
                "fused_mappers": _plain(fused),
                "mappings": _plain(mappings),
            }
        )
    else:
        print_boards(boards, wide)
        measured = table[table["source"] != SIMULATOR]
        for (machine, network), rows in measured.groupby(["source", "network"], sort=False):
            cells = [_cells(row) for row in rows.to_dict("records")]
            print_table(
                f"{machine}, {network}", HEADER, cells, optional=("published figure", "unit"), wide=wide
            )
        machines = table.groupby("source", sort=False)
        print_table(
            "Bounds",
            SUMMARY,
            [_summary(str(machine), rows) for machine, rows in machines],
            optional=("figures",),
            wide=wide,
        )
        traffic = [_mapper_cells(row) for row in mappers.to_dict("records")]
        print_table(
            "DRAM traffic of single layers, beside other mappers",
            MAPPERS,
            traffic,
            optional=("buffers", "traffic/bound", "difference"),
            wide=wide,
        )
        print_table(
            "DRAM traffic of layers that run together, beside another mapper",
            FUSED,
            [_fused_cells(row) for row in fused.to_dict("records")],
            optional=("bound", "difference"),
            wide=wide,
        )
        for network, rows in mappings.groupby("network", sort=False):
            print_mappings(rows, f"Mappings of Eyeriss, {network!s}", wide=wide)
        inferred = int((constants["kind"] == "inferred").sum())
        title = f"Constants that no paper prints: {inferred} inferred, none of them fitted to a row"
        print_table(title, CONSTANTS, constants.to_numpy().tolist(), sources=("reason",), wide=wide)
        for written in (boards_folder, folder):
            print_line(f"Written to {written}: {', '.join(sorted(path.name for path in written.iterdir()))}")
        print_next("hwsim experiments draw validate boards --style slide")
    above = (mappers["error_pct"] > PRINTED_PCT).any() or (fused["error_pct"] > fused["bound_pct"]).any()
    if (table["verdict"] == "missed").any() or above:
        raise typer.Exit(MISSED)


def _cells(row: dict[Any, Any]) -> list[str]:
    judged = not math.isnan(row["bound_pct"])
    return [
        row["layer"],
        row["metric"],
        row["unit"],
        f"{row['published']:,.4g}",
        f"{row['simulated']:,.4g}",
        "" if math.isnan(row["error_pct"]) else f"{row['error_pct']:+.1f}%",
        f"±{row['bound_pct']:g}%" if judged else "",
        row["verdict"] if judged else "",
        row["confidence"],
    ]


def _mapper_cells(row: dict[Any, Any]) -> list[str]:
    return [
        row["layer"],
        f"{row['sram_KiB']} KiB",
        row["buffering"],
        row["peer"],
        f"{row['dram_kB']:,.1f} kB",
        f"{row['ours_kB']:,.1f} kB",
        f"{row['error_pct']:+.1f}%",
        f"{row['above_bound']:.3f}",
    ]


def _fused_cells(row: dict[Any, Any]) -> list[str]:
    return [
        row["layers"],
        f"{row['sram_KiB']} KiB",
        "yes" if row["fused"] else "no",
        row["peer"],
        f"{row['dram_kB']:,.1f} kB",
        f"{row['ours_kB']:,.1f} kB",
        f"{row['error_pct']:+.1f}%",
        f"+{row['bound_pct']:g}%",
        f"{row['once_kB']:,.1f} kB",
    ]


def _summary(machine: str, rows: pd.DataFrame) -> list[str]:
    errors = rows["error_pct"].abs()
    judged = rows["verdict"] != "not judged"
    return [
        machine,
        f"{len(rows)}",
        f"{judged.sum()}",
        f"{(rows['verdict'] == 'met').sum()}",
        f"{(rows['verdict'] == 'missed').sum()}",
        f"{errors[judged].max():.1f}%",
        f"{errors.median():.1f}%",
    ]


def _plain(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Rows as plain data; figures that are not there become null."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
