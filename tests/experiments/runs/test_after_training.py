"""Compression of a trained network from the command line: a file that loads, and figures beside it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from compress.format.container import Artifact, read
from compress.format.execution import executable
from compress.lowering import workload_of
from compress.nn.lenets import build
from experiments.cli import main as cli
from experiments.runs.codings import try_codings
from hwsim.machine.chip import load_chip
from hwsim.run import simulate


@pytest.fixture
def network(tmp_path):
    made = build("lenet5", np.random.default_rng(0))
    Artifact.of(made, "dense").save(tmp_path / "model.dcz")
    np.save(tmp_path / "x.npy", np.random.default_rng(1).random((8, 1, 28, 28), np.float32))
    return made


def shrink(tmp_path, *more):
    files = [str(tmp_path / name) for name in ("model.dcz", "x.npy", "small.dcz")]
    return cli.run(cli.DCZ, ["shrink", files[0], "--inputs", files[1], "-o", files[2], "--force", *more])


def test_figures_are_those_of_the_saved_file(tmp_path, network, capsys):
    assert shrink(tmp_path, "--density", "0.4", "--bits", "6", "--chip", "edge", "--json") == 0
    dense, small = json.loads(capsys.readouterr().out)
    saved = (tmp_path / "small.dcz").stat().st_size
    assert small["bytes"] == saved < dense["bytes"] / 5
    assert (dense["top_1"], dense["largest_error"]) == (1.0, 0.0)
    held = np.load(tmp_path / "x.npy")[4:]
    ours = read(tmp_path / "small.dcz")[0].to_network().forward(held)
    theirs = network.forward(held)
    error = np.abs(ours - theirs).max() / np.abs(theirs).max()
    assert small["largest_error"] == pytest.approx(error, abs=1e-5)  # sums in another order
    assert small["top_1"] == (ours.argmax(1) == theirs.argmax(1)).mean()
    assert 5 < small["snr_dB"] < 100
    assert 0 < small["energy_J"] < dense["energy_J"]


def test_the_table_says_where_it_was_written(tmp_path, network, capsys):
    assert shrink(tmp_path, "--chip", "edge", "--coding", "fixed") == 0
    out = capsys.readouterr().out
    assert f"{(tmp_path / 'small.dcz').stat().st_size:,} bytes" in out
    assert "answers compared on 4 inputs" in out


def test_the_coding_is_chosen_for_the_chip_and_another_chip_has_a_command(tmp_path, network, capsys):
    assert shrink(tmp_path, "--chip", "edge") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Codings on edge, batch 1" in out
    small = tmp_path / "small.dcz"
    assert (
        f"takes the fewest joules on edge, batch 1; for another chip: dcz recode {small} --coding auto" in out
    )
    there = str(tmp_path / "there.dcz")
    assert cli.run(cli.DCZ, ["recode", str(small), "--coding", "auto", "--chip", "tpu_v1", "-o", there]) == 0
    assert "decoding takes" in capsys.readouterr().out
    tried = try_codings(read(small)[0], load_chip("tpu_v1"), 1)
    assert simulate("tpu_v1", workload_of(there)).energy_per_inference_J == min(one.energy_J for one in tried)


def test_a_run_says_where_decoding_takes_much_of_the_energy(tmp_path, network, capsys):
    assert shrink(tmp_path, "--chip", "edge", "--coding", "context") == 0
    small = str(tmp_path / "small.dcz")
    capsys.readouterr()
    run = ["run", "edge", small, "--set", "decoder.place=array"]
    assert cli.run(cli.HWSIM, run) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"of the energy: dcz recode {small} --coding auto --chip edge takes the cheapest coding" in out
    assert cli.run(cli.HWSIM, [*run, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert sum("decoding takes" in warning for warning in told["warnings"]) == 1


def test_the_cheapest_coding_needs_a_chip(tmp_path, network, capsys):
    assert cli.run(cli.DCZ, ["recode", str(tmp_path / "model.dcz"), "--coding", "auto", "-o", "x.dcz"]) == 2
    assert "--coding auto: expected --chip with it" in capsys.readouterr().err


def quantize(tmp_path, *more):
    files = [str(tmp_path / name) for name in ("model.dcz", "x.npy", "small.dcz")]
    return cli.run(cli.DCZ, ["quantize", files[0], "--inputs", files[1], "-o", files[2], "--force", *more])


def test_integers_are_executed_and_compared(tmp_path, network, capsys):
    assert quantize(tmp_path, "--bits", "3", "--chip", "edge", "--json") == 0
    _, small = json.loads(capsys.readouterr().out)
    assert (small["stage"], small["bits"]) == ("int3", dict.fromkeys(("conv1", "conv2", "fc1", "fc2"), 3))
    assert small["bytes"] == (tmp_path / "small.dcz").stat().st_size
    held = np.load(tmp_path / "x.npy")[4:]
    artifact, theirs = read(tmp_path / "small.dcz")[0], network.forward(held)

    def error(ours):
        return np.abs(ours.forward(held) - theirs).max() / np.abs(theirs).max()

    assert small["largest_error"] == pytest.approx(error(executable(artifact, accumulator="int32")))
    assert small["largest_error"] != pytest.approx(error(artifact.to_network()))


def test_what_was_given_stands_beside_what_was_made(tmp_path, network, capsys):
    assert shrink(tmp_path, "--chip", "edge", "--coding", "huffman", "--density", "0.5") == 0
    (tmp_path / "small.dcz").rename(tmp_path / "model.dcz")
    capsys.readouterr()
    assert quantize(tmp_path, "--chip", "edge", "--by", "bytes", "--json") == 0
    given, made = json.loads(capsys.readouterr().out)
    assert given["bytes"] == (tmp_path / "model.dcz").stat().st_size
    assert (given["stage"], made["stage"]) == ("huffman", "int8")
    assert given["top_1"] == 1.0
    assert made["ratio"] > 0.9 * given["ratio"] > 3.6  # its zeros take no bytes


def test_a_budget_in_bytes_or_joules_is_kept(tmp_path, network, capsys):
    def found(*more):
        assert quantize(tmp_path, "--chip", "edge", "--json", *more) == 0
        return json.loads(capsys.readouterr().out)[1]

    widest, narrowest = found(), found("--bits", "2")
    for key, option in (("bytes", "--max-bytes"), ("energy_J", "--max-joules")):
        budget = (widest[key] + narrowest[key]) / 2
        mixed = found(option, f"{budget:.0f}" if key == "bytes" else f"{budget}")
        assert narrowest[key] < mixed[key] <= budget
        assert len(set(mixed["bits"].values())) > 1


def test_a_budget_that_nothing_meets_is_told(tmp_path, network, capsys):
    assert quantize(tmp_path, "--chip", "edge", "--max-joules", "1e-12") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "network lenet5: costs" in said
    assert "expected a budget of at least that, not 1e-12" in said
    assert not (tmp_path / "small.dcz").exists()


def test_a_chip_without_fp32_computes_the_dense_network_in_the_nearest(tmp_path, network, capsys):
    assert quantize(tmp_path, "--chip", "phone", "--json") == 0
    dense, small = json.loads(capsys.readouterr().out)
    assert dense["energy_J"] > small["energy_J"] > 0


def test_a_run_on_inputs_counts_the_zeros_among_activations(tmp_path, network, capsys):
    layers = build("lenet300", np.random.default_rng(0))  # the chip has no convolutions
    Artifact.of(layers, "dense").save(tmp_path / "model.dcz")
    assert shrink(tmp_path, "--chip", "eie", "--json") == 0
    shown = json.loads(capsys.readouterr().out)[1]
    held = tmp_path / "held.npy"
    np.save(held, np.load(tmp_path / "x.npy")[4:])
    words = ["run", "eie", str(tmp_path / "small.dcz"), "--json"]
    assert cli.run(cli.HWSIM, words) == 0
    (full,) = json.loads(capsys.readouterr().out)
    assert cli.run(cli.HWSIM, [*words, "--inputs", str(held)]) == 0
    (measured,) = json.loads(capsys.readouterr().out)
    assert measured["energy_J"] == pytest.approx(shown["energy_J"])
    assert measured["energy_J"] < 0.95 * full["energy_J"]


@pytest.mark.parametrize("command", ["quantize", "shrink"])
def test_what_is_quantized_is_not_taken_for_the_original(tmp_path, network, capsys, command):
    assert quantize(tmp_path, "--chip", "edge") == 0
    (tmp_path / "small.dcz").rename(tmp_path / "model.dcz")
    assert {"quantize": quantize, "shrink": shrink}[command](tmp_path) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "layer conv1 is quantized, expected a network in floating point" in said


def test_the_bits_of_each_layer_are_printed_where_they_differ(tmp_path, network, capsys):
    assert quantize(tmp_path, "--chip", "edge", "--bits", "4", "--calibration", "minmax") == 0
    assert "bits:" not in capsys.readouterr().out
    assert quantize(tmp_path, "--chip", "edge", "--max-bytes", "200000") == 0
    said = " ".join(capsys.readouterr().out.split())
    widths = [node.params and artifact_bits(tmp_path, node) for node in network.nodes]
    assert f"bits: {', '.join(filter(None, widths))}" in said


def artifact_bits(tmp_path, node):
    return f"{node.name} {read(tmp_path / 'small.dcz')[0].tensors[node.params[0]].bits}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no array", "expected a .npy file"),
        (np.zeros((8, 1, 27, 28), np.float32), "expected (2 or more items, 1, 28, 28)"),
        (np.zeros((1, 1, 28, 28), np.float32), "2 or more items"),
        (np.full((4, 1, 28, 28), np.nan), "x.npy: holds numbers that are not finite or too large"),
        (np.full((4, 1, 28, 28), 1e300), "x.npy: holds numbers that are not finite or too large"),
        (np.full((4, 1, 28, 28), 1e30, np.float32), "expected finite ones of at most 1e+10"),
        (np.full((4, 1, 28, 28), "a"), "not an array of numbers"),
        (np.full((4, 1, 28, 28), None, object), "expected a .npy file"),
    ],
)
def test_bad_inputs_are_refused(tmp_path, network, capsys, content, words):
    path = tmp_path / "x.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    assert shrink(tmp_path) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "small.dcz").exists()


@pytest.mark.parametrize(
    "more", [["--density", "2"], ["--bits", "20"], ["--coding", "zip"], ["--chip", "none"]]
)
def test_bad_options_are_refused(tmp_path, network, more):
    assert shrink(tmp_path, *more) == 2


def test_weights_are_rounded_to_a_file_of_so_many_bytes(tmp_path, network, capsys):
    assert shrink(tmp_path, "--chip", "edge", "--max-bytes", "150000", "--json") == 0
    given, made = json.loads(capsys.readouterr().out)
    assert made["stage"] == "rounded"
    assert made["bytes"] == (tmp_path / "small.dcz").stat().st_size <= 150_000
    assert made["bytes"] < given["bytes"] / 10
    assert made["snr_dB"] > 10
    taken = min((one for one in made["codings"] if one["bytes"] <= 150_000), key=lambda one: one["energy_J"])
    assert taken["energy_J"] == made["energy_J"]
    assert shrink(tmp_path, "--chip", "edge", "--force", "--min-snr", "20") == 2
    assert "expected together with --max-bytes" in capsys.readouterr().err
    assert shrink(tmp_path, "--chip", "edge", "--force", "--max-bytes", "150000", "--min-snr", "90") == 2
    assert "more bytes would help" in capsys.readouterr().err
