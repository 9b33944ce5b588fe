"""The report of what was tried: ``python -m trust.report`` draws it into ``results/reference/trust/``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.figures.style import save
from experiments.runs.record import recording
from hwsim.errors import InputError
from trust import drawing
from trust.fuzz import CRASHES
from trust.tables import FOLDER
from trust.targets import TARGETS

REPORT = Path("results/reference/trust")
SURVIVORS = Path(__file__).parent / "survivors.csv"
FIGURES = {
    "fuzz": drawing.inputs,
    "mutants": drawing.mutants,
    "coverage": drawing.coverage,
}
TABLES = (*FIGURES, "campaign", "faults", "portability")


def crashes() -> pd.DataFrame:
    """Every input that once broke a parser, and what it says of it now."""
    rows = []
    for path in sorted(CRASHES.glob("*/*")):
        try:
            TARGETS[path.parent.name].read(path.read_bytes())
            now = "taken"
        except InputError as error:
            now = "refused: " + " ".join(str(error).replace(str(FOLDER), "").split()[1:])
        rows.append(
            {"target": path.parent.name, "input": path.name, "bytes": path.stat().st_size, "now": now}
        )
    return pd.DataFrame(rows)


def explained(mutants: pd.DataFrame) -> pd.DataFrame:
    """Put beside each survivor why no test can, or need, tell it from the original."""
    why = pd.read_csv(SURVIVORS)
    bare = mutants.drop(columns="why", errors="ignore")  # a table of the reference has it already
    texts = {name: bare[name].str.removeprefix("'") for name in ("was", "now")}  # as no spreadsheet computes
    bare = bare.assign(**texts)
    joined = bare.merge(why, how="left", on=["module", "was", "now"])
    return joined.assign(why=joined["why"].where(~joined["killed"], ""))


def main() -> None:
    """Draw what there is, and keep tables and figures."""
    found = {name: FOLDER / f"{name}.csv" for name in TABLES}
    tables = {name: pd.read_csv(path, keep_default_na=False) for name, path in found.items() if path.exists()}
    if "mutants" in tables:
        tables["mutants"] = explained(tables["mutants"])
    with recording("trust", REPORT, command="python -m trust.report") as run:
        for name, table in tables.items():
            run.write_csv(f"{name}.csv", table)
            if name in FIGURES:
                for path in save(FIGURES[name](table), run.folder / name):
                    if path.suffix == ".svg":
                        path.unlink()
        run.write_csv("crashes.csv", crashes())


if __name__ == "__main__":
    main()
