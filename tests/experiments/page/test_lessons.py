"""The lessons in a browser: each opens on the case it promises, and every control changes what it says."""

from __future__ import annotations

import pytest
from page_support import needs_chromium

PARTS = ("dram", "pruning", "sharing", "huffman", "on-chip", "dark", "token")

pytestmark = [pytest.mark.xdist_group("page"), needs_chromium]


@pytest.mark.parametrize("part", PARTS)
def test_every_control_of_a_lesson_changes_what_it_shows(reader, part):
    reader.open(part)
    section = reader.tab.locator(f"#{part}")
    reader.tab.wait_for_function(
        "id => [...document.querySelectorAll(`#${id} [data-fact]`)].every(fact => fact.textContent)", arg=part
    )
    for command in section.locator(".reproduce code").all_inner_texts():
        assert command.split()[0] in ("hwsim", "python")
    link = section.locator("p a[href^='#explorer?']").get_attribute("href")
    assert "network=" in link
    for control in section.locator("[data-control]:visible").all():
        if control.get_attribute("data-control").startswith("dsd"):
            continue
        reader.tab.reload()
        reader.wait(part)
        seen = section.locator("figure").inner_html()
        slider = control.locator("input[type=range]")
        if slider.count():
            slider.focus()
            last = slider.input_value() == slider.get_attribute("max")
            reader.tab.keyboard.press("ArrowLeft" if last else "ArrowRight")
        else:
            control.locator("label").nth(1 if control.locator("input").nth(0).is_checked() else 0).click()
        reader.tab.wait_for_function(
            "([id, seen]) => document.querySelector(`#${id} figure`).innerHTML !== seen", arg=[part, seen]
        )


def test_lesson_1_opens_on_a_word_used_once(reader):
    reader.open("dram")
    assert reader.tab.inner_text("#dram .say").startswith("Used once, a DDR3 word costs 640 pJ")


def test_lesson_2_opens_on_a_pruned_network_and_dsd_has_a_box_of_its_own(reader):
    reader.open("pruning")
    assert "pruned" in reader.tab.inner_text("#pruning figure .say strong")
    assert reader.tab.locator("#pruning figure").get_by_text("dense again").count() == 0
    reader.tab.wait_for_selector("#dsd .chart")
    said = reader.tab.inner_text("#dsd .say")
    reader.tab.focus("#dsd-density")
    reader.tab.keyboard.press("ArrowRight")
    reader.tab.wait_for_function("said => document.querySelector('#dsd .say').innerText !== said", arg=said)


def test_lesson_5_opens_on_a_memory_in_which_only_compressed_weights_fit(reader):
    reader.open("on-chip")
    assert "all weights fit only if they are pruned" in reader.tab.inner_text("#on-chip .say")


def test_lesson_6_opens_on_a_chip_that_is_mostly_dark(reader):
    reader.open("dark")
    said = reader.tab.inner_text("#dark .say")
    assert int(said.split(" of 48 tiles are dark")[0].split()[-1]) > 24


def test_more_power_never_slows_the_dark_chip(reader):
    reader.open("dark")
    rates = []
    reader.tab.focus("#dark-cap")
    reader.tab.keyboard.press("Home")
    for _ in range(2):
        rates.append(float(reader.tab.get_attribute("#dark", "data-rate")))
        reader.tab.keyboard.press("ArrowRight")
    assert rates[0] < rates[1]
