"""The contest ranks by energy what keeps the rules, and says of the rest which rule it breaks."""

import csv
import io
import re
import shutil
from pathlib import Path

import pytest
from checkout import ROOT

from compress.format.container import read
from compress.lowering import workload_of
from experiments.cli import main as cli
from experiments.labs.contest import leaderboard, table_text
from hwsim.errors import InputError
from hwsim.machine.chip import copy_chip, load_chip
from hwsim.run import simulate

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

MODELS = ROOT / "results" / "reference" / "compression"
SMALL, LARGE, WRONG = (f"{name}-0.dcz" for name in ("best-lenet5-small", "best-lenet5", "best-lenet300"))


def hand_in(folder: Path, name: str, model: str = SMALL, **changes: str) -> Path:
    """An entry: the edge chip with some lines of its file changed, and a shipped network."""
    entry = folder / name
    entry.mkdir(parents=True)
    shutil.copy(MODELS / model, entry / "model.dcz")
    copy_chip("edge", entry / "chip.toml")
    text = (entry / "chip.toml").read_text(encoding="utf-8")
    for key, value in changes.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert count == 1
    (entry / "chip.toml").write_text(text, encoding="utf-8")
    return entry


@pytest.fixture(scope="module")
def standings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contest")
    hand_in(folder, "zoe")
    hand_in(folder, "ann", LARGE)
    hand_in(folder, "bob")
    hand_in(folder, "cy", capacity_B="65_536")
    hand_in(folder, "dan", rows="64")
    hand_in(folder, "eve", WRONG)
    (hand_in(folder, "fay") / "chip.toml").write_text("no chip")
    hand_in(folder, "gus", energy_pJ_per_bit="1.0")
    (hand_in(folder, "hal") / "model.dcz").write_bytes(b"no model")
    (hand_in(folder, "ida") / "model.dcz").unlink()
    (folder / ".hidden").mkdir()
    (folder / "notes.txt").write_text("not an entry")
    return leaderboard(folder)


def test_the_least_energy_is_first_and_equals_share_a_rank(standings):
    competing = [one for one in standings if one.rank]
    assert {one.name for one in competing} == {"ann", "bob", "cy", "zoe"}
    energies = [one.energy_J for one in competing]
    assert energies == sorted(energies)
    ranks = {one.name: one.rank for one in competing}
    assert ranks["bob"] == ranks["zoe"]
    names = [one.name for one in competing]
    assert names.index("zoe") == names.index("bob") + 1
    assert sorted(ranks.values()) in ([1, 1, 3, 4], [1, 2, 2, 4], [1, 2, 3, 3])
    assert [one.name for one in standings[4:]] == ["dan", "eve", "fay", "gus", "hal", "ida"]


def test_an_entry_is_measured_as_a_run_of_its_chip(standings):
    ann, cy = (next(one for one in standings if one.name == name) for name in ("ann", "cy"))
    report = simulate(load_chip("edge"), workload_of(read(MODELS / LARGE)[0]))
    assert (ann.energy_J, ann.latency_s) == (report.energy_per_inference_J, report.latency_s)
    assert ann.test_error < 0.01
    halved = load_chip("edge").replace(**{"sram.capacity_B": 65_536})
    report = simulate(halved, workload_of(read(MODELS / SMALL)[0]))
    assert cy.energy_J == report.energy_per_inference_J
    assert cy.area_mm2 < ann.area_mm2


REFUSED = {
    "dan": r"^area is 12\.\d+ mm2, expected at most 6$",
    "eve": r"^test error is 1\.\d\d%, expected less than 1%$",
    "fay": r"chip\.toml: not valid TOML",
    "gus": r"dram\.energy_pJ_per_bit is 1\.0, expected 20\.0 as on edge; only .* are free to change",
    "hal": r"model\.dcz",
    "ida": r"ida: 0 \.dcz files in it, expected one$",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_entry_has_no_rank_and_a_sentence(name, standings):
    one = next(one for one in standings if one.name == name)
    assert one.rank is None
    assert re.search(REFUSED[name], one.refused)
    assert (one.energy_J is not None) == (name in ("dan", "eve"))


def test_the_table_has_a_row_for_each_entry(standings):
    rows = list(csv.DictReader(io.StringIO(table_text(standings))))
    assert [row["name"] for row in rows] == [one.name for one in standings]
    assert [row["rank"] for row in rows] == [str(one.rank or "") for one in standings]
    assert float(rows[0]["energy_J"]) == standings[0].energy_J
    assert list(rows[0]) == ["rank", "name", "energy_J", "test_error", "area_mm2", "latency_s", "refused"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("accumulator_rows", "64"), ("cols", "4096"), ("leakage_W", "0.0"), ("cap_W", "9.0")],
)
def test_no_chip_wins_by_keys_that_cost_nothing(key, value, tmp_path):
    hand_in(tmp_path, "ann", **{key: value})
    (one,) = leaderboard(tmp_path)
    assert one.rank is None
    assert key in one.refused


def test_another_kind_of_array_is_refused(tmp_path):
    chip = hand_in(tmp_path, "ann") / "chip.toml"
    chip.unlink()
    copy_chip("eie", chip)
    (one,) = leaderboard(tmp_path)
    assert "array.kind is 'eie', expected 'gemm' as on edge" in one.refused


def test_a_folder_without_entries_is_refused(tmp_path):
    with pytest.raises(InputError, match="no entries in it"):
        leaderboard(tmp_path)


def test_the_command_replaces_no_table_unasked_and_writes_into_no_entry(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    entry = hand_in(tmp_path / "entries", "ann", energy_pJ_per_bit="1.0")
    assert cli.run(cli.HWSIM, ["contest", "entries"]) == 0
    assert "None of 1 entries keeps the rules; see leaderboard.csv" in capsys.readouterr().out
    table = (tmp_path / "leaderboard.csv").read_text()
    assert table.splitlines()[1].startswith(",ann,")
    assert cli.run(cli.HWSIM, ["contest", "entries"]) == 2
    assert "leaderboard.csv exists" in capsys.readouterr().err
    assert cli.run(cli.HWSIM, ["contest", "entries", "--force", "--json"]) == 0
    assert (tmp_path / "leaderboard.csv").read_text() == table
    model = (entry / "model.dcz").read_bytes()
    assert cli.run(cli.HWSIM, ["contest", "entries", "-o", "entries/ann/model.dcz", "--force"]) == 2
    assert "lies in an entry" in capsys.readouterr().err
    assert (entry / "model.dcz").read_bytes() == model
