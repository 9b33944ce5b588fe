"""ONNX files in by either door, and a sentence where a file goes in by the wrong one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_support as support
import pytest
from onnx import helper

from experiments.cli import main as cli

RNG = np.random.default_rng(8)


@pytest.fixture
def files(tmp_path, monkeypatch):
    weight = (RNG.standard_normal((64, 40)) * (RNG.random((64, 40)) < 0.1)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)]
    (tmp_path / "m.onnx").write_bytes(support.model(nodes, {"x": ["n", 40]}, ["y"], {"w": weight}))
    nodes = [helper.make_node("MatMul", ["x", "t"], ["s"]), helper.make_node("Softmax", ["s"], ["p"])]
    across = [helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]), *nodes]
    across.append(helper.make_node("MatMul", ["p", "x"], ["y"]))
    (tmp_path / "across.onnx").write_bytes(support.model(across, {"x": ["n", 6]}, ["y"]))
    dense = RNG.standard_normal((64, 40)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)]
    (tmp_path / "dense.onnx").write_bytes(support.model(nodes, {"x": ["n", 40]}, ["y"], {"w": dense}))
    (tmp_path / "l.csv").write_text("name,kind\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_onnx_file_runs_as_its_import_does(files, capsys):
    assert cli.run(cli.DCZ, ["import", "m.onnx", "-o", "m.dcz"]) == 0
    said = capsys.readouterr().out
    assert "stage pruned, 2,560 parameters" in said
    assert "% zeros: stored sparse, " in said
    runs = []
    for name in ("m.onnx", "m.dcz"):
        assert cli.run(cli.HWSIM, ["run", "edge", name, "--json"]) == 0
        runs.append(json.loads(capsys.readouterr().out)[0])
    assert runs[0]["energy_J"] == runs[1]["energy_J"]
    assert cli.run(cli.HWSIM, ["run", "edge", "m.onnx"]) == 0
    assert "dcz import m.onnx -o m.dcz, then dcz shrink or dcz quantize" in capsys.readouterr().out


def test_items_that_mix_are_told_and_have_no_batch(files, capsys):
    sentence = "the first dimension (n) mixes items: items run one at a time"
    assert cli.run(cli.DCZ, ["import", "across.onnx", "-o", "a.dcz"]) == 0
    assert sentence in capsys.readouterr().out
    assert cli.run(cli.DCZ, ["verify", "a.dcz"]) == 0
    assert sentence in capsys.readouterr().out
    found = []
    for batch in ("1", "8"):
        assert cli.run(cli.HWSIM, ["run", "edge", "a.dcz", "--batch", batch, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)[0])
    assert found[0]["energy_J"] == found[1]["energy_J"]
    assert sentence in found[1]["warnings"]


def test_shapes_alone_are_enough(files, capsys):
    assert cli.run(cli.HWSIM, ["run", "edge", "dense.onnx", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)[0]
    model = onnx.load("dense.onnx")
    onnx.save(model, "far.onnx", save_as_external_data=True, location="far.data", size_threshold=0)
    Path("far.data").unlink()
    assert cli.run(cli.HWSIM, ["run", "edge", "far.onnx", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    assert found["provenance"] == "far.onnx, shapes alone: its weights are absent, taken as dense"
    assert found["energy_J"] == whole["energy_J"]
    assert cli.run(cli.DCZ, ["import", "far.onnx", "-o", "far.dcz"]) == 2


@pytest.mark.parametrize(
    ("app", "words", "message"),
    [
        ("dcz", "import l.csv -o a.dcz", "a table of layers, which hwsim run CHIP l.csv takes"),
        (
            "dcz",
            "import a.dcz -o b.dcz",
            "a compressed network, which dcz inspect a.dcz, dcz execute",
        ),
        (
            "dcz",
            "inspect m.onnx",
            "an ONNX model, which dcz import m.onnx -o m.dcz and hwsim run",
        ),
        ("dcz", "execute l.csv --inputs x.npy", "expected a file that ends in .dcz here"),
        ("hwsim", "run edge x.npy", "an array, which --inputs x.npy takes"),
        ("hwsim", "run edge net.pt", "torch.onnx.export writes as an .onnx file"),
        ("hwsim", "run m.onnx edge", "expected a chip first: hwsim run edge m.onnx"),
        (
            "hwsim",
            "run edge l.csv --shape x=3",
            "expected an .onnx file with --shape or --fix",
        ),
    ],
)
def test_a_wrong_door_says_which_is_right(files, capsys, app, words, message):
    assert cli.run({"dcz": cli.DCZ, "hwsim": cli.HWSIM}[app], words.split()) == 2
    assert message in capsys.readouterr().err
