"""Prices of a GPU: its vector lanes unpack what is stored in fewer bits."""

import pytest

from hwsim.machine.chip import load_chip
from hwsim.pricing import PriceList

CHIP = load_chip("a100_pcie")


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
