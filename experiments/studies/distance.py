"""Distance: weights in a register, in SRAM, in DRAM, on another chip, in another rack, in the cloud.

Question. What does one inference cost if its weights are ever farther away? When is it cheaper to
send the input to a data centre than to compute on the phone? What does it take to bring a new
model to a million phones?

Look for. In `distance`, where each line leaves the dotted level of everything else. Compression moves
that point from SRAM to DRAM. In `offload`, the two sides change places: an image is large and
its network small, a token is small and its network huge. Every link and radio is of low
confidence and marked. The radio's base power and tail are left out, which favours off-loading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from experiments.figures import distance as figures
from experiments.runs.phrases import listed, quantity, span, times
from hwsim.energy.table import EnergyTable
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import STAGES, load_network

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.pricing import PriceList

CHIP, NETWORK = "reference_250w", "alexnet"
PHONE, CLOUD, CLOUD_BATCH, AWAY_STAGE = "phone", "turing_t4", 64, "int8"
J_PER_KWH = 3.6e6


class Leg(NamedTuple):
    """Part of the way of one bit: an action of a table, as often as it is taken.

    ``chip`` stands for the prices of the chip itself, the action then being ``component action``.
    """

    table: str
    action: str
    times: float = 1.0


class Place(NamedTuple):
    """Where weights lie, and the way of a bit from there to the arrays."""

    name: str
    legs: tuple[Leg, ...]


SRAM, DRAM = Leg("chip", "sram read_bit"), Leg("chip", "dram read_bit")
THERE_AND_HERE = 4
"""Transceivers on the way through one switch: two links with one at each end."""
HOP = Leg("links", "network_data_centre_hop_bit")
SERVED = 10_000
"""Inferences that share one download of the model: thirty a day for a year."""
WIFI, LTE, INTERNET = (
    Leg("links", f"{link}_bit", 1 / SERVED)
    for link in ("radio_wifi_down", "radio_lte_down", "network_internet_2020")
)
PLACES = (
    Place("registers", (Leg("chip", "register access_bit"),)),
    Place("scratchpad of the tile", (Leg("chip", "scratchpad read_bit"),)),
    Place("SRAM, 5 mm away", (SRAM,)),
    Place("SRAM of the next chip", (SRAM, Leg("links", "link_package_28nm_bit"))),
    Place("DRAM", (DRAM,)),
    Place("DRAM of the next card", (DRAM, Leg("links", "link_board_pcie_bit"))),
    Place("another rack, copper", (DRAM, HOP, Leg("links", "link_copper_112G_bit", THERE_AND_HERE))),
    Place("another rack, optics", (DRAM, HOP, Leg("links", "link_optical_pluggable_bit", THERE_AND_HERE))),
    Place("one download, Wi-Fi", (DRAM, WIFI, INTERNET)),
    Place("one download, LTE", (DRAM, LTE, INTERNET)),
)


class Task(NamedTuple):
    """What an off-loaded inference sends and receives.

    Parameters
    ----------
    network : str
    label, what : str
        In figures, and what is sent.
    up_bits : int
        Sent; zero for the network's input as a JPEG file.
    down_bits : int
        A label, or the next token.
    """

    network: str
    label: str
    what: str
    up_bits: int
    down_bits: int = 32


TASKS = (
    Task("squeezenet1_1", "SqueezeNet 1.1", "an image", 0),
    Task("mobilenet_v1", "MobileNet v1", "an image", 0),
    Task("alexnet", "AlexNet", "an image", 0),
    Task("vgg16", "VGG-16", "an image", 0),
    Task("bert_base", "BERT base", "128 tokens", 128 * 32),
    Task("llama_decode", "Llama-2 7B", "a token", 32),
)
PHOTOS, PHOTOS_B, PHOTO_PIXELS = 1_281_167, 147_897_477_120, 469 * 387
"""Training images of ImageNet (ILSVRC 2012): JPEG files, their bytes in all, and the mean size of an image
(recalled)."""
JPEG_BITS_PER_PIXEL = 8 * PHOTOS_B / PHOTOS / PHOTO_PIXELS
COLOURS = 3

RADIOS = {"Wi-Fi": "wifi", "LTE": "lte"}

DEVICES = 1_000_000
LINK_MB_PER_S, SERVER_GB_PER_S = 1.25, 1.25
"""Assumed: 10 Mb/s to each phone, and 10 Gb/s out of the data centre."""
UPDATED = ("alexnet", "vgg16")


def produce(run: Run) -> None:
    """Write energy by place, on-device against off-load, updates of a fleet."""
    places, offload, updates = by_place(), on_device_or_not(), fleet_updates()
    run.write_csv("places.csv", places)
    run.write_csv("offload.csv", offload)
    run.write_csv("updates.csv", updates)


def way(place: Place, prices: PriceList) -> tuple[float, bool]:
    """Picojoules of one bit from `place` to the arrays, and whether a leg is of low confidence."""
    total, low = 0.0, False
    for leg in place.legs:
        if leg.table == "chip":
            component, _, action = leg.action.partition(" ")
            total += prices.pJ(component, action, leg.times)
            low = low or prices[component, action].low_confidence
        else:
            figure = EnergyTable.load(leg.table)[leg.action]
            total, low = total + leg.times * figure.pJ, low or figure.low_confidence
    return total, low


def by_place() -> pd.DataFrame:
    """Energy of an inference at batch 1: stage, place, pJ_per_bit, weights_J, rest_J, low_confidence.

    `rest_J` is everything but static power and the way of stored weights to the arrays.
    """
    chip = load_chip(CHIP)
    rows = []
    for stage in STAGES:
        workload = load_network(NETWORK, stage)
        report = simulate(chip, workload)
        rest_J = rest_of(report.actions)
        for place in PLACES:
            pJ_per_bit, low = way(place, report.prices)
            rows.append(
                {
                    "stage": stage,
                    "place": place.name,
                    "pJ_per_bit": pJ_per_bit,
                    "weights_J": 1e-12 * pJ_per_bit * workload.weight_bits,
                    "rest_J": rest_J,
                    "low_confidence": low,
                }
            )
    return pd.DataFrame(rows)


def rest_of(actions: pd.DataFrame) -> float:
    """Joules of a run without static power and without weights in DRAM and SRAM."""
    weights = (actions["tensor"] == "weights") & actions["component"].isin(("dram", "sram"))
    return float(actions[~weights & (actions["component"] != "static")]["energy_per_batch_J"].sum())


def on_device_or_not() -> pd.DataFrame:
    """An inference on the phone, or sent away: one row a network and radio.

    Columns: network, label, what, stage, radio, device_J (all of it), battery_J (of the radio, off-load),
    cloud_J (of the data centre), internet_J, break_even_bits (sent, at which the battery does not care),
    sent_bits, low_confidence.
    """
    links = EnergyTable.load("links")
    internet = links["network_internet_2020_bit"]
    phone, cloud = load_chip(PHONE), load_chip(CLOUD)
    rows = []
    for task in TASKS:
        workload = load_network(task.network, AWAY_STAGE)
        device, away = simulate(phone, workload), simulate(cloud, workload, CLOUD_BATCH)
        pixels = workload.layers[0].input_elements / COLOURS
        up_bits = task.up_bits or round(JPEG_BITS_PER_PIXEL * pixels)
        for name, radio in RADIOS.items():
            up, down = links[f"radio_{radio}_up_bit"], links[f"radio_{radio}_down_bit"]
            received_J = 1e-12 * task.down_bits * down.pJ
            rows.append(
                {
                    "network": task.network,
                    "label": task.label,
                    "what": task.what,
                    "stage": AWAY_STAGE,
                    "radio": name,
                    "device_J": device.energy_per_inference_J,
                    "battery_J": 1e-12 * up_bits * up.pJ + received_J,
                    "cloud_J": away.energy_per_inference_J,
                    "internet_J": 1e-12 * (up_bits + task.down_bits) * internet.pJ,
                    "break_even_bits": (device.energy_per_inference_J - received_J) / (1e-12 * up.pJ),
                    "sent_bits": up_bits,
                    "low_confidence": up.low_confidence or down.low_confidence or bool(device.low_confidence),
                }
            )
    return pd.DataFrame(rows)


def fleet_updates() -> pd.DataFrame:
    """A new model for every phone: network, stage, bytes, times, and kWh by radio and on the way."""
    links = EnergyTable.load("links")
    rows = []
    for network in UPDATED:
        for stage in STAGES:
            size_B = load_network(network, stage).weight_bits / 8

            def kWh(action: str, bits: float = 8 * size_B * DEVICES) -> float:
                return 1e-12 * bits * links[action].pJ / J_PER_KWH

            rows.append(
                {
                    "network": network,
                    "stage": stage,
                    "model_B": size_B,
                    "device_s": size_B / (1e6 * LINK_MB_PER_S),
                    "server_h": DEVICES * size_B / (1e9 * SERVER_GB_PER_S) / 3600,
                    "wifi_kWh": kWh("radio_wifi_down_bit"),
                    "lte_kWh": kWh("radio_lte_down_bit"),
                    "internet_kWh": kWh("network_internet_2020_bit"),
                    "low_confidence": True,
                }
            )
    return pd.DataFrame(rows)


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    return {
        "distance": figures.places(tables["places"]),
        "offload": figures.offload(tables["offload"], tables["updates"]),
    }


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what weights cost by place, when a phone should off-load, and what an update of phones costs."""
    places = tables["places"]
    share = (
        (places["weights_J"] / places["rest_J"])
        .groupby([places["stage"], places["place"]], sort=False)
        .first()
    )
    first = next(place for place, ratio in share["huffman"].items() if ratio > 1)
    phone = tables["offload"].query("radio == 'Wi-Fi'").set_index("label")
    ratio = phone["battery_J"] / phone["device_J"]
    send, keep = ratio[ratio < 1], ratio[ratio > 1]
    fleet = tables["updates"].query("network == 'alexnet'").set_index("stage")
    total_kWh = fleet[["wifi_kWh", "internet_kWh"]].sum(axis=1)
    return (
        f"From DRAM, dense weights of AlexNet cost {times(share['dense', 'DRAM'])} everything else of an "
        f"inference, compressed ones {times(share['huffman', 'DRAM'])}. Compressed weights first cost more "
        f"than everything else from here: {first}.",
        f"A phone computes {listed(keep.index)} with {span(keep, times)} less energy than its Wi-Fi needs "
        f"to send the input. Sending is cheaper for {listed(send.index)}, by {span(1 / send, times)}.",
        f"A new AlexNet for a million phones over Wi-Fi takes {quantity(1000 * total_kWh['dense'], 'Wh')} "
        f"dense, {quantity(1000 * total_kWh['int8'], 'Wh')} in INT8 and "
        f"{quantity(1000 * total_kWh['huffman'], 'Wh')} Huffman-coded.",
    )
