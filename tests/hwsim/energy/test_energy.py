"""Energy tables: the printed figures, the sources they must carry, and errors instead of made-up values."""

import csv

import pytest
from checkout import ROOT

from hwsim.energy.dram import load_dram
from hwsim.energy.table import COLUMNS, CONFIDENCE, EnergyTable
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.pricing import PriceList

HEADER = ",".join(COLUMNS)
ROW = "multiply_fp32,3.7,arithmetic,32,45,0.9,somebody,verified,"


def test_the_default_table_holds_the_printed_figures():
    """Horowitz, ISSCC 2014, as in EIE Table I and Han et al., NIPS 2015, Fig. 1."""
    table = EnergyTable.load("45nm")
    printed = {
        "multiply_fp32": 3.7,
        "add_fp32": 0.9,
        "multiply_int32": 3.1,
        "add_int32": 0.1,
        "multiply_int8": 0.2,
        "add_int8": 0.03,
        "multiply_fp16": 1.1,
        "add_fp16": 0.4,
        "register_32b": 1.0,
        "sram_32KiB_read_32b": 5.0,
        "dram_read_32b": 640.0,
        "wire_transition_mm": 0.24,
    }
    assert {action: table[action].pJ for action in printed} == printed


def test_the_two_prices_of_a_32_KiB_sram_stand_in_two_tables():
    """5 pJ per 32 bits in one paper, 20 pJ per 64 bits in another: no table holds both."""
    eie, horowitz = EnergyTable.load("45nm"), EnergyTable.load("45nm_horowitz")
    assert eie["sram_32KiB_read_32b"].pJ_per_bit * 2 == horowitz["sram_32KiB_read_64b"].pJ_per_bit
    assert "sram_32KiB_read_64b" not in eie.constants
    assert "sram_32KiB_read_32b" not in horowitz.constants


@pytest.mark.parametrize("name", EnergyTable.names())
def test_every_figure_has_a_source_and_a_known_confidence(name):
    for figure in EnergyTable.load(name):
        assert figure.source
        assert figure.confidence in CONFIDENCE
        assert figure.pJ > 0
        if figure.confidence in ("derived", "estimate"):
            assert figure.source.startswith(figure.confidence)


def test_a_dram_price_is_as_trustworthy_as_its_type():
    """That of GDDR6 is unverified, and does not become known by being changed."""
    chip = load_chip("turing_t4")
    for price in (load_dram(chip.dram.type).pJ_per_bit, 6.5):
        changed = chip.replace(**{"dram.energy_pJ_per_bit": price})
        assert PriceList(changed)["dram", "read_bit"].low_confidence
    assert not PriceList(load_chip("p40"))["dram", "read_bit"].low_confidence


def test_a_calibrated_price_is_of_low_confidence():
    """Whatever the other prices miss is in it."""
    assert PriceList(load_chip("eyeriss"))["clock", "cycle"].low_confidence


def test_low_confidence_is_marked():
    frame = EnergyTable.load("45nm").to_frame().set_index("action")
    assert frame.loc["multiply_bf16", "low_confidence"]
    assert frame.loc["multiply_int4", "low_confidence"]
    assert not frame.loc["multiply_fp32", "low_confidence"]
    assert frame.loc["multiply_fp32", "source"] == "Han et al., EIE, ISCA 2016, Table I"


def test_derived_figures_follow_from_what_they_cite():
    table = EnergyTable.load("45nm")
    assert table["multiply_int16"].pJ == pytest.approx(table["multiply_int32"].pJ / 5)
    assert table["multiply_int4"].pJ == pytest.approx(table["multiply_int8"].pJ / 4)
    assert table["wire_bit_mm"].pJ == table["wire_transition_mm"].pJ / 2
    assert table["multiply_bf16"].pJ == pytest.approx(1.1 * 0.21 / 0.34, rel=0.01)
    seven = EnergyTable.load("7nm")
    assert seven["multiply_int16"].pJ == pytest.approx((0.07 * 1.48) ** 0.5, rel=0.01)


def test_an_unknown_action_is_an_error_that_names_what_there_is():
    with pytest.raises(InputError, match=r"45nm: no constant for 'divide_fp32', expected one of add_bf16, "):
        EnergyTable.load("45nm")["divide_fp32"]


def test_scaling_is_asked_for_by_name():
    base, scaled = EnergyTable.load("45nm"), EnergyTable.load("45nm to 28nm by stillmaker-baas")
    assert scaled.name == "45nm to 28nm at 0.9V by stillmaker-baas"
    factor = scaled["multiply_int8"].pJ / base["multiply_int8"].pJ
    assert 0.3 < factor < 0.7
    assert scaled["sram_32KiB_read_32b"].pJ == pytest.approx(5 * factor)
    assert scaled["multiply_int8"].confidence == "scaled"
    assert "stillmaker-baas from 45 nm" in scaled["multiply_int8"].source
    assert scaled["multiply_bf16"].low_confidence
    assert scaled["dram_read_32b"] == base["dram_read_32b"]
    assert scaled["wire_bit_mm"] == base["wire_bit_mm"]


def test_a_voltage_can_be_named_too():
    slow = EnergyTable.load("45nm to 65nm at 0.9V by stillmaker-baas")["add_fp32"]
    fast = EnergyTable.load("45nm to 65nm at 1.1V by stillmaker-baas")["add_fp32"]
    assert (slow.node_nm, slow.voltage_V) == (65, 0.9)
    assert slow.pJ < fast.pJ


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("46nm", "7nm"),
        ("45nm to 28nm", "stillmaker-baas, published-trend"),
        ("45nm to 28nm by magic", "magic"),
        ("45nm to 3nm by stillmaker-baas", "7 to 180 nm"),
        ("45nm to 28nm at 3V by stillmaker-baas", "3 V"),
        ("45nm to .nm by stillmaker-baas", "45nm to .nm"),
        ("7nm to 3nm by published-trend", "4 to 45 nm"),
        ("7nm to 65nm by published-trend", "4 to 45 nm"),
        ("7nm to 5nm at 1.2V by published-trend", "0.35 to 1.05 V"),
    ],
)
def test_an_unknown_table_or_rule_is_refused(name, words):
    with pytest.raises(InputError) as found:
        EnergyTable.load(name)
    assert words in str(found.value)


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(f"{HEADER}\n{ROW}\n")
    assert EnergyTable.load(path)["multiply_fp32"].source == "somebody"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (ROW.replace("somebody", ""), ["mine.csv:2", "source"]),
        (ROW.replace("3.7", "-1"), ["mine.csv:2", "value_pJ", "'-1'", "at least 0"]),
        (ROW.replace("3.7", "inf"), ["mine.csv:2", "value_pJ"]),
        (ROW.replace("verified", "sure"), ["mine.csv:2", "confidence", "'sure'"]),
        (f"{ROW}\n{ROW}", ["mine.csv:3", "action", "once"]),
    ],
)
def test_a_bad_row_is_refused(tmp_path, rows, words):
    path = tmp_path / "mine.csv"
    path.write_text(f"{HEADER}\n{rows}\n")
    with pytest.raises(InputError) as found:
        EnergyTable.load(path)
    for word in words:
        assert word in str(found.value)


REFERENCE = ROOT.parent / "shared" / "reference"
PICOJOULES = {
    "pJ/op": 1.0,
    "pJ/access": 1.0,
    "pJ/instr": 1.0,
    "pJ": 1.0,
    "pJ/bit": 1.0,
    "fJ/bit/mm": 1e-3,
    "fJ/bit": 1e-3,
}


NOT_GATHERED = {"latch_bit"}
"""Actions whose source is not among the gathered figures: none may claim to be verified."""


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="only where the gathered figures are at hand")
@pytest.mark.parametrize("name", EnergyTable.names())
def test_every_cited_figure_is_the_gathered_one_and_claims_no_more_confidence(name):
    """Same first author, value and width; what was only recalled there is of low confidence here."""
    gathered = []
    with (REFERENCE / "energy_per_op.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["unit"] in PICOJOULES:
                bits = int(row["bit_width"]) if row["bit_width"] else None
                pJ = float(row["value"]) * PICOJOULES[row["unit"]]
                gathered.append((_author(row["source"]), pJ, bits, row["confidence"] != "from-memory"))
    with (REFERENCE / "energy_45nm.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            author, pJ = _author(row["source"]), float(row["energy_pJ"])
            gathered.append((author, pJ, None, row["confidence"] != "from-memory"))
    for figure in EnergyTable.load(name):
        if figure.confidence in ("derived", "estimate") or figure.kind in ("network", "radio"):
            continue
        if figure.action in NOT_GATHERED:
            assert not figure.confidence.startswith("verified")
            continue
        found = [
            read
            for author, pJ, bits, read in gathered
            if author in figure.source
            and bits in (None, figure.bits)
            and pytest.approx(pJ) in (figure.pJ, figure.pJ_per_bit)
        ]
        if figure.kind != "link":  # of links the sources are typical values and vendors' claims
            assert found, f"{figure.action}: {figure.pJ} pJ of {figure.source} is not among them"
        assert any(found) or figure.low_confidence, f"{figure.action}: recalled, but not marked"


def _author(source: str) -> str:
    return source.replace(",", " ").split()[0]
