"""Finished points of a sweep on disk, so that a killed sweep resumes."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

APPLICATION_ID, VERSION = 0x68777369, 1
"""What an SQLite file says of itself: finished points of a sweep (``hwsi``), in this layout."""

SCHEMA = "CREATE TABLE IF NOT EXISTS finished (key TEXT PRIMARY KEY, row TEXT NOT NULL)"

SUM_DIGITS = 8
"""SQLite keeps none: a row that is damaged on the disk would come back as another result."""


def _summed(key: str, row: str) -> str:
    """Put the check sum of both before a row."""
    return f"{zlib.crc32(f'{key} {row}'.encode()):0{SUM_DIGITS}x}{row}"


class Store:
    """Rows by key in an SQLite file; only the coordinator has it open.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode, holding the file's exclusive lock.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self) -> dict[str, str]:
        """Return all finished rows by key; one whose check sum does not hold counts as not finished."""
        stored = self._connection.execute("SELECT key, row FROM finished")
        return {
            key: row[SUM_DIGITS:]
            for key, row in stored
            if isinstance(row, str) and row == _summed(key, row[SUM_DIGITS:])
        }

    def add(self, rows: Iterable[tuple[str, str]]) -> None:
        """Commit finished rows together: from then on no kill of this process loses them."""
        self._connection.execute("BEGIN")
        summed = [(key, _summed(key, row)) for key, row in rows]
        self._connection.executemany("INSERT OR REPLACE INTO finished VALUES (?, ?)", summed)
        self._connection.execute("COMMIT")


def _require_ours(path: Path) -> None:
    """Refuse a file that is not a store of this version, and leave it as it is.

    Raises
    ------
    InputError
        If it is another file, or has more in it than finished points.
    """
    if not path.exists() or not path.stat().st_size:
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        found = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        holds = found.fetchall()
    if application != APPLICATION_ID or holds != [("table", "finished")]:
        raise InputError(f"{path}: not a store of finished points, expected one of a sweep or a new name")
    if version != VERSION:
        raise InputError(f"{path}: a store of version {version}, expected version {VERSION}: remove it")


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """Open the store at `path`, new or not, and keep all others out while it is open.

    Raises
    ------
    InputError
        If another sweep has it open, or the file cannot be read or written, or is something else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_ours(path)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            # A log that is flushed now and then: a commit costs no wait for the disk, and after a
            # power failure the file is whole, with the last commits to do again.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute(SCHEMA)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
            yield Store(connection)
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise InputError(f"{path}: another sweep is writing to it, expected one at a time") from None
        raise InputError(f"{path}: cannot keep finished points: {error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: damaged, expected finished points of a sweep") from None
    except OSError as error:
        raise InputError(f"{path}: cannot keep finished points: {error.strerror}") from None
