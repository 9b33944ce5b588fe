"""What is not bad input: faults of the program, Ctrl-C, a reader that has gone; and names that steer."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import hwsim
from experiments.cli import main as cli
from experiments.console import print_json
from experiments.runs.images import read_labels
from experiments.runs.record import csv_text
from hwsim.errors import InputError, printable
from hwsim.plotting import literal

TABLE = "name,kind,channels,height,width,filters\n{},fc,64,1,1,16\n"


def failing(error):
    def fail(*_arguments, **_options):
        raise error

    return fail


def test_a_fault_of_the_program_is_one_sentence_and_a_file_for_the_report(monkeypatch, capsys):
    monkeypatch.setattr("hwsim.machine.chip.chip_names", failing(ZeroDivisionError("by zero")))
    assert cli.run(cli.HWSIM, ["chips"]) == cli.FAULT
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("error: a fault of hwsim (ZeroDivisionError in ")
    details = Path(said.rpartition("report it with ")[2].strip().rstrip("."))
    assert "by zero" in details.read_text(encoding="utf-8")
    details.unlink()


def test_ctrl_c_is_no_traceback(monkeypatch, capsys):
    monkeypatch.setattr("hwsim.machine.chip.chip_names", failing(KeyboardInterrupt()))
    assert cli.run(cli.HWSIM, ["chips"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_has_gone_ends_a_command_quietly():
    code = "import sys; from experiments.cli.main import HWSIM, run; sys.exit(run(HWSIM, ['energy']))"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out:
        ended = subprocess.run([sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b""


STEERING = ("\x1b[31mred", "del\x7f", "\x9b31mred", "right\u202eleft", "\x07bell")
"""Names that change what a terminal shows: escapes, C1 controls, an override of the direction."""


def inert(text: str) -> bool:
    """Whether each line can be printed as it is."""
    return all(line == printable(line) for line in text.split("\n"))


def test_names_are_data_for_every_writer(tmp_path, monkeypatch, capsys):
    names = [*STEERING, "<script>x</script>", "[bold]x[/bold]", r"$\frac$", "=1+1"]
    monkeypatch.chdir(tmp_path)
    rows = [f"{name},fc,16,1,1,16\n" for name in names]
    Path("net.csv").write_text(TABLE.format("first") + "".join(rows), encoding="utf-8")
    for words in (
        ["run", "edge", "net.csv", "--wide", "--csv", "o.csv", "--trace", "o.json", "--plot", "o.svg"],
        ["run", "edge", "net.csv", "--explain", "mapping"],
        ["run", "edge", "net.csv", "--json"],
        ["compare", "edge:net.csv", "edge:lenet5", "--json"],
    ):
        assert cli.run(cli.HWSIM, words) == 0, capsys.readouterr().err
        assert inert("".join(capsys.readouterr()))
    print_json({name: [name] for name in names})
    text = capsys.readouterr().out
    assert json.loads(text) == {name: [name] for name in names}
    table, trace, drawn = (Path(file).read_text(encoding="utf-8") for file in ("o.csv", "o.json", "o.svg"))
    odd = "".join(names)
    network = replace(hwsim.load_network("net.csv"), name=odd, stage=odd, provenance=odd)
    html = network._repr_html_()
    assert all(map(inert, (text, table, trace, drawn, repr(network), html)))
    assert "<script>" not in html + drawn
    events = {event["name"].partition(" ")[0] for event in json.loads(trace)["traceEvents"]}
    assert events >= set(names)
    assert all(printable(name) in table for name in names)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        *((name, printable(name)) for name in STEERING),
        *(("\t=1", r"\t=1"), ("=1+1", "'=1+1"), ("@sum", "'@sum"), ("-2+3", "'-2+3")),
        *(("-", "-"), ("-1.5", "-1.5"), ("fc=1", "fc=1")),
    ],
)
def test_a_cell_of_a_table_is_no_formula(cell, written):
    assert csv_text(pd.DataFrame({"layer": [cell], "x": [1.5]})) == f"layer,x\n{written},1.5\n"


COMMAND = "import sys; from experiments.cli.main import hwsim; sys.argv[0] = 'hwsim'; hwsim()"


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_fault_and_no_file_takes_its_place(closed, tmp_path):
    path = tmp_path / "layers.csv"
    words = f'exec "$@" run edge lenet300 --csv {path} {closed}'
    ended = subprocess.run(
        ["sh", "-c", words, "sh", sys.executable, "-c", COMMAND], capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    written = path.read_text(encoding="utf-8").splitlines()
    assert written[0].startswith("layer,")
    assert all(len(line.split(",")) == len(written[0].split(",")) for line in written)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_under_the_output_is_one_sentence(options):
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", COMMAND, "energy", "--op", "dram_read_32b", *options],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ended.returncode == cli.BAD_INPUT
    assert ended.stderr == b"error: No space left on device\n"


def test_json_has_null_for_what_is_no_number_and_takes_numbers_of_numpy(capsys):
    print_json({"a": float("nan"), "b": [np.float32("inf"), np.int64(3), np.float64(0.5)], "c": (True, "x")})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 3, 0.5], "c": [True, "x"]}


@pytest.mark.parametrize("stem", ["a$b$c_{", r"$\frac$", "caf\udce9", "\x1b[31mred"])
def test_any_name_of_a_file_is_drawn_as_it_is(stem, tmp_path, capsys):
    path = tmp_path / f"{stem}.csv"
    path.write_text(TABLE.format("fc1"), encoding="utf-8")
    plot = tmp_path / f"{stem}.svg"
    assert cli.run(cli.HWSIM, ["run", "edge", str(path), "--plot", str(plot), "--csv", f"{plot}.csv"]) == 0
    assert plot.exists()
    printed = "".join(capsys.readouterr())
    assert printable(stem) in printed
    following = next(line for line in printed.splitlines() if line.startswith("next: "))
    assert printable(str(path)) in shlex.split(following)


def test_a_formula_in_a_label_is_text_and_powers_of_ten_stay():
    figure = Figure()
    axes = figure.add_subplot(title="$x$", xscale="log", xlim=(1, 1e4))
    literal(figure)
    figure.savefig(drawn := io.BytesIO(), format="svg")
    assert not axes.title.get_parse_math()
    assert axes.get_xticklabels()[0].get_parse_math()
    assert drawn.getvalue()


@pytest.mark.parametrize("command", ["sweep lenet-random", "page -o page"])
def test_more_workers_than_cores_can_use_are_refused_before_any_work(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run(cli.HWSIM, [*command.split(), "--workers", "1000"]) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert re.search(r"error: 1000 workers on \d+ cores, expected 1 to \d+: 4 per core\n$", said)
    assert list(tmp_path.iterdir()) == []


DIGITS = "9" * 5000
"""More than Python makes a number of."""


@pytest.mark.parametrize(
    "line",
    [
        ["run", "edge", "lenet300", "--set", f"sram.capacity_B={DIGITS}"],
        ["run", "edge", "lenet300", "--set", f"power.cap_W={'[' * 5000}"],
        ["--max-memory", DIGITS, "run", "edge", "lenet300"],
        ["--max-memory", f"{DIGITS}G", "run", "edge", "lenet300"],
        ["run", "edge", "model.onnx", "--shape", f"x={DIGITS}"],
        ["compare", f"edge:lenet300:dense:{DIGITS}", "edge:lenet5"],
    ],
    ids=lambda line: " ".join(word for word in line if len(word) < 50),
)
def test_any_number_of_digits_is_refused_in_one_sentence(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(b"")
    assert cli.run(cli.HWSIM, line) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_label_of_any_number_of_digits_is_refused(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text(f"{DIGITS}\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected a whole number on each line"):
        read_labels(labels, None, 1)
