"""PyTorch modules become artifacts, with PyTorch's answers."""

from __future__ import annotations

import numpy as np
import pytest

import compress
from hwsim.errors import InputError


def test_without_pytorch_the_extra_is_named(monkeypatch):
    import builtins

    usual = builtins.__import__

    def without(name, *rest, **named):
        if name in ("torch", "onnxscript"):
            raise ImportError(name=name)
        return usual(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"is not installed, expected the extra hwsim\[torch\]"):
        compress.from_torch(None, None)


@pytest.fixture
def torch():
    pytest.importorskip("onnxscript", reason="the extra hwsim[torch] is not installed")
    return pytest.importorskip("torch", reason="the extra hwsim[torch] is not installed")


def test_a_module_has_its_own_answers(torch):
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 5)
    )
    artifact = compress.from_torch(module, torch.randn(1, 2, 4, 4))
    x = torch.randn(3, 2, 4, 4)
    with torch.no_grad():
        expected = module.eval()(x).numpy()
    assert compress.executable(artifact).forward(x.numpy()) == pytest.approx(expected, abs=1e-5)
    assert artifact.topology.name


def test_the_mode_of_a_module_is_kept_and_other_things_are_refused(torch):
    module = torch.nn.Linear(3, 2).train()
    compress.from_torch(module, torch.randn(1, 3))
    assert module.training
    with pytest.raises(InputError, match=r"module is a ndarray, expected a torch\.nn\.Module"):
        compress.from_torch(np.zeros(3), torch.randn(1, 3))


def test_what_pytorch_cannot_export_is_said(torch):
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise ValueError("no such network")

    with pytest.raises(InputError, match="Broken: PyTorch cannot export it to ONNX: "):
        compress.from_torch(Broken(), torch.randn(4, 3))
