"""Prices of a GPU: operands cost by their bits, and its vector lanes unpack what is stored in fewer bits."""

import pytest

from hwsim.energy.table import EnergyTable
from hwsim.machine.chip import load_chip
from hwsim.pricing import PriceList

CHIP = load_chip("a100_pcie").replace(**{"process.energy_factor": 3.0})


@pytest.mark.parametrize(
    ("arithmetic", "share"), [("fp16", 2.0), ("int8", 1.0), ("int4", 0.5), ("fp32", 4.0)]
)
def test_operands_of_a_multiply_cost_by_their_bits(arithmetic, share):
    """A factor of 3 adds two multiplies of 16 bits to one of 16 bits, and one to one of 8 bits."""
    table = EnergyTable.load(CHIP.process.energy_table)
    own, reference = table[f"multiply_{arithmetic}"].pJ, table["multiply_fp16"].pJ
    price = PriceList(CHIP)["mac", f"multiply_{arithmetic}"]
    assert price.pJ == pytest.approx(own + share * reference)
    assert price.low_confidence


def test_other_operations_are_dearer_by_the_factor():
    bare = PriceList(CHIP.replace(**{"process.energy_factor": 1.0}))
    dear = PriceList(CHIP)
    for action in (("mac", "add_fp32"), ("register", "access_bit"), ("vector", "op_fp16")):
        assert dear[action].pJ == pytest.approx(3 * bare[action].pJ)
    for action in (("sram", "read_bit"), ("dram", "read_bit"), ("scratchpad", "read_bit")):
        assert dear[action].pJ == bare[action].pJ


def test_lanes_unpack_a_word_in_fifteen_instructions():
    prices = PriceList(CHIP)
    assert prices["decoder", "symbol"].pJ == pytest.approx(15 * prices["vector", "op_fp32"].pJ)
    circuit = PriceList(CHIP.replace(**{"decoder.instructions": 0}))
    assert circuit["decoder", "symbol"].pJ < prices["decoder", "symbol"].pJ


def test_sixty_four_lanes_of_an_SM_unpack_their_words():
    """864 decoders of eight lanes each take 15 instructions a word, all cycles: 461 words."""
    decoder = CHIP.decoder
    assert decoder.count * decoder.symbols_per_cycle * decoder.instructions == pytest.approx(
        108 * 64, rel=0.01
    )
