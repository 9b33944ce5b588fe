"""The page's files, and the explorer in a browser: every control moves the figures the right way."""

from __future__ import annotations

import json
import re

import pytest
from page_support import SMALL, needs_chromium

from experiments.cli import main as cli
from experiments.figures import preview, style
from experiments.page import build as page
from experiments.page.errors import errors_of
from experiments.page.settings import FORMS
from experiments.page.story import story
from hwsim.errors import InputError

DENSE_AT_64 = "explorer?network=alexnet_fc&stage=dense&batch=64&sram=10MiB&dram=DDR3-class&node=45nm&cap=250W"
DENSE_AT_1 = DENSE_AT_64.replace("batch=64", "batch=1")
LARGEST_B = 5e6

pytestmark = pytest.mark.xdist_group("page")  # one process builds the page for all


def test_an_earlier_page_is_replaced_and_nothing_else(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt, which is not of an earlier run"):
        page.build(tmp_path, ("lenet300",))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_files_load_nothing_from_elsewhere():
    """An address is that of a vocabulary, or of a link that a reader may follow."""
    for name, text in page.static_files():
        linked = set(re.findall(r'<a href="(https://[^"]+)"', text))
        found = set(re.findall(r"https?://[^\s\"'`]+|//cdn[^\s\"'`]*", text))
        assert found - linked <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"@import|url\((?!#)|integrity=", text), name


def test_the_head_says_what_the_page_is(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    for wanted in ("<title>", 'name="description"', 'property="og:title"', 'property="og:description"'):
        assert text.count(wanted) == 1
    assert re.search(r'property="og:image" content="preview\.png"', text)
    width, height = (int.from_bytes((folder / "preview.png").read_bytes()[at : at + 4]) for at in (16, 20))
    assert (width, height) == (1200, 630)


def test_the_preview_has_room_for_its_texts():
    figure = preview.draw(story())
    figure.canvas.draw()
    texts = [*figure.texts, *figure.axes[0].texts]
    assert len(texts) >= 4
    for text in texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text.get_text()


def test_colours_are_those_of_the_figures(folder):
    told = json.loads((folder / "site.js").read_text(encoding="utf-8").split(", ", 1)[1].removesuffix(");\n"))
    assert {"dram", "sram", "scratchpad", "register", "mac", "vector", "decoder", "static"} < set(
        told["components"]
    )
    for name, look in told["components"].items():
        assert (look["label"], look["colour"]) == style.COMPONENTS[name]
    assert told["stages"].keys() == style.STAGES.keys() | FORMS.keys()
    assert told["tiles"].keys() == style.TILES.keys()


@needs_chromium
def test_the_explorer_shows_the_point_that_its_command_runs(reader, capsys):
    reader.open(DENSE_AT_64)
    words = reader.tab.inner_text("#command code").split()
    assert words[:4] == ["hwsim", "run", "reference_250w", "alexnet"]
    assert cli.run(cli.HWSIM, [*words[1:], "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert reader.joules() == pytest.approx(told["energy_J"], rel=1e-6)
    assert reader.figure("Limiter") == told["limiter"]
    assert "low confidence" not in reader.tab.inner_text("#notes")
    reader.tab.click("label[for='dram-1']")
    reader.tab.wait_for_selector("#notes li:has-text('Energies of low confidence: dram')")


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
def test_accuracy_stands_beside_energy_and_bytes(reader):
    reader.open(DENSE_AT_1.replace("stage=dense", "stage=pruned"))
    published = errors_of("alexnet")
    assert reader.figure("Top-1 error", "a") == f"{published['dense']['top1_error_pct']:.2f}%"
    assert reader.figure("Top-1 error") == f"{published['pruned']['top1_error_pct']:.2f}%"
    assert published["pruned"]["source"] in reader.tab.inner_text("#notes")
    assert "points of error" in reader.tab.inner_text("#headline")
    reader.tab.click("label[for='stage-4']")  # nobody published the error of AlexNet in INT8
    reader.tab.wait_for_function(
        "document.querySelector(\"[data-stat='Top-1 error'] td.b\").textContent === 'none published'"
    )
    rows = reader.tab.locator("#compared tbody th").all_inner_texts()
    assert rows[:3] == ["Energy per inference", "Stored weights", "Top-1 error"]


@needs_chromium
def test_bars_are_to_scale_and_percentages_are_of_a(reader):
    reader.open(DENSE_AT_1.replace("stage=dense", "stage=huffman"))
    bars = "#components .row[data-row='total'] .track"
    widths = reader.tab.eval_on_selector_all(
        bars,
        """bars => bars.map(({ children }) =>
            [...children].reduce((sum, { style }) => sum + parseFloat(style.width), 0))""",
    )
    assert widths[1] / widths[0] == pytest.approx(reader.joules() / reader.joules("a"), rel=0.02)
    told = reader.tab.locator("#components .row[data-row='total'] .said").all_inner_texts()
    share = 100 * reader.joules() / reader.joules("a")
    assert told[0].endswith("· 100%")
    assert told[1].endswith(f"· {round(share)}%")
    reader.tab.click("label[for='magnify-components-1']")
    reader.tab.wait_for_selector(f"{bars}.torn")
    magnified = reader.tab.eval_on_selector_all(
        "#components .row[data-row='mac'] .track",
        "bars => bars.map(bar => bar.firstChild.getBoundingClientRect().width)",
    )
    reader.tab.click("label[for='magnify-components-0']")
    reader.tab.wait_for_selector(f"{bars}.torn", state="detached")
    plain = reader.tab.eval_on_selector_all(
        "#components .row[data-row='mac'] .track",
        "bars => bars.map(bar => bar.firstChild.getBoundingClientRect().width)",
    )
    assert magnified == pytest.approx([10 * width for width in plain], rel=0.02)


@needs_chromium
def test_sliders_by_keyboard(reader):
    reader.open(DENSE_AT_1)
    dram, energy = reader.watts()["dram"], reader.joules()
    reader.tab.focus("#sram")
    reader.tab.keyboard.press("ArrowRight")
    reader.tab.wait_for_function(f"+document.querySelector('#explorer').dataset.joules < {energy}")
    assert reader.watts()["dram"] <= dram
    reader.tab.keyboard.press("Home")
    shown = "document.querySelector(\"[data-control='sram'] output\").textContent"
    reader.tab.wait_for_function(f"{shown}.includes('5 MiB')")
    assert reader.watts()["dram"] >= dram  # less memory moves more; it also leaks less


@needs_chromium
def test_a_higher_cap_by_mouse_lets_more_tiles_compute_and_the_stack_sums_to_it(reader):
    reader.open(DENSE_AT_64)
    slider = reader.tab.locator("#cap")
    width = slider.bounding_box()["width"]
    working = []
    for x, cap in ((3, 100), (width - 3, 250)):
        slider.click(position={"x": x, "y": 8})
        reader.tab.wait_for_function(f"document.querySelector('.cap em').textContent === 'cap {cap} W'")
        working.append(float(reader.figure("Tiles’ worth of work").split()[0]))
        watts = reader.watts()
        assert sum(watts.values()) == pytest.approx(cap, rel=1e-6)
        assert watts["headroom"] >= 0
    assert working[0] < working[1]


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
        "document.querySelector('#headline').textContent.startsWith('LeNet-300-100, pruned')"
    )
    assert "one tile" in reader.tab.inner_text("#floorplan-note")
    commands = reader.tab.locator("#command code").all_inner_texts()
    assert commands == [
        f"hwsim run edge lenet300 --stage {stage} --batch 1" for stage in ("dense", "huffman")
    ]


@needs_chromium
def test_presets_begin_with_the_case_they_name(reader):
    reader.open(DENSE_AT_64)
    reader.tab.click("#presets button:has-text('250 W card')")
    reader.tab.wait_for_function("document.querySelector('#headline').textContent.includes('Huffman')")
    assert "stage=huffman&batch=1&" in reader.tab.evaluate("location.hash")
    assert reader.figure("Energy per inference", "a") != reader.figure("Energy per inference")


@needs_chromium
def test_the_address_names_both_runs(reader):
    reader.open("explorer?network=alexnet_fc&stage=huffman&batch=64&vs-stage=dense&vs-batch=1")
    assert reader.tab.locator("#compared thead th").all_inner_texts()[:2] == [
        "A dense, batch 1",
        "B + Huffman, batch 64",
    ]
    address = reader.tab.evaluate("location.hash")
    for part in (
        "network=alexnet_fc",
        "stage=huffman",
        "sram=10MiB",
        "cap=250W",
        "vs-stage=dense",
        "vs-batch=1",
    ):
        assert part in address
    energies = reader.joules(), reader.joules("a")
    reader.tab.goto("about:blank")
    reader.open(address.removeprefix("#"))
    assert (reader.joules(), reader.joules("a")) == energies


@needs_chromium
def test_a_run_is_pinned_and_let_go(reader):
    reader.open(DENSE_AT_1.replace("stage=dense", "stage=shared"))
    shared = reader.joules()
    reader.tab.click("#pin")
    reader.tab.click("label[for='stage-3']")
    reader.tab.wait_for_function("document.querySelector('#headline').textContent.includes('Huffman')")
    assert reader.joules("a") == shared
    assert "vs-stage=shared" in reader.tab.evaluate("location.hash")
    reader.tab.click("#unpin")
    reader.tab.wait_for_function(f"+document.querySelector('#explorer').dataset.joulesA > {shared}")
    assert "vs-" not in reader.tab.evaluate("location.hash")
    reader.tab.click("label[for='batch-1']")
    reader.tab.click("text=As shipped")
    reader.tab.wait_for_function("location.hash.includes('batch=1&')")


@needs_chromium
def test_a_run_that_the_cap_does_not_allow_says_so(reader):
    reader.open(DENSE_AT_64.replace("10MiB", "320MiB").replace("250W", "100W"))
    reader.tab.wait_for_selector("#explorer.refused")
    assert "power.cap_W is 100 W, expected at least" in reader.tab.inner_text("#headline")


@pytest.mark.slow
def test_the_whole_page_is_small_and_the_same_on_one_core_and_two(tmp_path):
    page.build(tmp_path / "whole", workers=2)
    page.build(tmp_path / "part", ("lenet300", "mobilenet"))
    assert sum(path.stat().st_size for path in (tmp_path / "whole").iterdir()) < LARGEST_B
    for name in ("grid-lenet300.js", "grid-mobilenet.js", "lessons.js", "shapes.js", "preview.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "part" / name).read_bytes()
