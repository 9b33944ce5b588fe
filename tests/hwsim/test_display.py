"""What a chip, a workload and a report say of themselves, as text, as a card and as a figure."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from hwsim.energy import bar
from hwsim.energy.components import look_of
from hwsim.errors import InputError
from hwsim.machine.chip import chip_names, load_chip
from hwsim.run import simulate
from hwsim.units import engineering
from hwsim.workload.networks import load_network, network_names


@pytest.fixture(scope="module")
def report():
    return simulate(load_chip("edge"), load_network("lenet5", "huffman"))


class Balanced(HTMLParser):
    """Collects text, and fails where a tag is closed that is not the last one opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def text_of(html: str) -> str:
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return " ".join(parser.text)


def test_a_report_says_the_figures_of_its_summary(report):
    shown = repr(report)
    summary = report.summary()
    assert shown.startswith("Report: lenet5 (huffman) on edge, batch 1\n")
    assert engineering(summary["energy_J"], "J") in shown
    assert engineering(summary["power_W"], "W") in shown
    assert summary["limiter"] in shown
    assert summary["weights_home"] in shown


@pytest.mark.parametrize("name", chip_names())
def test_a_chip_is_short_and_says_its_cap(name):
    chip = load_chip(name)
    assert len(repr(chip).splitlines()) < 10
    assert str(chip) == repr(chip)
    assert f"{chip.power.cap_W:g} W" in repr(chip)
    assert chip.name in text_of(chip._repr_html_())


@pytest.mark.parametrize("name", network_names())
def test_a_workload_is_short_and_counts_its_layers(name):
    workload = load_network(name)
    assert len(repr(workload).splitlines()) < 10
    assert f"{len(workload.layers)}: " in repr(workload)
    assert f"{workload.macs:,} MACs" in text_of(workload._repr_html_())


def test_the_lines_of_a_report_are_few(report):
    assert len(repr(report).splitlines()) < 10


def test_the_bar_of_a_card_has_a_part_for_each_component_and_fills_the_card(report):
    html = report._repr_html_()
    widths = [float(found) for found in re.findall(r"width:([\d.]+)%", html)]
    assert len(widths) == len(report.energy_by("component"))
    assert math.fsum(widths) == pytest.approx(100, abs=0.001)
    for (component,), joules in report.joules_by("component").items():
        assert f"{look_of(component)[0]} {engineering(joules, 'J')}" in text_of(html)


def test_names_are_escaped_in_a_card(report):
    odd = replace(report.workload, name="<script>alert(1)</script>")
    for html in (odd._repr_html_(), replace(report, workload=odd)._repr_html_()):
        assert "<script" not in html
        assert "<script>alert(1)</script> (huffman)" in text_of(html)


def test_components_are_stacked_in_the_order_of_their_table():
    assert list(bar.stacked({"static": 2.0, "dram": 3.0, "mac": 0.0})) == ["dram", "mac", "static"]
    with pytest.raises(InputError, match="component 'flux', expected one of dram, sram"):
        bar.stacked({"flux": 1.0, "static": 2.0})


@pytest.mark.parametrize("chip", ["edge", "eie", "eyeriss", "reference_250w"])
def test_the_plot_of_a_report_is_as_long_as_its_energy(chip):
    report = simulate(load_chip(chip), load_network("alexnet").only(["fc8"]))
    left, right = report.plot().axes
    for axes in (left, right):
        lengths = [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle)]
        assert math.fsum(lengths) == pytest.approx(report.energy_per_inference_J)
    assert left.get_title(loc="left") == f"alexnet (dense) on {chip}, batch 1"
    assert left.texts[0].get_text() == engineering(report.energy_per_inference_J, "J")


def test_a_notebook_shows_the_plot(report):
    assert report.plot()._repr_png_().startswith(b"\x89PNG")


def test_the_frame_is_a_copy_of_the_table_of_layers(report):
    frame = report.to_frame()
    pd.testing.assert_frame_equal(frame, report.layers)
    frame["energy_J"] = 0.0
    assert report.layers["energy_J"].sum() > 0
