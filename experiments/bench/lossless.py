"""Packed models beside zstd, xz and ZipNN: bytes, and speed of both ways.

``python -m experiments.bench.lossless FOLDER FILE...`` writes ``lossless.csv`` into a folder. ``zstd`` is the
command of that name; ZipNN is measured where it is installed. Every result is unpacked and compared.
"""

from __future__ import annotations

import importlib
import lzma
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from compress.interop.packing import pack, unpack
from compress.interop.places import places_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDTHS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Names of kinds of numbers, as ZipNN calls them."""


class Tool(NamedTuple):
    """A way to store a file in fewer bytes, and back."""

    name: str
    smaller: Callable[[bytes], bytes]
    back: Callable[[bytes], bytes]


def tools(kind: str) -> list[Tool]:
    """Tools that are installed here, for a file whose numbers are mostly of one kind."""
    best = 9 | lzma.PRESET_EXTREME
    found = [
        Tool("dcz pack", pack, unpack),
        Tool("xz -9e", lambda data: lzma.compress(data, preset=best), lzma.decompress),
    ]
    if shutil.which("zstd"):
        found.append(Tool("zstd -19", lambda data: _run("-19", data), lambda data: _run("-d", data)))
    try:
        zipnn = importlib.import_module("zipnn")
    except ImportError:
        return found
    return [*found, Tool("ZipNN", *_zipnn(zipnn, WIDTHS.get(kind, "float32")))]


def measured(path: Path) -> Iterator[dict[str, Any]]:
    """Bytes and speeds of every tool on one file.

    Raises
    ------
    AssertionError
        If a tool does not give the file back.
    """
    data = path.read_bytes()
    held: dict[str, int] = {}
    for place in places_of(data):
        held[place.kind.name] = held.get(place.kind.name, 0) + place.end - place.begin
    kind = max(held, key=held.__getitem__, default="")
    for tool in tools(kind):
        began = time.perf_counter()
        smaller = tool.smaller(data)
        between = time.perf_counter()
        assert tool.back(smaller) == data, f"{tool.name} does not give {path.name} back"
        ended = time.perf_counter()
        yield {
            "model": path.name,
            "numbers": kind,
            "bytes": len(data),
            "tool": tool.name,
            "packed_bytes": len(smaller),
            "share": len(smaller) / len(data),
            "pack_MB_per_s": len(data) / 1e6 / (between - began),
            "unpack_MB_per_s": len(data) / 1e6 / (ended - between),
        }


def main(folder: Path, files: list[Path]) -> None:
    """Write the table of some files."""
    folder.mkdir(parents=True, exist_ok=True)
    pack(files[0].read_bytes()[: 1 << 16])  # compile before the clock runs
    rows: list[dict[str, Any]] = []
    for path in files:
        rows += measured(path)
        pd.DataFrame(rows).to_csv(folder / "lossless.csv", index=False, float_format="%.4g")


def _run(way: str, data: bytes) -> bytes:
    return subprocess.run(["zstd", way, "-c"], input=data, capture_output=True, check=True).stdout


def _zipnn(zipnn: Any, dtype: str) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    def tool() -> Any:
        return zipnn.ZipNN(input_format="byte", bytearray_dtype=dtype)

    # it works in the buffer that it is given
    return (
        lambda data: bytes(tool().compress(bytearray(data))),
        lambda data: bytes(tool().decompress(bytearray(data))),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
