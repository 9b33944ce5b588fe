"""Commands about recorded runs."""

from typing import Annotated

import typer


def reference(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs to copy; the demo and all experiments if none.")
    ] = None,
) -> None:
    """Copy the small files of results/runs/ to results/reference/."""
    from experiments.console import print_line, print_next
    from experiments.runs.record import REFERENCE, refresh_reference
    from experiments.studies.registry import STUDIES

    for name, left_out in refresh_reference(runs or (), usual=("demo", *STUDIES)).items():
        without = f", without {', '.join(left_out)}" if left_out else ""
        print_line(f"{(REFERENCE / name).as_posix()}{without}")
    print_next("hwsim experiments check")
