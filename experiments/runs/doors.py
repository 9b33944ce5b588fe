"""Files that go in by another door: which command takes a file."""

from __future__ import annotations

from pathlib import Path

from hwsim.errors import InputError

DOORS = {
    ".dcz": "a compressed network, which dcz inspect {0}, dcz execute {0} and hwsim run CHIP {0} take",
    ".onnx": "an ONNX model, which dcz import {0} -o {1}.dcz and hwsim run CHIP {0} take",
    ".gguf": "a language model, which dcz import {0} -o {1}.dcz and hwsim run CHIP {0} take",
    ".safetensors": "weights, whose folder dcz import and hwsim run CHIP take if config.json is there",
    ".csv": "a table of layers, which hwsim run CHIP {0} takes",
    ".toml": "a chip or a recipe, which hwsim run {0} NETWORK and dcz compress --recipe {0} take",
    ".npy": "an array, which --inputs {0} takes",
    ".npz": "an archive of arrays, which --inputs {0} takes",
    ".net": "a published SqueezeNet, which dcz import-han {0} -o {1}.dcz takes",
    ".pt": "a PyTorch file, whose network torch.onnx.export writes as an .onnx file",
    ".pth": "a PyTorch file, whose network torch.onnx.export writes as an .onnx file",
    ".h5": "a Keras file, whose network tf2onnx writes as an .onnx file",
    ".keras": "a Keras file, whose network tf2onnx writes as an .onnx file",
    ".tflite": "a TFLite file, of which python -m tf2onnx.convert --tflite {0} --output {1}.onnx makes an "
    "ONNX model",
}
"""What a file is by the end of its name, and what takes it."""


def require(path: str | Path, suffix: str) -> None:
    """Refuse a file of another kind.

    Raises
    ------
    InputError
        If the name ends otherwise; the message says which command takes such a file.
    """
    found = Path(path).suffix.lower()
    if found == suffix or (found not in DOORS and found != ""):
        return
    raise InputError(f"{path}: {door(path)}, expected a file that ends in {suffix} here")


def door(path: str | Path) -> str:
    """Say what a file is, and which command takes it."""
    known = DOORS.get(Path(path).suffix.lower())
    return known.format(path, Path(path).stem) if known else "a file of another kind"
