"""The story: its meter adds up to a simulated run, and runs as a reader scrolls."""

from __future__ import annotations

import pytest
from page_support import needs_chromium

from experiments.page.story import STOPS, story
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

pytestmark = pytest.mark.xdist_group("page")

LAYERS = ("fc6", "relu6", "fc7", "relu7", "fc8", "softmax")


@pytest.mark.parametrize("stage", ["dense", "huffman"])
def test_stops_and_the_rest_are_the_energy_of_the_run(stage):
    found = story()
    report = simulate(load_chip("reference_250w"), load_network("alexnet", stage).only(LAYERS))
    passed = found["passes"][stage]
    assert found["weights"] == (9216 + 4096) * 4096 + 4096 * 1000
    assert passed["total_pJ"] * found["weights"] == pytest.approx(1e12 * report.energy_per_inference_J)
    assert passed["stops_pJ"].keys() == STOPS.keys()
    assert sum(passed["stops_pJ"].values()) < passed["total_pJ"]


def test_the_compressed_weight_skips_dram_and_pays_a_decoder():
    dense, small = (story()["passes"][stage] for stage in ("dense", "huffman"))
    assert dense["stops_pJ"]["dram"] > 100 * dense["stops_pJ"]["mac"]
    assert small["stops_pJ"]["dram"] == 0 < small["stops_pJ"]["decoder"]
    assert small["stops_pJ"]["mac"] == pytest.approx(dense["stops_pJ"]["mac"])
    assert dense["bits_per_weight"] == pytest.approx(32, rel=1e-3)
    assert small["bits_per_weight"] == pytest.approx(small["kept"] * small["bits_per_kept_weight"])


@needs_chromium
def test_the_meter_runs_up_with_the_page_and_starts_again(reader):
    reader.open("story")
    total, small = reader.tab.evaluate("Object.values(hwsim.site.story.passes).map(found => found.total_pJ)")
    reached = []
    for step in range(reader.tab.locator(".step").count()):
        reader.tab.evaluate(
            """step => {
                const { bottom } = document.querySelectorAll('.step')[step].getBoundingClientRect();
                scrollTo(0, scrollY + bottom - innerHeight * 0.56);
            }""",
            step,
        )
        reader.tab.wait_for_function(
            "step => document.querySelectorAll('.step')[step].matches('.now')", arg=step
        )
        reached.append(float(reader.tab.get_attribute("#story", "data-pj")))
    dense, again = reached[:5], reached[5:]
    assert dense == sorted(dense)
    assert again == sorted(again)
    assert dense[-1] == pytest.approx(total)
    assert again[-1] == pytest.approx(small)
    assert again[0] == dense[0] == 0


@needs_chromium
def test_every_step_says_its_joules_without_the_picture(reader):
    reader.open("story")
    for meter in reader.tab.locator(".step .meter").all_inner_texts():
        assert "pJ" in meter
        assert "so far" in meter
    assert reader.tab.locator("#story [data-fact]").count() > 10
    assert "" not in reader.tab.locator("#story [data-fact]").all_text_contents()
