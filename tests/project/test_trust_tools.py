"""The tools that try to break the program point at files that are there."""

import importlib
import pkgutil

import pytest
from checkout import ROOT
from trust import fuzz
from trust.mutants import TESTS

import compress
import hwsim

MUTATED = {module: names for group in TESTS.values() for module, names in group.items()}


@pytest.mark.parametrize("module", MUTATED)
def test_a_module_that_is_mutated_and_its_tests_exist(module):
    assert (ROOT / module).is_file()
    for name in MUTATED[module].split():
        assert len(list((ROOT / "tests").rglob(f"test_{name}.py"))) == 1


def test_the_fuzzer_leaves_alone_what_numba_compiles():
    left_out = set(fuzz.compiled())
    for package in (compress, hwsim):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__"):
                continue
            module = importlib.import_module(found.name)
            kernels = [thing for thing in vars(module).values() if hasattr(thing, "py_func")]
            assert all(kernel.py_func.__module__ in left_out for kernel in kernels), found.name
