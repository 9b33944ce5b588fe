"""For every reader: at any width and colour, by keyboard, with a screen reader, on paper, and at once."""

from __future__ import annotations

import re

import pytest
from page_support import needs_chromium

LESSONS = ("dram", "pruning", "sharing", "huffman", "on-chip", "dark", "token")
PARTS = ("story", "explorer", "yours", *LESSONS)
FIRST_PAINT_MS = 1000

pytestmark = [pytest.mark.xdist_group("page"), needs_chromium]

OUTSIDE = """(() => {
  const found = [];
  for (const chart of document.querySelectorAll("main > section:not([hidden]) :is(.chart, .scene)")) {
    const frame = chart.getBoundingClientRect();
    for (const text of chart.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      const outside = box.left < frame.left - 1 || box.right > frame.right + 1;
      if (box.width && outside) found.push(text.textContent);
    }
  }
  return found;
})()"""
"""Texts of charts that are cut off at the side."""

SHOWN = "main > section:not([hidden])"

CONTROLS = ":is(input, select, button, textarea, a)"
NAMELESS = f"""[...document.querySelectorAll("{SHOWN} {CONTROLS}, header {CONTROLS}")]
  .filter((at) => !(at.getAttribute("aria-label") || at.textContent.trim() || at.labels?.length))
  .map((at) => at.outerHTML)"""
"""Controls that a screen reader has no name for."""

UNSEEN = f"""[...document.querySelectorAll("{SHOWN} svg")]
  .filter((svg) => svg.getAttribute("role") !== "img" || !(svg.ariaLabel || svg.querySelector("title")))
  .map((svg) => svg.outerHTML.slice(0, 100))"""
"""Pictures that a screen reader has no text for."""

STOPS = ("a[href]", "button", "select", "summary", "textarea", "input", "[tabindex='0']")
REACHABLE = f"""(() => {{
  const groups = new Set();
  return [...document.querySelectorAll("{SHOWN} :is({", ".join(STOPS)})")]
    .filter((at) => at.getClientRects().length && !at.closest("details:not([open]) > :not(summary)"))
    .filter((at) => at.type !== "radio" || (!groups.has(at.name) && groups.add(at.name))).length;
}})()"""
"""Stops of the tabulator within the part that is shown; radio buttons of one name are one stop."""

FOCUSED = """part => {
  const at = document.activeElement;
  const shown = at.type === "radio" ? document.querySelector(`label[for='${at.id}']`) : at;
  return [Boolean(at.closest(`#${part}`)), getComputedStyle(shown).outlineStyle];
}"""


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


@pytest.mark.parametrize("part", PARTS)
def test_controls_and_pictures_have_names(reader, part):
    reader.open(part)
    assert reader.tab.evaluate(NAMELESS) == []
    assert reader.tab.evaluate(UNSEEN) == []
    assert reader.tab.locator(f"#{part} h1").count() == 1


@pytest.mark.parametrize("part", PARTS)
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(reader, part):
    reader.open(part)
    wanted = reader.tab.evaluate(REACHABLE)
    reader.tab.focus("#theme")
    reached = 0
    while True:
        reader.tab.keyboard.press("Tab")
        inside, outline = reader.tab.evaluate(FOCUSED, part)
        if not inside:
            break
        assert outline != "none"
        reached += 1
    assert reached == wanted > 0


def test_the_skip_link_comes_first(reader):
    reader.tab.goto((reader.folder / "index.html").as_uri())
    reader.wait("story")
    reader.tab.keyboard.press("Tab")
    assert reader.tab.evaluate("document.activeElement.className") == "skip"
    reader.tab.keyboard.press("Enter")
    reader.tab.wait_for_selector("#explorer .row")


def test_the_page_is_painted_at_once(reader):
    """From disk, with nothing in the cache; the fastest of three, for a test shares its machine."""
    paints = []
    for _ in range(3):
        reader.look()
        reader.open("story")
        paints.append(
            reader.tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        )
    assert min(paints) < FIRST_PAINT_MS


def test_paper_has_the_figures_and_no_controls(reader):
    for part in ("story", "explorer", "dram"):
        reader.look()
        reader.open(part)
        reader.tab.emulate_media(media="print")
        assert reader.tab.locator("header nav").is_hidden()
        assert reader.tab.locator(f"#{part} :is(.chart, .row, .scene)").first.is_visible()
        assert not any(at.is_visible() for at in reader.tab.locator(f"#{part} :is(form, .knobs)").all())
        assert all(
            at.evaluate("at => getComputedStyle(at).opacity") == "1"
            for at in reader.tab.locator(".step").all()
        )


def test_on_paper_both_columns_of_the_meter_are_full(reader):
    reader.open("story")
    reader.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    told = reader.tab.locator(".scene .meter-label").all_text_contents()
    totals = reader.tab.evaluate(
        "Object.values(hwsim.site.story.passes).map(found => hwsim.pico(found.total_pJ))"
    )
    assert told == totals


def test_the_story_stands_still_for_who_asked_for_less_motion(reader):
    reader.tab.emulate_media(reduced_motion="reduce")
    reader.open("story")
    reader.tab.evaluate("document.querySelectorAll('.step')[1].scrollIntoView({ block: 'center' })")
    reader.tab.wait_for_selector(".step:nth-child(2).now")
    told = reader.tab.evaluate("hwsim.site.story.passes.dense.stops_pJ.dram")
    assert float(reader.tab.get_attribute("#story", "data-pj")) == pytest.approx(told)
