"""`hwsim contest`: the leaderboard of the course's design contest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import AsJson, Force, quoted
from hwsim.units import engineering

if TYPE_CHECKING:
    from experiments.labs.contest import Standing

HEADER = ["entry", "rank", "energy/inf", "test error", "area", "latency", "refused"]


def contest(
    folder: Annotated[Path, typer.Argument(help="Holds a folder for each entry: a .toml and a .dcz file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Table to write.")] = Path("leaderboard.csv"),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Rank chips with compressed networks by energy, within limits of error and area: a design contest."""
    from compress.io.files import write_text
    from experiments.console import print_ending, print_json, print_table
    from experiments.labs.contest import leaderboard, table_text
    from hwsim.errors import InputError

    if folder.resolve() in output.resolve().parents[1:]:
        raise InputError(f"{output}: lies in an entry, expected a name for the leaderboard outside of it")
    standings = leaderboard(folder)
    write_text(output, table_text(standings))
    if as_json:
        print_json([one.values() for one in standings])
        return
    print_table(str(folder), HEADER, [_cells(one) for one in standings])
    again = f"hwsim contest {quoted(folder)} -o {quoted(output)} --force"
    print_ending(f"{_winners(standings)}; see {output}.", again)


def _winners(standings: list[Standing]) -> str:
    """Say who leads, and of how many."""
    first = [one for one in standings if one.rank == 1]
    if not first:
        return f"None of {len(standings)} entries keeps the rules"
    lead = "leads" if len(first) == 1 else "lead"
    energy = engineering(first[0].energy_J or 0.0, "J")
    return (
        f"{', '.join(one.name for one in first)} {lead} {len(standings)} entries with {energy} per inference"
    )


def _cells(one: Standing) -> list[str]:
    return [
        one.name,
        "" if one.rank is None else str(one.rank),
        "" if one.energy_J is None else engineering(one.energy_J, "J"),
        "" if one.test_error is None else f"{one.test_error:.2%}",
        "" if one.area_mm2 is None else f"{one.area_mm2:.2f} mm2",
        "" if one.latency_s is None else engineering(one.latency_s, "s"),
        one.refused,
    ]
