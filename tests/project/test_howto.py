"""The pages of commands and code (Python, adding a chip, a codec...), followed to the letter."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

from compress.pipeline.recipe import KINDS, Recipe, Training

BLOCK = re.compile(r"```(?:\{code-block\} )?(\w+)\n(?::caption: (\S+)( \(added\))?\n\n)?(.*?)```", re.DOTALL)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "mnist.npz")
APPS = "import sys; from experiments.cli.main import {app}, run; sys.exit(run({app}, sys.argv[1:]))"


def command_of(line: str) -> list[str]:
    """How to run a line of a console block without what an installation puts on the path."""
    program, *arguments = shlex.split(line)
    if program == "python":
        return [sys.executable, *arguments]
    return [sys.executable, "-c", APPS.format(app=program.upper()), *arguments]


def follow(page: str, scratch: Path) -> str:
    """Write every file of a page, run every command in order, and return what they print."""
    printed = []
    for language, name, added, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if name:
            with (scratch / name).open("a" if added else "w", encoding="utf-8") as file:
                file.write(("\n" if added else "") + text)
            continue
        if language == "python":
            (scratch / "typed.py").write_text(text, encoding="utf-8")
            lines = ["python typed.py"]
        else:
            lines = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
        for line in lines:
            line, _, target = line.partition(" > ")
            done = subprocess.run(
                command_of(line),
                cwd=scratch,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(scratch), str(ROOT)])},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            if target:
                (scratch / target).write_text(done.stdout, encoding="utf-8")
            printed.append(done.stdout)
    return "\n".join(printed)


@pytest.fixture
def scratch(tmp_path):
    """A copy of the packages, whose data set is a link, and a folder for tests."""
    for package in ("hwsim", "compress", "experiments"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=LEFT_OUT)
    (tmp_path / "compress" / "data" / "mnist.npz").symlink_to(ROOT / "compress" / "data" / "mnist.npz")
    (tmp_path / "tests").mkdir()
    return tmp_path


def test_adding_a_network(tmp_path):
    printed = follow("adding-a-network.md", tmp_path)
    assert "small on edge" in printed
    assert "small on reference_250w, batch 16" in printed


def test_python_in_five_minutes(tmp_path):
    printed = follow("python.md", tmp_path)
    assert "Report: lenet5 (huffman) on edge, batch 1" in printed
    assert "reference_250w - " in printed
    assert re.search(r"^alexnet \('dense', 'pruned'", printed, re.MULTILINE)
    assert re.search(r"^dense: \d{7} bytes, error \d\.\d\d%", printed, re.MULTILINE)
    assert re.search(r"^pruned: \d{6} bytes, error \d\.\d\d%", printed, re.MULTILINE)
    assert "no stage 'zipped', expected one of dense" in printed
    assert {"energy.png", "pruned.dcz", "pruned.npz"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_recipes(tmp_path):
    printed = follow("recipes.md", tmp_path)
    assert re.search(r"small.dcz: lenet300, stage huffman, \d{2},\d{3} bytes", printed)
    assert printed.count("test error") == 2
    assert "stages/int4.dcz: test error" in printed
    assert "lenet300 on edge" in printed


STEPS = {"recipe": Recipe, "steps that train": Training} | {f"`{kind}`": step for kind, step in KINDS.items()}


@pytest.mark.parametrize("title", [title for title in STEPS if title != "`train`"])
def test_every_key_of_a_recipe_is_told_with_its_default(title):
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    (table,) = re.findall(rf"^\| key of (?:the )?{title} \|.*\n\|---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    told = {}
    for keys, default in re.findall(r"^\| (.*?) \| (.*?) ?\|", table, re.MULTILINE):
        told |= dict.fromkeys(re.findall(r"`(\w+)`", keys), default.strip("`"))
    own = [key for key in STEPS[title].model_fields if key in STEPS[title].__annotations__ and key != "kind"]
    fields = {STEPS[title].model_fields[key].alias or key: STEPS[title].model_fields[key] for key in own}
    assert told.keys() == fields.keys()
    for key, field in fields.items():
        if field.is_required() or field.get_default(call_default_factory=True) is None:
            assert told[key] == ""
        else:
            default = field.get_default(call_default_factory=True)
            plain = f"{default:g}" if isinstance(default, float) else str(default)
            assert told[key] == (plain.lower() if isinstance(default, bool) else plain)


@pytest.mark.slow
def test_adding_a_chip(scratch):
    printed = follow("adding-a-chip.md", scratch)
    assert "lenet300 on my_chip" in printed
    assert "Held equal: area" in printed


@pytest.mark.slow
def test_adding_an_array(scratch):
    printed = follow("adding-an-array.md", scratch)
    assert "lenet300 on dot_chip" in printed
    assert "1 passed" in printed or "[100%]" in printed


@pytest.mark.slow
def test_adding_a_codec(scratch):
    printed = follow("adding-a-codec.md", scratch)
    assert re.search(r"fc1: bits per gap: entropy \d\.\d\d", printed)
