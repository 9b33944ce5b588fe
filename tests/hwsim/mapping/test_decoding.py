"""Decoding once or at every use: the plan takes what costs fewer joules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.machine.chip import load_chip
from hwsim.mapping.decoding import ways_to_decode
from hwsim.pricing import PriceList
from hwsim.run import simulate
from hwsim.workload.layer import StoredWeights, Workload, dense_storage, fc

CHIP = load_chip("reference_250w")


def network(symbol: str, bits: int, segments: int = 768, layers: int = 3) -> Workload:
    """Layers of 512 x 512 weights that take so many bits each, one symbol a bit."""
    size = np.full(segments, 512 * 512 * bits // segments)
    stored = StoredWeights("coded", 512 * 512, 512 * 512, size, size, 64, symbol)
    made = tuple(fc(f"fc{i}", 512, 512, weights=stored, inputs=(i - 1,)) for i in range(layers))
    return Workload("net", "coded", made, "by hand")


def joules(workload: Workload, place: str, **changes: float) -> float:
    chip = CHIP.replace(**{"decoder.place": place, **changes})
    return simulate(chip, workload).energy_per_inference_J


def test_a_bit_of_context_mixing_costs_eighteen_multiplications_and_their_tables():
    prices = PriceList(CHIP)
    multiply, add = prices.table["multiply_int32"].pJ, prices.table["add_int32"].pJ
    read = prices["decoder", "look_up_bit"].pJ
    bit, tables = prices["decoder", "bit"].pJ, 464 * read
    assert bit > 18 * multiply + 18 * add + tables
    assert bit == pytest.approx(100, rel=0.4)
    assert bit > 20 * prices["decoder", "symbol"].pJ
    assert prices["decoder", "gap"].pJ == add


def test_weights_that_fit_decoded_are_decoded_once_where_decoding_is_dear():
    """A megabyte each decoded: with a bit of the context code at some 100 pJ, none is decoded in the run."""
    coded, dense = network("bit", 2), network("bit", 2)
    dense = Workload("net", "dense", tuple(
        fc(layer.name, 512, 512, weights=dense_storage(512 * 512), inputs=layer.inputs)
        for layer in dense.layers
    ), "by hand")  # fmt: skip
    report = simulate(CHIP, coded)
    assert report.schedule.residency.decoded_once == (True,) * 3
    assert ("decoder",) not in report.joules_by("component")
    assert report.energy_per_inference_J <= simulate(CHIP, dense).energy_per_inference_J * 1.001
    at_use = simulate(CHIP.replace(**{"decoder.place": "array"}), coded)
    assert at_use.energy_per_inference_J > 2 * report.energy_per_inference_J


def test_what_is_cheap_to_decode_is_decoded_at_every_use():
    """A symbol of a prefix code costs less than the SRAM bits that a decoded weight has more."""
    report = simulate(CHIP, network("symbol", 1))
    assert report.schedule.residency.decoded_once == (False,) * 3


@pytest.mark.parametrize("symbol", ["symbol", "bit"])
@settings(max_examples=15, deadline=None)
@given(
    bits=st.integers(1, 8), segments=st.sampled_from([1, 8, 64, 768]), kib=st.sampled_from([400, 1500, 5000])
)
def test_either_place_is_as_good_as_the_better_one(symbol, bits, segments, kib):
    workload = network(symbol, bits, segments)
    memory = {"sram.capacity_B": kib << 10, "buffers.slot_B": 4096}
    best = min(joules(workload, place, **memory) for place in ("array", "dram"))
    assert joules(workload, "either", **memory) <= best * 1.01


def test_some_layers_may_be_decoded_once_and_others_at_every_use():
    """Memory for one of three layers decoded: the choices handed to the search have mixtures."""
    chip = CHIP.replace(**{"sram.capacity_B": 3 << 19, "buffers.slot_B": 4096})
    ways = ways_to_decode(chip, network("bit", 2), PriceList(chip))
    assert {tuple(cut.once for cut in cuts) for cuts in ways} > {(False,) * 3, (True,) * 3}


def test_small_layers_share_the_decoders():
    """Three layers of one segment each keep three decoders busy, one after another a single one."""
    ways = ways_to_decode(CHIP, network("symbol", 1, segments=1), PriceList(CHIP))
    assert [cut.decode_ticks_of_all for cut in ways[0]] == [512 * 512 // 3 + 1] * 3
    alone = CHIP.replace(**{"buffers.decode_depth": 1})
    ways = ways_to_decode(alone, network("symbol", 1, segments=1), PriceList(alone))
    assert [cut.decode_ticks_of_all for cut in ways[0]] == [512 * 512] * 3


def test_the_cold_start_decodes_what_is_decoded_once():
    slow = network("bit", 2, segments=1)
    report = simulate(CHIP, slow)
    assert report.schedule.residency.decoded_once == (True,) * 3
    assert report.cold_start_s == pytest.approx(3 * 512 * 512 * 2 * CHIP.tick_s)
