"""Networks in and out of `.dcz`: ONNX and the published SqueezeNet in, ONNX and arrays out, other codings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import Output

if TYPE_CHECKING:
    from compress.format.container import Artifact


def import_(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="An .onnx file.", show_default=False)],
    output: Output,
    shape: Annotated[
        list[str] | None,
        typer.Option(help="NAME=3x224x224: shape of an input, without the batch, that the file leaves open."),
    ] = None,
) -> None:
    """Import an ONNX model as a .dcz file; weights that are integers stay integers."""
    from compress.interop.onnx import read_onnx, stored

    _save(stored(*read_onnx(model, dict(_shape(text) for text in shape or []))), output)


def import_han(
    model: Annotated[
        Path, typer.Argument(metavar="FILE", help="compressed_SqueezeNet.net.", show_default=False)
    ],
    output: Output,
) -> None:
    """Import the SqueezeNet that the authors of Deep Compression published."""
    from compress.interop.han import import_han as read_published

    _save(read_published(model), output)


def recode(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="A .dcz file.", show_default=False)],
    output: Output,
    coding: Annotated[str, typer.Option(help="fixed, huffman, context or smallest.")] = "smallest",
) -> None:
    """Code shared or quantized weights another way, bit for bit the same."""
    from compress.format.container import read
    from compress.format.recode import recode as coded_anew

    _save(coded_anew(read(model)[0], coding_of(coding)), output)


def export(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="A .dcz file.", show_default=False)],
    output: Output,
) -> None:
    """Write the network as .onnx, or its decoded weights as .safetensors or .npz."""
    from compress.format.container import read
    from compress.interop.export import export as write
    from experiments.console import print_line

    size = write(read(model)[0], output)
    print_line(f"{output}: {size:,} bytes")


def coding_of(text: str) -> str:
    """Check the name of a coding.

    Raises
    ------
    InputError
        If there is no such coding.
    """
    from compress.codecs.table import codings
    from hwsim.errors import InputError

    if text not in codings():
        raise InputError(f"--coding {text!r}: expected one of {', '.join(codings())}")
    return text


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    from hwsim.errors import InputError

    name, separator, sizes = text.partition("=")
    if not separator or not all(size.isdecimal() for size in sizes.split("x")):
        raise InputError(f"--shape {text!r}: expected NAME=3x224x224")
    return name, tuple(int(size) for size in sizes.split("x"))


def _save(artifact: Artifact, output: Path) -> None:
    from experiments.console import print_line

    size = artifact.save(output)
    weights = sum(value.size for value in artifact.arrays().values())
    print_line(
        f"{output}: {artifact.topology.name}, stage {artifact.stage}, {weights:,} parameters in {size:,} "
        f"bytes, {4 * weights / size:.1f}x smaller than dense"
    )
