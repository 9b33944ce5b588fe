"""Every study answers in three bullets that are made from its tables, in plain words."""

import re

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT

from experiments.runs import phrases
from experiments.runs.tables import Tables
from experiments.studies.registry import STUDIES, load_study
from hwsim.errors import InputError

MAX_WORDS, MAX_SENTENCE = 45, 36
PRIVATE = (
    "starved",
    "lit tiles",
    "rent of",
    "images moved",
    "hangs on",
    "errs ",
    "whichever",
    "save that",
    "nan",
)
"""Words that the field does not use, and what a missing number would leave."""


def reference(name):
    return Tables(ROOT / "results" / "reference" / name)


@pytest.mark.parametrize("name", STUDIES)
def test_an_answer_has_three_short_bullets_in_plain_words(name):
    bullets = load_study(name).answer(reference(name))
    assert len(set(bullets)) == 3
    for bullet in bullets:
        assert bullet[0].isupper()
        assert bullet.endswith(".")
        assert "  " not in bullet
        assert len(bullet.split()) <= MAX_WORDS
        for sentence in re.split(r"(?<=[.?!:]) (?=[A-Z])", bullet):
            assert len(sentence.split()) <= MAX_SENTENCE
        assert not re.search(r"\d\.\d{4,}|\d{5,}|[a-z]_[a-z]|\{|\}", bullet), bullet
        assert not [word for word in PRIVATE if re.search(rf"\b{word}", bullet.lower())]
    assert len(re.findall(r"\d", " ".join(bullets))) > 5


class Scaled(Tables):
    """The tables of a reference with every measured number a little larger, row by row."""

    def __getitem__(self, name):
        table = super().__getitem__(name)
        measured = table.select_dtypes("float").columns
        steps = pd.Series(1 + 0.3 * np.arange(len(table)) / len(table), index=table.index)
        keys = ("density", "tolerance", "sparsity", "cap_W", "node_nm", "per_s")
        return table.assign(**{c: table[c] * steps for c in measured if c not in keys})


@pytest.mark.parametrize("name", STUDIES)
def test_an_answer_follows_its_tables(name):
    study = load_study(name)
    changed = study.answer(Scaled(ROOT / "results" / "reference" / name))
    assert changed != study.answer(reference(name))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (phrases.number(26123.0), "26,000"),
        (phrases.times(2.817), "2.8 times"),
        (phrases.times(1.0351), "1.04 times"),
        (phrases.percent(0.3412), "34%"),
        (phrases.joules(4.2398e-6), "4.2 µJ"),
        (phrases.watts(194.8), "195 W"),
        (phrases.watts(4.52), "4.5 W"),
        (phrases.size(262144.0), "256 KiB"),
        (phrases.span([2.1, 1.0, 3.3], phrases.times), "1 to 3.3 times"),
        (phrases.span([0.05, 0.28], phrases.percent), "5 to 28%"),
        (phrases.span([1e-3, 2.0], phrases.joules), "1 mJ to 2 J"),
        (phrases.span([0.84, 0.841], phrases.percent), "84%"),
        (phrases.listed(["A", "B", "C"]), "A, B and C"),
        (phrases.listed([]), "none"),
        (phrases.changed(2.8, "energy"), "2.8 times less energy"),
        (phrases.changed(1 / 1.2, "energy"), "1.2 times more energy"),
        (phrases.changed(1 / 1.05, "energy"), "5% more energy"),
        (phrases.changed(1.001, "energy"), "the same energy"),
        (phrases.costs(1.12), "12% more"),
        (phrases.costs(0.9), "10% less"),
        (phrases.moves(285.0, 353.0), "raises"),
        (phrases.moves(353.0, 285.0), "lowers"),
        (phrases.moves(285.0, 285.5), "keeps"),
        (phrases.limit("bandwidth"), "memory-bound"),
        (phrases.limit("flux"), "limited by flux"),
    ],
)
def test_phrases(said, expected):
    assert said == expected


def test_a_table_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"no table .*squares\.csv, expected a run"):
        Tables(tmp_path)["squares"]


def test_a_table_is_a_copy_and_loses_what_keeps_spreadsheets_from_computing(tmp_path):
    (tmp_path / "t.csv").write_text("way,x\n'+ shared,0.1\n'quoted,1e-300\n")
    tables = Tables(tmp_path)
    first = tables["t"]
    assert first["way"].tolist() == ["+ shared", "'quoted"]
    first["x"] = 0
    assert tables["t"]["x"].tolist() == [0.1, 1e-300]
