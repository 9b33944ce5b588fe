"""A campaign in small: random command lines and calls end as they may, and what may not be is found."""

import os
import random
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
from trust import campaign, tables
from trust.campaign import Ended, apart
from trust.drawn import call_of, line_of, prepare

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def test_a_campaign_of_a_few_lines_and_calls_finds_nothing(monkeypatch):
    monkeypatch.setattr(campaign, "CPU_S", 300)  # a new checkout compiles
    rows = campaign.campaign(3, 40, 5)
    assert [row["failure"] for row in rows if "failure" in row] == []
    assert [(row["kind"], row["tried"], row["failed"]) for row in rows] == [
        ("command line", 3, 0),
        ("API call", 40, 0),
    ]


def test_what_is_drawn_is_the_same_for_a_seed(tmp_path):
    folder = prepare(tmp_path)
    first, second = random.Random(3), random.Random(3)
    for _ in range(20):
        assert line_of(first) == line_of(second)
        assert call_of(first, folder).text == call_of(second, folder).text


@pytest.mark.parametrize(
    ("code", "said", "most_MB", "failure"),
    [
        (0, "", 100, ""),
        (2, "error: no", 100, ""),
        (2, "", 100, "refused without a word"),
        (70, "error: a fault of hwsim", 100, "exit code 70: error: a fault of hwsim"),
        (1, "Traceback (most recent call last)", 100, "exit code 1: Traceback (most recent call last)"),
        (-signal.SIGXCPU, "", 100, "more than 30 s"),
        (0, "", 3500, "3500 MB"),
        (
            70,
            f'File "{campaign.ROOT / "hwsim" / "run.py"}"',
            9,
            f'exit code 70: File "{Path("hwsim/run.py")}"',
        ),
    ],
)
def test_what_may_not_be_is_told(code, said, most_MB, failure):
    assert Ended(code, said, 1.0, most_MB).failure == failure


def test_a_process_apart_leaves_this_one_as_it_was(tmp_path):
    def breaks() -> int:
        sys.stderr.write("broken\n")
        raise ZeroDivisionError

    ended = apart(breaks, tmp_path)
    assert ended.code == 70
    assert "broken" in ended.said
    assert "ZeroDivisionError" in ended.said
    assert Path.cwd() != tmp_path


def test_each_command_line_finds_the_files_as_they_were(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "model.dcz").write_text("whole", encoding="utf-8")

    def replaces() -> int:
        assert Path("model.dcz").read_text(encoding="utf-8") == "whole"
        Path("model.dcz").write_text("other", encoding="utf-8")
        return 0

    rows = campaign._tried("command line", [("replace", 1, replaces)] * 2, files, tmp_path / "folder")
    assert [row["failed"] for row in rows] == [0]


def test_pieces_of_a_campaign_come_together_in_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    piece = pd.DataFrame([{"kind": "API call", "tried": 5, "failed": 1}])
    campaign.keep(piece, 2)
    campaign.keep(piece, 1)
    campaign.keep(piece.assign(failed=0), 2)
    kept = pd.read_csv(tmp_path / "campaign.csv")
    assert kept[["seed", "tried", "failed"]].to_numpy().tolist() == [[1, 5, 1], [2, 5, 0]]
