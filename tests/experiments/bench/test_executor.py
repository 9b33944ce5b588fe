"""The executor beside onnxruntime: both run the same network, and what is missing is told."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from compress.nn import zoo
from compress.nn.folding import fold
from experiments.bench import executor as bench
from experiments.bench.executor import Timed, executor
from experiments.bench.yolo import CLASSES, yolo_v8n


def test_both_run_the_same_network(monkeypatch):
    pytest.importorskip("onnx", reason="the extra hwsim[onnx] is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime, the reference, is not installed")
    monkeypatch.setattr(bench, "NETWORKS", {"small": Timed(partial(zoo.build, "lenet5"), 1e9)})
    monkeypatch.setattr(bench, "RUNS", 1)
    monkeypatch.setattr(bench, "ROUNDS", 1)
    ours, theirs, ratio, memory, more = executor()
    assert bench.row("small").difference < 1e-5
    assert ratio.value == pytest.approx(ours.value / theirs.value)
    assert ratio.verdict == "met"
    assert 10 < memory.value < 2000
    assert 0.1 < more.value < 10


def test_a_missing_package_is_told(monkeypatch, capsys):
    monkeypatch.setattr(bench, "NEEDED", ("onnx_of_another_world",))
    assert executor() == []
    assert "executor: skipped, onnx_of_another_world is not installed" in capsys.readouterr().err


def test_the_detector_has_the_parameters_of_yolo_v8n():
    """3,151,904 with folded normalisation, 16 of which are the constant bins (Ultralytics, model.info())."""
    network = fold(yolo_v8n(np.random.default_rng(0)))
    weights = sum(value.size for value in network.params.values() if value.dtype.kind == "f")
    assert weights == 3_151_904 - 16
    places = 80**2 + 40**2 + 20**2
    assert network.shapes()[network.outputs[0]] == (1, 64 + CLASSES, places)
