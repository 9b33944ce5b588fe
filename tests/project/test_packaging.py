"""What is declared, locked, documented and shipped says the same thing everywhere."""

import re
import tomllib
from importlib import metadata

import pytest
from checkout import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TESTED = ("dev", "onnx", "cluster", "parquet")
"""Extras that the tests need."""
LOCKS = ["requirements/run.txt", "requirements/dev.txt", "requirements/docs.txt"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normal(re.match(r"[A-Za-z0-9._-]+", requirement).group()) for requirement in requirements}


def locked(lock: str) -> dict[str, list[str]]:
    """Package -> its blocks in a lock file: one, or one for each range of Python versions."""
    blocks: dict[str, list[str]] = {}
    for block in re.split(r"\n(?=\S)", read(lock).strip()):
        blocks.setdefault(block.partition("==")[0], []).append(block)
    return blocks


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_every_requirement_exactly_and_with_a_digest(lock):
    pinned = re.compile(r"[a-z0-9-]+==[A-Za-z0-9.]+( ; [^\\]+)? \\\n +--hash=sha256:[0-9a-f]{64}")
    assert [block for blocks in locked(lock).values() for block in blocks if not pinned.match(block)] == []


def test_locks_hold_what_the_project_asks_for():
    extras = PROJECT["optional-dependencies"]
    wanted = declared(PROJECT["dependencies"])
    assert wanted <= locked("requirements/run.txt").keys()
    tested = set().union(*(declared(extras[extra]) for extra in ("dev", "onnx", "cluster", "parquet")))
    assert wanted | tested <= locked("requirements/dev.txt").keys()
    assert wanted | declared(extras["docs"]) <= locked("requirements/docs.txt").keys()


def test_the_locks_agree():
    development = {block.split()[0] for blocks in locked("requirements/dev.txt").values() for block in blocks}
    run = {block.split()[0] for blocks in locked("requirements/run.txt").values() for block in blocks}
    assert run <= development
    for package, blocks in locked("requirements/docs.txt").items():
        if package in locked("requirements/dev.txt"):
            assert {block.split()[0] for block in blocks} <= development


@pytest.mark.parametrize("lock", [*LOCKS, "pyproject.toml", "Makefile"])
def test_nothing_points_to_a_place_of_one_machine(lock):
    found = re.findall(r"https?://\S+|--(?:extra-)?index-url|--find-links|file:", read(lock))
    assert found == []


def test_versions_agree():
    version = PROJECT["version"]
    assert metadata.version("hwsim") == version
    assert f"\nversion: {version}\n" in read("CITATION.cff")
    assert f"\n## {version}" in read("CHANGELOG.md")


@pytest.mark.parametrize("name", ["hwsim", "dcz"])
def test_console_scripts_exist(name):
    (script,) = metadata.entry_points(group="console_scripts", name=name)
    assert script.value == PROJECT["scripts"][name]
    assert callable(script.load())


def test_every_target_of_the_makefile_has_a_line_of_help():
    makefile = read("Makefile")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE).group(1).split()
    documented = re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE)
    assert sorted(phony) == sorted(documented)


CODE = {".py", ".pyc", ".js", ".css", ".html", ".typed"}
DATA = [
    path.relative_to(ROOT)
    for folder in ("hwsim", "compress", "experiments", "results/reference", "tests/golden", "tests/trust")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file()
    and path.suffix not in CODE
    and path.name != "README.md"
    and "__pycache__" not in path.parts
]


def test_the_licence_of_every_data_file_is_stated():
    rows = re.findall(r"^\| `([^`]+)` \| .+ \| (.+) \|$", read("docs/data.md"), re.MULTILINE)
    assert all(licence for _, licence in rows)
    assert [str(path) for path in DATA if not any(path.match(glob) for glob, _ in rows)] == []
    unused = [glob for glob, _ in rows if not any(path.match(glob) for path in DATA)]
    assert unused == []


def test_file_names_are_those_that_any_system_takes():
    folders = [ROOT / name for name in ("hwsim", "compress", "experiments", "tests", "docs", "requirements")]
    names = [path.relative_to(ROOT) for folder in folders for path in folder.rglob("*")]
    assert [str(name) for name in names if re.search(r'[<>:"\\|?*]|[ .]$', name.name)] == []
    reserved = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
    assert [str(name) for name in names if reserved.match(name.name)] == []
    folded = [str(name).casefold() for name in names]
    assert len(set(folded)) == len(folded)
