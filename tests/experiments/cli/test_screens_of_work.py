"""What a reader sees of commands that train, measure or write: at 80 and 120 columns, numbers left out.

Numbers depend on the machine; what is told of them, and in which order, does not.
``PYTHONPATH=.:tests python tests/experiments/cli/test_screens_of_work.py`` writes the golden screens anew.
"""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from checkout import ROOT
from screens import WIDTHS, file_of, printed

from compress.format.container import Artifact
from compress.nn.lenets import build
from hwsim.machine.chip import copy_chip

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

GOLDEN = Path(__file__).with_name("screens_of_work")
CHAIN = (
    "dcz compress --recipe tiny.toml --dataset few.npz -o tiny.dcz",
    "dcz inspect tiny.dcz",
    "dcz evaluate tiny.dcz --dataset few.npz",
    "dcz execute tiny.dcz --inputs items.npy -o out.npy",
    "dcz sensitivity tiny.dcz --dataset few.npz --images 40 -o scan",
    "dcz frontier tiny.dcz --dataset few.npz -o frontier",
    "dcz shrink model.dcz --inputs items.npy -o small.dcz",
    "dcz quantize model.dcz --inputs items.npy -o int8.dcz",
    "dcz recode tiny.dcz -o recoded.dcz",
    "dcz export tiny.dcz -o tiny.onnx",
    "dcz import tiny.onnx -o back.dcz",
    "dcz pack tiny.onnx -o tiny.packed",
    "dcz unpack tiny.packed -o again.onnx",
    "hwsim compare edge:lenet300:dense edge:lenet300:int8 --hold throughput -o compare",
    "hwsim sweep sweep.toml --backend serial -o sweep",
    "hwsim pareto table.csv --minimise energy_J --maximise inferences_per_s -o pareto",
    "hwsim labs -o labs",
    "hwsim contest entries -o board.csv",
)
"""Typed one after the other in one folder: later ones read what earlier ones wrote."""
LONG = (
    "hwsim experiments run energy_ladder",
    "hwsim experiments draw energy_ladder -o figures",
    "hwsim reference energy_ladder",
    "hwsim experiments check energy_ladder",
    "hwsim demo --quick --output demo",
    "hwsim dark",
    "hwsim relight",
    "hwsim validate -o validate",
)
"""The same, of those that take long: their lines fit and end as they should."""

RECIPE = """
name = "tiny"
description = "LeNet-300-100 on sixty images"
network = "lenet300"
validation = 20
[[step]]
kind = "train"
epochs = 1
[[step]]
kind = "prune"
density = 0.1
epochs = 1
[[step]]
kind = "share"
values = { fc1 = 15, fc2 = 15, fc3 = 15 }
epochs = 1
[[step]]
kind = "encode"
"""
SWEEP = 'name = "tiny"\nmethod = "grid"\n[axes]\nchip = ["edge"]\nnetwork = ["lenet300"]\nbatch = [1, 2]\n'


def prepare(folder: Path) -> None:
    """Write an untrained model, images of bars, a recipe, a sweep, a table and an entry of a contest."""
    random = np.random.default_rng(0)
    model, entry = Artifact.of(build("lenet300", random), "dense"), folder / "entries" / "ann"
    model.save(folder / "model.dcz")
    entry.mkdir(parents=True)
    model.save(entry / "model.dcz")
    copy_chip("edge", entry / "chip.toml")
    y = (np.arange(80) % 10).astype(np.uint8)
    bars = np.arange(28)[None, :, None] // 3 == y[:, None, None]
    x = (random.integers(0, 60, (80, 28, 28)) + 150 * bars).astype(np.uint8)
    np.savez(folder / "few.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    np.save(folder / "items.npy", x[:20, None].astype(np.float32) / 255)
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "sweep.toml").write_text(SWEEP, encoding="utf-8")
    (folder / "table.csv").write_text("energy_J,inferences_per_s\n1,2\n2,3\n", encoding="utf-8")


def screens(commands: tuple[str, ...], width: int, folder: Path) -> dict[str, str]:
    """What each command prints on a terminal of so many columns."""
    prepare(folder)
    here = f"{folder.resolve()}/"
    return {command: printed(command, width, folder).replace(here, "") for command in commands}


def told(shown: str) -> str:
    """The words without numbers, however they were laid out."""
    words = re.sub(r"[-+\u2212]?\d[\d.,]*\d|\d", "#", re.sub(r"\u2500+", " ", shown))
    return textwrap.fill(" ".join(words.split()), 100, break_long_words=False, break_on_hyphens=False) + "\n"


def require_fitting(shown: str, width: int) -> None:
    """No line is longer than the terminal, but the last: a command to copy."""
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines[-1].startswith("next: ")
    assert [line for line in lines[:-1] if len(line) > width] == []


@pytest.fixture(scope="module", params=WIDTHS)
def chain(request, tmp_path_factory):
    return request.param, screens(CHAIN, request.param, tmp_path_factory.mktemp("chain"))


@pytest.mark.parametrize("command", CHAIN)
def test_a_command_that_works_on_files_says_what_it_did(command, chain):
    width, shown = chain
    require_fitting(shown[command], width)
    assert told(shown[command]) == file_of(GOLDEN, command, width).read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=WIDTHS)
def long(request, tmp_path_factory):
    """Each in a process of its own, whose runs are not audited: those of all boards take half an hour."""
    folder = tmp_path_factory.mktemp("long")
    return request.param, {
        command: subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=folder,
            env=os.environ | {"COLUMNS": str(request.param), "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for command in LONG
    }


@pytest.mark.slow
@pytest.mark.parametrize("command", LONG)
def test_a_command_that_takes_long_fits_the_terminal(command, long):
    width, shown = long
    require_fitting(shown[command], width)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    for columns in WIDTHS:
        with TemporaryDirectory() as here:
            for typed, shown in screens(CHAIN, columns, Path(here)).items():
                file_of(GOLDEN, typed, columns).write_text(told(shown), encoding="utf-8")
