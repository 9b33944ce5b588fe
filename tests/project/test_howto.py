"""The pages of commands and code (Python, adding a chip, an array...), followed to the letter."""

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
EDITED = ("compress/codecs/table.py", "compress/nn/ops/__init__.py")
"""Modules that pages edit. All others are used where they are, with what is compiled of them."""

BESIDE = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
"""One package of two folders: a module is taken from the first that has it."""

INSTALL = """
import tomllib
from pathlib import Path
project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
folder = Path(f"{project['name'].replace('-', '_')}-{project['version']}.dist-info")
folder.mkdir()
named = [f"Name: {project['name']}", f"Version: {project['version']}"]
(folder / "METADATA").write_text("\\n".join(["Metadata-Version: 2.1", *named]))
(group, entries), = project["entry-points"].items()
lines = [f"{name} = {value}" for name, value in entries.items()]
(folder / "entry_points.txt").write_text("\\n".join([f"[{group}]", *lines]))
"""
"""What pip leaves of a package whose modules are on the path already."""

APPS = "import sys; from experiments.cli.main import {app}, run; sys.exit(run({app}, sys.argv[1:]))"


def command_of(line: str) -> list[str]:
    """How to run a line of a console block without what an installation puts on the path."""
    program, *arguments = shlex.split(line)
    if program == "python":
        return [sys.executable, *arguments]
    if program == "pip":
        return [sys.executable, "-c", INSTALL]
    return [sys.executable, "-c", APPS.format(app=program.upper()), *arguments]


def edit(path: Path, text: str) -> None:
    """Change the one place of a file that a block of lines with ``-`` and ``+`` shows."""
    lines = text.strip("\n").splitlines()
    before, after = ("".join(f"{line[1:]}\n" for line in lines if line[0] in marks) for marks in (" -", " +"))
    found = path.read_text(encoding="utf-8")
    assert found.count(before) == 1, f"{path}: {before!r}"
    path.write_text(found.replace(before, after), encoding="utf-8")


def follow(page: str, scratch: Path) -> str:
    """Write every file of a page, run every command in order, and return what they print."""
    printed = []
    for language, name, added, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if language == "diff":
            edit(scratch / name, text)
            continue
        if name:
            (scratch / name).parent.mkdir(exist_ok=True)
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
    """Copies of the modules that pages edit, in packages that find all others where they are."""
    for module in map(Path, EDITED):
        (tmp_path / module.parent).mkdir(parents=True)
        shutil.copy(ROOT / module, tmp_path / module)
        for package in module.parents[:-1]:
            text = (ROOT / package / "__init__.py").read_text(encoding="utf-8")
            head, future, body = text.rpartition("from __future__ import annotations\n")
            (tmp_path / package / "__init__.py").write_text(head + future + BESIDE + body, encoding="utf-8")
    (tmp_path / "results").symlink_to(ROOT / "results")
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


def test_adding_a_chip(tmp_path):
    printed = follow("adding-a-chip.md", tmp_path)
    assert "lenet300 on my_chip" in printed
    assert "Held equal: area" in printed


def test_a_board_from_its_data_sheet(tmp_path):
    """The A40's data sheet: 149.7 TFLOPS of fp16 and 299.3 TOPS of int8, without sparsity."""
    printed = follow("boards.md", tmp_path)
    assert "resnet18 on a40, batch 64" in printed
    peaks = dict(re.findall(r"^(\w+): ([\d.]+) tera-operations", printed, re.MULTILINE))
    assert float(peaks["fp16"]) == pytest.approx(149.7, rel=0.02)
    assert float(peaks["int8"]) == pytest.approx(299.3, rel=0.02)


def test_adding_an_array(tmp_path):
    printed = follow("adding-an-array.md", tmp_path)
    assert "[100%]" in printed
    assert printed.count("limited by") == 3
    assert "lenet300 on dot_chip" in printed


def test_adding_an_energy_table(tmp_path):
    printed = follow("adding-an-energy-table.md", tmp_path)
    assert "lenet300 on my_chip" in printed
    assert "multiply_fp32 = 2.5 pJ" in printed


def test_adding_an_operator(scratch):
    printed = follow("adding-an-operator.md", scratch)
    assert "[100%]" in printed
    assert "tanh_net on edge" in printed


def test_adding_a_codec(scratch):
    printed = follow("adding-a-codec.md", scratch)
    assert "[100%]" in printed
    assert re.search(r"fc1\.weight: .*'words': '[\d,]+', 'rice': '[\d,]+'", printed)
    assert re.search(r"file: [\d,]+ bytes", printed)
    assert "lenet300 on edge" in printed
