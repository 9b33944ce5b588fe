"""EIE's factors: first step and parts by hand, products, and where each saving ends."""

import pytest

from experiments.studies import eie_factors as study
from hwsim.machine.chip import load_chip
from hwsim.workload.networks import load_network

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

MACS = 4096 * 4096


@pytest.fixture(scope="module")
def parts():
    return study.energy_by_step()


@pytest.fixture(scope="module")
def table(parts):
    return study.factors(parts).set_index(["memory", "step"])


def energy(parts, memory, step, part):
    found = parts[(parts["memory"] == memory) & (parts["step"] == step) & (parts["part"] == part)]
    return float(found["energy_pJ"].iloc[0])


def test_dense_weights_by_hand(parts):
    """640 pJ a weight from DRAM, 5 pJ from 32 KiB, 80 pJ from 8 MiB by the root law."""
    for memory, pJ in (("32 KiB bank", 5.0), ("8 MiB, one port", 80.0)):
        assert energy(parts, memory, "dense", "weights") == pytest.approx(640 * MACS, rel=1e-9)
        assert energy(parts, memory, "sram", "weights") == pytest.approx(pJ * MACS, rel=1e-9)
        assert energy(parts, memory, "sram", "index") == 0
        assert energy(parts, memory, "dense", "arithmetic") == pytest.approx(4.6 * MACS, rel=1e-9)


def test_the_index_takes_as_many_bits_as_the_shared_weight(parts):
    """4 bits of each: what the index costs beyond the weights is its pointers, whatever the memory."""
    beyond = [
        energy(parts, memory, step, "index") - energy(parts, memory, step, "weights") * bits
        for memory in study.MEMORIES
        for step, bits in (("pruned", 4 / 32), ("shared", 1.0))
    ]
    assert beyond == pytest.approx([beyond[0]] * 4, rel=1e-9)
    assert beyond[0] > 0


def test_entries_are_those_the_array_stores(parts):
    layer = next(found for found in load_network("alexnet", "huffman").layers if found.name == "fc7")
    stored = load_chip("eie").array.stored_entries(layer)
    assert energy(parts, "32 KiB bank", "pruned", "weights") == pytest.approx(5.0 * stored, rel=1e-9)


def test_factors_multiply_to_the_ratio_of_first_and_last(parts, table):
    for memory in study.MEMORIES:
        whole = parts[parts["memory"] == memory].groupby("step")["energy_pJ"].sum()
        assert table.loc[(memory, "product"), "layer"] == pytest.approx(
            whole["dense"] / whole["skipped"], rel=1e-9
        )
        assert table.loc[(memory, "product"), "published"] == 120 * 10 * 8 * 3


def test_what_is_measured_is_far_from_the_published_product(table):
    """The chip's own energy, published and simulated, is within a quarter of each other (see validate)."""
    found = table.loc["32 KiB bank"]["layer"]
    assert found["measured"] == pytest.approx(found["simulated"], rel=0.25)
    assert found["measured"] < table.loc[("32 KiB bank", "product"), "published"] / 10
