"""Names of files that are bytes and no text: commands take them, and what they print and write is whole."""

import json
import os
import shutil
import sys
from importlib import resources

import numpy as np
import pytest

from compress.format.container import Artifact
from compress.nn.lenets import build
from experiments.cli import main as cli
from hwsim.machine.chip import copy_chip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are text")
CHIP, TABLE, MODEL, IMAGES, FOLDER = (
    os.fsdecode(b"\xe9" + end) for end in (b".toml", b".csv", b".dcz", b".npz", b"")
)


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy_chip("edge", tmp_path / CHIP)
    shutil.copy(str(resources.files("hwsim") / "data" / "networks" / "lenet5.csv"), tmp_path / TABLE)
    rng = np.random.default_rng(0)
    Artifact.of(build("lenet300", rng), "dense").save(tmp_path / MODEL)
    x, y = rng.integers(0, 255, (40, 28, 28)).astype(np.uint8), (np.arange(40) % 10).astype(np.uint8)
    np.savez(tmp_path / IMAGES, x_train=x, y_train=y, x_test=x, y_test=y)


@pytest.mark.parametrize(
    "words",
    [
        ("run", CHIP, TABLE, "--json"),
        ("run", CHIP, MODEL, "--json"),
        ("compare", f"{CHIP}:{TABLE}", "edge:lenet5", "--json"),
    ],
)
def test_json_escapes_what_is_no_text(words, capsys):
    assert cli.run(cli.HWSIM, list(words)) == 0
    printed = capsys.readouterr().out
    printed.encode()
    assert "\\udce9" in printed
    json.loads(printed)


def test_a_comparison_draws_and_records_them(tmp_path):
    assert cli.run(cli.HWSIM, ["compare", f"edge:{TABLE}", "edge:lenet5", "-o", FOLDER]) == 0
    written = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert {"manifest.json", "tornado.png"} <= written
    json.loads((tmp_path / FOLDER / "manifest.json").read_text(encoding="utf-8"))


def test_a_frontier_names_them(tmp_path):
    assert cli.run(cli.DCZ, ["frontier", MODEL, "--dataset", IMAGES, "-o", FOLDER]) == 0
    assert "\\udce9.dcz" in (tmp_path / FOLDER / "runs.csv").read_text(encoding="utf-8")
