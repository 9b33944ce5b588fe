"""A row of a sweep is of the files that its key was made of, and of no others."""

import os
import shutil
import sqlite3
from importlib import resources

import pytest

from experiments.runs.point import Point
from experiments.sweep.file import load_sweep
from experiments.sweep.points import code_digest, key_of, run_batch
from experiments.sweep.run import run_sweep
from hwsim.errors import InputError

TABLE = "name,kind,channels,height,width,filters\nfc,fc,{},1,1,16\n"
SWEEP = """
name = "mine"
method = "grid"
[axes]
chip = ["edge"]
network = ["net.csv"]
"power.cap_W" = [1.0, 2.0]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text(SWEEP, encoding="utf-8")
    (tmp_path / "net.csv").write_text(TABLE.format(64), encoding="utf-8")
    return tmp_path


def test_a_file_that_was_edited_is_simulated_anew(folder):
    first = run_sweep(load_sweep("sweep.toml"), output=folder / "out", backend="serial")
    path = folder / "net.csv"
    before = path.stat()
    path.write_text(TABLE.format(32), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = run_sweep(load_sweep("sweep.toml"), output=folder / "out", backend="serial")
    assert again.reused == 0
    assert (again.table["energy_J"] < first.table["energy_J"]).all()


def test_a_file_edited_while_the_sweep_runs_fails_its_points(folder):
    point = Point("edge", "net.csv", "", 1)
    key = key_of(point, 0)
    (folder / "net.csv").write_text(TABLE.format(48), encoding="utf-8")
    (outcome,) = run_batch([(key, point)], code_digest(), folder, 0)
    assert outcome.row is None
    assert outcome.reason == "net.csv: not what it was when the sweep began, expected no change"


def test_a_file_of_that_name_in_another_folder_is_not_taken_for_it(folder):
    point = Point("edge", "net.csv", "", 1)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "net.csv").write_text(TABLE.format(48), encoding="utf-8")
    (outcome,) = run_batch([(key_of(point, 0), point)], code_digest(), elsewhere, 0)
    assert outcome.row is None
    shutil.copy(folder / "net.csv", elsewhere / "net.csv")
    (outcome,) = run_batch([(key_of(point, 0), point)], code_digest(), elsewhere, 0)
    assert outcome.reason is None


def test_the_energy_table_of_a_chip_file_counts_with_its_content(folder):
    data = resources.files("hwsim") / "data"
    prices = (data / "energy" / "45nm.csv").read_text(encoding="utf-8")
    chip = (data / "chips" / "edge.toml").read_text(encoding="utf-8")
    assert 'energy_table = "45nm"' in chip
    (folder / "mine.toml").write_text(chip.replace('"45nm"', '"mine.csv"'), encoding="utf-8")
    (folder / "mine.csv").write_text(prices, encoding="utf-8")
    point = Point("mine.toml", "lenet300", "dense", 1)
    key = key_of(point, 0)
    (folder / "mine.csv").write_text(prices + "\n", encoding="utf-8")
    assert key_of(point, 0) != key


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE mine (x)",
        "CREATE TABLE finished (key TEXT PRIMARY KEY, row TEXT NOT NULL)",
        "CREATE TABLE finished (a); CREATE VIEW v AS SELECT 1",
    ],
)
def test_an_sqlite_file_of_another_program_is_left_alone(folder, script):
    path = folder / "out.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="not a store of finished points"):
        run_sweep(load_sweep("sweep.toml"), output=folder / "out", backend="serial")
    assert path.read_bytes() == before


def test_a_store_with_a_trigger_is_refused(folder):
    run_sweep(load_sweep("sweep.toml"), output=folder / "out", backend="serial")
    connection = sqlite3.connect(folder / "out.sqlite")
    connection.execute("CREATE TRIGGER t AFTER INSERT ON finished BEGIN DELETE FROM finished; END")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="not a store of finished points"):
        run_sweep(load_sweep("sweep.toml"), output=folder / "out", backend="serial")


def test_the_key_is_of_the_configuration_the_seed_and_the_code(monkeypatch):
    point = Point("edge", "lenet5", "dense", 1, (("power.cap_W", 2.0),))
    others = [
        Point("edge", "lenet5", "dense", 2, point.changes),
        Point("edge", "lenet5", "huffman", 1, point.changes),
        Point("edge", "lenet5", "dense", 1, (("power.cap_W", 3.0),)),
    ]
    keys = {key_of(point, 0), key_of(point, 1), *(key_of(other, 0) for other in others)}
    monkeypatch.setattr("experiments.sweep.points.code_digest", lambda: "other code")
    assert len(keys | {key_of(point, 0)}) == 6
