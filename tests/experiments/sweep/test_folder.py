"""A folder of results that cannot be replaced is found before a sweep begins."""

import pytest

from experiments.sweep.file import load_sweep
from experiments.sweep.run import run_sweep
from hwsim.errors import InputError

GRID = """
name = "small"
method = "grid"
[axes]
chip = ["edge"]
network = ["lenet300"]
"""


@pytest.mark.parametrize(
    ("output", "sentence"), [(".", "is the current folder"), ("mine", "holds notes.txt")]
)
def test_a_folder_that_cannot_be_replaced_is_refused_before_the_first_point(
    output, sentence, tmp_path, monkeypatch
):
    here = tmp_path / "here"
    (here / "mine").mkdir(parents=True)
    (here / "mine/notes.txt").write_text("mine", encoding="utf-8")
    (here / "small.toml").write_text(GRID, encoding="utf-8")
    monkeypatch.chdir(here)
    told = []
    with pytest.raises(InputError, match=sentence):
        run_sweep(
            load_sweep("small.toml"),
            output=here / output,
            backend="serial",
            show=lambda *counts: told.append(counts),
        )
    assert told == []
    assert sorted(path.name for path in tmp_path.rglob("*.sqlite*")) == []
