"""The page in a browser: every control moves the figures the right way, at any width and colour."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest
from page_support import SMALL, Reader, build_small, chromium, needs_chromium

from experiments.cli import main as cli
from experiments.figures import style
from experiments.page import build as page
from hwsim.errors import InputError

PARTS = ("explorer", "dram", "pruning", "sharing", "huffman", "on-chip", "dark", "token")
DENSE_AT_64 = "explorer?network=alexnet_fc&stage=0&sram=1&dram=0&node=0&cap=1&batch=1"
DENSE_AT_1 = DENSE_AT_64.replace("batch=1", "batch=0")


pytestmark = pytest.mark.xdist_group("page")  # one process builds the page for all


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("page") / "site"
    build_small(target)
    return target


@pytest.fixture(scope="module")
def opened(folder):
    with chromium() as browser:
        yield Reader(browser, folder)


@pytest.fixture
def reader(opened, folder):
    opened.look()
    opened.requests.clear()
    yield opened
    errors = list(opened.errors)
    opened.errors.clear()
    assert errors == []
    assert opened.requests
    assert [url for url in opened.requests if not url.startswith((folder.as_uri(), "data:"))] == []


def test_the_same_bytes_every_time(folder, tmp_path):
    build_small(tmp_path / "again")
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert {"index.html", "plotly.js", "site.js", "lessons.js", "manifest.json"} < set(names)
    assert [
        name for name in names if (folder / name).read_bytes() != (tmp_path / "again" / name).read_bytes()
    ] == []


def test_an_earlier_page_is_replaced_and_nothing_else(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt, which is not of an earlier run"):
        page.build(tmp_path, ("lenet300",))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_files_name_no_address_but_that_of_a_vocabulary():
    for entry in (resources.files("experiments.page") / "static").iterdir():
        found = set(re.findall(r"https?://[^\s\"'`]+|//cdn[^\s\"'`]*", entry.read_text(encoding="utf-8")))
        assert found <= {"http://www.w3.org/2000/svg"}, entry.name


def test_colours_are_those_of_the_figures():
    told = page.site(tuple(SMALL))
    assert set(told["components"]) == {
        "dram", "sram", "scratchpad", "register", "mac", "vector", "decoder", "static", "clock",
    }  # fmt: skip
    for name, look in told["components"].items():
        assert (look["label"], look["colour"]) == style.COMPONENTS[name]
    assert told["stages"].keys() == style.STAGES.keys()
    assert told["tiles"].keys() == style.TILES.keys()


@needs_chromium
def test_the_explorer_shows_the_point_that_its_command_runs(reader, capsys):
    reader.open(DENSE_AT_64)
    words = reader.tab.inner_text("#command code").split()
    assert words[:4] == ["hwsim", "run", "reference_250w", "alexnet"]
    assert cli.run(cli.HWSIM, [*words[1:], "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert reader.joules() == pytest.approx(told["energy_J"], rel=1e-12)
    assert reader.figure("Limiter") == told["limiter"]
    assert "low confidence" not in reader.tab.inner_text("#notes")
    reader.tab.click("label[for='dram-1']")
    reader.tab.wait_for_selector("#notes li:has-text('Prices of low confidence: dram')")


@needs_chromium
def test_commands_on_the_page_are_those_of_the_grid(reader):
    reader.open(DENSE_AT_64)
    network = SMALL["alexnet_fc"]
    axes = network.axes()
    last = {axis: choices[-1] for axis, choices in axes.items()}
    place = {axis: len(choices) - 1 for axis, choices in axes.items()}
    told = reader.tab.evaluate("place => hwsim.commandOf('alexnet_fc', place)", place)
    assert told.replace("'", "").split() == " ".join(network.command(last)).split()


@needs_chromium
def test_sliders_by_keyboard_and_axes_that_stay(reader):
    reader.open(DENSE_AT_1)
    axes = reader.ranges()
    dram = reader.watts()["dram"] / float(1)
    energy = reader.joules()
    reader.tab.focus("#sram")
    reader.tab.keyboard.press("ArrowRight")
    reader.tab.wait_for_function(f"+document.querySelector('#explorer').dataset.joules < {energy}")
    assert reader.watts()["dram"] <= dram
    reader.tab.keyboard.press("Home")
    shown = "document.querySelector(\"[data-control='sram'] output\").textContent"
    reader.tab.wait_for_function(f"{shown}.includes('5 MiB')")
    assert reader.watts()["dram"] >= dram  # less memory moves more; it also leaks less
    assert reader.ranges() == axes


@needs_chromium
def test_a_higher_cap_by_mouse_lets_more_tiles_compute_and_the_stack_sums_to_it(reader):
    reader.open(DENSE_AT_64)
    slider = reader.tab.locator("#cap")
    width = slider.bounding_box()["width"]
    shares = []
    for x, cap in ((3, 100), (width - 3, 250)):
        slider.click(position={"x": x, "y": 8})
        reader.tab.wait_for_function(f"document.querySelector('.cap em').textContent === 'cap {cap} W'")
        shares.append(int(reader.figure("Peak share").rstrip("%")))
        watts = reader.watts()
        assert sum(watts.values()) == pytest.approx(cap, rel=1e-9)
        assert watts["headroom"] >= 0
    assert shares[0] < shares[1]


@needs_chromium
def test_stages_by_keyboard_take_watts_from_dram(reader):
    reader.open(DENSE_AT_64)
    shares = [reader.watts()["dram"]]
    reader.tab.focus("#stage-0")
    for stage in ("pruned", "pruned and shared", "pruned, shared and Huffman-coded"):
        reader.tab.keyboard.press("ArrowRight")
        reader.tab.wait_for_function(
            f"document.querySelector('#headline strong').textContent.endsWith(', {stage}: ')"
        )
        shares.append(reader.watts()["dram"])
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.1 * shares[0]


@needs_chromium
def test_dram_node_batch_and_network_by_mouse(reader):
    reader.open(DENSE_AT_1)
    before = reader.joules()
    reader.tab.click("label[for='dram-1']")
    reader.tab.wait_for_function(f"+document.querySelector('#explorer').dataset.joules < {before}")
    near = reader.joules()
    reader.tab.click("label[for='node-1']")
    reader.tab.wait_for_function(f"+document.querySelector('#explorer').dataset.joules < {near}")
    newer = reader.joules()
    reader.tab.click("label[for='batch-1']")
    reader.tab.wait_for_function(f"+document.querySelector('#explorer').dataset.joules < {newer / 2}")
    reader.tab.select_option("#network", "lenet300")
    reader.tab.wait_for_function(
        "document.querySelector('#headline').textContent.startsWith('LeNet-300-100, dense')"
    )
    assert "one tile" in reader.tab.inner_text("#floorplan-note")
    assert "of the peak MAC rate" in reader.tab.inner_text("#headline")
    assert reader.tab.inner_text("#command code") == "hwsim run edge lenet300 --stage dense --batch 1"


@needs_chromium
def test_the_address_holds_the_state_and_a_button_brings_back_the_start(reader):
    reader.open("explorer?network=alexnet_fc&stage=3&batch=1")
    assert "Huffman" in reader.tab.inner_text("#headline")
    assert "stage=3" in reader.tab.evaluate("location.hash")
    reader.tab.click("text=As shipped")
    reader.tab.wait_for_function("document.querySelector('#headline').textContent.includes('dense')")


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_part_is_wider_than_the_window(reader, width, scheme):
    reader.look(width, scheme)
    for part in PARTS:
        reader.open(part)
        assert reader.tab.evaluate("document.documentElement.scrollWidth") <= width, part
        assert reader.tab.evaluate(OUTSIDE) == [], part
    background = reader.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", background)[0]) < 60) == (scheme == "dark")
    reader.tab.click("#theme")
    assert reader.tab.evaluate("getComputedStyle(document.body).backgroundColor") != background


OUTSIDE = """(() => {
  const found = [];
  for (const plot of document.querySelectorAll("section:not([hidden]) .js-plotly-plot")) {
    const frame = plot.getBoundingClientRect();
    for (const text of plot.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      const outside = box.left < frame.left - 1 || box.right > frame.right + 1;
      if (box.width && outside) found.push(text.textContent);
    }
  }
  return found;
})()"""
"""Texts of plots that are cut off at the side."""


@needs_chromium
@pytest.mark.parametrize("part", PARTS[1:])
def test_every_control_of_a_lesson_changes_what_it_says(reader, part):
    reader.open(part)
    section = reader.tab.locator(f"#{part}")
    assert section.locator("details").count() == 2
    reader.tab.wait_for_function(
        "id => [...document.querySelectorAll(`#${id} [data-fact]`)].every(fact => fact.textContent)", arg=part
    )
    assert section.locator(".reproduce code").inner_text().split()[0] in ("hwsim", "python")
    for control in section.locator("[data-control]").all():
        reader.tab.reload()
        reader.wait(part)
        seen = section.locator("figure").inner_text()
        slider = control.locator("input[type=range]")
        if slider.count():
            slider.focus()
            reader.tab.keyboard.press(
                "ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight"
            )
        else:
            control.locator("label").nth(1 if control.locator("input").nth(0).is_checked() else 0).click()
        reader.tab.wait_for_function(
            "([id, seen]) => document.querySelector(`#${id} figure`).innerText !== seen", arg=[part, seen]
        )


@needs_chromium
def test_more_power_never_slows_the_dark_chip(reader):
    reader.open("dark")
    rates = []
    reader.tab.focus("#dark-cap")
    reader.tab.keyboard.press("Home")
    for _ in range(4):
        rates.append(float(reader.tab.get_attribute("#dark", "data-rate")))
        reader.tab.keyboard.press("ArrowRight")
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]


@pytest.mark.slow
def test_the_whole_page_is_small_and_the_same_on_one_core_and_two(tmp_path):
    page.build(tmp_path / "whole", workers=2)
    page.build(tmp_path / "part", ("lenet300", "vgg16"))
    assert sum(path.stat().st_size for path in (tmp_path / "whole").iterdir()) < 15e6
    for name in ("grid-lenet300.js", "grid-vgg16.js", "lessons.js", "plotly.js"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "part" / name).read_bytes()
