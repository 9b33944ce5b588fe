"""Trained models that packages of the registry ship: imported, executed on real inputs, compared."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from onnx_support import onnx, reference

from compress.interop.onnx import import_onnx


def shipped(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {package}, which ships the model, is not installed")
    file = Path(spec.origin).parent / path
    if not file.exists():
        pytest.skip(f"this version of {package} ships no {path}")
    return file


def drawn(text: str, width: int, height: int, upside_down: bool = False) -> np.ndarray:
    """A line of text as a model of the OCR family takes it: (1, 3, height, width), -1 to 1."""
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, text, va="center", ha="center", fontsize=20, rotation=180 if upside_down else 0)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    return (pixels.transpose(2, 0, 1)[None] / 127.5 - 1).astype(np.float32)


def test_text_recognition():
    file = shipped("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx")
    x = np.concatenate([drawn("Huffman 1952", 320, 48), drawn("codebook, gap", 320, 48)])
    y = import_onnx(file, {"x": (3, 48, 320)}).forward(x)
    assert np.abs(y - reference(file.read_bytes(), {"x": x})[0]).max() <= 1e-3
    metadata = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    characters = ["", *metadata["character"].splitlines(), " "]
    assert [read(line, characters) for line in y.argmax(axis=2)] == ["Huffman 1952", "codebook, gap"]


def read(labels: np.ndarray, characters: list[str]) -> str:
    """Greedy decoding of connectionist temporal classification: repeats collapse, 0 is blank."""
    changes = np.flatnonzero(np.diff(labels, prepend=0))
    return "".join(characters[label] for label in labels[changes])


def test_text_direction():
    file = shipped("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx")
    x = np.concatenate([drawn("weights", 192, 48), drawn("weights", 192, 48, upside_down=True)])
    y = import_onnx(file, {"x": (3, 48, 192)}).forward(x)
    assert np.abs(y - reference(file.read_bytes(), {"x": x})[0]).max() <= 1e-3
    assert y.argmax(axis=1).tolist() == [0, 1]


def test_text_detection():
    file = shipped("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx")
    x = drawn("Huffman 1952", 256, 96)
    y = import_onnx(file, {"x": (3, 96, 256)}).forward(x)
    assert np.abs(y - reference(file.read_bytes(), {"x": x})[0]).max() <= 1e-3
    assert y[0, 0, 48].max() > 0.7 > 0.3 > y[0, 0, 5].max()


def test_file_type():
    file = shipped("magika", "models/standard_v3_3/model.onnx")
    config = json.loads((file.parent / "config.min.json").read_text())
    contents = [Path(__file__).read_bytes(), Path(onnx.__file__).with_name("onnx.proto").read_bytes()]
    x = np.stack([ends(content.strip(), config["beg_size"], config["padding_token"]) for content in contents])
    y = import_onnx(file).forward(x)
    assert np.abs(y - reference(file.read_bytes(), {"bytes": x})[0]).max() <= 1e-3
    assert [config["target_labels_space"][label] for label in y.argmax(axis=1)] == ["python", "proto"]


def ends(content: bytes, size: int, filler: int) -> np.ndarray:
    """First and last `size` bytes."""
    first, last = (np.full(size, filler, np.int32) for _ in range(2))
    head, tail = content[:size], content[-size:]
    first[: len(head)] = list(head)
    last[size - len(tail) :] = list(tail)
    return np.concatenate([first, last])
