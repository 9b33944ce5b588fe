"""The folders keep their order: hwsim below compress below experiments; no unsafe loading anywhere."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest
from checkout import ROOT

PACKAGES = ("hwsim", "compress", "experiments")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MAX_LINES = 500

MAY_IMPORT = {
    "hwsim": ("hwsim",),
    "compress": ("compress", "hwsim.errors", "hwsim.lazy", "hwsim.whole", "hwsim.workload.layer"),
    "experiments": PACKAGES,
}
CALLS_THE_APPLICATION = {"hwsim/__main__.py": ["experiments.cli.main.hwsim"]}
"""The one module that imports from above: ``python -m hwsim`` is the command line."""
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


def within(name: str, modules: tuple[str, ...] | set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def violations(source: str, package: list[str]) -> list[str]:
    """Everything in a module of `package` (dotted, in parts) that the rules forbid."""
    tree = ast.parse(source)
    names = list(imported(tree, package))
    allowed = MAY_IMPORT[package[0]]
    found = [name for name in names if within(name, PACKAGES) and not within(name, allowed)]
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
    found = violations(path.read_text(encoding="utf-8"), list(path.relative_to(ROOT).parts[:-1]))
    assert found == CALLS_THE_APPLICATION.get(path.relative_to(ROOT).as_posix(), [])


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
    ],
)
def test_the_rules_find_what_they_forbid(package, source, expected):
    assert violations(source, package.split(".")) == expected


def test_workers_of_a_sweep_load_nothing_that_simulation_does_without():
    """They start in half the time: a table is made, and a die heats up, where it is asked for."""
    code = "import sys, experiments.sweep.points; print(*{'pandas', 'scipy.linalg'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
