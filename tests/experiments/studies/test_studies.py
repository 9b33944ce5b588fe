"""The experiments: found by name, run into a folder, checked against their reference."""

import json
import sys
import types

import pandas as pd
import pytest
from checkout import ROOT

from experiments.cli import main as cli
from experiments.figures import style
from experiments.figures.canvas import canvas
from experiments.runs.record import Run
from experiments.studies import compression
from experiments.studies import registry as studies
from experiments.studies.runs import check_studies, run_studies
from hwsim.errors import InputError

DOC = """Squares of small numbers.

How fast do squares grow? Faster than their roots.
"""


class Squares:
    """A study whose answer can be changed."""

    def __init__(self) -> None:
        self.factor = 1.0

    def answer(self, tables) -> tuple[str, str, str]:
        table = tables["squares"]
        return (f"The largest is {table['square_J'].max():g}.", "It grows.", "That is all.")

    def draw(self, tables):
        with style.applied():
            figure, axes = canvas(f"{len(tables['squares'])} squares", 2.0)
            axes.plot(tables["squares"]["square_J"], color=style.INK)
        return {"squares": figure}

    def produce(self, run) -> None:
        numbers = [1, 2, 3]
        squares = [self.factor * number**2 / 3 for number in numbers]
        run.write_csv("squares.csv", pd.DataFrame({"number": numbers, "square_J": squares, "by": "hand"}))


@pytest.fixture
def squares(tmp_path, monkeypatch):
    """The one study there is, with a current folder to run it in."""
    study = Squares()
    module = types.SimpleNamespace(__doc__=DOC, produce=study.produce, answer=study.answer, draw=study.draw)
    monkeypatch.setitem(sys.modules, "experiments.studies.squares", module)
    monkeypatch.setattr(studies, "STUDIES", ("squares",))
    monkeypatch.chdir(tmp_path)
    return study


def run(*arguments: str) -> int:
    return cli.run(cli.HWSIM, ["experiments", *arguments])


def made_and_kept() -> None:
    """Run every experiment and keep the result as the reference."""
    assert run("run", "--all", "--train") == 0
    assert cli.run(cli.HWSIM, ["reference"]) == 0


@pytest.mark.parametrize("name", studies.STUDIES)
def test_a_study_says_what_it_asks(name):
    study = studies.load_study(name)
    assert study.title
    assert "\n" not in study.title
    assert len(study.text) > 200
    assert "?" in study.text
    assert "Answer." not in study.text
    assert study.text.count("\n") < 40


def test_list(squares, capsys):
    assert run("list") == 0
    assert "Squares of small numbers" in capsys.readouterr().out
    assert run("list", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed == {
        "name": "squares",
        "title": "Squares of small numbers",
        "text": "How fast do squares grow? Faster than their roots.",
        "minutes": 0,
    }


def test_a_run_records_what_it_made_and_what_it_read(squares, tmp_path):
    assert run("run", "squares") == 0
    folder = tmp_path / "results" / "runs" / "squares"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert list(manifest["files"]) == ["squares.csv", "squares.png", "squares.svg"]
    assert manifest["inputs"] == {"shipped data": studies.shipped_data_digest()}


def test_a_run_goes_where_it_is_told(squares, tmp_path):
    assert run("run", "squares", "-o", "elsewhere") == 0
    assert (tmp_path / "elsewhere" / "squares.csv").exists()


def test_a_run_prints_the_answer_of_its_tables(squares, capsys):
    assert run("run", "squares") == 0
    assert "- The largest is 3." in capsys.readouterr().out
    squares.factor = 2.0
    assert run("run", "squares", "--json") == 0
    assert json.loads(capsys.readouterr().out)["squares"]["answer"][0] == "The largest is 6."


@pytest.mark.parametrize("look", style.LOOKS)
def test_figures_are_drawn_again_from_the_tables_of_the_last_run(squares, tmp_path, look, capsys):
    made_and_kept()
    first = (tmp_path / "results" / "runs" / "squares" / "squares.png").read_bytes()
    squares.produce = None  # nothing is run
    assert run("draw", "squares", "--style", look) == 0
    folder = tmp_path / "results" / "figures" / look / "squares"
    assert sorted(path.name for path in folder.iterdir()) == ["squares.png", "squares.svg"]
    assert ((folder / "squares.png").read_bytes() == first) == (look == "light")
    assert f"style {look}" in capsys.readouterr().out


def test_what_was_never_run_is_not_drawn(squares, capsys):
    assert run("draw", "squares") == 2
    assert "no tables of squares" in capsys.readouterr().err
    assert run("draw", "squares", "--style", "loud") == 2


def test_several_studies_run_at_once_and_name_the_command_that_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hwsim", "experiments", "run", "energy_ladder", "waterfall"])
    assert run("run", "energy_ladder", "waterfall", "--workers", "2") == 0
    for name in ("energy_ladder", "waterfall"):
        manifest = json.loads((tmp_path / "results" / "runs" / name / "manifest.json").read_text())
        assert manifest["command"] == "hwsim experiments run energy_ladder waterfall"


def test_check_finds_the_same(squares, capsys):
    made_and_kept()
    squares.factor = 1.0 + 1e-12
    assert run("check") == 0
    assert "squares: the same" in capsys.readouterr().out


def test_check_says_what_differs(squares, capsys):
    made_and_kept()
    squares.factor = 1.0 + 1e-6
    assert run("check", "squares") == 1
    told = capsys.readouterr().out
    assert "squares.csv: line 2, square_J: was 0.3333333333333333, now 0.333333666666666" in told


def test_a_study_that_trains_is_concluded_from_its_shipped_runs(squares, tmp_path, monkeypatch, capsys):
    trained = []

    def produce(run) -> None:
        trained.append(1)
        run.write_csv(studies.MEASURED, pd.DataFrame({"seed": [0, 1], "error": [0.1, 0.3]}))
        conclude(run)

    def conclude(run) -> None:
        errors = pd.read_csv(run.folder / studies.MEASURED)["error"]
        run.write_csv("mean.csv", pd.DataFrame({"error": [squares.factor * errors.mean()]}))

    module = types.SimpleNamespace(
        __doc__=DOC,
        produce=produce,
        conclude=conclude,
        answer=lambda tables: ("a", "b", f"{tables['mean']['error'][0]}"),
        draw=lambda tables: {},
        MINUTES=7.5,
    )
    monkeypatch.setitem(sys.modules, "experiments.studies.squares", module)
    made_and_kept()
    assert run("run", "--all") == 0
    assert "concluded from its shipped runs" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "results" / "runs" / "squares" / "manifest.json").read_text())
    assert studies.MEASURED in manifest["inputs"]
    assert run("check") == 0
    assert "run squares trains 7.5 minutes" in capsys.readouterr().err
    squares.factor = 2.0
    assert run("check") == 1
    assert trained == [1]
    assert "mean.csv: line 2, error: was 0.2, now 0.4" in capsys.readouterr().out
    (tmp_path / "results" / "reference" / "squares" / studies.MEASURED).unlink()
    assert run("check") == 2
    assert "no measured.csv in" in capsys.readouterr().err


def write(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "table.csv").write_text(text)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a,b\n1,x\n", "a,b\n1.0000000001,x\n", []),
        ("a,b\n1,x\n", "a,b\n1,y\n", ["table.csv: line 2, b: was x, now y"]),
        ("a,b\n1,x\n", "a,c\n1,x\n", ["table.csv: columns were a,b, now a,c"]),
        ("a,b\n1,x\n", "a,b\n1,x\n2,y\n", ["table.csv: had 1 rows, now 2"]),
        ("a\n0\n", "a\n1e-300\n", ["table.csv: line 2, a: was 0, now 1e-300"]),
        ("a\nnan\n", "a\nnan\n", []),
        (
            "a\n1\n2\n3\n4\n5\n",
            "a\n2\n3\n4\n5\n6\n",
            [f"table.csv: line {n + 1}, a: was {n}, now {n + 1}" for n in (1, 2, 3)]
            + ["table.csv: 2 more differences"],
        ),
    ],
)
def test_differences_of_tables(tmp_path, before, after, expected):
    write(tmp_path / "before", before)
    write(tmp_path / "after", after)
    assert studies.differences(tmp_path / "before", tmp_path / "after") == expected


def test_files_that_come_and_go(tmp_path):
    write(tmp_path / "before", "a\n1\n")
    (tmp_path / "after").mkdir()
    assert studies.differences(tmp_path / "before", tmp_path / "after") == [
        "table.csv: in the reference, but no longer made"
    ]
    assert studies.differences(tmp_path / "after", tmp_path / "before") == [
        "table.csv: made, but not in the reference"
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "squares", "--all"],
        ["run", "squares", "--train"],
        ["run", "cubes"],
        ["check", "cubes"],
        ["check"],  # there is no reference yet
        ["run", "squares", "squares", "-o", "elsewhere"],
    ],
)
def test_bad_input_exits_with_2(squares, arguments):
    assert run(*arguments) == 2


def test_no_such_study(squares):
    with pytest.raises(InputError, match="no experiment 'cubes', expected one of squares"):
        studies.load_study("cubes")


@pytest.mark.slow
@pytest.mark.parametrize("name", studies.STUDIES)
def test_the_reference_is_reproduced(name):
    root = ROOT
    assert studies.check_study(name, root) == []


def test_studies_go_where_the_coordinator_is_though_workers_started_elsewhere(tmp_path, monkeypatch):
    """Workers outlive the call that started them, and keep its current folder and command line."""
    names = ["energy_ladder", "waterfall"]
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.setattr(sys, "argv", ["hwsim", folder])
        ended = sorted(run_studies(names, 2), key=lambda one: one.name)
        here = tmp_path / folder / "results" / "runs"
        assert [study.outcome for study in ended] == [here / name for name in names]
        for name in names:
            assert json.loads((here / name / "manifest.json").read_text())["command"] == f"hwsim {folder}"


def test_checks_read_the_reference_of_the_coordinator_though_workers_started_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert {study.name: study.outcome for study in check_studies(["energy_ladder", "waterfall"], 2)} == {
        "energy_ladder": [],
        "waterfall": [],
    }
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="expected the reference of experiment"):
        list(check_studies(["energy_ladder", "waterfall"], 2))


def test_a_study_reads_its_reference_under_the_root_it_is_given(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    read = []

    def files_in(folders):
        read.extend(folders)
        return []

    monkeypatch.setattr(compression.frontier, "files_in", files_in)
    monkeypatch.setattr(compression, "write_tables", lambda run, paths, dataset: None)
    compression.produce(Run(tmp_path / "run", tmp_path / "run", ROOT))
    assert read == [ROOT / "results" / "reference" / "compression"]
