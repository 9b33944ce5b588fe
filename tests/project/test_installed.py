"""The packages work where they are installed: read-only, without a home, beside files of the same names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("hwsim", "compress", "experiments")
NOWHERE = "/dev/null/nowhere"
"""A folder that nobody can make, not even root."""


def started(words: list[str], folder: Path, path: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run Python in a folder, with a home that is not there, and the packages from `path`."""
    surroundings = {"HOME": NOWHERE, "XDG_CACHE_HOME": NOWHERE, "MPLCONFIGDIR": str(folder)}
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | surroundings | {"PYTHONPATH": str(path)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def read_only(tmp_path_factory):
    """The packages as a user has them who may not write beside them: no folder can hold compiled code."""
    home = tmp_path_factory.mktemp("installed")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__", "mnist.npz")
        )
    for folder in (path for path in home.rglob("*") if path.is_dir()):
        (folder / "__pycache__").touch()
    return home


@pytest.mark.skipif(os.name != "posix", reason="the folder that nobody can make is one of Unix")
def test_without_a_place_for_compiled_code_each_process_compiles(read_only, tmp_path):
    ended = started(["-P", "-m", "hwsim", "run", "edge", "lenet300", "--json"], tmp_path, read_only)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert '"energy_J"' in ended.stdout
    code = "from hwsim.mapping.windows import _totals; print(_totals.compiled(4, 4, 3, 1, 1))"
    ended = started(["-P", "-c", code], tmp_path, read_only)
    assert (ended.stdout, ended.stderr) == ("(4, 10)\n", "")


def test_all_experiments_run_without_references_but_those_that_train(read_only, tmp_path):
    code = (
        "from experiments.cli import main; from experiments.studies import registry, runs;"
        "runs.run_studies = lambda names, *_, **__: iter(print(*names) or ());"
        "raise SystemExit(main.run(main.HWSIM, ['experiments', 'run', '--all']))"
    )
    ended = started(["-c", code], tmp_path, read_only)
    assert ended.returncode == 0
    assert "roofline" in ended.stdout.split()
    assert not {"dsd", "compression"} & set(ended.stdout.split())
    assert "left out compression: results/reference has no run of it here\n" in ended.stderr
    assert "left out dsd: results/reference has no run of it here; hwsim experiments run dsd" in ended.stderr


@pytest.mark.parametrize("name", ["compress.py", "experiments"])
@pytest.mark.parametrize(
    "words", [["-m", "hwsim", "chips"], ["-c", "import hwsim.beside as b; b.require_packages()"]]
)
def test_a_file_of_the_user_that_hides_a_package_is_named(name, words, tmp_path):
    mine = tmp_path / name
    if mine.suffix:
        mine.write_text("", encoding="utf-8")
    else:
        mine.mkdir()
        (mine / "__init__.py").write_text("", encoding="utf-8")
    ended = started(words, tmp_path, ROOT)
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[-1]
    assert f"{mine}" in said
    assert f"hides the package {mine.stem} of hwsim, expected another name" in said


def test_nothing_is_hidden_where_the_current_folder_is_not_looked_into(tmp_path):
    (tmp_path / "compress.py").write_text("", encoding="utf-8")
    ended = started(["-P", "-m", "hwsim", "chips"], tmp_path, ROOT)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_one_module_asks_numba_to_compile():
    """It knows what to do where there is no place for compiled code."""
    asking = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "import numba" in (text := path.read_text(encoding="utf-8")) or "from numba import njit" in text
    ]
    assert asking == ["hwsim/compiled.py"]
