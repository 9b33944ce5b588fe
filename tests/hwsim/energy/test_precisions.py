"""Energies at precisions without a published figure: laws, and the published figures that bear them out.

A float multiply is k m^2 + r w for a mantissa of m bits (the hidden one included) in a word of w bits. k and
r follow from the own fp16 and fp32 of the table. A float add is a power of m through the same two. An integer
multiply grows as the square of the width, and an integer add grows with the width.
"""

from math import log

import pytest

from hwsim.arrays.counting import ACCUMULATOR
from hwsim.energy.table import EnergyTable
from hwsim.machine.area import unit_mm2
from hwsim.workload.layer import OPERAND_BITS

TABLES = ("45nm", "45nm_horowitz", "7nm")
MANTISSA = {"fp64": 53, "fp32": 24, "tf32": 11, "fp16": 11, "bf16": 8, "fp8": 4}
WORD = {"fp64": 64, "fp32": 32, "tf32": 19, "fp16": 16, "bf16": 16, "fp8": 9}
"""One unit multiplies both kinds of fp8: it has the 4 bits of e4m3 and the exponent of e5m2."""

WITHIN = 1.35
"""Largest factor between a law and a published figure that it was not drawn through."""


def multiply_by_law(table, precision):
    wide, narrow = table["multiply_fp32"].pJ, table["multiply_fp16"].pJ
    per_square = (wide - 2 * narrow) / (24**2 - 2 * 11**2)  # w doubles from fp16 to fp32, so that r drops out
    per_bit = (narrow - per_square * 11**2) / 16
    return per_square * MANTISSA[precision] ** 2 + per_bit * WORD[precision]


def add_by_law(table, precision):
    wide, narrow = table["add_fp32"].pJ, table["add_fp16"].pJ
    return narrow * (MANTISSA[precision] / 11) ** (log(wide / narrow) / log(24 / 11))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("precision", ["fp64", "tf32", "fp8"])
def test_float_rows_follow_their_law_and_say_that_they_are_estimates(name, precision):
    table = EnergyTable.load(name)
    multiply, add = table[f"multiply_{precision}"], table[f"add_{precision}"]
    assert multiply.pJ == pytest.approx(multiply_by_law(table, precision), rel=0.01)
    assert add.pJ == pytest.approx(add_by_law(table, precision), rel=0.01)
    assert multiply.low_confidence
    assert add.low_confidence


def test_the_float_laws_give_the_published_bf16():
    table = EnergyTable.load("7nm")
    assert 1 / WITHIN < multiply_by_law(table, "bf16") / table["multiply_bf16"].pJ < WITHIN
    assert 1 / WITHIN < add_by_law(table, "bf16") / table["add_bf16"].pJ < WITHIN


def test_fp64_is_within_three_times_of_a_published_unit():
    """Its 50 pJ at 40 nm are those of a whole unit of a GPU, with its pipeline."""
    table = EnergyTable.load("45nm")
    ours = table["multiply_fp64"].pJ + table["add_fp64"].pJ
    assert 1 < table["fma_fp64"].pJ / ours < 3


@pytest.mark.parametrize("name", TABLES)
def test_the_integer_laws_give_the_published_widths(name):
    table = EnergyTable.load(name)
    for law, published in (
        (table["multiply_int32"].pJ / 16, table["multiply_int8"].pJ),
        (table["multiply_int32"].pJ / 4, table["multiply_int16"].pJ),
        (table["add_int32"].pJ / 4, table["add_int8"].pJ),
    ):
        assert 1 / WITHIN < law / published < WITHIN


@pytest.mark.parametrize("name", TABLES)
def test_every_arithmetic_has_a_price(name):
    table = EnergyTable.load(name)
    for arithmetic in OPERAND_BITS:
        assert table[f"multiply_{arithmetic}"].pJ > 0
        assert table[f"add_{ACCUMULATOR[arithmetic]}"].pJ > 0


@pytest.mark.parametrize("name", TABLES)
def test_a_narrower_precision_costs_less(name):
    table = EnergyTable.load(name)
    for order in (
        ("fp64", "fp32", "fp16", "bf16", "fp8"),
        ("fp32", "tf32", "fp8"),
        ("int16", "int8", "int4"),
    ):
        multiplies = [table[f"multiply_{precision}"].pJ for precision in order]
        adds = [table[f"add_{precision}"].pJ for precision in order]
        assert multiplies == sorted(multiplies, reverse=True)
        assert adds == sorted(adds, reverse=True)


def test_areas_follow_the_law_of_the_energies():
    """13.23 m^2 + 2.42 w um2 at 45 nm, through the published fp16 and fp32."""
    per_square = (7700 - 2 * 1640) / (24**2 - 2 * 11**2)
    per_bit = (1640 - 11**2 * per_square) / 16
    for precision in ("fp64", "fp32", "tf32", "fp16", "fp8"):
        expected = per_square * MANTISSA[precision] ** 2 + per_bit * WORD[precision]
        assert 1e6 * unit_mm2(f"multiply_{precision}", 45) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("arithmetic", OPERAND_BITS)
def test_every_arithmetic_has_an_area(arithmetic):
    assert unit_mm2(f"multiply_{arithmetic}", 45) > 0
    assert unit_mm2(f"add_{ACCUMULATOR[arithmetic]}", 7) > 0
