"""Atomic writing of files."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from hwsim.errors import InputError, require_type

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to, whose content becomes that of `path` at the end.

    A file is replaced by a rename: the data are on the disk before the name changes, so a kill or a full
    disk leaves the old file or the new one, and no temporary file after an error. The mode of the old file
    is kept, and a symbolic link is followed. A pipe or a device gets the bytes once all are there.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    require_type(path, (str, Path), "path", "the name of a file to write")
    target = Path(path)
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder, expected the name of a file")
    try:
        target = Path(os.path.realpath(target))
        if target.is_symlink():
            raise InputError(f"cannot write {path}: a circle of links, expected the name of a file")
        if target.exists() and not target.is_file():
            with NamedTemporaryFile(prefix="hwsim-") as kept:
                yield Path(kept.name)
                _pour(Path(kept.name), target)
        else:
            with _beside(target) as temporary:
                yield temporary
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a temporary path beside a file, and rename it to the file at the end."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        if target.exists():
            temporary.chmod(S_IMODE(target.stat().st_mode))
        temporary.replace(target)
        flush_folder(target.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _pour(source: Path, target: Path) -> None:
    """Write the bytes of a file into a pipe or a device."""
    with source.open("rb") as content, target.open("wb") as stream:
        shutil.copyfileobj(content, stream)


def flush_folder(folder: Path) -> None:
    """Put the names of a folder on the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(path: str | Path) -> None:
    """Make a folder, and those above it that are missing.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror}, expected a folder") from None


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` as a whole; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    r"""Write `text` to `path` as a whole in UTF-8 with ``\n`` line ends; see `replacing`.

    Bytes of a file's name that are no text are escaped, as JSON does.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def read_text(path: str | Path) -> str:
    """Read a text in UTF-8.

    Raises
    ------
    InputError
        If the file cannot be read, or is no text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"cannot read {path}: it is no text in UTF-8") from None
