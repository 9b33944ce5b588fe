"""Two runs side by side: what is held equal, what the answer hangs on, how runs are named."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from compress.format.container import Artifact
from compress.nn.lenets import build
from experiments.cli import main as cli
from experiments.runs.compare import HOLDS, Side, compare, most_frugal
from experiments.runs.names import label_of, models_of, parse_run, report_of
from experiments.runs.tornado import PARAMETERS, tornado
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

DENSE, CODED = "edge:lenet300:dense", "edge:lenet300:huffman"


def side(text: str) -> Side:
    return Side(text, report_of(parse_run(text)))


@pytest.fixture(scope="module")
def sides():
    return side(DENSE), side(CODED)


def energy_J(of: Side, component: str) -> float:
    return of.report.energy_by("component")[component]


def test_nothing_held_is_the_two_reports_as_they_are(sides):
    found = compare(*sides, "nothing")
    for held in (found.a, found.b):
        assert held.energy_J == pytest.approx(held.report.energy_per_inference_J, rel=1e-12)
        assert held.power_W == pytest.approx(held.report.power_W, rel=1e-12)
        assert not held.idles
    assert found.gain == pytest.approx(found.a.energy_J / found.b.energy_J)


def test_at_equal_throughput_the_faster_one_pays_for_its_rest(sides):
    found = compare(*sides, "throughput")
    rate = sides[0].report.inferences_per_s
    assert found.a.inferences_per_s == found.b.inferences_per_s == rate
    report = sides[1].report
    by_hand = sum(energy for name, energy in report.energy_by("component").items() if name != "static")
    assert found.b.energy_J == pytest.approx(by_hand + report.chip.static_W / rate, rel=1e-12)
    assert found.b.idles
    assert not found.a.idles


def test_at_equal_power_both_draw_what_the_thriftier_one_draws():
    a, b = side("reference_250w:alexnet:dense:64"), side("reference_250w:alexnet:dense")
    found = compare(a, b, "power")
    assert found.a.power_W == pytest.approx(found.b.power_W, rel=1e-12)
    assert found.b.inferences_per_s == pytest.approx(b.report.inferences_per_s)
    assert found.gain == found.b.inferences_per_s / found.a.inferences_per_s


@pytest.mark.parametrize("cap_W", [60.0, 120.0])
def test_idling_draws_what_a_slower_clock_draws(cap_W):
    """The simulator, run again under a lower cap, lies on the line from rest to full rate.

    At batch 1, for a larger batch may be cut in another way under another cap.
    """
    whole = side("reference_250w:alexnet:int8:1:power.governor=clock")
    changes = {"power.cap_W": cap_W, "power.governor": "clock"}
    capped = simulate(load_chip("reference_250w").replace(**changes), load_network("alexnet", "int8"), 1)
    idling = replace(whole, rate=capped.inferences_per_s)
    assert idling.power_W == pytest.approx(capped.power_W, rel=1e-9)
    assert capped.power_W <= cap_W


def test_at_equal_area_the_smaller_chip_comes_several_times(sides):
    small = sides[0]
    large = side(f"{DENSE}:process.die_mm2=15.0")
    found = compare(small, large, "area")
    assert found.a.copies == 2.5
    assert found.b.copies == 1.0
    assert found.a.energy_J == pytest.approx(small.energy_J)
    assert found.a.power_W == pytest.approx(2.5 * small.power_W)
    assert found.gain == pytest.approx(1 / 2.5)


def test_power_that_one_side_draws_at_rest_already_is_refused(sides):
    hungry = side("reference_250w:lenet300")
    with pytest.raises(InputError, match="cannot be held equal"):
        compare(sides[0], hungry, "power")


def test_a_price_moves_the_answer_as_worked_by_hand(sides):
    table = tornado(compare(*sides, "nothing"), 0.25).set_index("parameter")

    def gain(factor: float) -> float:
        a, b = (s.energy_J + (factor - 1) * energy_J(s, "dram") for s in sides)
        return a / b

    # the mapper weighs DRAM against time: at another price it pins other parts of the dense network
    assert table.loc["DRAM price", "gain_low"] == pytest.approx(gain(0.75), rel=1e-3)
    assert table.loc["DRAM price", "gain_high"] == pytest.approx(gain(1.25), rel=1e-3)
    assert table.loc["DRAM price", "gain_stated_low"] == pytest.approx(gain(15 / 20), rel=1e-3)
    assert table.loc["DRAM price", "gain_stated_high"] > gain(70 / 20)  # the cap slows the dense network
    assert table.index[0] == "DRAM price"
    assert table["swing"].is_monotonic_decreasing
    assert set(table.index) == {parameter.name for parameter in PARAMETERS}


def test_nothing_is_stated_of_prices_that_differ_between_the_chips():
    found = compare(side("edge:lenet300:int8"), side("tpu_v2:lenet300:int8"), "nothing")
    table = tornado(found, 0.2).set_index("parameter")
    assert table.loc["DRAM price", "source"] == ""
    assert np.isnan(table.loc["SRAM price", "gain_stated_low"])


def test_a_parameter_that_no_run_survives_leaves_a_hole():
    tight = "edge:lenet300:dense:power.cap_W=0.016"
    table = tornado(compare(side(tight), side(tight), "nothing"), 0.2).set_index("parameter")
    assert np.isnan(table.loc["power cap", "gain_low"])
    assert table.loc["power cap", "gain_high"] == 1.0


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("edge:lenet5", "edge:lenet5:dense"),
        ("edge:lenet5:huffman:8", "edge:lenet5:huffman:8"),
        ("edge:lenet5:8:huffman", "edge:lenet5:huffman:8"),
        ("edge:lenet5:1:sram.capacity_B=65536", "edge:lenet5:dense:sram.capacity_B=65536"),
        ("edge:a/model.dcz", "edge:a/model.dcz"),
        ("edge:lenet5:power.scope=die", "edge:lenet5:dense:power.scope=die"),
    ],
)
def test_a_run_is_named_in_any_order(text, label):
    assert label_of(parse_run(text)) == label


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("edge", "CHIP:NETWORK"),
        ("", "CHIP:NETWORK"),
        ("edge:", "CHIP:NETWORK"),
        (":lenet5", "CHIP:NETWORK"),
        ("edge:lenet5:dense:huffman", "CHIP:NETWORK"),
        ("edge:lenet5:1:2", "CHIP:NETWORK"),
        ("edge:lenet5:", "CHIP:NETWORK"),
        ("nochip:lenet5", "no chip 'nochip'"),
        ("edge:nonet", "no network 'nonet'"),
        ("edge:lenet5:zipped", "no stage 'zipped'"),
        ("edge:lenet5:sram.size=1", "no key 'sram.size'"),
        ("edge:lenet5:sram.capacity_B=few", "sram.capacity_B: found 'few'"),
        ("edge:lenet5:sram.capacity_B=[1]", "found a list or a table"),
        ("edge:lenet5:0", "batch"),
        ("edge:lenet5:power.cap_W=0.001", "power.cap_W is 0.001 W"),
    ],
)
def test_what_names_no_run_is_refused_in_one_sentence(text, said, capsys):
    assert cli.run(cli.HWSIM, ["compare", text, CODED]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.fixture
def report(tmp_path, capsys):
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--json"]) == 0
    path = tmp_path / "report.json"
    path.write_text(capsys.readouterr().out)
    return path


def test_a_saved_report_is_a_run(report):
    assert label_of(parse_run(f"{report}:huffman")) == CODED
    with pytest.raises(InputError, match="5 runs, expected one, named by"):
        parse_run(str(report))
    with pytest.raises(InputError, match="0 runs of stage 'zipped'"):
        parse_run(f"{report}:zipped")


def test_a_report_of_another_version_is_refused(report):
    runs = json.loads(report.read_text())
    runs[0]["energy_J"] *= 1.001
    report.write_text(json.dumps(runs))
    with pytest.raises(InputError, match=r"energy_J was .* and is now"):
        parse_run(f"{report}:dense")
    assert label_of(parse_run(f"{report}:huffman")) == CODED


@pytest.mark.parametrize("value", [[1], {"a": 1}, None])
def test_a_report_with_changes_that_are_none_is_refused(report, value):
    runs = json.loads(report.read_text())
    runs[0]["changes"] = {"sram.capacity_B": value}
    report.write_text(json.dumps(runs))
    with pytest.raises(InputError, match="not a report"):
        parse_run(f"{report}:dense")


@pytest.mark.parametrize("content", ["", "[]x", "{}", "[1]", '[{"asked": {}}]', "null"])
def test_a_file_that_is_no_report_is_refused(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"other\.json"):
        parse_run(str(path))


@pytest.mark.parametrize("asked", [{"layers": "fc1"}, {"training": "adam"}, {"inputs": "x.npy"}])
def test_a_report_of_less_or_more_than_a_network_is_refused(tmp_path, capsys, asked):
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--stage", "dense", "--json"]) == 0
    path = tmp_path / "part.json"
    (run,) = json.loads(capsys.readouterr().out)
    run["asked"] |= {"layers": "", **asked}
    path.write_text(json.dumps([run]))
    with pytest.raises(InputError, match="some layers, of training or on inputs"):
        parse_run(str(path))


def test_of_models_that_are_good_enough_the_thriftiest_is_taken(sides):
    dense, coded = sides

    def model(of: Side, error: float) -> Side:
        return replace(of, test_error=error)

    a, b = most_frugal(([model(dense, 0.01), model(coded, 0.05)], [model(dense, 0.02), model(coded, 0.021)]))
    assert (a.test_error, b.test_error) == (0.01, 0.02)
    a, b = most_frugal(([model(dense, 0.01), model(coded, 0.02)], [model(coded, 0.03)]))
    assert (a.test_error, b.test_error) == (0.02, 0.03)


def test_accuracy_is_held_by_executing_the_files(tmp_path, capsys):
    """Images of zeros: an untrained network without biases calls them class 0; one has a bias for class 1."""
    images = tmp_path / "few.npz"
    x, y = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.uint8)
    np.savez(images, x_train=x, y_train=y, x_test=x[:3], y_test=y[:3])
    for name, bias in (("right", 0.0), ("wrong", 1.0)):
        network = build("lenet300", np.random.default_rng(0))
        network.params["fc3.bias"][1] = bias
        (tmp_path / name).mkdir()
        Artifact.of(network, "dense").save(tmp_path / name / "model.dcz")
    runs = [f"edge:{tmp_path / 'right'}", f"edge:{tmp_path / 'wrong' / 'model.dcz'}"]
    options = ["--hold", "accuracy", "--dataset", str(images), "-o", str(tmp_path / "out"), "--json"]
    assert cli.run(cli.HWSIM, ["compare", *runs, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["a"]["test_error"], found["b"]["test_error"]) == (0.0, 1.0)
    assert "100.00% test error" in found["how"]


def test_accuracy_of_a_network_without_weights_is_not_known(tmp_path):
    for text in ("edge:lenet5", f"edge:{tmp_path}"):
        with pytest.raises(InputError, match="no weights to execute"):
            models_of(parse_run(text))


@pytest.mark.parametrize("hold", HOLDS[:-1])
def test_the_command_prints_tables_and_draws_the_tornado(hold, tmp_path, capsys):
    output = tmp_path / "compared"
    assert cli.run(cli.HWSIM, ["compare", DENSE, CODED, "--hold", hold, "-o", str(output)]) == 0
    printed = capsys.readouterr().out
    assert f"Held equal: {hold}" in printed
    assert "B against A" in printed
    assert {"compare.csv", "tornado.csv", "tornado.png", "tornado.svg", "manifest.json"} == {
        path.name for path in output.iterdir()
    }
    assert len(pd.read_csv(output / "tornado.csv")) == len(PARAMETERS)


def test_an_unknown_hold_is_refused(capsys):
    assert cli.run(cli.HWSIM, ["compare", DENSE, CODED, "--hold", "price"]) == 2
    assert "expected one of throughput, power, area, accuracy" in capsys.readouterr().err
