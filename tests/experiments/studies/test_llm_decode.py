"""The study of a language model that writes: bytes by hand, and rates against the roof of its DRAM."""

import numpy as np
import pytest

from experiments.studies.llm_decode import (
    coded_exponent_bits,
    decoder,
    exponent_counts,
    exponent_table,
    row,
    stages,
)
from hwsim.machine.chip import load_chip
from hwsim.workload.storage import stored_n_of_m, stored_partly_coded

WEIGHTS = 32 * (202_383_360 - 2 * 4096) + 4096 * 32_000


def test_the_code_of_exponents_is_near_their_entropy():
    counts = exponent_counts()
    table = exponent_table(counts)
    entropy = float((table["share"] * table["ideal_bits"]).sum())
    assert counts.sum() == 6 * (4 * 384 * 384 + 2 * 384 * 1536)
    assert 2.0 ** -table["code_bits"].to_numpy(float) @ np.ones(len(table)) == pytest.approx(1)
    assert entropy <= coded_exponent_bits(counts) < entropy + 0.1


@pytest.mark.parametrize(
    ("stage", "bits"), [("fp16", 16), ("bf16 coded", None), ("2:4", 9), ("int8", 8), ("int4", 4)]
)
def test_stored_bits_of_every_weight(stage, bits):
    counts = exponent_counts()
    bits = bits or 8 + coded_exponent_bits(counts)
    workload = decoder(stage, counts)
    assert sum(layer.weight_count for layer in workload.layers) == WEIGHTS
    payload = sum(layer.weights.payload_bits for layer in workload.layers if layer.weight_count)
    assert payload == pytest.approx(bits * WEIGHTS, rel=1e-6)
    assert {layer.arithmetic for layer in workload.layers} == {"fp16"}


def test_two_of_four_and_partly_coded_by_hand():
    sparse = stored_n_of_m("2:4", 64, 4, 2, 4, 16)
    assert (sparse.nonzeros, sparse.payload_bits, sparse.side_bits) == (32, 32 * 18, 4 * 32)
    coded = stored_partly_coded("coded", 100, 5, 8, 2.5, 256, bias=False)
    assert (coded.payload_bits, coded.symbols, coded.entries) == (1050, 100, 100)
    assert coded.side_bits == 5 * 32 + 256 * 8


def test_one_sequence_writes_as_fast_as_dram_allows():
    """At the bandwidth that long transfers reach; the time of each kernel shows where little is moved.

    Coded exponents are a symbol per weight, and wait for the vector lanes that decode them.
    """
    counts = exponent_counts()
    chip = load_chip("a100_pcie")
    bandwidth, lanes = chip.dram.reached_GB_per_s, chip.decoder
    decoded = 1e9 * chip.process.clock_GHz * lanes.count * lanes.symbols_per_cycle / WEIGHTS
    for stage in stages(counts):
        found = row(decoder(stage, counts), 1)
        moved = found["weights_fetched_GB_per_token"] + found["other_moved_GB_per_token"]
        least, roof = 0.7 if moved > 5 else 0.5, bandwidth / moved
        if stage == "bf16 coded":
            roof = min(roof, decoded)
        assert least * roof < found["tokens_per_s"] <= roof
        assert found["power_W"] <= chip.power.cap_W * (1 + 1e-9)
        parts = sum(
            value for name, value in found.items() if name.endswith("_J") and name != "energy_per_token_J"
        )
        assert parts == pytest.approx(found["energy_per_token_J"])
