"""PyTorch modules, by way of ONNX."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.interop.onnx import read_onnx, stored
from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.format.container import Artifact


def from_torch(module: Any, example: Any) -> Artifact:
    """Import a PyTorch module as an artifact, as ``torch.onnx.export`` writes it.

    Parameters
    ----------
    module : torch.nn.Module
        Exported as it is in evaluation; its mode is set back afterwards.
    example : tensor or tuple of tensors
        Inputs of the shapes and types that the network takes, for one item.

    Returns
    -------
    Artifact
        Its weights keep their form, as in `import_model`.

    Raises
    ------
    InputError
        If PyTorch or its exporter is not installed, cannot export the module, or writes an operation that is
        not supported.
    """
    torch = _torch()
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"module is a {type(module).__name__}, expected a torch.nn.Module")
    name, training = type(module).__name__, module.training
    inputs = example if isinstance(example, tuple) else (example,)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")  # the exporter's own
                torch.onnx.export(module.eval(), inputs, path, dynamo=True, verbose=False)
        except Exception as failure:  # whatever the exporter raises
            reason = (str(failure).splitlines() or [type(failure).__name__])[0]
            raise InputError(f"{name}: PyTorch cannot export it to ONNX: {reason}") from None
        finally:
            module.train(training)
        try:
            return stored(*read_onnx(path))
        except InputError as refusal:
            raise InputError(refusal.sentence.replace(str(path), name), refusal.rows) from None


def _torch() -> Any:
    try:
        import onnxscript  # noqa: F401  (the exporter imports it late and fails at length)
        import torch
    except ImportError as absent:
        raise InputError(f"{absent.name} is not installed, expected the extra hwsim[torch]") from None
    return torch
