"""Coverage by module, from the data of ``coverage run``: ``python -m trust.branches``.

Two figures: of all that is Python, and with numba's kernels, which no tracer sees into, counted as missed.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import coverage
import pandas as pd

from trust.tables import write


def measured(*, kernels: bool) -> dict[str, Any]:
    """Coverage's own report, with numba's kernels (what `pyproject.toml` leaves out by decorator) or not."""
    data = coverage.Coverage()
    if kernels:
        excluded = data.get_option("report:exclude_lines")
        kept = [pattern for pattern in excluded if not pattern.startswith("^@")]  # type: ignore[union-attr]
        data.set_option("report:exclude_lines", kept)
    data.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        data.json_report(outfile=str(path))
        return dict(json.loads(path.read_text(encoding="utf-8")))


def row(module: str, found: dict[str, Any], whole: dict[str, Any]) -> dict[str, object]:
    """Figures of one module, or of all."""
    return {
        "module": module,
        "branches": found["num_branches"],
        "branches_taken": found["covered_branches"],
        "statements": found["num_statements"],
        "statements_run": found["covered_lines"],
        "branches_with_kernels": whole["num_branches"],
        "branches_taken_with_kernels": whole["covered_branches"],
    }


def main() -> None:
    """Write the table, a row a module and one for all, and say the total."""
    ours, whole = measured(kernels=False), measured(kernels=True)
    rows = [
        row(name.replace("\\", "/"), file["summary"], whole["files"][name]["summary"])
        for name, file in sorted(ours["files"].items())
    ]
    rows.append(row("all", ours["totals"], whole["totals"]))
    write("coverage.csv", pd.DataFrame(rows))
    last = rows[-1]
    print(f"{last['branches_taken']} of {last['branches']} branches")  # noqa: T201


if __name__ == "__main__":
    main()
