"""Make a deck of slides of a lecture: one HTML file that opens from disk, prints, and has notes."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.io.files import make_folder, write_text
from experiments.runs.record import REFERENCE, RUNS
from experiments.runs.tables import Tables
from experiments.studies.registry import load_study
from hwsim.errors import InputError
from hwsim.tomlfile import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = re.compile(r"^(Question|Look for)\. (.*?)(?=\n\n|\Z)", re.M | re.S)


@dataclass(frozen=True)
class Slide:
    """One slide.

    Parameters
    ----------
    title, question : str
    points : tuple of str
        Bullets of what the study found.
    picture : bytes
        A PNG file.
    notes : str
        What the lecturer reads: what to look for.
    """

    title: str
    question: str
    points: tuple[str, ...]
    picture: bytes
    notes: str


def lectures() -> dict[str, str]:
    """Titles of the lectures by name."""
    return {name: lecture["title"] for name, lecture in _lectures().items()}


def slides_of(lecture: str, root: Path = Path()) -> list[Slide]:
    """Return the slides of a lecture, from the figures of the runs under `root`, or of its reference.

    Raises
    ------
    InputError
        If there is no such lecture, or a figure of it has not been made.
    """
    return [_slide(one["study"], one["figure"], root) for one in _lectures()[lecture]["slides"]]


def write_slides(folder: Path, root: Path = Path()) -> list[Path]:
    """Write every lecture into a folder, and return the files.

    Raises
    ------
    InputError
        If one is there already, a figure is missing, or the folder cannot be written.
    """
    written = {
        folder / f"{name}.html": deck(title, slides_of(name, root)) for name, title in lectures().items()
    }
    for path in written:
        if path.exists():
            raise InputError(f"{path} is there already, expected a folder without lectures")
    make_folder(folder)
    for path, text in written.items():
        write_text(path, text)
    return list(written)


def deck(title: str, slides: list[Slide]) -> str:
    """Return the HTML of a lecture."""
    page = (resources.files("experiments.slides") / "deck.html").read_text(encoding="utf-8")
    return page.replace("{title}", escape(title)).replace("{slides}", "\n".join(_sections(title, slides)))


def _sections(title: str, slides: list[Slide]) -> Iterator[str]:
    yield f"<section><h1>{escape(title)}</h1><p>Figures and numbers of hwsim</p></section>"
    for slide in slides:
        picture = base64.b64encode(slide.picture).decode("ascii")
        points = "".join(f"<li>{escape(point)}</li>" for point in slide.points)
        yield (
            f"<section><h2>{escape(slide.title)}</h2><p>{escape(slide.question)}</p>"
            f'<img alt="{escape(slide.title)}" src="data:image/png;base64,{picture}">'
            f"<ul>{points}</ul><aside>{escape(slide.notes)}</aside></section>"
        )


def _slide(name: str, figure: str, root: Path) -> Slide:
    study = load_study(name)
    parts = dict(PART.findall(study.text))
    parts = {key: " ".join(text.split()) for key, text in parts.items()}
    found = [root / folder / name / f"{figure}.png" for folder in (RUNS, REFERENCE)]
    picture = next((path for path in found if path.is_file()), None)
    if picture is None:
        raise InputError(f"no figure {found[0]}: expected a run of `hwsim experiments run {name}`")
    return Slide(
        study.title.partition(":")[0],
        parts["Question"],
        study.answer(Tables(picture.parent)),
        picture.read_bytes(),
        parts.get("Look for", ""),
    )


def _lectures() -> dict[str, dict[str, Any]]:
    text = (resources.files("experiments.slides") / "lectures.toml").read_text(encoding="utf-8")
    return read_toml(text, "lectures.toml")
