"""Same bytes and a readable screen anywhere: folder, hash seed, locale, encoding; byte order is stated."""

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache

import pytest
from checkout import ROOT

from compress.format import records

MODULES = [
    path for package in ("hwsim", "compress", "experiments") for path in (ROOT / package).rglob("*.py")
]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def run(folder, *words, **environment):
    """Run `hwsim` in a folder of its own, as from a shell."""
    folder.mkdir()
    return subprocess.run(
        [sys.executable, "-c", "from experiments.cli.main import hwsim; hwsim()", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
    ).stdout


def test_another_folder_hash_seed_and_locale_give_the_same_bytes(tmp_path):
    words = ("run", "edge", "lenet5", "--json", "--trace", "trace.json")
    said = [
        run(tmp_path / "a", *words, PYTHONHASHSEED="1", LC_ALL="C.UTF-8", TZ="UTC"),
        run(tmp_path / "another folder", *words, PYTHONHASHSEED="2", TZ="Asia/Kathmandu", **ASCII),
    ]
    traces = [(tmp_path / folder / "trace.json").read_bytes() for folder in ("a", "another folder")]
    assert said[0] == said[1]
    assert traces[0] == traces[1]


def test_a_terminal_without_the_character_shows_a_question_mark(tmp_path):
    said = run(tmp_path / "a", "run", "edge", "lenet5", "--stage", "dense", **ASCII)
    assert re.search(rb"\d \?J", said)


@cache
def every_call():
    """Calls of functions and methods by name, each with its file."""
    found = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", None)
                found[name].append((path.relative_to(ROOT), node))
    return found


def calls(name):
    """Every call of a function or method `name`, with the file."""
    return every_call()[name]


def stated(node, name):
    """Whether a call has the keyword `name`."""
    return any(keyword.arg == name for keyword in node.keywords)


@pytest.mark.parametrize("name", ["read_text", "write_text"])
def test_texts_name_their_encoding(name):
    ours = [(path, node) for path, node in calls(name) if isinstance(node.func, ast.Attribute)]
    assert ours or name == "write_text"
    assert [f"{path}:{node.lineno}" for path, node in ours if not stated(node, "encoding")] == []


def test_opened_files_are_bytes_or_name_their_encoding():
    def binary(node):
        return any(isinstance(arg, ast.Constant) and "b" in str(arg.value) for arg in node.args)

    def of_an_archive(node):
        return "archive" in ast.unparse(node.func)

    def of_no_text(node):
        return ast.unparse(node.func) in ("Image.open", "os.open")

    texts = [
        f"{path}:{node.lineno}"
        for path, node in calls("open")
        if not (binary(node) or of_an_archive(node) or of_no_text(node) or stated(node, "encoding"))
    ]
    assert texts == []


def test_packed_numbers_state_their_byte_order():
    packed = [call for name in ("pack", "unpack", "unpack_from", "pack_into") for call in calls(name)]
    formats = [node.args[0].value for _, node in packed if isinstance(node.args[0], ast.Constant)]
    assert formats
    assert [found for found in formats if found[0] not in "<>"] == []


def test_arrays_are_read_from_bytes_with_their_byte_order():
    types = [(f"{path}:{node.lineno}", ast.unparse(node.args[1])) for path, node in calls("frombuffer")]
    assert types
    safe = re.compile(r"'[<>]\w+'|np\.u?int8|dtype")
    assert [where for where, found in types if not safe.fullmatch(found)] == []
    assert {name[0] for name in records._DENSE} == set("<|")  # what `dtype` is
