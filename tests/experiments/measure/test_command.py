"""`hwsim measure` on a recording: its run folder, its tables and its JSON."""

import json
import tomllib

import pandas as pd
import pytest
from measured_board import BOARD, CHIP, KNOWN, OTHERS, measurement

from experiments.cli import main as cli
from experiments.measure.recording import as_plain


@pytest.fixture
def recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(as_plain(measurement(others=OTHERS))), encoding="utf-8")
    return path


def test_a_run_folder_holds_readings_keys_and_the_recording(recording, capsys, tmp_path):
    assert cli.run(cli.HWSIM, ["measure", "--chip", CHIP, "--recording", str(recording), "-o", "here"]) == 0
    out = capsys.readouterr().out
    assert f"{BOARD.name} beside {CHIP}" in out
    assert "power.clock_W" in out
    folder = tmp_path / "here"
    assert sorted(path.name for path in folder.iterdir()) == [
        "keys.toml",
        "manifest.json",
        "measured.csv",
        "recording.json",
    ]
    assert tomllib.loads((folder / "keys.toml").read_text(encoding="utf-8"))["power"]["board_W"] == 14.0
    table = pd.read_csv(folder / "measured.csv")
    assert {"measured_us", "simulated_us", "keyed_us", "measured_W", "simulated_W", "keyed_W"} <= set(table)
    assert json.loads((folder / "recording.json").read_text("utf-8")) == json.loads(
        recording.read_text("utf-8")
    )


def test_json(recording, capsys):
    assert cli.run(cli.HWSIM, ["measure", "--chip", CHIP, "--recording", str(recording), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["chip"] == CHIP
    assert data["board"]["name"] == BOARD.name
    assert {key["key"]: key["value"] for key in data["keys"]} == pytest.approx(KNOWN, rel=0.02)
    idle = data["measured"][0]
    assert (idle["task"], idle["measured_us"], idle["measured_W"]) == ("idle", None, 40.0)
    assert data["notes"] == []


def test_a_chip_that_does_not_exist_is_refused_before_anything_is_measured(recording, capsys):
    assert cli.run(cli.HWSIM, ["measure", "--chip", "a1000", "--recording", str(recording)]) == 2
    assert "no chip 'a1000'" in capsys.readouterr().err
