"""Command lines: help that opens at once, one sentence for bad input, JSON that others can read."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from experiments.cli import main as cli
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.units import memory_size
from hwsim.workload.networks import load_network


def failing(error: BaseException) -> typer.Typer:
    def command() -> None:
        """Fail."""
        raise error

    return cli.application("Fail.", "", {"Failing": [command]})


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("chip x.toml: no section"), "error: chip x.toml: no section\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "model.dcz"), "error: model.dcz: No such file\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "error: No space left on device\n"),
        (OSError("a bare message"), "error: a bare message\n"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, error, sentence):
    assert cli.run(failing(error), ["command"]) == 2
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.parametrize("app", [cli.HWSIM, cli.DCZ])
def test_version_and_help(capsys, app):
    assert cli.run(app, ["--version"]) == 0
    assert capsys.readouterr().out.startswith("hwsim 0.")
    assert cli.run(app, ["--help"]) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize("app", [cli.HWSIM, cli.DCZ])
def test_every_command_has_help_of_one_line_under_a_heading(app):
    for command in app.registered_commands:
        assert command.rich_help_panel
        assert command.callback.__doc__.strip().count("\n") == 0


def test_unknown_commands_and_options_exit_with_2(capsys):
    assert cli.run(cli.HWSIM, ["frobnicate"]) == 2
    assert cli.run(cli.HWSIM, ["chips", "--frobnicate"]) == 2
    assert "frobnicate" in capsys.readouterr().err


def test_help_imports_nothing_slow():
    script = (
        "import sys; from experiments.cli.main import HWSIM, run; run(HWSIM, ['--help']); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    slow = {"scipy", "numba", "pandas", "matplotlib", "simpy", "pydantic", "rich.progress"}
    assert slow & set(done.stdout.split()) == set()


def test_a_command_has_one_blas_thread_whatever_the_environment_says():
    script = (
        "import os, sys, experiments.cli.main as cli; print(*{'numpy'} & sys.modules.keys(), end='')\n"
        "cli.run = lambda app: print(*(os.environ[f'{lib}_NUM_THREADS'] for lib in ('OMP', 'OPENBLAS')))\n"
        "cli.hwsim()"
    )
    environment = {"OMP_NUM_THREADS": "8", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.stdout == "1 1\n"


def test_chips_are_listed_and_described_with_their_sources(capsys):
    assert cli.run(cli.HWSIM, ["chips"]) == 0
    listing = capsys.readouterr().out
    assert "reference_250w" in listing
    assert "128 KiB" in listing
    assert cli.run(cli.HWSIM, ["chips", "edge"]) == 0
    (figure,) = [line for line in capsys.readouterr().out.splitlines() if "dram.energy_pJ_per_bit" in line]
    assert "20.0" in figure
    assert "Table I" in figure


def test_chips_as_json(capsys):
    assert cli.run(cli.HWSIM, ["chips", "--json"]) == 0
    assert {"edge", "reference_250w"} <= {chip["name"] for chip in json.loads(capsys.readouterr().out)}
    assert cli.run(cli.HWSIM, ["chips", "edge", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sram"]["capacity_B"] == 131072


def test_a_chip_is_copied_under_the_name_of_its_file(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    assert cli.run(cli.HWSIM, ["chips", "a10", "--copy", str(path)]) == 0
    assert f"next: hwsim chips {path}" in capsys.readouterr().out
    copied, shipped = load_chip(path), load_chip("a10")
    assert copied.name == "mine"
    assert copied.model_copy(update={"name": "a10"}) == shipped
    again = tmp_path / "again.toml"
    assert cli.run(cli.HWSIM, ["chips", str(path), "--copy", str(again), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"chip": str(path), "copy": str(again)}
    assert load_chip(again).name == "again"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a10", "--copy", "here.toml"], "here.toml: exists, expected the name of a new file"),
        (["a10", "--copy", "mine.txt"], "mine.txt: expected a file that ends in .toml"),
        (["a10", "--copy", "no/mine.toml"], "mine.toml: cannot be written: No such file or directory"),
        (["a11", "--copy", "mine.toml"], "no chip 'a11'"),
        (["--copy", "mine.toml"], "--copy: no chip is named"),
    ],
)
def test_a_copy_that_cannot_be_made(tmp_path, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(tmp_path)
    Path("here.toml").write_text("mine", encoding="utf-8")
    assert cli.run(cli.HWSIM, ["chips", *arguments]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["mine"]


def test_networks_are_listed_and_what_a_layer_stores(capsys):
    assert cli.run(cli.HWSIM, ["networks"]) == 0
    (listed,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("alexnet ")]
    assert "244 MB" in listed
    assert "huffman" in listed
    assert cli.run(cli.HWSIM, ["networks", "alexnet", "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)
    assert (
        sum(layer["huffman_bytes"] for layer in layers) == load_network("alexnet", "huffman").weight_bits / 8
    )
    (fc6,) = [layer for layer in layers if layer["layer"] == "fc6"]
    assert (fc6["macs"], fc6["dense_bytes"]) == (9216 * 4096, 4 * (9216 + 1) * 4096)
    assert cli.run(cli.HWSIM, ["networks", "alexnot"]) == 2
    assert (
        "no network 'alexnot' (did you mean 'alexnet'?), expected one of lenet300" in capsys.readouterr().err
    )


def test_a_chip_that_does_not_exist(capsys):
    assert cli.run(cli.HWSIM, ["chips", "nowhere.toml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no chip 'nowhere.toml'")
    assert error.count("\n") == 1


def test_reference_without_runs_says_what_to_do(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(cli.HWSIM, ["reference"]) == 2
    assert "hwsim demo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1023, "1023 B"), (1024, "1 KiB"), (131072, "128 KiB"), (10 * 2**20, "10 MiB"), (3 * 2**31, "6 GiB")],
)
def test_memory_size(size, expected):
    assert memory_size(size) == expected


def test_a_training_step_says_what_it_holds(capsys):
    assert (
        cli.run(cli.HWSIM, ["run", "edge", "lenet5", "--training", "--optimizer", "adam", "--batch", "4"])
        == 0
    )
    out = capsys.readouterr().out
    assert "3.449 MB of optimizer state" in out or "3.45 MB of optimizer state" in out
    assert "lenet5 training on edge, batch 4, per item" in out
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet5", "--training", "--stage", "int8"]) == 2
    assert "training needs weights stored dense" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_run_is_drawn_into_a_file_and_the_same_again(suffix, tmp_path, capsys):
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--plot", str(path)]) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert "hwsim compare edge:lenet300:dense" in capsys.readouterr().out


def test_a_picture_of_no_known_kind_is_refused(tmp_path, capsys):
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--plot", str(tmp_path / "a.gif")]) == 2
    assert "expected a name that ends in .png, .svg, .pdf" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["run", "edg", "lenet5"], "edge"),
        (["run", "edge", "lenet-5"], "lenet5"),
        (["run", "edge", "llama-3-8"], "llama-3-8b"),
        (["run", "edge", "lenet5", "--set", "sram.capacity=64k"], "sram.capacity_B"),
        (["run", "a100", "lenet5"], "a100_"),
        (["run", "edge", "lenet5", "--stage", "hufman"], "huffman"),
    ],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(arguments, near, capsys):
    assert cli.run(cli.HWSIM, arguments) == 2
    assert f"did you mean '{near}" in capsys.readouterr().err
