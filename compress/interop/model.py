"""Import of models of other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from compress.interop.gguf import import_gguf
from compress.interop.han import import_han
from compress.interop.onnx import read_onnx, stored
from compress.interop.safetensors import import_safetensors, is_folder_of_safetensors
from hwsim.errors import InputError, require_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.format.container import Artifact


def import_model(path: str | Path, *, shapes: Mapping[str, Sequence[int]] | None = None) -> Artifact:
    """Import a model of another program as an artifact.

    Parameters
    ----------
    path : str or Path
        An ``.onnx`` file, whose weights keep their form (dense, sparse, shared...), a language model of the
        Llama family as a ``.gguf`` file or a folder of ``.safetensors``, or ``compressed_SqueezeNet.net`` as
        the authors of Deep Compression published it.
    shapes : dict of str to sequence of int, optional
        Shape of one item, without the batch, for inputs with dynamic dimensions in an ONNX file.

    Raises
    ------
    InputError
        If the suffix is unknown, the file cannot be read, or an operation is not supported.
    """
    require_type(
        path, (str, Path), "model", "the path of an .onnx, .gguf or .net file, or a folder of safetensors"
    )
    if shapes is not None:
        require_type(shapes, Mapping, "shapes", "a dict of shapes by name of an input")
    if is_folder_of_safetensors(path):
        return import_safetensors(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".onnx":
        return stored(*read_onnx(Path(path), shapes))
    if suffix == ".gguf":
        return import_gguf(path)
    if suffix == ".net":
        return import_han(path)
    raise InputError(f"{path}: format {suffix!r} is unknown, expected .onnx, .gguf or .net")
