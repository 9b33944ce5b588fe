"""TOML that Python's reader ends in an error of its own for is refused in one sentence, whoever reads it."""

import re

import pytest
from checkout import ROOT

from compress.pipeline.recipe import load_recipe
from experiments.runs.changes import parse_changes
from experiments.sweep.file import load_sweep
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.tomlfile import read_toml

ODD = {
    "x = ": "Invalid value",
    "x = " + "9" * 5000: "expected shorter whole numbers",
    "x = " + "[" * 5000 + "]" * 5000: "expected values nested less deeply",
}


@pytest.mark.parametrize(("text", "message"), ODD.items(), ids=["none", "long", "deep"])
@pytest.mark.parametrize("load", [load_chip, load_recipe, load_sweep])
def test_every_file_refuses_it(load, text, message, tmp_path):
    file = tmp_path / "odd.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(f"{file}: not valid TOML: ") + f".*{message}"):
        load(file)


def test_what_is_toml_is_read():
    assert read_toml("x = 1\n[y]\nz = 2026-12-01\n", "file")["x"] == 1


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 5000, "9" * 400 + "G"])
def test_a_change_that_is_none_is_text(text):
    assert parse_changes([f"sram.capacity_B={text}"]) == {"sram.capacity_B": text}


def test_nothing_else_reads_toml():
    modules = [
        path for package in ("hwsim", "compress", "experiments") for path in (ROOT / package).rglob("*.py")
    ]
    readers = [path.stem for path in modules if "tomllib" in path.read_text(encoding="utf-8")]
    assert readers == ["tomlfile"]
