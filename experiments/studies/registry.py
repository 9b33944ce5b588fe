"""The experiments: one module each, found by name, run into a folder, checked against its reference.

A study is a module of this package. Its docstring gives the title (first line), the question and what to
look for. It has three functions. ``produce(run: Run) -> None`` writes tidy CSV files into ``run.folder``.
They depend on the program and its shipped data alone, so that `check` can ask for the same again.
``answer(tables: Tables) -> tuple[str, str, str]`` makes three sentences or so of these files, and
``draw(tables: Tables) -> dict[str, Figure]`` the figures. So both follow from any run, without a new one.

A study that trains has ``MINUTES`` and, in place of ``produce``, ``measure() -> DataFrame``, a row a run,
which is written to `MEASURED`, and ``conclude(run: Run) -> None``, which makes all else from that file.
`check` concludes again from the shipped file: training gives other digits on other machines.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import math
import shutil
import tempfile
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.figures import style
from experiments.runs.record import REFERENCE, RUNS, Run, recording, sha256
from experiments.runs.tables import Tables
from hwsim.errors import InputError, hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from experiments.figures.style import Figure
STUDIES: tuple[str, ...] = (
    "boards",
    "cap_sweep",
    "compression",
    "dark_silicon",
    "density",
    "distance",
    "dsd",
    "eie_factors",
    "energy_ladder",
    "fifo_depth",
    "imagenet_files",
    "large_or_small",
    "llm_compress",
    "llm_decode",
    "precision",
    "relight",
    "rent",
    "residency_cliff",
    "roofline",
    "sensitivity",
    "small_cnns",
    "specialised",
    "sparsity_bits",
    "temperature",
    "training_watts",
    "validate",
    "waterfall",
    "weight_histogram",
    "when_not",
)
"""Names of the study modules."""

MEASURED = "measured.csv"
"""What a study that trains has measured."""

RELATIVE_TOLERANCE = 1e-9
"""How far a figure may be from its reference: libraries of mathematics differ in the last digits."""

SHOWN = 3
"""Differences of one file that are told one by one."""


@dataclass(frozen=True)
class Study:
    """One experiment.

    Parameters
    ----------
    name, title : str
    text : str
        The question, and what to look for.
    produce : callable
        Writes the tables into the folder of the run it is given.
    answer : callable
        Makes the three bullets of the answer from the tables of a run.
    draw : callable
        Makes the figures, by name, from the tables of a run.
    minutes : float
        CPU minutes that it trains for, about; 0 if it does not.
    conclude : callable, optional
        Of a study that trains: makes all else from the `MEASURED` in the folder of the run.
    reads : Path, optional
        Folder of files that it reads, under the one that holds ``results``.
    """

    name: str
    title: str
    text: str
    produce: Callable[[Run], None]
    answer: Callable[[Tables], tuple[str, str, str]]
    draw: Callable[[Tables], dict[str, Figure]]
    minutes: float = 0
    conclude: Callable[[Run], None] | None = None
    reads: Path | None = None


def load_study(name: str) -> Study:
    """Find a study by name.

    Raises
    ------
    InputError
        If there is no such study.
    """
    if name not in STUDIES:
        raise InputError(f"no experiment {name!r}{hint(name, STUDIES)}, expected one of {', '.join(STUDIES)}")
    module = importlib.import_module(f"experiments.studies.{name}")
    title, _, text = (module.__doc__ or "").partition("\n")
    return Study(
        name,
        title.rstrip("."),
        text.strip(),
        module.produce if hasattr(module, "produce") else partial(_measure_and_conclude, module),
        module.answer,
        module.draw,
        getattr(module, "MINUTES", 0),
        getattr(module, "conclude", None),
        getattr(module, "READS", None),
    )


def _measure_and_conclude(module: Any, run: Run) -> None:
    run.write_csv(MEASURED, module.measure())
    module.conclude(run)


def run_study(
    name: str,
    output: Path | None = None,
    *,
    train: bool = True,
    root: Path | None = None,
    command: str | None = None,
) -> Path:
    """Run a study into `output`, or ``results/runs/NAME``, and return that folder.

    Parameters
    ----------
    train : bool
        Whether one that trains does so; else it is concluded from what its reference has measured.
    root, command
        See `experiments.runs.record.recording`.

    Raises
    ------
    InputError
        If there is no such study, no reference to conclude from, or the folder cannot be written.
    """
    study = load_study(name)
    with recording(name, output, root=root, command=command) as run:
        run.inputs["shipped data"] = shipped_data_digest()
        if study.conclude is None or train:
            study.produce(run)
        else:
            run.inputs[MEASURED] = sha256(_reference(study, run.root) / MEASURED)
            _conclude(study, run)
        save_figures(study, run.folder, run.folder)
    return run.target


def is_at_hand(name: str, root: Path = Path()) -> bool:
    """Whether a study has what it needs: no training, or what its reference has measured, and what it reads.

    Parameters
    ----------
    name : str
    root : Path
        Folder that holds ``results``; an installed package comes without references.
    """
    study = load_study(name)
    if study.reads and not (root / study.reads).is_dir():
        return False
    return study.conclude is None or (root / REFERENCE / name / MEASURED).is_file()


def save_figures(study: Study, source: Path, target: Path) -> list[Path]:
    """Draw a study from the tables in one folder, and save its figures as PNG and SVG in another.

    Parameters
    ----------
    study : Study
    source, target : Path
        Folder of a run or a reference, and an existing one to write to.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If a table is missing, or a figure cannot be written.
    """
    figures = study.draw(Tables(source))
    return [path for name, figure in figures.items() for path in style.save(figure, target / name)]


def latest(name: str, root: Path = Path()) -> Path:
    """Return the folder of the last run of a study, or else that of its reference.

    Raises
    ------
    InputError
        If there is neither.
    """
    for folder in (root / RUNS / name, root / REFERENCE / name):
        if any(folder.glob("*.csv")):
            return folder
    raise InputError(f"no tables of {name}: expected a run of `hwsim experiments run {name}`")


def check_study(name: str, root: Path = Path()) -> list[str]:
    """Run a study again and say how its CSV files differ from ``results/reference/NAME``.

    One that trains is not trained again, but concluded again from what the reference has measured.

    Parameters
    ----------
    root : Path
        Folder that holds ``results``.

    Returns
    -------
    list of str
        A sentence per difference; empty if all figures are the same within `RELATIVE_TOLERANCE`.

    Raises
    ------
    InputError
        If there is no such study, or no reference of it.
    """
    study = load_study(name)
    reference = _reference(study, root)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), Path(folder), root)
        if study.conclude is None:
            study.produce(run)
        else:
            _conclude(study, run)
        return differences(reference, run.folder)


def _conclude(study: Study, run: Run) -> None:
    """Make all but the measurements of a study that trains."""
    assert study.conclude is not None
    shutil.copy(_reference(study, run.root) / MEASURED, run.folder)
    study.conclude(run)


def _reference(study: Study, root: Path) -> Path:
    reference = root / REFERENCE / study.name
    wanted = MEASURED if study.conclude else "*.csv"
    if not any(reference.glob(wanted)):
        raise InputError(f"no {wanted} in {reference}, expected the reference of experiment {study.name}")
    return reference


def differences(reference: Path, made: Path) -> list[str]:
    """Say how the CSV files in two folders differ."""
    names = sorted({path.name for folder in (reference, made) for path in folder.glob("*.csv")})
    found = []
    for name in names:
        if not (made / name).exists():
            found.append(f"{name}: in the reference, but no longer made")
        elif not (reference / name).exists():
            found.append(f"{name}: made, but not in the reference")
        else:
            told = list(_csv_differences(reference / name, made / name))
            found += [f"{name}: {sentence}" for sentence in told[:SHOWN]]
            if len(told) > SHOWN:
                found.append(f"{name}: {len(told) - SHOWN} more differences")
    return found


def _csv_differences(reference: Path, made: Path) -> Iterator[str]:
    before, after = _cells(reference), _cells(made)
    if before[:1] != after[:1]:
        yield f"columns were {','.join(*before[:1])}, now {','.join(*after[:1])}"
        return
    if len(before) != len(after):
        yield f"had {len(before) - 1} rows, now {len(after) - 1}"
        return
    for line, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        for column, was, now in zip(before[0], old, new, strict=True):
            if not _same(was, now):
                yield f"line {line}, {column}: was {was}, now {now}"


def _cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _same(was: str, now: str) -> bool:
    if was == now:
        return True
    try:
        return math.isclose(float(was), float(now), rel_tol=RELATIVE_TOLERANCE)
    except ValueError:
        return False


def shipped_data_digest() -> str:
    """SHA-256 over every shipped chip, network and table: what studies read."""
    digest = hashlib.sha256()
    for package, part in (("hwsim", "data"), ("experiments", "data")):
        for name, content in _contents(resources.files(package) / part, f"{package}/{part}"):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _contents(folder: Any, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda found: found.name):
        if entry.is_dir():
            yield from _contents(entry, f"{prefix}/{entry.name}")
        else:
            yield f"{prefix}/{entry.name}", entry.read_bytes()
