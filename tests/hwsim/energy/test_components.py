"""The table of components: every chip and every list of components keeps to it."""

import re
from functools import cache

import pytest

from experiments.figures import energy, style
from hwsim.arrays import base
from hwsim.energy.components import COMPONENTS, component_of, look_of, phase_of
from hwsim.engine.timeline import PHASES
from hwsim.errors import InputError
from hwsim.machine.chip import chip_names, load_chip
from hwsim.power.operations import operation_energy
from hwsim.report import Report
from hwsim.run import simulate
from hwsim.workload.networks import load_network

RUNS = {
    "a100_pcie": ("lenet5", "fp16"),
    "edge": ("lenet5", "huffman"),
    "eie": ("lenet300", "huffman"),
    "eyeriss": ("lenet5", "int16"),
    "tpu_v2": ("lenet5", "bf16"),
    "tpu_v3": ("lenet5", "bf16"),
    "reference_250w": ("lenet5", "huffman"),
}
"""Chip -> network and stage it can run; others run int8."""


@cache
def run(chip_name: str) -> Report:
    return simulate(load_chip(chip_name), load_network(*RUNS.get(chip_name, ("lenet5", "int8"))))


@pytest.mark.parametrize("chip_name", chip_names())
def test_the_energy_figure_draws_every_chip(chip_name):
    report = run(chip_name)
    spent = report.energy_by("component").reset_index().assign(network=chip_name, stage="dense")
    left, _ = energy.draw(spent).axes
    drawn = {patch.get_facecolor()[:3] for patch in left.patches if patch.get_width() > 0}
    assert len(drawn) == (spent["energy_J"] > 0).sum()
    assert {text.get_text() for text in left.figure.legends[0].get_texts()} == {
        COMPONENTS[name].label for name in spent["component"]
    }


@pytest.mark.parametrize("chip_name", chip_names())
def test_all_dynamic_energy_of_every_chip_has_a_phase(chip_name):
    report = run(chip_name)
    placed = operation_energy(report.schedule, report.prices)
    dynamic_J = sum(sum(layer.joules_at(1.0).values()) for layer in report.runs)  # at the nominal voltage
    assert 1e-12 * placed.pJ.sum() == pytest.approx(dynamic_J, rel=1e-9)


def test_phases_are_those_of_the_stream():
    assert phase_of("dram", "read_bit") == "read"
    assert phase_of("dram", "write_bit") == "write"
    assert phase_of("decoder", "symbol") == "decode"
    dynamic = [name for name, row in COMPONENTS.items() if row.phase]
    assert {phase_of(name, "read_bit") for name in dynamic} <= set(PHASES)
    with pytest.raises(InputError, match="'static' draws static power, which has no phase"):
        phase_of("static", "second")


def test_the_contract_of_arrays_names_components_of_the_table():
    table = re.findall(r"^``([a-z_.]+)``", base.__doc__ or "", re.MULTILINE)
    delivered = {"array_port"}  # the schedule turns its words into reads of a memory
    named = {name for name in table if name != "spad_..."} - delivered
    of_the_schedule = {"dram", "decoder", "static"}
    assert named == {name for name in COMPONENTS if not name.startswith("spad_")} - of_the_schedule


def test_looks_differ_and_can_be_drawn():
    assert len({row.colour for row in COMPONENTS.values()}) == len(COMPONENTS)
    assert len({row.label for row in COMPONENTS.values()}) == len(COMPONENTS)
    assert all(re.fullmatch("#[0-9A-F]{6}", row.colour) for row in COMPONENTS.values())
    assert {name: look_of(name) for name in COMPONENTS} == style.COMPONENTS


def test_an_unknown_component_is_named():
    with pytest.raises(InputError, match="component 'flux', expected one of dram, sram"):
        component_of("flux")
