"""The arithmetic of a network on a chip: its own, the nearest the chip has, or a chosen one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import OPERAND_BITS
from hwsim.workload.networks import load_network
from hwsim.workload.precision import WIDEST_FIRST, computed_in, nearest

LENET = load_network("lenet300")


def test_every_arithmetic_has_its_place():
    assert set(WIDEST_FIRST) == set(OPERAND_BITS)


@pytest.mark.parametrize(
    ("own", "known", "found"),
    [
        ("fp32", {"fp16", "int8"}, "fp16"),
        ("fp32", {"tf32", "fp16"}, "tf32"),
        ("fp16", {"fp32", "int8"}, "fp32"),
        ("int8", {"bf16"}, "bf16"),
        ("int8", {"bf16", "fp8", "int4"}, "fp8"),
        ("fp32", {"int8"}, "int8"),
    ],
)
def test_the_nearest_is_the_narrowest_wider_or_else_the_widest_narrower(own, known, found):
    assert nearest(own, known) == found


@given(st.sampled_from(WIDEST_FIRST), st.sets(st.sampled_from(WIDEST_FIRST), min_size=1))
def test_the_nearest_is_known_and_is_the_own_one_if_that_is(own, known):
    assert nearest(own, known) in known
    assert nearest(own, known | {own}) == own


def test_plain_weights_are_stored_at_the_new_width():
    found = computed_in(LENET, ("fp16",), None, "a chip")
    assert {layer.arithmetic for layer in found.layers} == {"fp16"}
    weights = [layer for layer in found.layers if layer.weights]
    assert all(layer.weights.payload_bits == 16 * layer.weight_count for layer in weights)
    assert found.provenance.endswith("; computed in fp16")


def test_compressed_weights_keep_their_stored_bits():
    huffman = load_network("lenet300", "huffman")
    assert computed_in(huffman, ("int8",), None, "a chip").weight_bits == huffman.weight_bits


def test_a_network_that_fits_stays_as_it_is():
    assert computed_in(LENET, (), None, "a chip") is LENET
    assert computed_in(LENET, ("fp32", "int8"), None, "a chip") is LENET


@pytest.mark.parametrize("chip", ["phone", "turing_t4", "a100_pcie"])
@pytest.mark.parametrize("arithmetic", ["fp16", "int8"])
def test_an_fp32_network_runs_as_fp16_or_int8(chip, arithmetic):
    report = simulate(chip, "lenet5", arithmetic=arithmetic)
    assert {run.layer.arithmetic for run in report.runs} == {arithmetic}


def test_an_arithmetic_that_the_chip_lacks_is_one_sentence():
    with pytest.raises(InputError, match=r"arithmetic is 'fp8', but chip a100_pcie has .*fp16") as error:
        simulate(load_chip("a100_pcie"), "lenet5", arithmetic="fp8")
    assert "\n" not in str(error.value)
