"""Bytes of a compressed file by tensor and stream, and a check of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.format.container import read
from compress.format.execution import executable
from compress.format.layout import HEADER, PAYLOAD, SIDE
from compress.nn.items import mixing
from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from compress.format.layout import Layout

STREAMS = (*PAYLOAD, *SIDE, HEADER)


def tensor_rows(layout: Layout) -> list[dict[str, str | int | float]]:
    """Bytes of each tensor by stream, and of the container; the keys are ``tensor`` and `table`'s columns."""
    rows: list[dict[str, str | int | float]] = [
        {
            "tensor": tensor.name,
            "form": tensor.form,
            "elements": tensor.size,
            "nonzeros": tensor.nonzeros,
            "entries": tensor.entries,
            "segments": len(tensor.segment_bits),
            **{stream: tensor.bits.get(stream, 0) / 8 for stream in STREAMS},
            "overhead": 0.0,
            "total": tensor.total_bits / 8,
        }
        for tensor in layout.tensors
    ]
    overhead = sum(layout.overhead.values()) / 8
    container: dict[str, str | int | float] = {"tensor": "container", "form": ""}
    container |= dict.fromkeys(("elements", "nonzeros", "entries", "segments"), 0)
    container |= dict.fromkeys(STREAMS, 0.0)
    return [*rows, container | {"overhead": overhead, "total": overhead}]


def table(layout: Layout) -> pd.DataFrame:
    """Bytes of each tensor by stream, and of the container; they add up to the file.

    Returns
    -------
    DataFrame
        One row a tensor, in the order of the file, then ``container``. Columns: ``form``,
        ``elements``, ``nonzeros``, ``entries``, ``segments``, then bytes by stream (streams end
        within a byte, hence fractions), ``overhead`` (magic, topology, framing and CRCs) and
        ``total``.
    """
    import pandas as pd  # here, because the import is slow and `dcz inspect` does without

    return pd.DataFrame(tensor_rows(layout)).set_index("tensor")


def inspect(path: str | Path) -> pd.DataFrame:
    """Return `table` of a file.

    Raises
    ------
    InputError
        If the file cannot be read or is damaged.
    """
    return table(read(path)[1])


def verify(path: str | Path) -> Layout:
    """Decode a file, execute two random items together and apart, and return where the file's bits go.

    Raises
    ------
    InputError
        If it is damaged, its network cannot be executed, items together and apart differ in a network that
        runs them together, or a bit is not accounted for.
    """
    artifact, layout = read(path)
    network = executable(artifact)
    mixed = mixing(network) if network.interface.together else ""
    if mixed:
        raise InputError(f"{path}: {mixed}, expected a file that runs its items one at a time")
    counted = sum(layout.overhead.values()) + sum(tensor.total_bits for tensor in layout.tensors)
    if counted != layout.file_bits:
        raise InputError(f"{path}: {counted} bits are accounted for, expected {layout.file_bits}")
    return layout
