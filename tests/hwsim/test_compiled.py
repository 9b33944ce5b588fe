"""Compiled functions that run as plain Python while their work is little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwsim.compiled import PLAIN_TURNS, Records, njit, tiered


@njit()
def half(number):
    return number / 2


def a_sum():
    """Return a tiered function that calls a compiled one."""

    @tiered(patience_s=60.0, turns=lambda count: count)
    @njit()
    def sum_of_halves(count):
        total = 0.0
        for number in range(count):
            total += half(number)
        return total

    return sum_of_halves


COMPILED = """
import sys
from experiments.cli import main
from hwsim.compiled import Tiered
Tiered.chosen = lambda self, *_: self.compiled
sys.exit(main.run(main.HWSIM, sys.argv[1:]))
"""


def run(*words: str, start: tuple[str, str] = ("-m", "hwsim"), **environment: str) -> str:
    command = [sys.executable, *start, "run", *words, "--json"]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout


def test_little_work_is_done_by_plain_python():
    function = a_sum()
    assert function(10) == 22.5
    assert function.chosen(10) == function.in_python
    assert not function.compiled.signatures


def test_much_work_at_once_is_compiled():
    function = a_sum()
    count = PLAIN_TURNS + 1
    assert function(count) == count * (count - 1) / 4
    assert function.compiled.signatures


def test_a_function_without_patience_left_is_compiled():
    function = tiered(patience_s=1e-9)(a_sum().compiled)
    function(10)
    assert not function.compiled.signatures
    function(10)
    assert function.compiled.signatures


def test_a_function_that_was_compiled_runs_so():
    function = tiered()(a_sum().compiled)
    function.compiled(10)
    assert function.chosen(10) == function.compiled


def test_compiled_functions_call_tiered_ones():
    function = a_sum()

    @njit()
    def twice(count):
        return 2 * function(count)

    assert twice(10) == 45


def test_records_are_read_and_written_by_the_names_of_their_fields():
    array = np.zeros((2, 3), np.dtype([("bits", np.float64), ("kernel", np.int64)]))
    array["kernel"][1] = [4, 5, 6]
    records = Records(array)
    assert len(records) == 2
    assert records[1, 2].kernel == 6
    row = records[0][1]
    row.bits += 0.5
    assert records[0, 1].bits == 0.5
    assert array["bits"].sum() == 0


FIRST_OF_RESNET = (
    "conv1", "relu1", "pool1", "conv2_1_a", "conv2_1_a_relu", "conv2_1_b", "conv2_1_add", "conv2_1_relu",
)  # fmt: skip
"""Layers of ResNet-18 that need every function that planning compiles."""


@pytest.mark.parametrize(
    "words",
    [
        ("edge", "lenet5"),
        ("reference_250w", "alexnet", "--batch", "3", "--layers", "conv2,relu2,pool2,fc8"),
        ("tpu_v1", "lenet5", "--batch", "7"),
        ("turing_t4", "resnet18", "--layers", ",".join(FIRST_OF_RESNET)),
        pytest.param(("reference_250w", "alexnet", "--batch", "3"), marks=pytest.mark.slow),
        pytest.param(("turing_t4", "resnet18"), marks=pytest.mark.slow),
    ],
)
def test_plain_python_gives_what_compiled_code_gives(words):
    assert run(*words, NUMBA_DISABLE_JIT="1") == run(*words, start=("-c", COMPILED))


def test_the_first_run_of_a_small_network_compiles_nothing(tmp_path):
    run("edge", "lenet5", NUMBA_CACHE_DIR=str(tmp_path))
    assert not list(Path(tmp_path).rglob("*.nbc"))


SHARED = """
from hwsim.mapping.windows import _totals
if {compile}:
    _totals.compiled(4, 4, 3, 1, 1)
print(_totals.chosen(4) == _totals.compiled)
"""


@pytest.mark.parametrize("compile_it", [False, True])
def test_what_an_earlier_process_compiled_is_used(compile_it, tmp_path):
    def chosen(compile_first: bool) -> str:
        code = SHARED.format(compile=compile_first)
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert chosen(compile_it) == str(compile_it)
    assert chosen(False) == str(compile_it)
