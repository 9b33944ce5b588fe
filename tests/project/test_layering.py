"""An arrow only points down: every folder imports folders below it alone, and no imports form a circle.

Imports for types and within functions count as well. No module loads what may run code.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from checkout import ROOT

PACKAGES = ("hwsim", "compress", "experiments")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MAX_LINES = 500

MAY_IMPORT = {
    "hwsim": ("hwsim",),
    "compress": (
        "compress",
        "hwsim.budget",
        "hwsim.compiled",
        "hwsim.errors",
        "hwsim.hull",
        "hwsim.lazy",
        "hwsim.tomlfile",
        "hwsim.whole",
        "hwsim.workload.layer",
        "hwsim.workload.operators",
    ),
    "experiments": PACKAGES,
}
APPLICATION = "hwsim.__main__"
"""The one module of `hwsim` that may call the application."""

ORDER = (
    "hwsim.lazy",
    "hwsim.version",
    "hwsim.errors",
    "hwsim.units",
    "hwsim.same",
    "hwsim.beside",
    "hwsim.budget",
    "hwsim.compiled",
    "hwsim.whole",
    "hwsim.hull",
    "hwsim.display",
    "hwsim.csvfile",
    "hwsim.tomlfile",
    "hwsim.workload",
    "hwsim.workload.language",
    "hwsim.engine",
    "hwsim.arrays",
    "hwsim.energy",
    "hwsim.machine",
    "hwsim.names",
    "hwsim.pricing",
    "hwsim.mapping",
    "hwsim.power",
    "hwsim.planning",
    "hwsim.layer_run",
    "hwsim.plotting",
    "hwsim.report",
    "hwsim.tile_states",
    "hwsim.audit",
    "hwsim.run",
    "hwsim.analysis",
    "hwsim",
    "compress.io",
    "compress.codecs",
    "compress.nn.ops",
    "compress.nn",
    "compress.nn.zoo",
    "compress.format",
    "compress.language",
    "compress.methods",
    "compress.lowering",
    "compress.interop.onnx",
    "compress.interop",
    "compress.evaluation",
    "compress.pipeline",
    "compress",
    "experiments.threads",
    "experiments.tables",
    "experiments.console",
    "experiments.runs",
    "experiments.measure",
    "experiments.figures",
    "experiments.sweep",
    "experiments.studies",
    "experiments.bench.peers",
    "experiments.bench",
    "experiments.page",
    "experiments.slides",
    "experiments.labs",
    "experiments.labs.scripts",
    "experiments.cli",
    "experiments",
    APPLICATION,
)
"""Folders and loose modules from the ground up: each imports only itself and what stands before it.
A package itself stands for its `__init__`."""

DRAWING = (
    "hwsim.plotting",
    "experiments.figures",
    "experiments.labs.scripts",
    "experiments.bench.real_inputs",
)
"""What may import matplotlib; a lab is a notebook, in which a student draws; models read drawn text."""

UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "shelve",
    "marshal",
    "joblib.numpy_pickle",
}
UNSAFE_CALLS = {"eval", "exec", "__import__", "read_pickle", "to_pickle"}


def imported(tree: ast.AST, package: list[str]) -> Iterator[str]:
    """Dotted names of every module a module imports, those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def dotted(path: Path) -> str:
    """Name of the module in a file; a package goes by its own name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Name in `ORDER` that a module belongs to: its own, or that of its folder."""
    folder = module
    while folder not in ORDER:
        folder = folder.rpartition(".")[0]
    return folder


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Imports of something that does not stand below."""
    return [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in sorted(others)
        if ORDER.index(room_of(other)) > ORDER.index(room_of(module))
    ]


def import_graph(sources: dict[str, tuple[str, list[str]]]) -> dict[str, set[str]]:
    """Modules that each module imports, from its source and package, by name."""

    def resolved(name: str) -> str:
        while name and name not in sources:
            name = name.rpartition(".")[0]
        return name

    return {
        module: {resolved(name) for name in imported(ast.parse(source), package)} - {"", module}
        for module, (source, package) in sources.items()
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty if none do."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def within(name: str, modules: tuple[str, ...] | set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def violations(source: str, module: str, package: list[str]) -> list[str]:
    """Everything in a module of `package` (dotted, in parts) that the rules forbid."""
    tree = ast.parse(source)
    names = list(imported(tree, package))
    allowed = PACKAGES if module == APPLICATION else MAY_IMPORT[package[0]]
    found = [name for name in names if within(name, PACKAGES) and not within(name, allowed)]
    found += [name for name in names if within(name, ("matplotlib",)) and not within(module, DRAWING)]
    found += [name for name in names if within(name, UNSAFE_MODULES)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", None)
            method_of_a_model = isinstance(node.func, ast.Attribute) and called in {"eval", "exec"}
            if called in UNSAFE_CALLS and not method_of_a_model:
                found.append(f"{called}()")
            found += [
                "allow_pickle"
                for keyword in node.keywords
                if keyword.arg == "allow_pickle" and not is_false(keyword.value)
            ]
    return found


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_keeps_to_its_layer_and_to_safe_loading(path):
    package = list(path.relative_to(ROOT).parts[:-1])
    assert violations(path.read_text(encoding="utf-8"), dotted(path), package) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_fits_on_a_few_screens(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < MAX_LINES


@pytest.mark.parametrize(
    ("package", "source", "expected"),
    [
        ("hwsim", "import compress", ["compress"]),
        ("hwsim.engine", "from ...compress.io import files", ["compress.io.files"]),
        (
            "hwsim",
            "def f():\n    from experiments.figures.style import save",
            ["experiments.figures.style.save"],
        ),
        ("compress", "from hwsim.machine.chip import load_chip", ["hwsim.machine.chip.load_chip"]),
        ("compress", "from hwsim.machine import chip", ["hwsim.machine.chip"]),
        ("compress", "from hwsim.workload.layer import Layer\nfrom . import files", []),
        ("experiments", "from hwsim.machine.chip import load_chip\nimport numpy", []),
        ("experiments", "import pickle", ["pickle"]),
        ("compress", "np.load(f, allow_pickle=True)", ["allow_pickle"]),
        ("compress", "np.load(f, allow_pickle=False)", []),
        ("hwsim", "eval('1')", ["eval()"]),
        ("hwsim", "frame.to_pickle(p)", ["to_pickle()"]),
        ("hwsim.power", "import matplotlib.pyplot as plt", ["matplotlib.pyplot"]),
        ("experiments.figures", "import matplotlib.pyplot as plt", []),
    ],
)
def test_the_rules_find_what_they_forbid(package, source, expected):
    assert violations(source, f"{package}.module", package.split(".")) == expected


@pytest.fixture(scope="module")
def graph():
    """Imports of every module here."""
    return import_graph(
        {
            dotted(path): (path.read_text(encoding="utf-8"), list(path.relative_to(ROOT).parts[:-1]))
            for path in MODULES
        }
    )


def test_every_folder_imports_only_folders_below_it(graph):
    assert upward(graph) == []


def test_no_imports_form_a_circle(graph):
    assert circle(graph) == []


def test_every_folder_has_a_place_of_its_own(graph):
    """A folder that is not named in the order would hide among the modules of the package above it."""
    folders = {".".join(path.relative_to(ROOT).parts[:-1]) for path in MODULES}
    assert folders - set(ORDER) == set()
    loose = {module for module in graph if room_of(module) in PACKAGES and module not in PACKAGES}
    assert loose == set(), "modules beside folders: give each its place in ORDER"


def test_an_import_upward_and_a_circle_are_found():
    sources = {
        "hwsim.errors": ("def late():\n    from hwsim.machine.chip import Chip", ["hwsim"]),
        "hwsim.machine.chip": ("if TYPE_CHECKING:\n    from hwsim import errors", ["hwsim", "machine"]),
    }
    graph = import_graph(sources)
    assert upward(graph) == ["hwsim.errors imports hwsim.machine.chip"]
    assert set(circle(graph)) == set(sources)
    graph["hwsim.errors"].clear()
    assert (upward(graph), circle(graph)) == ([], [])


def test_simulation_loads_no_drawing():
    code = "import sys, hwsim.report, hwsim.run; print(*{'matplotlib'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_workers_of_a_sweep_load_nothing_that_simulation_does_without():
    """They start in half the time: a table is made, and a die heats up, where it is asked for."""
    code = "import sys, experiments.sweep.points; print(*{'pandas', 'scipy.linalg'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
