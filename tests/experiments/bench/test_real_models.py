"""Trained models that packages ship go the whole way."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("onnx", reason="the extra hwsim[onnx] is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime, the reference, is not installed")

from experiments.bench.real_models import CHIPS, MODELS, main, row
from hwsim.errors import InputError


def installed(name: str):
    try:
        MODELS[name].file()
    except InputError as absent:
        pytest.skip(str(absent))
    return MODELS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_a_trained_model_goes_the_whole_way(name):
    found = row(installed(name))
    assert found.error < 1e-4
    assert max(found.int8_B, found.shrunk_B) < min(found.file_B, found.gzip_B)
    assert found.int8_dB > 0
    for chip in CHIPS:
        assert found.int8_J[chip] < found.before_J[chip]
        assert math.isfinite(found.shrunk_J[chip])


def test_a_package_that_is_not_installed_is_named(tmp_path, capsys):
    names = [name for name, model in MODELS.items() if model.package == "openwakeword"]
    try:
        MODELS[names[0]].file()
    except InputError:
        main(tmp_path / "rows.csv", names[:1])
        assert "the package openwakeword with" in capsys.readouterr().out
    else:
        pytest.skip("openwakeword is installed")
