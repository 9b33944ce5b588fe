"""What a reader sees: commands at 80 and 120 columns, and the layout of tables.

``PYTHONPATH=.:tests python tests/experiments/cli/test_terminal.py`` writes the golden screens anew.
"""

import io
from pathlib import Path

import pytest
from checkout import ROOT
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from screens import WIDTHS, file_of, printed

from experiments.tables import arranged

GOLDEN = Path(__file__).with_name("screens")
COMMANDS = (
    "run edge lenet300",
    "run reference_250w alexnet --stage huffman --explain dram",
    "run reference_250w alexnet --batch 8 --stage dense --explain mapping",
    "run edge lenet5 --training --batch 4",
    "run phone smollm2-135m --context 512 --weights int4-g128",
    "request a100_pcie smollm2-135m",
    "tile edge lenet5 --orders",
    "chips",
    "chips edge",
    "networks",
    "networks lenet5",
    "networks smollm2-135m",
    "energy",
    "energy --table 7nm",
    "energy --op dram_read_32b",
    "energy --dram",
    "roofline",
    "roofline edge --network lenet5",
    "experiments list",
    "dcz inspect results/reference/compression/best-lenet300-0.dcz",
    "dcz verify results/reference/compression/best-lenet300-0.dcz",
    "dcz inspect results/reference/compression/han2016-lenet5-0.dcz",
)
"""Of `hwsim`, or of `dcz` where that is said, typed in the checkout."""


def screen(command: str, width: int) -> str:
    """What a command prints on a terminal of so many columns."""
    return "".join(f"{line.rstrip()}\n" for line in printed(command, width, ROOT).splitlines())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_fits_the_terminal_and_prints_what_it_did(command, width):
    shown = screen(command, width)
    lines = shown.splitlines()
    assert all(len(line) <= width for line in lines if not line.startswith("next: "))
    assert lines[-1].startswith("next: ")
    assert "uJ" not in shown
    assert shown == file_of(GOLDEN, command, width).read_text(encoding="utf-8")


CELLS = st.one_of(
    st.from_regex(r"[1-9][0-9]{0,8}(\.[0-9]{1,3})?( [kMµm]?[JBsW])?", fullmatch=True),
    st.lists(st.text("abcdefgh", min_size=1, max_size=12), max_size=12).map(" ".join),
)


@st.composite
def tables(draw):
    columns = draw(st.integers(1, 12))
    row = st.lists(CELLS, min_size=columns, max_size=columns)
    return [f"column {index}" for index in range(columns)], draw(st.lists(row, min_size=1, max_size=6))


def rendered(header, rows, width, **options):
    console = Console(width=width, file=io.StringIO(), markup=False, highlight=False)
    for part in arranged("title", header, rows, width, **options):
        console.print(part)
    return console.file.getvalue()


@given(tables(), st.integers(60, 140))
def test_no_figure_and_no_name_of_a_row_is_broken(table, width):
    header, rows = table
    shown = rendered(header, rows, width)
    for row in rows:
        for index, cell in enumerate(row):
            if index == 0 and len(cell) > width:
                continue
            if cell[:1].isdigit() or (index == 0 and len(cell) <= width):
                assert any(cell in line for line in shown.splitlines())


@given(tables(), st.integers(60, 140))
def test_text_is_all_there_and_breaks_between_words(table, width):
    header, rows = table
    words = rendered(header, rows, width).split()
    for cell in (cell for row in rows for cell in row):
        assert set(cell.split()) <= set(words)


def test_optional_columns_go_from_the_last_and_are_named():
    header, rows = ["name", "a", "b", "c"], [["x", "1" * 10, "2" * 10, "3" * 10]]
    shown = rendered(header, rows, 30, optional=("b", "c"))
    assert "2222222222" in shown
    assert "3333333333" not in shown
    assert "Not shown: c (--wide)." in shown
    assert "3333333333" in rendered(header, rows, 30, optional=("b", "c"), wide=True)


def test_sources_are_footnotes_and_each_is_printed_once():
    header = ["name", "value", "source"]
    rows = [["x", "1", "Horowitz 2014"], ["y", "2", "Han 2016"], ["z", "3", "Horowitz 2014"], ["w", "4", ""]]
    shown = rendered(header, rows, 80, sources=("source",))
    assert shown.count("Horowitz 2014") == 1
    assert "[1] Horowitz 2014" in shown
    assert "[2] Han 2016" in shown
    assert [line.split()[-1] for line in shown.splitlines()[3:7]] == ["[1]", "[2]", "[1]", "4"]


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    for command in COMMANDS:
        for width in WIDTHS:
            file_of(GOLDEN, command, width).write_text(screen(command, width), encoding="utf-8")
