"""Weights that are not there: a file of shapes whose data lies elsewhere can still be simulated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

try:
    import onnx
except ImportError:  # the package is an extra
    onnx = None  # type: ignore[assignment]

MAX_ELEMENTS = 1 << 28
"""Most weights that are made up, as many as a compressed file may have."""


def with_stand_ins(model: Any, folder: Path) -> bool:
    """Give tensors whose file is absent dense values of their shape, in place.

    Parameters
    ----------
    model : ModelProto
    folder : Path
        Where the files of weights would lie.

    Returns
    -------
    bool
        Whether any was absent.

    Raises
    ------
    InputError
        If the weights are too many.
    """
    absent = [tensor for tensor in model.graph.initializer if _is_absent(tensor, folder)]
    total = sum(math.prod(tensor.dims) for tensor in absent)
    if total > MAX_ELEMENTS:
        raise InputError(f"{total} weights are in files that are absent, expected at most {MAX_ELEMENTS}")
    rng = np.random.default_rng(0)
    for tensor in absent:
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        values = rng.standard_normal(tuple(tensor.dims), np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(kind), tensor.name))
    return bool(absent)


def _is_absent(tensor: Any, folder: Path) -> bool:
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return False
    if min(tensor.dims, default=0) < 0:
        raise InputError(f"tensor {tensor.name!r} has shape {tuple(tensor.dims)}, expected sizes from 0 on")
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    return not (folder / location).is_file()
