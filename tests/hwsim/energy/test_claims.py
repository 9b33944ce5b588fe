"""Energies carried to other nodes by what foundries claim."""

import pytest

from hwsim.energy.claims import claimed_factor
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError


def test_claims_are_multiplied_along_the_way():
    """16 to 7 nm takes 60% less, 7 to 5 nm 30% less; 16 to 12 nm 25% less."""
    assert claimed_factor(16, 5) == pytest.approx(0.4 * 0.7)
    assert claimed_factor(12, 7) == pytest.approx(0.4 / 0.75)
    assert claimed_factor(7, 7) == 1


@pytest.mark.parametrize("node", [16, 12, 10, 8, 7, 5, 4])
def test_there_and_back_is_where_it_was(node):
    assert claimed_factor(7, node) * claimed_factor(node, 7) == pytest.approx(1)


def test_a_newer_node_never_takes_more():
    factors = [claimed_factor(7, node) for node in (16, 12, 8, 7, 5, 4)]
    assert factors == sorted(factors, reverse=True)


def test_at_another_voltage_energy_goes_with_its_square():
    base = EnergyTable.load("7nm to 5nm at 0.7V by foundry-claims")["multiply_fp16"].pJ
    assert EnergyTable.load("7nm to 5nm at 0.77V by foundry-claims")["multiply_fp16"].pJ == pytest.approx(
        1.21 * base
    )


def test_a_node_that_no_claim_leads_to_is_one_sentence():
    with pytest.raises(InputError, match=r"node 22 nm: no foundry's claims lead there, expected one of 4, 5"):
        claimed_factor(7, 22)
