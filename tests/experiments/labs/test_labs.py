"""The labs run top to bottom, check what they ask, and leave nothing in the students' version."""

import ast
import json
import re
import sys
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import nbclient
import nbformat
import pytest

from experiments.cli import main as cli
from experiments.labs.answers import ANSWERS
from experiments.labs.grading import grade
from experiments.labs.kit import check
from experiments.labs.notebooks import cells_of, for_version, lab_names, notebook_of, source_of
from experiments.labs.tasks import TASKS
from hwsim.errors import InputError

LABS = lab_names()
NEEDED = {"experiments", "hwsim", "compress", "numpy", "matplotlib"}


def run(lab: str, version: str, capsys) -> list[str]:
    """Run a lab's cells in this process and return what it prints."""
    cells = for_version(cells_of(source_of(lab)), version)
    plt.switch_backend("agg")
    exec(compile("\n".join(c.text for c in cells if c.kind == "code"), lab, "exec"), {"__name__": lab})
    plt.close("all")
    return capsys.readouterr().out.splitlines()


def asked(lab: str) -> dict[str, str]:
    """Question -> variable that holds its answer."""
    return dict(re.findall(r'^check\("(\S+)", (\w+)\)$', source_of(lab), re.MULTILINE))


def test_there_are_seven_and_they_ask_every_question_once():
    assert [lab[:4] for lab in LABS] == [f"lab{number}" for number in range(1, 8)]
    assert sorted(question for lab in LABS for question in asked(lab)) == sorted([*ANSWERS, *TASKS])


@pytest.mark.parametrize("lab", LABS)
def test_the_solutions_are_right(lab, capsys):
    printed = run(lab, "instructor", capsys)
    told = [line for line in printed if line.partition("  ")[0] in ANSWERS | TASKS]
    assert [line.partition("  ")[0] for line in told] == list(asked(lab))
    assert all("  right (" in line for line in told)


@pytest.mark.parametrize("lab", [LABS[0], LABS[4]])
def test_the_blanks_are_told_apart_from_wrong_answers(lab, capsys):
    printed = run(lab, "student", capsys)
    assert [line for line in printed if line.endswith("no answer yet")] == [
        f"{question}  no answer yet" for question in asked(lab)
    ]


@pytest.mark.parametrize("lab", LABS)
def test_students_get_a_blank_for_each_answer_and_no_solution(lab):
    student = for_version(cells_of(source_of(lab)), "student")
    blanks = {cell.text for cell in student if "answer" in cell.tags}
    assert blanks == {f"{variable} = None" for variable in asked(lab).values()}
    assert not any("solution" in cell.tags for cell in student)
    solutions = [c.text for c in cells_of(source_of(lab)) if "solution" in c.tags]
    assert len(solutions) == len(blanks)
    everything = "\n".join(cell.text for cell in student)
    assert not any(solution in everything for solution in solutions)


@pytest.mark.parametrize("lab", LABS)
def test_a_lab_has_the_parts_that_teach(lab):
    text = source_of(lab)
    parts = [
        "**Question.**",
        "**Goals.**",
        "**Time.**",
        "**Points.**",
        "**Before.**",
        "## Predict",
        "my_guess",
        "## Run",
        "## The surprise",
        "**To think about.**",
    ]
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize("question", ANSWERS)
def test_a_wrong_answer_is_not_yet_right(question, capsys):
    right = ANSWERS[question].compute()
    wrong = "bandwidth" if isinstance(right, str) else 1.1 * right + 0.1
    for answer in (right, wrong, None, "x"):
        check(question, answer)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{question}  right (")
    assert said[1].startswith(f"{question}  not yet")
    assert said[1].endswith(ANSWERS[question].hint)
    assert said[2] == f"{question}  no answer yet"
    assert said[3].startswith(f"{question}  not yet")


def test_an_unknown_question_is_refused():
    with pytest.raises(InputError, match=r"no question '9\.9'"):
        check("9.9", 1)


@pytest.mark.parametrize("lab", LABS)
def test_labs_need_nothing_beyond_the_package(lab):
    nodes = list(ast.walk(ast.parse(source_of(lab))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} <= NEEDED | sys.stdlib_module_names


@pytest.mark.parametrize("lab", LABS)
def test_cells_are_those_that_jupytext_finds(lab):
    theirs = jupytext.reads(source_of(lab), fmt="py:percent").cells
    assert [(c.cell_type, tuple(c.metadata.get("tags", ())), c.source) for c in theirs] == [
        tuple(cell) for cell in cells_of(source_of(lab))
    ]


def test_a_lab_runs_as_a_notebook():
    cells = for_version(cells_of(source_of(LABS[0])), "instructor")
    notebook = nbformat.reads(json.dumps(notebook_of(cells)), as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert sum("  right (" in output.get("text", "") for output in outputs) == len(asked(LABS[0]))


def test_the_command_writes_them_and_overwrites_nobodys_answers(tmp_path, capsys):
    folder = tmp_path / "course"
    assert cli.run(cli.HWSIM, ["labs", "-o", str(folder), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert [json.loads(Path(path).read_text())["nbformat"] for path in written] == [4] * len(LABS)
    assert cli.run(cli.HWSIM, ["labs", "-o", str(folder)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("lab", LABS)
def test_the_points_of_a_lab_are_those_it_says(lab):
    assert re.search(r"\*\*Points\.\*\* (\d+)\.", source_of(lab))[1] == str(len(asked(lab)))


@pytest.mark.parametrize("lab", LABS)
def test_nbgrader_knows_what_students_fill_and_what_gives_points(lab):
    cells = notebook_of(for_version(cells_of(source_of(lab)), "student"))["cells"]
    known = [cell["metadata"]["nbgrader"] for cell in cells if "nbgrader" in cell["metadata"]]
    assert len({cell["grade_id"] for cell in known}) == len(known)
    assert all(re.fullmatch(r"[\w-]+", cell["grade_id"]) for cell in known)  # by nbgrader's schema
    assert sum(cell["points"] for cell in known if cell["grade"]) == len(asked(lab))
    assert all(cell["locked"] == cell["grade"] != cell["solution"] for cell in known)
    filled = [cell for cell in cells if "answer" in cell["metadata"].get("tags", ())]
    assert sum(cell["solution"] for cell in known) == len(filled) > 0


@pytest.mark.parametrize("answer", [None, -1])
def test_a_wrong_answer_is_an_error_where_nbgrader_runs_it(answer, monkeypatch, capsys):
    check("1.1", answer)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(AssertionError, match=r"^1\.1  no"):
        check("1.1", answer)
    assert len(capsys.readouterr().out.splitlines()) == 2


def written(path: Path, lab: str, version: str) -> Path:
    """A notebook of a lab, as a student hands it in."""
    path.write_text(json.dumps(notebook_of(for_version(cells_of(source_of(lab)), version))), encoding="utf-8")
    return path


def test_a_good_student_gets_every_point(tmp_path, capsys):
    good = written(tmp_path / "good.ipynb", LABS[4], "instructor")
    assert cli.run(cli.HWSIM, ["labs", "--grade", str(good), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["points"] == found["of"] == len(asked(LABS[4]))


def test_who_left_blanks_gets_none(tmp_path):
    blank = grade(written(tmp_path / "blank.ipynb", LABS[0], "student"))
    assert {(one.points, one.said) for one in blank} == {(0, "no answer")}
    assert len(blank) == len(asked(LABS[0]))


def test_a_bad_student_is_told_which_answers_are_wrong_and_what_broke(tmp_path):
    text = source_of(LABS[4])
    script = tmp_path / "mine.py"
    script.write_text(
        "\n".join(
            f"# %%\n{line}"
            for line in (
                "from experiments.labs.kit import check",
                'check("5.1", 7)',
                'check("5.5", lambda sizes, fetches, capacity: sum(sizes))',
                "1 / 0",
                'check("5.2", 7)',
            )
        ),
        encoding="utf-8",
    )
    said = {one.question: one.said for one in grade(script)}
    assert list(said) == list(asked(LABS[4]))
    assert said["5.1"] == said["5.5"] == "wrong"
    assert said["5.2"] == "ZeroDivisionError: division by zero"
    assert "5.1" in text


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"cells": [{"cell_type": "code", "source": ["x = 1"]}]}']
)
def test_what_is_no_lab_is_one_sentence(content, tmp_path):
    path = tmp_path / "mine.ipynb"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="expected a"):
        grade(path)


def test_two_significant_figures_are_enough_for_what_is_measured(capsys):
    check("1.1", float(f"{ANSWERS['1.1'].compute():.2g}"))
    check("2.1", float(f"{ANSWERS['2.1'].compute() + 500:.2g}"))
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("1.1  right")
    assert said[1].startswith("2.1  not yet")


@pytest.mark.parametrize("question", TASKS)
def test_a_function_that_is_wrong_or_raises_is_not_yet_right(question, capsys):
    check(question, lambda *_arguments: 0)
    check(question, 3)
    said = capsys.readouterr().out
    assert said.count("not yet") == 2
    assert TASKS[question].hint in said
