"""Every command: JSON where it reports, figures that open, one sentence for what it cannot use."""

import json
import re

import numpy as np
import pytest
import typer

from compress.format.container import Artifact
from compress.nn.lenets import build
from experiments.cli import main as cli
from experiments.cli import show as showing
from experiments.runs.record import recording

APPS = {"hwsim": cli.HWSIM, "dcz": cli.DCZ}
WRITERS = {
    "dcz compress",
    "dcz import",
    "dcz import-han",
    "dcz recode",
    "dcz export",
    "hwsim reference",
    "hwsim page",
    "dcz pack",
    "dcz unpack",
}
"""Commands whose product is a file, not a report."""
DRAWING = {
    "hwsim demo", "hwsim compare", "hwsim relight", "hwsim dark", "hwsim roofline", "hwsim pareto",
    "hwsim validate", "hwsim run", "hwsim sweep", "hwsim experiments run",
    "hwsim experiments draw", "dcz sensitivity", "dcz frontier",
}  # fmt: skip


def commands(name: str, group: typer.core.TyperGroup):
    """Every command below a group, by what one types."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(f"{name} {word}", command)
        else:
            yield f"{name} {word}", command


COMMANDS = {
    typed: {option for parameter in command.params for option in parameter.opts}
    for name, app in APPS.items()
    for typed, command in commands(name, typer.main.get_command(app))
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a model, images, a table of layers, a sweep and files that are none of these."""
    monkeypatch.chdir(tmp_path)
    Artifact.of(build("lenet300", np.random.default_rng(0)), "dense").save(tmp_path / "model.dcz")
    x, y = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.uint8)
    np.savez(tmp_path / "few.npz", x_train=x, y_train=y, x_test=x[:3], y_test=y[:3])
    (tmp_path / "table.csv").write_text("energy_J,inferences_per_s\n1,2\n2,3\n")
    (tmp_path / "sweep.toml").write_text(
        'name = "tiny"\nmethod = "grid"\n[axes]\nchip = ["edge"]\nnetwork = ["lenet300"]\nbatch = [1, 2]\n'
    )
    np.save(tmp_path / "items.npy", x[:, None].astype(np.float32))
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)))
    (tmp_path / "noise.dcz").write_bytes(bytes(range(256)))
    (tmp_path / "noise.toml").write_text("a = [1\n")
    (tmp_path / "noise.csv").write_text("a,b\n1\n")
    (tmp_path / "noise.onnx").write_text("no model")
    (tmp_path / "empty.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("typed", sorted(COMMANDS.keys() - WRITERS))
def test_every_command_that_reports_speaks_json(typed):
    assert "--json" in COMMANDS[typed]


def test_every_command_that_draws_opens_its_figures():
    assert {typed for typed, options in COMMANDS.items() if "--show" in options} == DRAWING


PRINTING = (
    "hwsim chips",
    "hwsim chips edge",
    "hwsim run edge lenet300",
    "hwsim run edge model.dcz",
    "hwsim tile edge lenet300",
    "hwsim request a100_pcie smollm2-135m --prompt 8 --output 2",
    "hwsim compare edge:lenet300 edge:model.dcz --hold throughput",
    "hwsim networks",
    "hwsim networks lenet5",
    "hwsim energy",
    "hwsim energy --op dram_read_32b",
    "hwsim energy --dram",
    "hwsim roofline edge --network lenet5 --stage huffman",
    "hwsim sweep sweep.toml --backend serial",
    "hwsim pareto table.csv --minimise energy_J --maximise inferences_per_s",
    "hwsim experiments list",
    "hwsim labs",
    "dcz inspect model.dcz",
    "dcz verify model.dcz",
    "dcz evaluate model.dcz --dataset few.npz",
    "dcz execute model.dcz --inputs items.npy",
)
"""Commands that print tables, each with little to do, in a folder of small files."""


@pytest.mark.parametrize("typed", PRINTING)
def test_what_is_printed_as_json_is_json(typed, folder, capsys):
    program, *arguments = typed.split()
    assert cli.run(APPS[program], [*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("typed", [*PRINTING, "hwsim dark", "hwsim tile edge lenet300 --orders"])
@pytest.mark.parametrize("width", [80, 120])
def test_what_is_printed_fits_the_terminal(typed, width, folder, capsys, monkeypatch):
    """No line is longer, but for commands to copy and names of files, which cannot be broken."""
    monkeypatch.setenv("COLUMNS", str(width))
    program, *arguments = typed.split()
    assert cli.run(APPS[program], arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    long = [line for line in lines if len(line) > width and not line.startswith("next: ")]
    assert not [line for line in long if str(folder) not in line]


TAKE_NOTHING = {"hwsim validate", "hwsim experiments list"}
"""Commands that take nothing but a folder to write to."""

BAD = {
    "hwsim chips nochip": "no chip 'nochip'",
    "hwsim measure --chip nochip": "no chip 'nochip'",
    "hwsim chips noise.toml": "not valid TOML",
    "hwsim networks nowhere": "no network 'nowhere'",
    "hwsim networks gpt2 --weights": "No such option",
    "hwsim run nochip lenet5": "no chip 'nochip'",
    "hwsim run edge nonet": "llama_layer_prefill, a language model, a .dcz or .onnx file or a .csv table",
    "hwsim run edge lenet5 --stage zipped": "no stage 'zipped'",
    "hwsim run edge lenet5 --batch 0": "batch is 0",
    "hwsim run edge lenet5 --batch 1000000": "expected 1 to 4096",
    "hwsim run edge lenet5 --batch many": "a valid integer",
    "hwsim run edge lenet5 --engine slow": "--engine 'slow'",
    "hwsim run edge lenet5 --layers conv9": "conv9",
    "hwsim run edge lenet5 --set sram=1": "sram",
    "hwsim run edge lenet5 --set sram.capacity_B": "expected KEY=VALUE",
    "hwsim run edge lenet5 --set dram.bandwidth_GB_per_s=1e-300": "key dram.bandwidth_GB_per_s: found 1e-300",
    "hwsim run edge lenet5 --set name.e=3": "no key 'name.e' to change",
    "hwsim run edge lenet5 --set name.a.b=1": "no key 'name.a.b' to change",
    "hwsim run edge lenet5 --set sram.capacity_B=[1]": "found a list or a table",
    "hwsim compare edge:lenet300:dense:sram.capacity_B=[1] edge:lenet300": "found a list or a table",
    "hwsim run edge noise.csv": "noise.csv",
    "hwsim run edge noise.dcz": "noise.dcz",
    "hwsim run edge missing.dcz": "missing.dcz",
    "hwsim run edge model.dcz --stage dense": "a file has one stage",
    "hwsim run edge lenet5 --stage dense --explain heat": "--explain 'heat'",
    "hwsim run edge lenet5 --stage dense --csv none/out.csv": "none/out.csv",
    "hwsim run edge lenet5 --stage dense --csv .": "it is a folder",
    "hwsim run eie lenet5": "cannot run on a eie array",
    "hwsim tile edge lenet5 --goal glory": "'glory'",
    "hwsim request edge nomodel": "no model 'nomodel', expected one of smollm2-135m",
    "hwsim request edge gpt2 --prompt 0": "prompt is 0",
    "hwsim request edge gpt2 --prompt 1000": "prompt and output are 1128 tokens, expected at most the 1024",
    "hwsim tile edge lenet5 --batch 1000000000000000000": "expected 1 to 4096",
    "hwsim compare edge:lenet5": "Missing argument",
    "hwsim compare edge:lenet5 edge:lenet300 --hold breath": "--hold 'breath'",
    "hwsim compare edge:lenet5 edge:lenet300 --hold accuracy": "no weights to execute",
    "hwsim compare edge:lenet5 edge:lenet300 --spread 100": "--spread",
    "hwsim compare edge:lenet5 empty.json": "no run in it",
    "hwsim energy --table 3nm": "no energy table '3nm'",
    "hwsim energy --op fly": "no constant for 'fly'",
    "hwsim roofline edge --network lenet5 --stage zipped": "no stage 'zipped'",
    "hwsim roofline --network lenet5": "expected a chip",
    "hwsim relight --batch x": "a valid integer",
    "hwsim relight --batch 3": "--batch 3: expected one of 1, 4, 16, 64, 256, 1024",
    "hwsim relight --strategy hope": "--strategy 'hope': expected one of dimming, gating, DVFS",
    "hwsim dark --cap hot": "a valid number",
    "hwsim sweep missing.toml": "no sweep 'missing.toml'",
    "hwsim sweep noise.toml": "not valid TOML",
    "hwsim sweep sweep.toml --backend clouds": "'clouds'",
    "hwsim sweep sweep.toml --workers 0": "--workers",
    "hwsim pareto table.csv": "two or more",
    "hwsim pareto table.csv --minimise energy_J,joy": "'joy'",
    "hwsim pareto noise.bin --minimise a,b": "noise.bin",
    "hwsim experiments run": "expected names, or --all and none",
    "hwsim experiments run nothing": "no experiment 'nothing'",
    "hwsim experiments draw nothing": "no experiment 'nothing'",
    "hwsim experiments draw rent --style loud": "style 'loud', expected one of light, dark, slide",
    "hwsim experiments check nothing": "no experiment 'nothing'",
    "hwsim bench nothing": "'nothing'",
    "hwsim demo --network alexnet": "--network 'alexnet'",
    "hwsim demo --dataset none": "none",
    "hwsim demo --seed -1": "greater than or equal to 0",
    "hwsim labs -o model.dcz": "cannot write to model.dcz",
    "hwsim contest nowhere": "nowhere: not a folder",
    "hwsim page -o model.dcz": "model.dcz",
    "hwsim slides": "no figure results/runs/energy_ladder/energy_ladder.png",
    "hwsim reference": "no finished run",
    "dcz sensitivity noise.dcz": "noise.dcz",
    "dcz frontier noise.dcz": "noise.dcz",
    "dcz inspect noise.dcz": "noise.dcz",
    "dcz verify missing.dcz": "missing.dcz",
    "dcz evaluate model.dcz --dataset noise.bin": "noise.bin",
    "dcz execute model.dcz --inputs noise.bin": "noise.bin",
    "dcz execute model.dcz --inputs items.npy -o out.txt": "expected a name that ends in .npy",
    "dcz compress --recipe soup -o out.dcz": "'soup'",
    "dcz compress --recipe lenet300-demo --work model.dcz -o out.dcz": "cannot write to model.dcz",
    "dcz compress --recipe lenet300-demo --stages model.dcz -o out.dcz": "cannot write to model.dcz",
    "hwsim run edge lenet300 --optimizer adam": "expected --training with it",
    "hwsim run edge lenet300 --inputs noise.bin": "expected a .dcz or .onnx file with inputs",
    "hwsim run edge model.dcz --inputs noise.bin": "noise.bin",
    "hwsim sweep sweep.toml --scheduler tcp://nowhere:1": "expected --backend dask with it",
    "dcz shrink noise.dcz --inputs noise.bin -o out.dcz": "noise.",
    "dcz quantize model.dcz --inputs x.npy --max-bytes 9 --max-joules 9 -o out.dcz": "expected one of",
    "dcz quantize model.dcz --inputs noise.bin --calibration luck -o out.dcz": "--calibration 'luck'",
    "dcz quantize model.dcz --inputs noise.bin -o out.dcz": "noise.bin",
    "dcz recode model.dcz --coding braille -o out.dcz": "--coding 'braille'",
    "dcz export model.dcz -o out.txt": "out.txt",
    "dcz pack model.dcz -o items.npy": "items.npy exists",
    "dcz unpack noise.bin -o out.dcz": "noise.bin",
    "dcz import noise.onnx -o out.dcz": "noise.onnx",
    "dcz import-han noise.bin -o out.dcz": "noise.bin",
}


@pytest.mark.parametrize("typed", BAD)
def test_bad_input_is_told_in_a_sentence(typed, folder, capsys):
    program, *arguments = typed.split()
    assert cli.run(APPS[program], arguments) == 2
    printed = capsys.readouterr()
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", printed.err).split())
    assert BAD[typed] in said
    assert "Traceback" not in said
    assert printed.out == ""


def test_bad_inputs_cover_every_command():
    tried = {command for command in COMMANDS if any(f"{typed} ".startswith(f"{command} ") for typed in BAD)}
    assert COMMANDS.keys() - tried == TAKE_NOTHING


@pytest.fixture
def figures(tmp_path):
    with recording("drawn", tmp_path / "drawn") as run:
        (run.folder / "one.png").write_bytes(b"")
        (run.folder / "two.png").write_bytes(b"")
        (run.folder / "two.svg").write_bytes(b"")
    return run.target


def test_figures_open_where_there_is_a_display(figures, monkeypatch):
    opened = []
    monkeypatch.setattr(showing.typer, "launch", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    showing.show_figures(figures)
    assert opened == [str(figures / name) for name in ("one.png", "two.png")]


def test_without_a_display_it_is_said_where_they_are(figures, monkeypatch, capsys):
    monkeypatch.setattr(showing.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    showing.show_figures(figures)
    assert capsys.readouterr().err.count("no display to open it on") == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_speaks_for_the_shell(shell, capsys, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert cli.run(cli.HWSIM, ["--show-completion", shell]) == 0
    assert "complet" in capsys.readouterr().out.lower()
