"""Weights that an ONNX file keeps in files beside it, as PyTorch writes them by default."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from onnx import TensorProto
except ImportError:  # the package is an extra
    TensorProto = None  # type: ignore[assignment,misc]


def with_external_data(model: Any, folder: Path | None) -> Any:
    """Return the model with the data of all its tensors inside.

    Parameters
    ----------
    model : ModelProto
        Changed in place.
    folder : Path, optional
        Where the file lies; None for a model in memory.

    Raises
    ------
    InputError
        If a tensor names a file outside the folder, or one that is missing or too short.
    """
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            _load(tensor, folder)
    return model


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)


def _load(tensor: Any, folder: Path | None) -> None:
    where = f"tensor {tensor.name!r}"
    if folder is None:
        raise InputError(f"{where} keeps its data in another file, expected it inside the model")
    entries = {entry.key: entry.value for entry in tensor.external_data}
    path = _beside(entries.get("location", ""), folder, where)
    try:
        size = path.stat().st_size
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", size - offset))
        if not 0 <= offset <= offset + length <= size:
            raise InputError(
                f"{where} is bytes {offset} to {offset + length} of {path.name}, which has {size} bytes"
            )
        with path.open("rb") as file:
            file.seek(offset)
            tensor.raw_data = file.read(length)
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{where} has offset or length {entries}, expected whole numbers") from None
    except OSError as error:
        raise InputError(
            f"{where} is in {path.name}, not to be read ({error.strerror}), expected a file beside the model"
        ) from None
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.DEFAULT


def _beside(location: str, folder: Path, where: str) -> Path:
    """Path of a data file, which has to stay in the folder of the model, links included."""
    parts = PurePosixPath(location.replace("\\", "/"))
    path = folder / parts
    if not parts.parts or parts.is_absolute() or ".." in parts.parts or ":" in location:
        raise InputError(
            f"{where} keeps its data in {location!r}, expected a file in the folder of the model"
        )
    if folder.resolve() not in path.resolve().parents:
        raise InputError(
            f"{where} keeps its data in {location!r}, which leads out of the folder of the model"
        )
    return path
