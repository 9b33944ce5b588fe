"""Networks from and to ONNX files; the package onnx only reads and writes the format."""

from compress.interop.onnx.importing import (
    import_onnx,
    import_onnx_bytes,
    import_shapes,
    read_onnx,
    read_onnx_bytes,
)
from compress.interop.onnx.integers import stored

__all__ = ["import_onnx", "import_onnx_bytes", "import_shapes", "read_onnx", "read_onnx_bytes", "stored"]
