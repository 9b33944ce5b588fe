"""Compression of a trained network from the command line: a file that loads, and figures beside it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from compress.container import Artifact, read
from compress.models import build
from experiments import cli


@pytest.fixture
def network(tmp_path):
    made = build("lenet5", np.random.default_rng(0))
    Artifact.of(made, "dense").save(tmp_path / "model.dcz")
    np.save(tmp_path / "x.npy", np.random.default_rng(1).random((8, 1, 28, 28), np.float32))
    return made


def shrink(tmp_path, *more):
    files = [str(tmp_path / name) for name in ("model.dcz", "x.npy", "small.dcz")]
    return cli.run(cli.DCZ, ["shrink", files[0], "--inputs", files[1], "-o", files[2], *more])


def test_figures_are_those_of_the_saved_file(tmp_path, network, capsys):
    assert shrink(tmp_path, "--density", "0.4", "--bits", "6", "--chip", "edge", "--json") == 0
    dense, small = json.loads(capsys.readouterr().out)
    saved = (tmp_path / "small.dcz").stat().st_size
    assert small["bytes"] == saved < dense["bytes"] / 5
    assert (dense["top_1"], dense["largest_error"]) == (1.0, 0.0)
    held = np.load(tmp_path / "x.npy")[4:]
    ours = read(tmp_path / "small.dcz")[0].to_network().forward(held)
    theirs = network.forward(held)
    assert small["largest_error"] == pytest.approx(np.abs(ours - theirs).max() / np.abs(theirs).max())
    assert small["top_1"] == (ours.argmax(1) == theirs.argmax(1)).mean()
    assert 5 < small["snr_dB"] < 100
    assert 0 < small["energy_J"] < dense["energy_J"]


def test_the_table_says_where_it_was_written(tmp_path, network, capsys):
    assert shrink(tmp_path, "--chip", "edge", "--coding", "fixed") == 0
    out = capsys.readouterr().out
    assert f"{(tmp_path / 'small.dcz').stat().st_size:,} bytes" in out
    assert "answers compared on 4 inputs" in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no array", "expected a .npy file"),
        (np.zeros((8, 1, 27, 28), np.float32), "expected (2 or more items, 1, 28, 28)"),
        (np.zeros((1, 1, 28, 28), np.float32), "2 or more items"),
        (np.full((4, 1, 28, 28), np.nan), "x.npy: holds numbers that are not finite or too large"),
        (np.full((4, 1, 28, 28), 1e300), "x.npy: holds numbers that are not finite or too large"),
        (np.full((4, 1, 28, 28), 1e30, np.float32), "expected finite ones of at most 1e+10"),
        (np.full((4, 1, 28, 28), "a"), "not an array of numbers"),
        (np.full((4, 1, 28, 28), None, object), "expected a .npy file"),
    ],
)
def test_bad_inputs_are_refused(tmp_path, network, capsys, content, words):
    path = tmp_path / "x.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    assert shrink(tmp_path) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "small.dcz").exists()


@pytest.mark.parametrize(
    "more", [["--density", "2"], ["--bits", "20"], ["--coding", "zip"], ["--chip", "none"]]
)
def test_bad_options_are_refused(tmp_path, network, more):
    assert shrink(tmp_path, *more) == 2
