"""A sweep whose table cannot be written as Parquet says why, and loses no row."""

import types

import pandas as pd

from experiments.cli import main as cli
from experiments.sweep import parquet
from experiments.sweep.file import load_sweep
from experiments.sweep.run import run_sweep

GRID = """
name = "small"
method = "grid"
[axes]
chip = ["edge"]
network = ["lenet300", "lenet5"]
stage = ["dense", "huffman"]
batch = [1, 8]
sram.capacity_B = [262144, 1048576]
"power.cap_W" = { low = 1.0, high = 4.0, count = 3, scale = "log" }
"""


def test_no_parquet_is_said_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    file = tmp_path / "small.toml"
    file.write_text(GRID)
    arguments = ["sweep", str(file), "--backend", "serial", "-o", str(tmp_path / "out")]
    assert cli.run(cli.HWSIM, arguments) == 0
    assert "no table.parquet was written: it needs `pip install 'hwsim[parquet]'`" in capsys.readouterr().err
    assert not (tmp_path / "out" / "table.parquet").exists()
    assert len(pd.read_csv(tmp_path / "out" / "table.csv")) == 48


def test_a_pyarrow_that_does_not_work_is_found_before_the_sweep_and_loses_no_row(tmp_path, monkeypatch):
    """A pyarrow of another numpy fails when it is imported, or when it converts the first array."""
    asked = []

    def fails(table, *_, **__):
        asked.append(list(table))
        raise AttributeError("_ARRAY_API not found\nand more")

    monkeypatch.setattr(parquet, "find_spec", lambda name: name)
    monkeypatch.setattr(parquet, "import_module", lambda name: None)
    monkeypatch.setattr(
        parquet, "metadata", types.SimpleNamespace(version={"pyarrow": "99.0", "numpy": "1.26"}.get)
    )
    monkeypatch.setattr(pd.DataFrame, "to_parquet", fails)
    file = tmp_path / "small.toml"
    file.write_text(GRID)
    swept = run_sweep(load_sweep(file), output=tmp_path / "out", backend="serial")
    assert swept.no_parquet == (
        "pyarrow 99.0 and numpy 1.26 do not work together here (_ARRAY_API not found)"
    )
    assert asked == [list(parquet.SAMPLE)]
    assert len(pd.read_csv(tmp_path / "out" / "table.csv")) == len(swept.table) > 0
