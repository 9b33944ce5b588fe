"""Atomic writing of files."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to, and rename it to `path` at the end.

    The data are on the disk before the name changes, so a kill or a full disk leaves the old
    file or the new one, and no temporary file after an error.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder, expected the name of a file")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


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
    r"""Write `text` to `path` as a whole in UTF-8 with ``\n`` line ends; see `replacing`."""
    write_bytes(path, text.encode("utf-8"))
