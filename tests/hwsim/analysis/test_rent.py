"""The rent of residency: laws by hand, and the study's figures against the simulator's own counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.runs.scenes import SCENES, chip_of
from experiments.studies import rent as study
from hwsim.analysis.rent import Rent, bank_leakage_W, break_even_s, decoders_to_keep_up
from hwsim.energy.cacti import cacti_bank
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import vector

FC6 = SCENES["alexnet_fc"].workload("huffman").layers[0]


def test_keeping_and_fetching_cost_the_same_at_the_break_even_rate_by_hand():
    """0.5 W of leakage against 2 mJ of fetching: 250 inferences a second."""
    rent = Rent(resident_J=1e-3, streamed_J=3e-3, leakage_W=0.5)
    assert rent.break_even_per_s == pytest.approx(250, rel=1e-12)
    assert rent.resident_at(250) == pytest.approx(rent.streamed_J, rel=1e-12)
    assert Rent(1e-3, 1e-3, 0.5).break_even_per_s == math.inf


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.floats(1e-6, 100))
def test_streaming_is_cheaper_exactly_below_the_break_even_rate(resident, fetch, leakage):
    rent = Rent(resident, resident + fetch, leakage)
    even = rent.break_even_per_s
    assert rent.resident_at(even * 1.01) < rent.streamed_J < rent.resident_at(even * 0.99)


def test_whole_banks_leak():
    one = cacti_bank(65536, 64, 45, "itrs-lstp", "ED^2").leakage_W
    assert bank_leakage_W(1, 65536, 64, 45, "itrs-lstp") == one
    assert bank_leakage_W(65537, 65536, 64, 45, "itrs-lstp") == 2 * one


def test_the_break_even_interval_is_joules_over_watts():
    """20 pJ a bit over 20 pW a bit: one second."""
    assert break_even_s(20.0, 20e-12) == pytest.approx(1.0, rel=1e-12)


def test_the_break_even_does_not_depend_on_compression():
    """Rent and fetch both go with the stored bits, up to whole banks and what rests in buffers."""
    shared, huffman = (study.rents(stage)[45, "itrs-hp"].break_even_per_s for stage in ("shared", "huffman"))
    assert shared == pytest.approx(huffman, rel=0.02)


def test_what_huffman_saves_and_spends_is_what_the_simulator_counts():
    shared, huffman = (SCENES["alexnet_fc"].workload(stage) for stage in ("shared", "huffman"))
    saved_bits, symbols = study.saved_and_decoded(shared, huffman)
    entries = sum(layer.weights.entries for layer in huffman.layers if layer.weights)
    chip = chip_of().replace(**{"sram.holds_weights": False})
    plain, coded = (simulate(chip, workload).actions for workload in (shared, huffman))
    assert symbols * entries == coded[coded["action"] == "symbol"]["count"].sum()

    def written(actions):
        mask = (actions["tensor"] == "weights") & (actions["component"] == "sram")
        return actions[mask & (actions["action"] == "write_bit")]["count"].sum()

    assert saved_bits * entries == pytest.approx(written(plain) - written(coded), rel=1e-12)


def test_decoders_to_keep_up_by_hand():
    """A fold of 1,024 weights loads in 32 cycles: half a symbol a weight takes 16 decoders."""
    per_weight = FC6.weights.symbols / FC6.weight_count
    assert decoders_to_keep_up(chip_of(), FC6, 1) == math.ceil(1024 * per_weight / 32)
    assert decoders_to_keep_up(chip_of(), FC6, 64) == math.ceil(1024 * per_weight / 64)


def test_decoders_that_keep_up_do_keep_up():
    """With as many as any layer needs, the rate is within a hundredth of what more of them give."""
    table = study.decoders_needed()
    enough = table[table["decoders_per_tile"] >= table["needed_all_layers"]]
    assert set(enough["batch"]) == set(study.BATCHES)
    assert (enough["share"] > 0.99).all()
    starved = table[2 * table["decoders_per_tile"] <= table["needed_largest_layer"]]
    assert (starved[starved["batch"] == 1]["share"] < 0.6).all()


def test_huffman_stops_paying_on_the_way_to_the_array():
    table = study.huffman_pays()
    assert (table["ratio"].diff().dropna() < 0).all()
    assert table["ratio"].iloc[0] > 1 > table["ratio"].iloc[-1]
    assert table.set_index("level")["low_confidence"]["LTE, receive"]


def test_by_the_banks_of_cacti_huffman_pays_less_and_from_hbm2_hardly():
    """A small table costs more by CACTI than by the law of large ones: from HBM2 1.35 times over, not 3.6."""
    table = study.huffman_pays().set_index("level")
    assert (table["cacti_spent_pJ"] > 2 * table["spent_pJ"]).all()
    assert table["cacti_ratio"]["HBM2-2000"] == pytest.approx(1.35, abs=0.15)
    assert table["ratio"]["HBM2-2000"] == pytest.approx(3.6, abs=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bank_leakage_W(0, 65536, 64, 45, "itrs-hp"), "0 B of SRAM"),
        (lambda: bank_leakage_W(1, 65536, 64, 33, "itrs-hp"), "no CACTI table"),
        (lambda: decoders_to_keep_up(load_chip("eie"), FC6, 1), "no weight port"),
        (lambda: decoders_to_keep_up(chip_of(), vector("pool", 8, 4, 8), 1), "no weights to decode"),
    ],
)
def test_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
