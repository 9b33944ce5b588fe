"""A page of few points, built in seconds, and a browser that reads it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import auditing
import pytest

from experiments.page import build as page
from experiments.page import closed_form, lessons, pruning
from experiments.page.settings import FORMS, NETWORKS
from experiments.page.settings import Network as PageNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed: apt install chromium"
)


def small(network: PageNetwork) -> PageNetwork:
    """The network with two or three positions of each control, the shipped ones among them."""
    machine = network.machine
    shipped = machine.sram_B.index(machine.chip.sram.capacity_B)
    caps = (machine.caps_W[0], machine.chip.power.cap_W)
    sram = (machine.sram_B[shipped - 1], machine.sram_B[shipped], machine.sram_B[-1])
    few = replace(machine, sram_B=sram, drams=machine.drams[:2], caps_W=caps)
    return replace(network, machine=few, batches=(1, 64))


PATIENCE_MS = 240_000
"""On a busy machine a browser takes its time, which is not what is tested."""

SMALL = {name: small(NETWORKS[name]) for name in ("lenet300", "alexnet_fc")}
COMPARED = ("lenet5", "squeezenet1_0", "resnet18")


@contextmanager
def small_settings() -> Iterator[None]:
    """Build pages of few points, a small language model and a very short training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditing, "STEPS", 20)
        patch.setattr(page, "NETWORKS", SMALL)
        patch.setattr(closed_form, "COMPARED", COMPARED)
        patch.setattr(lessons, "CAPS_W", (100, 250))
        patch.setattr(lessons, "TOKEN", replace(lessons.TOKEN, network="llama-3.2-1b"))
        patch.setattr(lessons, "FORMS", {name: FORMS[name] for name in ("bf16", "int4-g128")})
        patch.setattr(pruning, "IMAGES", 1000)
        patch.setattr(pruning, "HELD_OUT", 500)
        patch.setattr(pruning, "DENSITIES", (1.0, 0.5, 0.1))
        patch.setattr(pruning, "CONFIG", replace(pruning.CONFIG, epochs=1))
        yield


def build_small(folder: Path) -> None:
    """Build the small page."""
    with small_settings():
        page.build(folder, tuple(SMALL))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the machine's own Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Reader:
    """A tab on the page, which notes every error and every request.

    It stays open from test to test: a second look at the page takes a fifth of the first one's time.
    """

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.folder = folder
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.tab: Page = browser.new_page()
        self.tab.set_default_timeout(PATIENCE_MS)
        self.tab.on(
            "console", lambda message: self.errors.append(message.text) if message.type != "log" else None
        )
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))

    def look(self, width: int = 1280, scheme: Literal["light", "dark"] = "light") -> None:
        """Leave the page, for a window of that width and a system of that colour scheme."""
        self.tab.goto("about:blank")
        self.tab.set_viewport_size({"width": width, "height": 900})
        self.tab.emulate_media(media="screen", color_scheme=scheme, reduced_motion="no-preference")

    def open(self, part: str = "explorer") -> None:
        """Show a part of the page and wait until it is drawn."""
        self.tab.goto(f"{(self.folder / 'index.html').as_uri()}#{part}")
        self.wait(part)

    def wait(self, part: str) -> None:
        """Wait until a part of the page is drawn."""
        section, drawn = f"#{part.partition('?')[0]}", ":is(.chart, .row, .matrix, .floorplan, .scene)"
        self.tab.wait_for_selector(f"{section}.refused, {section} {drawn}")

    def figure(self, label: str, letter: str = "b") -> str:
        """Text of one of the figures that are compared, of A or of B."""
        return self.tab.inner_text(f"[data-stat='{label}'] td.{letter}")

    def joules(self, letter: str = "") -> float:
        """Energy per inference of B, or of A, to the last digit that the page has."""
        return float(self.tab.get_attribute("#explorer", f"data-joules{letter and '-a'}") or "nan")

    def watts(self) -> dict[str, float]:
        """Watts by component of B in the explorer, headroom included."""
        found = self.tab.eval_on_selector_all(
            "#power > .power:nth-child(2) [data-component]",
            "items => items.map(item => [item.dataset.component, +item.dataset.watts])",
        )
        return dict(found)
