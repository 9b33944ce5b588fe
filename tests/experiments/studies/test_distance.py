"""Distance: the way of a bit by hand, against the simulator's own DRAM, and off-loading's break-even."""

import pytest

from experiments.studies import distance as study
from hwsim.energy.table import EnergyTable
from hwsim.machine.chip import load_chip
from hwsim.pricing import PriceList
from hwsim.run import simulate
from hwsim.workload.networks import load_network

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

CHIP = load_chip(study.CHIP)


@pytest.fixture(scope="module")
def places():
    return study.by_place().set_index(["stage", "place"])


@pytest.fixture(scope="module")
def devices():
    return study.on_device_or_not()


def test_the_way_of_a_bit_by_hand():
    """20 pJ of DRAM, a hop of 27 and four transceivers of 5.5 are 69 pJ."""
    prices = PriceList(CHIP)
    ways = {place.name: study.way(place, prices) for place in study.PLACES}
    assert ways["DRAM"] == (20.0, False)
    assert ways["another rack, copper"] == (pytest.approx(69.0, rel=1e-12), True)
    assert ways["another rack, optics"] == (pytest.approx(20 + 27 + 4 * 18, rel=1e-12), True)
    assert ways["registers"][0] == pytest.approx(1 / 32, rel=1e-12)


def test_every_place_is_farther_than_the_one_before_but_for_the_radios(places):
    ways = places.loc["dense"]["pJ_per_bit"]
    assert (ways.diff().dropna().iloc[:-1] > 0).all()


def test_a_download_is_shared_by_the_inferences_that_follow(places):
    """A bit is read from DRAM each time, and comes over Wi-Fi and the internet once in 10,000 times."""
    links = EnergyTable.load("links")
    once = links["radio_wifi_down_bit"].pJ + links["network_internet_2020_bit"].pJ
    found = places.loc[("dense", "one download, Wi-Fi"), "pJ_per_bit"]
    assert found == pytest.approx(20 + once / 10_000, rel=1e-12)


def test_an_image_is_sent_as_a_file(devices):
    """115 kB for 181,503 pixels are 5.1 bits each: 224 x 224 of them are 32 kB."""
    sent = devices.set_index(["network", "radio"])["sent_bits"]
    assert sent["squeezenet1_1", "LTE"] == pytest.approx(50_176 * 115_440 * 8 / 181_503, rel=1e-3)
    assert sent["llama_decode", "LTE"] == 32


def test_weights_in_dram_cost_what_the_simulator_counts(places):
    """Up to whole bursts, where none stay on chip: all weights come once at batch 1."""
    chip = CHIP.replace(**{"sram.holds_weights": False})
    actions = simulate(chip, load_network(study.NETWORK, "dense")).actions
    fetched = actions[(actions["tensor"] == "weights") & (actions["component"] == "dram")][
        "energy_per_batch_J"
    ].sum()
    assert places.loc[("dense", "DRAM"), "weights_J"] == pytest.approx(fetched, rel=1e-4)
    kept = actions[(actions["tensor"] == "weights") & (actions["component"] == "sram")][
        "energy_per_batch_J"
    ].sum()
    assert kept > 0
    actions = simulate(CHIP, load_network(study.NETWORK, "dense")).actions
    stored = (actions["tensor"] == "weights") & actions["component"].isin(["dram", "sram"])
    static = actions[actions["component"] == "static"]["energy_per_batch_J"].sum()
    rest = places.loc[("dense", "DRAM"), "rest_J"]
    assert rest + actions[stored]["energy_per_batch_J"].sum() + static == pytest.approx(
        actions["energy_per_batch_J"].sum(), rel=1e-9
    )


def test_at_the_break_even_the_battery_does_not_care(devices):
    links = EnergyTable.load("links")
    for row in devices.to_dict("records"):
        radio = study.RADIOS[row["radio"]]
        up, down = (1e-12 * links[f"radio_{radio}_{way}_bit"].pJ for way in ("up", "down"))
        assert row["break_even_bits"] * up + 32 * down == pytest.approx(row["device_J"], rel=1e-9)
        assert (row["sent_bits"] < row["break_even_bits"]) == (row["battery_J"] < row["device_J"])
    assert set(devices[devices["battery_J"] < devices["device_J"]]["label"]) == {"BERT base", "Llama-2 7B"}


def test_an_update_by_hand():
    """A megabyte for a million phones is 8e12 bits: at 52 nJ, 0.1155 kWh over LTE."""
    table = study.fleet_updates()
    per_MB = table["lte_kWh"] / (table["model_B"] / 1e6)
    assert per_MB.tolist() == pytest.approx([8e12 * 51970e-12 / 3.6e6] * len(table), rel=1e-12)
    assert (table["device_s"] == table["model_B"] / 1.25e6).all()
    dense, coded = (table[table["stage"] == stage]["model_B"].to_numpy() for stage in ("dense", "huffman"))
    assert (dense / coded > 30).all()
