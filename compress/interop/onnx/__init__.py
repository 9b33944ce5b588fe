"""Networks from and to ONNX files; the package onnx only reads and writes the format."""

from compress.interop.onnx.importing import import_onnx, import_onnx_bytes

__all__ = ["import_onnx", "import_onnx_bytes"]
