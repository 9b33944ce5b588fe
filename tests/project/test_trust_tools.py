"""The tools that try to break the program point at files that are there."""

import pytest
from checkout import ROOT
from trust.mutants import TESTS

MUTATED = {module: names for group in TESTS.values() for module, names in group.items()}


@pytest.mark.parametrize("module", MUTATED)
def test_a_module_that_is_mutated_and_its_tests_exist(module):
    assert (ROOT / module).is_file()
    for name in MUTATED[module].split():
        assert len(list((ROOT / "tests").rglob(f"test_{name}.py"))) == 1
