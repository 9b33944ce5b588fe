"""The whole table of benchmarks, in ``results/reference/bench/``: ``python -m experiments.bench.report``.

It holds what `hwsim bench` measured last of each benchmark. `make bench` measures all of them,
peers too, and then makes the table.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.bench.own import MACHINE, MEASUREMENTS, RESULTS
from experiments.console import print_line
from experiments.runs.record import MANIFEST, REFERENCE, recording
from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "table.csv"
FROM_MANIFEST = ("commit", "date")
"""What each row takes from the manifest of its benchmark."""


def whole(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Gather all benchmarks that were recorded in a folder.

    Parameters
    ----------
    folder : Path
        Holds a folder for each benchmark.

    Returns
    -------
    DataFrame
        A row for each figure: benchmark, quantity, value, unit, target, better, verdict, commit, date.
    dict
        The machine that each benchmark was measured on.

    Raises
    ------
    InputError
        If there is none.
    """
    found = sorted(path.parent for path in folder.glob(f"[!.]*/{MANIFEST}"))
    if not found:
        raise InputError(f"no benchmark in {folder}, expected some: try `make bench`")
    tables, machines = [], {}
    for one in found:
        manifest = json.loads((one / MANIFEST).read_text(encoding="utf-8"))
        machines[one.name] = json.loads((one / MACHINE).read_text(encoding="utf-8"))
        table = pd.read_csv(one / MEASUREMENTS)
        tables.append(table.assign(**{name: manifest[name] for name in FROM_MANIFEST}, benchmark=one.name))
    rows = pd.concat(tables, ignore_index=True)
    return rows[["benchmark", *rows.columns.drop("benchmark")]], machines


def main() -> None:
    """Keep the table, and say where."""
    table, machines = whole(RESULTS)
    with recording("bench", REFERENCE / "bench", command="python -m experiments.bench.report") as run:
        run.write_csv(TABLE, table)
        run.write_json(MACHINE, machines)
    verdicts = table["verdict"].value_counts()
    print_line(
        f"{(REFERENCE / 'bench' / TABLE).as_posix()}: {verdicts.get('met', 0)} targets met, "
        f"{verdicts.get('missed', 0)} missed"
    )


if __name__ == "__main__":
    main()
