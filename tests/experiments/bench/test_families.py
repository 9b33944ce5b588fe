"""The table of families: each step is walked, and a stop names its step."""

from __future__ import annotations

import numpy as np
import onnx_support as support
import pytest
from onnx import helper

from experiments.bench.families import FAMILIES, row
from experiments.bench.family_steps import PASSED, tried

RNG = np.random.default_rng(7)


def values(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def saved(tmp_path, nodes, constants):
    path = tmp_path / "one.onnx"
    path.write_bytes(support.model(nodes, {"x": [1, 6]}, ["y"], constants))
    return path


@pytest.mark.filterwarnings("ignore")
def test_a_file_goes_the_whole_way(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime, the reference, is not installed")
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["y"]),
    ]
    path = saved(tmp_path, nodes, {"w": values(6, 8), "b": values(8), "v": values(8, 3)})
    found = tried("small", "by hand", path, [values(1, 6)])
    assert (found.outcome, found.reason) == (PASSED, "")
    assert (found.layers, found.macs) == (3, 6 * 8 + 8 * 3)
    assert found.error < 1e-5 < found.energy_J * 1e6
    assert 0 < found.int8_B < found.file_B


def test_a_stop_names_its_step(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime, the reference, is not installed")
    path = saved(tmp_path, [helper.make_node("NonZero", ["x"], ["y"])], {})
    found = tried("other", "by hand", path, [values(1, 6)])
    assert found.outcome == "import"
    assert "NonZero" in found.reason
    kept = saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], {})
    assert tried("plain", "by hand", kept, [values(1, 6)]).outcome == "shrink"


def test_there_are_fifty_five_families():
    assert len(FAMILIES) == 55


@pytest.mark.slow
@pytest.mark.parametrize("exporter", ["default", "older"])
@pytest.mark.filterwarnings("ignore")
def test_a_family_is_exported_and_goes_the_whole_way(exporter, tmp_path):
    pytest.importorskip("torch", reason="PyTorch, which exports families, is not installed")
    assert row(tmp_path, "ESPCN", exporter).outcome == PASSED
