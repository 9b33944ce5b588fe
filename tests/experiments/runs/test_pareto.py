"""Pareto fronts against the definition, row by row."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cli import main as cli
from experiments.runs.pareto import front, undominated
from hwsim.errors import InputError

TABLE = pd.DataFrame(
    {
        "name": ["a", "b", "c", "d", "e"],
        "energy_J": [1.0, 2.0, 3.0, 3.0, 2.0],
        "inferences_per_s": [1.0, 5.0, 4.0, 9.0, 5.0],
    }
)


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(-3, 3), min_size=width, max_size=width), min_size=1, max_size=40
        )
    )
)
def test_the_front_is_what_no_row_beats(rows):
    def beats(one, other):
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    expected = [not any(beats(other, row) for other in rows) for row in rows]
    assert undominated(np.array(rows, dtype=np.float64)).tolist() == expected


def test_a_front_worked_by_hand():
    best = front(TABLE, ["energy_J"], ["inferences_per_s"])
    assert best["name"].tolist() == ["a", "b", "e", "d"]


@pytest.mark.parametrize(
    ("minimise", "maximise", "said"),
    [
        (["energy_J"], [], "two or more"),
        (["energy_J"], ["energy_J"], "different"),
        (["energy_J"], ["speed"], "not in the table"),
        (["energy_J"], ["name"], "finite numbers"),
    ],
)
def test_bad_objectives_are_refused(minimise, maximise, said):
    with pytest.raises(InputError, match=said):
        front(TABLE, minimise, maximise)


def test_a_hole_in_a_column_is_refused():
    with pytest.raises(InputError, match="finite numbers"):
        front(TABLE.assign(energy_J=[1.0, np.nan, 1.0, 1.0, 1.0]), ["energy_J"], ["inferences_per_s"])


def test_the_command_writes_the_front_and_its_figure(tmp_path, capsys):
    table, output = tmp_path / "table.csv", tmp_path / "front"
    TABLE.to_csv(table, index=False)
    arguments = ["pareto", str(table), "--minimise", "energy_J", "--maximise", "inferences_per_s"]
    assert cli.run(cli.HWSIM, [*arguments, "--json", "-o", str(output)]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["a", "b", "e", "d"]
    assert pd.read_csv(output / "pareto.csv")["name"].tolist() == ["a", "b", "e", "d"]
    assert {"pareto.png", "pareto.svg", "manifest.json"} <= {path.name for path in output.iterdir()}


def test_a_missing_or_empty_table_is_refused(tmp_path, capsys):
    (tmp_path / "empty.csv").write_text("")
    for name in ("none.csv", "empty.csv"):
        arguments = ["pareto", str(tmp_path / name), "--minimise", "a", "--maximise", "b"]
        assert cli.run(cli.HWSIM, arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
