"""Export of compressed networks as ONNX, safetensors or npz."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compress.format.container import opened
from compress.interop.onnx.writing import onnx_bytes
from compress.io.files import write_bytes
from hwsim.errors import InputError, require_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress.format.container import Artifact

SAFETENSORS_TYPES = {
    "float32": "F32", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8",
}  # fmt: skip


def export(artifact: Artifact | str | Path, path: str | Path) -> int:
    """Write a compressed network in the format given by the suffix of `path`; return the size in bytes.

    ``.onnx`` holds the whole network; shared and quantized weights stay small. ``.safetensors`` and ``.npz``
    hold the decoded parameters by name. ``.npz`` is deflated, so zeros take almost no space.

    Parameters
    ----------
    artifact : Artifact, str or Path
        An artifact, or the path of a ``.dcz`` file.
    path : str or Path
        File to write.

    Raises
    ------
    InputError
        If the suffix is unknown, an operator does not exist in ONNX, or the file cannot be written.
    """
    require_type(path, (str, Path), "path", f"a file to write that ends in {' or '.join(FORMATS)}")
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"{path}: format {suffix!r} is unknown, expected one of {', '.join(FORMATS)}")
    data = FORMATS[suffix](opened(artifact))
    write_bytes(path, data)
    return len(data)


def safetensors_bytes(artifact: Artifact) -> bytes:
    """Return a safetensors file: length of the header, JSON header, then raw little-endian values."""
    header: dict[str, dict[str, object]] = {"__metadata__": {"network": artifact.topology.name}}
    parts, at = [], 0
    for name, values in artifact.arrays().items():
        data = values.astype(values.dtype.newbyteorder("<")).tobytes()
        kind = SAFETENSORS_TYPES[values.dtype.name]
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def npz_bytes(artifact: Artifact) -> bytes:
    """Return a deflated npz file with one array per parameter."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in artifact.arrays().items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
    return file.getvalue()


FORMATS: dict[str, Callable[[Artifact], bytes]] = {
    ".onnx": onnx_bytes,
    ".safetensors": safetensors_bytes,
    ".npz": npz_bytes,
}
