"""The keys of a board that obeys the simulator's laws are found again, and written as in a chip file."""

import tomllib
from dataclasses import replace
from math import isnan
from statistics import fmean

import pytest
from measured_board import CHIP, FOUND, KNOWN, OTHERS, measurement, reading

from experiments.measure.compared import compared
from experiments.measure.device import Reading, Sample, Settings
from experiments.measure.keys import as_toml, clock_share, suggested
from experiments.measure.tasks import COPY, GEMV, IDLE, LARGE, SMALL, WAIT
from hwsim.errors import InputError
from hwsim.machine.chip import chip_text, load_chip

CLOSE = 0.02


@pytest.fixture(scope="module")
def found():
    return measurement(others=OTHERS)


@pytest.mark.parametrize("counter", [True, False], ids=["energy counter", "sampled power"])
def test_the_known_constants_are_found_again(counter):
    assert suggested(load_chip(CHIP), measurement(counter=counter)).values == pytest.approx(KNOWN, rel=CLOSE)


def test_with_the_keys_the_simulation_is_the_board(found):
    chip = load_chip(CHIP)
    table = compared(chip, found, suggested(chip, found))
    assert len(table) == len(found.readings)
    for unit in ("us", "W"):
        rows = table.dropna(subset=f"measured_{unit}")
        assert rows[f"keyed_{unit}"].to_list() == pytest.approx(rows[f"measured_{unit}"].to_list(), rel=CLOSE)
    busy = table.dropna(subset="measured_us")
    assert (busy["simulated_us"] / busy["measured_us"]).sub(1).abs().max() > 0.1
    lower = table[table["set_clock_MHz"] == 705]
    assert fmean(lower["mean_clock_MHz"]) == 705


def hand(task, time_us=None, power_W=100.0, clock_MHz=1410.0):
    """A reading of round numbers: a thousand launches, one sample."""
    seconds = 1.0 if time_us is None else time_us / 1000
    launches = 0 if time_us is None else 1000
    return Reading(task, FOUND, launches, seconds, power_W * seconds, (Sample(0.0, power_W, clock_MHz),))


def keys_of(*readings):
    return suggested(load_chip(CHIP), replace(measurement_of(*readings), notes=()))


def measurement_of(*readings):
    return replace(measurement(), readings=readings)


def test_efficiencies_worked_out_by_hand():
    # 128 x 128 blocks on 13 x 8 of the 108 SMs: 10 x 16 each, of 8192 / 32 folds of 64 rows and two folds of
    # columns; what fills and drains the tiles is less than a thousandth of it
    cycles = 10 * 16 * 256 * 64 * 2
    time_us = cycles / 1200 / 0.75
    copy_us = 2 * 2 * (1 << 29) / (1555e3 * 0.8)
    values = keys_of(hand(LARGE, time_us, clock_MHz=1200.0), hand(COPY, copy_us)).values
    assert values == pytest.approx({"kernels.efficiency": 0.75, "dram.efficiency": 0.8}, rel=1e-3)


def test_power_of_a_memory_bound_kernel_worked_out_by_hand():
    # at half the clock the voltage is the least, 0.65 of 0.85 V
    share = 0.5 * (0.65 / 0.85) ** 2
    assert clock_share(load_chip(CHIP), 0.705) == pytest.approx(share)
    static_W, chip = 12 + 10 + 20, load_chip(CHIP)
    # 28,672 x 8,192 weights, the vector and the result come from DRAM, and to it, in 500 us
    dram_J = 8e-12 * GEMV.dram_B * chip.dram.energy_pJ_per_bit
    gemv = hand(GEMV, 500.0, power_W=static_W + dram_J / 500e-6 + share * 80, clock_MHz=705.0)
    values = keys_of(hand(IDLE, power_W=32.0), gemv).values
    assert (values["power.leakage_W"], values["power.board_W"]) == pytest.approx((20.0, 10.0))
    # the rest of its operations takes less than a fifth of what the DRAM does
    assert share * 80 - 0.2 * dram_J / 500e-6 < share * values["power.clock_W"] < share * 80


@pytest.mark.parametrize(
    ("readings", "key"),
    [
        ((hand(LARGE, 1000.0),), "kernels.efficiency"),
        ((hand(COPY, 100.0),), "dram.efficiency"),
        ((hand(IDLE, power_W=11.0),), "power.board_W"),
        ((hand(LARGE, 4500.0), hand(SMALL, 0.1)), "kernels.time_us"),
    ],
)
def test_a_board_that_is_not_the_chip_gets_no_key_but_a_reason(readings, key):
    found = keys_of(*readings)
    assert key not in found.values
    (note,) = [note for note in found.notes if note.startswith(f"{key} is not suggested")]
    assert f"what {CHIP} says beside it does not fit" in note


def test_the_snippet_can_be_merged_into_the_chip_file(found, tmp_path):
    snippet = tomllib.loads(as_toml(suggested(load_chip(CHIP), found)))
    sources = snippet.pop("sources")
    assert all(source.startswith(f"measured: {found.board.date}, ") for source in sources.values())
    text = chip_text(CHIP)
    for table, values in snippet.items():
        for name, value in values.items():
            lines = [
                line for line in text.splitlines() if not line.startswith((f"{name} =", f'"{table}.{name}"'))
            ]
            text = "\n".join(lines) if name != "efficiency" else text
            text = text.replace(f"[{table}]", f"[{table}]\n{name} = {value}")
            text = text.replace("[sources]", f'[sources]\n"{table}.{name}" = "{sources[f"{table}.{name}"]}"')
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    mine = load_chip(path)
    assert mine.kernels.time_us == snippet["kernels"]["time_us"]
    assert mine.power.clock_W == snippet["power"]["clock_W"]
    assert mine.sources["dram.efficiency"] == sources["dram.efficiency"]


def test_a_limit_that_the_chip_cannot_keep_is_not_simulated():
    one = replace(hand(LARGE, 5000.0), settings=Settings(40.0))
    chip, taken = load_chip(CHIP), measurement_of(one)
    (row,) = compared(chip, taken, suggested(chip, replace(taken, found=FOUND))).to_dict("records")
    assert (row["measured_us"], row["measured_W"]) == pytest.approx((5000.0, 100.0))
    assert isnan(row["simulated_us"])
    assert isnan(row["simulated_W"])


def test_energy_without_a_counter_is_the_integral_of_the_power():
    samples = Sample(0.0, 100.0, 900.0), Sample(1.0, 200.0, 1000.0), Sample(4.0, 100.0, 1100.0)
    one = Reading(GEMV, FOUND, 2, 4.0, None, samples)
    assert one.power_W == (150 * 1 + 150 * 3) / 4
    assert one.clock_GHz == 1.0
    assert one.time_us == 2e6


@pytest.mark.parametrize(
    ("seconds", "counter_J", "samples", "message"),
    [
        (0.0, 1.0, 2, "took 0 s"),
        (1.0, None, 1, "1 samples of power"),
        (1.0, 1.0, 0, "no sample of the clock"),
    ],
)
def test_readings_that_cannot_be_used(seconds, counter_J, samples, message):
    taken = tuple(Sample(float(at_s), 1.0, 1.0) for at_s in range(samples))
    with pytest.raises(InputError, match=message):
        Reading(IDLE, Settings(1.0), 0, seconds, counter_J, taken)


def test_a_wait_is_simulated_at_the_clock_it_had():
    assert reading(WAIT, OTHERS[0]).power_W < reading(WAIT).power_W
