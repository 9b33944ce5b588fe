"""Memories inside PEs: CACTI's figure where it has one, a register file below, any table."""

import pytest

from hwsim.arrays.base import Memory
from hwsim.energy.cacti import cacti_bank
from hwsim.energy.spads import spad_access
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError

TABLE = EnergyTable.load("45nm")


def test_a_bank_costs_what_cacti_says():
    bank = cacti_bank(131072, 64, 45, "itrs-lstp", "ED^2")
    memory = Memory(131072, 64)
    assert spad_access(memory, "read_bit", TABLE).pJ == pytest.approx(bank.read_pJ / 64)
    assert spad_access(memory, "write_bit", TABLE).pJ == pytest.approx(bank.write_pJ / 64)


def test_a_narrow_word_costs_a_whole_access():
    wide, narrow = Memory(16384, 32), Memory(16384, 16)
    assert spad_access(narrow, "read_bit", TABLE).pJ == pytest.approx(
        2 * spad_access(wide, "read_bit", TABLE).pJ
    )


def test_a_small_memory_is_a_register_file():
    assert spad_access(Memory(448, 16), "write_bit", TABLE).pJ == 1.0 / 32


def test_another_table_carries_its_own_factor():
    smaller = EnergyTable.load("45nm to 22nm by stillmaker-baas")
    ratio = smaller["sram_32KiB_read_32b"].pJ / TABLE["sram_32KiB_read_32b"].pJ
    memory = Memory(131072, 64)
    assert spad_access(memory, "read_bit", smaller).pJ == pytest.approx(
        ratio * spad_access(memory, "read_bit", TABLE).pJ
    )


def test_refuses_other_actions():
    with pytest.raises(InputError, match="a memory has no action 'erase', expected 'read_bit'"):
        spad_access(Memory(2048, 64), "erase", TABLE)
