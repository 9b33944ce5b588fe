"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Show = Annotated[bool, typer.Option("--show", help="Open the figures.")]
Model = Annotated[
    Path, typer.Argument(metavar="FILE", help="A compressed model, model.dcz.", show_default=False)
]
Data = Annotated[str, typer.Option(help="mnist, an npz file of its shape, or a folder of IDX files.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write.", show_default=False)]
