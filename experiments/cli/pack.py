"""`dcz pack` and `dcz unpack`: any model file, bit for bit, in fewer bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Force, Output, quoted


def pack(
    model: Annotated[
        Path, typer.Argument(metavar="FILE", help="A model file of any format.", show_default=False)
    ],
    output: Output,
    force: Force = False,
) -> None:
    """Store a model file in fewer bytes, without loss: unpack gives the same bytes."""
    from compress.interop.packing import pack as packed_of
    from compress.interop.packing import unpack as unpacked
    from compress.io.files import write_bytes
    from experiments.console import print_ending
    from hwsim.errors import InputError

    data = model.read_bytes()
    packed = packed_of(data)
    if unpacked(packed) != data:
        raise InputError(f"{model}: does not unpack to the same bytes, so nothing is written")
    write_bytes(output, packed)
    share = len(packed) / max(len(data), 1)
    print_ending(
        f"{output}: {len(packed):,} bytes, {share:.1%} of {len(data):,}; it unpacks to the same bytes.",
        f"dcz unpack {quoted(output)} -o {quoted(model.name)}",
    )


def unpack(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="A packed model.", show_default=False)],
    output: Output,
    force: Force = False,
) -> None:
    """Write the file that was packed, the same byte for byte."""
    from compress.interop.packing import unpack as unpacked
    from compress.io.files import write_bytes
    from experiments.console import print_ending
    from hwsim.errors import InputError

    try:
        data = unpacked(model.read_bytes())
    except InputError as error:
        raise InputError(f"{model}: {error}") from None
    write_bytes(output, data)
    print_ending(f"{output}: {len(data):,} bytes.", f"dcz import {quoted(output)}")
