"""Run folders are complete or absent, never a mixture, and never replace what is not theirs."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest

from experiments.runs import record as results
from hwsim.errors import InputError

TABLE = pd.DataFrame({"stage": ["dense", "pruned"], "energy_J": [0.1, 1 / 3]})


def record(target: Path, **files: str) -> None:
    with results.recording("demo", target, seed=7) as run:
        for stem, text in files.items():
            (run.folder / f"{stem}.txt").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def manifest(target: Path) -> dict:
    return json.loads((target / "manifest.json").read_text())


def test_a_run_appears_at_its_end_with_a_manifest_of_its_files(tmp_path):
    target = tmp_path / "runs" / "demo"
    with results.recording("demo", target, seed=7) as run:
        run.write_csv("stages.csv", TABLE)
        run.inputs["mnist"] = "ab" * 32
        assert not target.exists()
    written = manifest(target)
    digest = hashlib.sha256((target / "stages.csv").read_bytes()).hexdigest()
    assert written["files"] == {"stages.csv": digest}
    assert written["seed"] == 7
    assert written["inputs"] == {"mnist": "ab" * 32}
    assert written["versions"]["numpy"]
    assert names(target.parent) == ["demo"]


def test_csv_reads_back_to_the_bit_and_is_the_same_bytes_everywhere(tmp_path):
    with results.recording("demo", tmp_path / "demo") as run:
        run.write_csv("stages.csv", TABLE)
    content = (tmp_path / "demo" / "stages.csv").read_bytes()
    assert content == b"stage,energy_J\ndense,0.1\npruned,0.3333333333333333\n"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "demo" / "stages.csv"), TABLE, check_exact=True)


def test_default_target_is_under_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with results.recording("energy_ladder") as run:
        assert run.target == tmp_path / "results" / "runs" / "energy_ladder"
    assert (tmp_path / "results/runs/energy_ladder/manifest.json").is_file()


def test_a_second_run_replaces_the_first_as_a_whole(tmp_path):
    record(tmp_path / "demo", old="1", both="1")
    record(tmp_path / "demo", both="2")
    assert names(tmp_path / "demo") == ["both.txt", "manifest.json"]
    assert (tmp_path / "demo" / "both.txt").read_text() == "2"
    assert names(tmp_path) == ["demo"]


def test_a_run_that_fails_leaves_the_earlier_one_untouched(tmp_path):
    record(tmp_path / "demo", a="1")

    def fail_midway() -> None:
        with results.recording("demo", tmp_path / "demo") as run:
            (run.folder / "a.txt").write_text("2")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway()
    assert (tmp_path / "demo" / "a.txt").read_text() == "1"
    assert names(tmp_path) == ["demo"]


def test_two_runs_at_once_do_not_mix_and_the_later_to_end_stays(tmp_path):
    target = tmp_path / "demo"
    with results.recording("demo", target) as outer:
        (outer.folder / "outer.txt").write_text("outer")
        record(target, inner="inner")
        assert (target / "inner.txt").read_text() == "inner"
    assert names(target) == ["manifest.json", "outer.txt"]
    assert names(tmp_path) == ["demo"]


WRITER = """
    import sys
    from pathlib import Path
    from experiments.runs import record as results
    for turn in range(15):
        with results.recording("demo", Path(sys.argv[1])) as run:
            for part in range(3):
                (run.folder / f"{part}.txt").write_text(sys.argv[2] + str(turn))
"""


def test_processes_that_fight_over_one_folder_leave_one_whole_run(tmp_path):
    target = tmp_path / "demo"
    script = textwrap.dedent(WRITER)
    fighters = [subprocess.Popen([sys.executable, "-c", script, str(target), name]) for name in "ab"]
    assert [fighter.wait() for fighter in fighters] == [0, 0]
    assert len({(target / f"{part}.txt").read_text() for part in range(3)}) == 1
    assert set(manifest(target)["files"]) == {"0.txt", "1.txt", "2.txt"}
    assert names(tmp_path) == ["demo"]


def test_what_another_run_has_just_moved_away_is_passed_over(tmp_path, monkeypatch):
    """A listing may name a folder that is gone when it is looked at."""
    gone = tmp_path / ".demo.1.abcd.new"
    glob = Path.glob

    def stale(folder, *asked, **how):
        return iter([*[gone] * (folder == tmp_path), *glob(folder, *asked, **how)])

    monkeypatch.setattr(Path, "glob", stale)
    record(tmp_path / "demo", a="1")
    assert (tmp_path / "demo" / "a.txt").exists()


def test_a_folder_with_foreign_files_is_refused_before_any_work(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(InputError, match=r"thesis\.txt, which is not of an earlier run"):
        record(tmp_path, a="1")
    assert (tmp_path / "thesis.txt").read_text() == "years"


def test_notes_added_to_a_run_are_not_lost(tmp_path):
    record(tmp_path / "demo", a="1")
    (tmp_path / "demo" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        record(tmp_path / "demo", a="2")
    assert (tmp_path / "demo" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"versions": 3, "files": {}}', '{"files": {"a": 1}}'])
def test_a_manifest_of_something_else_does_not_make_a_run(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json, which is not of an earlier run"):
        record(tmp_path)


def test_an_empty_folder_is_a_target_and_a_file_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    record(tmp_path / "empty", a="1")
    (tmp_path / "file").write_text("text")
    with pytest.raises(InputError, match="is not a folder"):
        record(tmp_path / "file", a="1")
    with pytest.raises(InputError, match="cannot write results to"):
        record(tmp_path / "file" / "below", a="1")


@pytest.mark.parametrize("name", ["", "../up", "Demo", "a b"])
def test_names_that_are_not_plain_are_refused(name, tmp_path):
    with (
        pytest.raises(InputError, match="expected a name of lower-case letters"),
        results.recording(name, tmp_path / "x"),
    ):
        pass


def test_only_old_leftovers_of_the_same_target_are_removed(tmp_path):
    left = [".demo.1.aa.new", ".demo.2.bb.new", ".demo2.3.cc.new", ".demo.4.dd.txt"]
    long_ago = time.time() - 2 * results.UNFINISHED_S
    for name in left:
        (tmp_path / name).mkdir()
        if name != ".demo.2.bb.new":
            os.utime(tmp_path / name, (long_ago, long_ago))
    record(tmp_path / "demo", a="1")
    assert names(tmp_path) == sorted([*left[1:], "demo"])


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/usr/local/bin/hwsim", "demo", "--quick"], "hwsim demo --quick"),
        (
            ["/src/hwsim/__main__.py", "run", "my chip"],
            "python -m hwsim run 'my chip'",
        ),
    ],
)
def test_command_line_is_what_one_would_type(monkeypatch, argv, expected):
    monkeypatch.setattr(sys, "argv", argv)
    assert results.command_line() == expected


def test_commit_is_that_of_the_checkout_or_absent(tmp_path, monkeypatch):
    checkout = Path(results.__file__).parents[2]
    head = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True)
    expected = head.stdout.strip() if head.returncode == 0 else "None"
    assert str(results.git_commit()).rstrip("+") == expected
    monkeypatch.setattr(results, "__file__", str(tmp_path / "site-packages/experiments/runs/record.py"))
    assert results.git_commit() is None


def test_reference_takes_small_text_images_and_models_of_finished_runs(tmp_path, monkeypatch):
    runs = tmp_path / "results" / "runs"
    with results.recording("demo", runs / "demo") as run:
        run.write_csv("stages.csv", TABLE)
        (run.folder / "energy.png").write_bytes(b"png")
        (run.folder / "model.dcz").write_bytes(b"dcz")
        (run.folder / "energy.svg").write_bytes(b"svg")
        (run.folder / "trace.json").write_bytes(b" " * (results.REFERENCE_MAX_B + 1))
    (runs / ".demo.1.ab.new").mkdir()
    assert results.refresh_reference([], tmp_path) == {"demo": ["energy.svg", "trace.json"]}
    kept = tmp_path / "results" / "reference" / "demo"
    assert names(kept) == ["energy.png", "manifest.json", "model.dcz", "stages.csv"]
    assert (kept / "stages.csv").read_bytes() == (runs / "demo" / "stages.csv").read_bytes()


def test_runs_of_ones_own_are_kept_only_if_they_are_named(tmp_path):
    runs = tmp_path / "results" / "runs"
    for name in ("demo", "my-sweep"):
        record(runs / name, a="1")
    assert list(results.refresh_reference([], tmp_path, usual=("demo", "relight"))) == ["demo"]
    assert list(results.refresh_reference(["my-sweep"], tmp_path, usual=("demo",))) == ["my-sweep"]
    with pytest.raises(InputError, match="no finished run in"):
        results.refresh_reference([], tmp_path, usual=("relight",))


def test_reference_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="no finished run in"):
        results.refresh_reference([], tmp_path)
    record(tmp_path / "results" / "runs" / "demo", a="1")
    with pytest.raises(InputError, match=r"no finished run 'dmeo' in .*, expected one of demo"):
        results.refresh_reference(["dmeo"], tmp_path)


@pytest.mark.parametrize("added", [".git/config", "notes/a.txt", ".hidden", "empty"])
def test_whatever_was_added_to_a_run_keeps_it(tmp_path, added):
    record(tmp_path / "demo", a="1")
    path = tmp_path / "demo" / added
    if added == "empty":
        path.mkdir()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    with pytest.raises(InputError, match="is not of an earlier run"):
        record(tmp_path / "demo", a="2")
    assert path.exists()
    assert (tmp_path / "demo" / "a.txt").read_text() == "1"


@pytest.mark.parametrize("inner", ["", "below"])
def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch, inner):
    record(tmp_path / "demo", a="1")
    (tmp_path / "demo" / inner).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "demo" / inner)
    with pytest.raises(InputError, match="current folder"):
        record(tmp_path / "demo", a="2")


def test_a_run_that_a_kill_left_aside_is_put_back(tmp_path):
    record(tmp_path / "demo", a="1")
    (tmp_path / "demo").rename(tmp_path / ".demo.1.abcd.old")
    with pytest.raises(RuntimeError), results.recording("demo", tmp_path / "demo"):
        raise RuntimeError
    assert (tmp_path / "demo" / "a.txt").read_text() == "1"
    assert names(tmp_path) == ["demo"]
