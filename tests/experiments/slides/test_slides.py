"""Lectures are made of what the studies say and of the figures of the reference."""

import json
from html.parser import HTMLParser

import pytest
from checkout import ROOT

from experiments.cli import main as cli
from experiments.slides.build import deck, lectures, slides_of
from hwsim.errors import InputError


@pytest.mark.parametrize("lecture", lectures())
def test_every_slide_has_a_picture_a_question_and_what_was_found(lecture):
    slides = slides_of(lecture, ROOT)
    assert len(slides) > 5
    for slide in slides:
        assert slide.picture.startswith(b"\x89PNG")
        assert "?" in slide.question
        assert len(slide.points) == 3
        assert slide.notes


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.sections = [], 0

    def handle_starttag(self, tag, attrs):
        self.sections += tag == "section"
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_deck_is_well_formed_and_needs_no_network():
    slides = slides_of("power", ROOT)
    page = deck("Watts & <dark>", slides)
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.sections == len(slides) + 1
    assert "http" not in page
    assert "Watts &amp; &lt;dark&gt;" in page


def test_the_command_writes_both_and_overwrites_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert cli.run(cli.HWSIM, ["slides", "-o", str(tmp_path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert cli.run(cli.HWSIM, ["slides", "-o", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_figure_that_was_not_made_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="hwsim experiments run energy_ladder"):
        slides_of("memory", tmp_path)
