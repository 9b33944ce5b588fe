"""Run folders: everything one command produced, complete or not there at all.

A run writes into a hidden folder beside its target. Only when it has ended does the manifest join
the files and the folder take the target's name, in place of an earlier run. Two commands with the
same target therefore never mix: the later one to end replaces the earlier one as a whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.io.files import flush_folder, write_bytes, write_text
from compress.io.jsontext import json_text
from hwsim.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import pandas as pd

RUNS = Path("results") / "runs"
REFERENCE = Path("results") / "reference"
MANIFEST = "manifest.json"
REFERENCE_SUFFIXES = {".csv", ".dcz", ".json", ".png", ".txt"}
REFERENCE_MAX_B = 400_000
UNFINISHED_S = 24 * 3600
"""Age at which the hidden folder of a run that was killed is removed."""


@dataclass
class Run:
    """A run that is being recorded.

    Parameters
    ----------
    folder : Path
        Where to write while the run lasts.
    target : Path
        What the folder is called once the run has ended.
    root : Path
        Folder that holds ``results``, from whose reference the run may read.
    inputs : dict of str to str
        SHA-256 digest of each input, by the name people know it by.
    """

    folder: Path
    target: Path
    root: Path = field(default_factory=Path.cwd)
    inputs: dict[str, str] = field(default_factory=dict)

    def note_files(self, names: Iterable[str]) -> None:
        """Note the digest of each input that is a file, and not the name of something that ships."""
        self.inputs |= {name: sha256(Path(name)) for name in sorted(set(names)) if Path(name).is_file()}

    def write_csv(self, name: str, table: pd.DataFrame) -> None:
        """Write a tidy table: a header, no index, numbers that read back as they were."""
        write_text(self.folder / name, csv_text(table))

    def write_json(self, name: str, data: Any) -> None:
        """Write plain data as indented JSON: see `compress.io.jsontext`."""
        write_text(self.folder / name, json_text(data))


def csv_text(table: pd.DataFrame) -> str:
    """Write a table as CSV: no index, and names that neither a terminal nor a spreadsheet obeys."""
    texts = table.select_dtypes(include=["object", "string"]).columns
    plain = table.assign(**{name: table[name].map(_inert) for name in texts})
    return plain.to_csv(index=False, lineterminator="\n")


def _inert(cell: Any) -> Any:
    """Escape control characters, and put ``'`` before a formula; numbers and a lone sign are none."""
    if not isinstance(cell, str):
        return cell
    cell = printable(cell)
    if not re.match(r"[=+@-].", cell):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


@contextmanager
def recording(
    name: str,
    output: Path | None = None,
    *,
    seed: int | None = None,
    root: Path | None = None,
    command: str | None = None,
) -> Iterator[Run]:
    """Record a run into `output`, or into ``results/runs/NAME`` under `root`.

    Parameters
    ----------
    name : str
        Lower-case letters, digits, ``-`` and ``_``.
    seed : int, optional
        For the manifest.
    root : Path, optional
        Folder that holds ``results``; the current one by default.
    command : str, optional
        For the manifest; what this process was started with by default.

    Raises
    ------
    InputError
        If the target cannot be written or holds something other than an earlier run.
    """
    if not re.fullmatch(r"[a-z0-9_-]+", name):
        raise InputError(f"run {name!r}: expected a name of lower-case letters, digits, '-' and '_'")
    root = (root or Path()).resolve()
    target = (root / (output or RUNS / name)).resolve()
    with replacing_folder(target) as folder:
        run = Run(folder, target, root)
        started = time.monotonic()
        yield run
        run.write_json(
            MANIFEST, _manifest(run, name, command or command_line(), seed, time.monotonic() - started)
        )


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """Give a hidden folder beside `target` to fill, which takes its place at the end.

    Raises
    ------
    InputError
        If `target` is neither absent, empty nor an earlier run, holds the current folder, or the folder
        cannot be made.
    """
    require_replaceable(target)
    _remove_unfinished(target)
    folder = _hidden(target, "new")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"cannot write results to {target}: {error.strerror}") from None
    try:
        yield folder
        _check_replaceable(target)
        _take_place(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_replaceable(target: Path) -> None:
    """Refuse a folder of results that could not be replaced; work that takes long asks before it begins.

    Raises
    ------
    InputError
        If `target` is neither absent, empty nor an earlier run, or holds the current folder.
    """
    _check_elsewhere(target)
    _put_back(target)
    _check_replaceable(target)


def _hidden(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.{suffix}")


def _check_elsewhere(target: Path) -> None:
    """Refuse to replace the folder in which the shell stands, or one above it."""
    if Path.cwd().is_relative_to(target):
        raise InputError(f"{target} is the current folder or one above it, expected another for results")


def _put_back(target: Path) -> None:
    """Put an earlier run back that a kill between two renames has left aside."""
    if target.exists():
        return
    with suppress(OSError):  # another run has just taken its place
        aside = sorted(target.parent.glob(f".{target.name}.*.*.old"), key=lambda left: left.stat().st_mtime)
        if aside:
            aside[-1].rename(target)


def _check_replaceable(target: Path) -> None:
    """Refuse to replace anything but an earlier run, with nothing added to it.

    Another run may take the place meanwhile: what was seen counts only if the same folder is still there.
    """
    while (seen := _identity(target)) is not None:
        try:
            refusal = _refusal(target)
        except FileNotFoundError:  # another run took the place while this one looked
            continue
        if refusal is None:
            return
        if _identity(target) == seen:
            raise InputError(refusal)


def _identity(target: Path) -> tuple[int, int] | None:
    """What tells a folder from another of the same name; None if there is none."""
    try:
        status = target.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def _refusal(target: Path) -> str | None:
    if not target.is_dir():
        return f"{target} is not a folder, expected one to write results to"
    recorded = _recorded(target)
    foreign = next((name for name in _all_files(target) if name not in recorded), None)
    if foreign is None:
        return None
    return (
        f"{target} holds {foreign}, which is not of an earlier run: expected a new or empty folder, "
        "or one that holds an earlier run alone"
    )


def _files(folder: Path) -> list[str]:
    """Relative names of the files of a folder in a fixed order, without hidden files."""
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if not path.is_dir())
    return [name.as_posix() for name in found if not any(part.startswith(".") for part in name.parts)]


def _all_files(folder: Path) -> list[str]:
    """Relative names of all files of a folder, hidden ones, links and empty folders too."""
    found = (path for path in sorted(folder.rglob("*")) if not path.is_dir() or not any(path.iterdir()))
    return [path.relative_to(folder).as_posix() for path in found]


def _recorded(folder: Path) -> set[str]:
    """Names of the files the manifest in `folder` lists, and of the manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {MANIFEST, *manifest["files"]} if "hwsim" in manifest["versions"] else set()
    except (OSError, ValueError, TypeError, KeyError):
        return set()


def _remove_unfinished(target: Path) -> None:
    """Remove what killed runs to the same target left a day or more ago."""
    for left in target.parent.glob(f".{target.name}.*.*.*"):
        with suppress(FileNotFoundError):  # another run has just moved it to its place
            if left.suffix in (".new", ".old") and time.time() - left.stat().st_mtime > UNFINISHED_S:
                shutil.rmtree(left, ignore_errors=True)


def _take_place(folder: Path, target: Path) -> None:
    """Rename `folder` to `target`; what was there is moved aside first, and back if that fails."""
    while True:
        aside = _moved_aside(target)
        try:
            folder.rename(target)
        except OSError as error:
            if aside and not target.exists():
                aside.rename(target)
            if not target.exists() or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise InputError(f"cannot write results to {target}: {error.strerror}") from None
            # Another run took the place between the two renames: it is the one to replace now.
        else:
            flush_folder(target.parent)
            return
        finally:
            if aside:
                shutil.rmtree(aside, ignore_errors=True)


def _moved_aside(target: Path) -> Path | None:
    aside = _hidden(target, "old")
    try:
        target.rename(aside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot replace {target}: {error.strerror}") from None
    return aside


def _manifest(run: Run, name: str, command: str, seed: int | None, elapsed_s: float) -> dict[str, Any]:
    return {
        "name": name,
        "command": command,
        "seed": seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "elapsed_s": round(elapsed_s, 3),
        "commit": git_commit(),
        "versions": versions(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
        },
        "inputs": dict(sorted(run.inputs.items())),
        "files": {name: sha256(run.folder / name) for name in _files(run.folder)},
    }


def command_line() -> str:
    """The command that is running, as one would type it."""
    script = Path(sys.argv[0])
    as_package = script.name == "__main__.py"
    program = ["python", "-m", script.parent.name] if as_package else [script.name]
    return shlex.join(program + sys.argv[1:])


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of what its numbers depend on."""
    names = ("hwsim", "numpy", "scipy", "numba", "pandas", "simpy", "matplotlib")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def git_commit() -> str | None:
    """Commit of the checkout the package runs from, with ``+`` for local changes; None elsewhere."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(checkout), *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refresh_reference(
    names: Collection[str], root: Path = Path(), usual: Collection[str] | None = None
) -> dict[str, list[str]]:
    """Copy the small files of runs to ``results/reference/NAME``.

    Parameters
    ----------
    names : collection of str
        Runs to copy; if empty, those of ``results/runs`` that are `usual`.
    root : Path
        Folder that holds ``results``.
    usual : collection of str, optional
        Runs that references are kept of; all by default.

    Returns
    -------
    dict of str to list of str
        Files that were left out of each copied run: not text, PNG or a model, or too large.

    Raises
    ------
    InputError
        If there is no such run.
    """
    runs = root / RUNS
    found = sorted(path.parent.name for path in runs.glob(f"[!.]*/{MANIFEST}"))
    chosen = names or [name for name in found if usual is None or name in usual]
    if not chosen:
        raise InputError(f"no finished run in {runs}, expected at least one: try `hwsim demo` first")
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise InputError(f"no finished run {unknown[0]!r} in {runs}, expected one of {', '.join(found)}")
    return {name: _copy_small(runs / name, root / REFERENCE / name) for name in chosen}


def _copy_small(source: Path, target: Path) -> list[str]:
    left_out = []
    with replacing_folder(target.resolve()) as folder:
        for name in _files(source):
            path = source / name
            if path.suffix in REFERENCE_SUFFIXES and path.stat().st_size <= REFERENCE_MAX_B:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                write_bytes(folder / name, path.read_bytes())
            else:
                left_out.append(name)
    return left_out
