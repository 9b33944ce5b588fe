"""Arguments and options that several commands share."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from experiments.runs.images import Preparation


def compressed(path: Path) -> Path:
    """Refuse a file that another command takes."""
    from experiments.runs.doors import require

    require(path, ".dcz")
    return path


def quoted(word: object) -> str:
    """A name or a path within a command that a reader may copy into a shell."""
    return shlex.quote(str(word))


def workers_allowed(workers: int) -> int:
    """Refuse more processes than the cores can use."""
    from experiments.runs.parallel import require_workers

    require_workers(workers)
    return workers


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Wide = Annotated[bool, typer.Option("--wide", help="Print every column and row, however wide.")]
Show = Annotated[bool, typer.Option("--show", help="Open the figures.")]
Model = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A compressed model, model.dcz.", show_default=False, callback=compressed
    ),
]
Data = Annotated[str, typer.Option(help="mnist, an npz file of its shape, or a folder of IDX files.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Inputs = Annotated[
    list[str],
    typer.Option(
        help="FILE, or NAME=FILE for each input: a .npy array of items, an .npz archive by name, or a folder "
        "of images.",
        show_default=False,
    ),
]
CORES = os.cpu_count() or 1
Workers = Annotated[
    int,
    typer.Option(min=1, help="Processes that work at once.", callback=workers_allowed),
]
Arithmetic = Annotated[
    str, typer.Option(help="Of layers in floating point: fp32, fp16 or bf16; sums are fp32 in any.")
]
Mean = Annotated[
    str, typer.Option(help="Of images, taken off pixels in 0..1: 0.485,0.456,0.406.", show_default=False)
]
Std = Annotated[
    str, typer.Option(help="Of images, pixels are divided by it: 0.229,0.224,0.225.", show_default=False)
]
Size = Annotated[
    int, typer.Option(min=0, help="Scale the shorter side of images to this and cut out the middle.")
]


def preparation(mean: str, std: str, size: int) -> "Preparation":
    """How images become numbers, as options say.

    Raises
    ------
    InputError
        If a mean or a standard deviation is no list of numbers.
    """
    from experiments.runs.images import Preparation

    return Preparation(_numbers("--mean", mean, 0.0), _numbers("--std", std, 1.0), size)


def _numbers(option: str, text: str, usual: float) -> tuple[float, ...]:
    from hwsim.errors import InputError

    try:
        return tuple(float(part) for part in text.split(",")) if text else (usual,)
    except ValueError:
        raise InputError(f"{option} {text!r}: expected numbers separated by commas") from None
