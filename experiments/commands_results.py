"""Commands about recorded runs."""

from typing import Annotated

import typer


def reference(
    runs: Annotated[list[str] | None, typer.Argument(help="Runs to copy; all if none is named.")] = None,
) -> None:
    """Copy the small files of results/runs/ to results/reference/."""
    from experiments.console import print_line
    from experiments.results import REFERENCE, refresh_reference

    for name, left_out in refresh_reference(runs or []).items():
        without = f", without {', '.join(left_out)}" if left_out else ""
        print_line(f"{(REFERENCE / name).as_posix()}{without}")
