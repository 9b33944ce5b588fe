"""What a command may write to, checked before any work."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OUTPUTS = ("output", "csv", "trace", "plot")
"""Parameters of commands that name a file to write."""


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command that has ``--force`` write neither to its own inputs nor, without it, over a file."""

    @wraps(command)
    def checked(**values: Any) -> None:
        outputs = [value for name in OUTPUTS if isinstance(value := values.get(name), Path)]
        inputs = list(_named(value for name, value in values.items() if name not in OUTPUTS))
        for output in outputs if "force" in values else ():
            _require_free(output, inputs, force=values["force"])
        command(**values)

    return checked


def _named(values: Iterator[Any]) -> Iterator[Path]:
    """Every path among values, and every text that could be one: FILE or NAME=FILE."""
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Path):
                yield one
            elif isinstance(one, str):
                yield Path(one.rpartition("=")[2])


def _require_free(output: Path, inputs: list[Path], *, force: bool) -> None:
    """Refuse an output that is an input, or exists and is not to be replaced.

    Raises
    ------
    InputError
        If it is one of these.
    """
    if not output.is_file():
        return
    for given in inputs:
        if _exists(given) and given.samefile(output):
            raise InputError(f"{output}: written from itself, expected another name for the output")
    if not force:
        raise InputError(f"{output} exists, expected a new name, or --force to replace it")


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
