"""Arithmetic of whole numbers: one function for plain, array and compiled code."""

import subprocess
import sys

import numba
import numpy as np
import pytest
from checkout import ROOT
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.whole import ceil_div, require_whole, whole_of

compiled = numba.njit(ceil_div)


@given(st.integers(-(1 << 40), 1 << 40), st.integers(1, 1 << 20))
def test_the_quotient_is_the_least_that_is_enough(a, b):
    found = ceil_div(a, b)
    assert (found - 1) * b < a <= found * b
    assert compiled(a, b) == found
    assert ceil_div(np.array([a, a]), b).tolist() == [found, found]


def test_it_loads_no_compiler():
    code = "import sys, hwsim.whole; print(*{'numba', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("42", 42), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None)]
)
def test_digits_are_read_up_to_64_bits(text, number):
    assert whole_of(text) == number


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "x", "1_0"])
def test_other_texts_are_no_whole_numbers(text):
    assert whole_of(text) is None


@pytest.mark.parametrize("number", [1, 10**18 - 1, np.int32(7), np.uint64(7), True])
def test_whole_numbers_of_all_types_are_taken(number):
    require_whole(number, "n", "one", 1)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (0, "n is 0, expected one"),
        (10**18, "n is 1000000000000000000, expected one and at most 18 digits"),
        (10**5000, "n is <whole number of 16610 bits>, expected one and at most 18 digits"),
        (-(10**5000), "n is <whole number of 16610 bits>, expected one"),
        (2.0, "n is 2.0 (float), expected one"),
        ([10**5000], "n is [<whole number of 16610 bits>] (list), expected one"),
    ],
    ids=range(6),
)
def test_what_is_no_whole_number_in_range_is_refused(number, message):
    with pytest.raises(InputError) as refused:
        require_whole(number, "n", "one", 1)
    assert str(refused.value) == message
