"""Networks in and out of `.dcz`: ONNX, GGUF, the published SqueezeNet in; ONNX, arrays out; other codings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import Force, Model, Output, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.format.container import Artifact


def import_(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="An .onnx or .gguf file, or a folder of .safetensors with its config.json.",
            show_default=False,
        ),
    ],
    output: Output,
    shape: Annotated[
        list[str] | None,
        typer.Option(help="NAME=3x224x224: shape of one item of an input that the file leaves open."),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(help="NAME=16000: make an input a constant, a number or a .npy file."),
    ] = None,
    force: Force = False,
) -> None:
    """Import an ONNX model, or a language model, as a .dcz file; its weights keep their form."""
    from compress.format.found import descriptions, ties
    from compress.interop.onnx import read_onnx, stored
    from compress.interop.safetensors import is_folder_of_safetensors
    from experiments.console import print_line, print_next
    from experiments.runs.doors import require

    if model.suffix.lower() == ".gguf" or is_folder_of_safetensors(model):
        _import_language_model(model, output, [*(shape or []), *(fix or [])])
        return
    require(model, ".onnx")
    shapes, fixed = dict(map(shape_option, shape or [])), dict(map(fix_option, fix or []))
    artifact = stored(*read_onnx(model, shapes, fixed))
    _save(artifact, output)
    for sentence in [*descriptions(artifact), *ties(artifact), artifact.topology.interface.sentence()]:
        if sentence:
            print_line(sentence)
    print_next(f"hwsim run edge {quoted(output)}, or dcz shrink {quoted(output)} --inputs FILE -o shrunk.dcz")


def _import_language_model(model: Path, output: Path, options: list[str]) -> None:
    from compress.interop.model import import_model
    from compress.language.tokenizer import KEPT
    from experiments.console import print_line, print_next
    from hwsim.errors import InputError

    if options:
        raise InputError(f"{model}: a language model leaves nothing open, expected no --shape or --fix")
    artifact = import_model(model)
    _save(artifact, output)
    if KEPT in artifact.beside:
        print_next(f'dcz execute {quoted(output)} --prompt "The capital of France is"')
        return
    print_line(f"{model}: without a tokenizer of a kind that we have; it takes numbers of words")
    print_next(f"dcz execute {quoted(output)} --inputs FILE.npy")


def import_han(
    model: Annotated[
        Path, typer.Argument(metavar="FILE", help="compressed_SqueezeNet.net.", show_default=False)
    ],
    output: Output,
    force: Force = False,
) -> None:
    """Import the SqueezeNet that the authors of Deep Compression published."""
    from compress.interop.han import import_han as read_published
    from experiments.console import print_next

    _save(read_published(model), output)
    print_next(f"hwsim run edge {quoted(output)}")


def recode(
    model: Model,
    output: Output,
    coding: Annotated[
        str,
        typer.Option(
            help="fixed, huffman, context, words or smallest; auto: what costs the fewest joules on --chip."
        ),
    ] = "smallest",
    chip: Annotated[str, typer.Option(help="Keep all decoders of this chip busy.", show_default=False)] = "",
    force: Force = False,
) -> None:
    """Code shared or quantized weights another way, bit for bit the same."""
    from compress.format.container import read
    from compress.format.recode import recode as coded_anew
    from experiments.console import print_line, print_next
    from experiments.runs.codings import AUTO, best_of, decoding_sentence, try_codings
    from hwsim.errors import InputError
    from hwsim.machine.chip import load_chip

    if coding == AUTO and not chip:
        raise InputError("--coding auto: expected --chip with it, on which the codings are compared")
    machine, artifact = (load_chip(chip) if chip else None), read(model)[0]
    if machine is None or coding != AUTO:
        decoders = machine.decoder.count if machine else None
        _save(coded_anew(artifact, coding_of(coding), decoders=decoders), output)
    else:
        taken = best_of(try_codings(artifact, machine, 1))
        _save(taken.artifact, output)
        print_line(decoding_sentence(taken))
    print_next(f"dcz inspect {quoted(output)}")


def export(
    model: Model,
    output: Output,
    force: Force = False,
) -> None:
    """Write the network as .onnx, or its decoded weights as .safetensors or .npz."""
    from compress.format.container import read
    from compress.interop.export import export as write
    from experiments.console import print_ending

    size = write(read(model)[0], output)
    print_ending(f"{output}: {size:,} bytes.", f"dcz inspect {quoted(model)}")


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


def shape_option(text: str) -> tuple[str, tuple[int, ...]]:
    """Read NAME=3x224x224.

    Raises
    ------
    InputError
        If it is none.
    """
    from hwsim.errors import InputError
    from hwsim.whole import whole_of

    name, separator, sizes = text.partition("=")
    shape = [whole_of(size) for size in sizes.split("x")]
    if not separator or None in shape:
        raise InputError(f"--shape {text!r}: expected NAME=3x224x224")
    return name, tuple(size for size in shape if size is not None)


def fix_option(text: str) -> tuple[str, NDArray[Any]]:
    """Read NAME=NUMBER or NAME=FILE.npy.

    Raises
    ------
    InputError
        If it is neither.
    """
    import numpy as np

    from compress.io.npz import read_npy
    from hwsim.errors import InputError

    name, separator, value = text.partition("=")
    if separator and value.endswith(".npy"):
        return name, read_npy(Path(value))
    try:
        return name, np.array(
            [float(part) if "." in part or "e" in part else int(part) for part in value.split(",")]
        )
    except ValueError:
        raise InputError(f"--fix {text!r}: expected NAME=16000 or NAME=FILE.npy") from None


def _save(artifact: Artifact, output: Path) -> None:
    from experiments.console import print_line

    size = artifact.save(output)
    weights = sum(value.size for value in artifact.arrays().values())
    print_line(
        f"{output}: {artifact.topology.name}, stage {artifact.stage}, {weights:,} parameters in {size:,} "
        f"bytes, {4 * weights / size:.1f}x smaller than dense"
    )
