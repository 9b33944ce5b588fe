"""What is not bad input: faults of the program, Ctrl-C, a reader that has gone; and names that steer."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import main as cli
from experiments.runs.record import csv_text

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


def test_a_name_cannot_steer_the_terminal(tmp_path, capsys):
    path = tmp_path / "net.csv"
    path.write_text(TABLE.format("\x1b[31mred"), encoding="utf-8")
    cli.run(cli.HWSIM, ["run", "edge", str(path)])
    assert "\x1b" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("cell", "written"),
    [("=1+1", "'=1+1"), ("@sum", "'@sum"), ("-2+3", "'-2+3"), ("-", "-"), ("-1.5", "-1.5"), ("fc=1", "fc=1")],
)
def test_a_cell_of_a_table_is_no_formula(cell, written):
    assert csv_text(pd.DataFrame({"layer": [cell], "x": [1.5]})) == f"layer,x\n{written},1.5\n"
