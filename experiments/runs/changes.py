"""Changes to a chip as one types them: ``sram.capacity_B=65536``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def parse_changes(texts: Iterable[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` texts into what `hwsim.machine.chip.Chip.replace` takes.

    A value is written as in TOML; one that is not TOML is text, so that names need no quotes.

    Raises
    ------
    InputError
        If a text has no key or no ``=``, a value is a list or a table, or a key comes twice.
    """
    changes: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise InputError(f"change {text!r}: expected KEY=VALUE, such as sram.capacity_B=65536")
        if key in changes:
            raise InputError(f"change {text!r}: {key} is changed twice, expected each key once")
        changes[key] = _value(value)
        if isinstance(changes[key], list | dict):
            raise InputError(f"change {text!r}: found a list or a table, expected one number or word")
    return changes


def options_of(changes: Mapping[str, Any]) -> list[str]:
    """Write changes as options of ``hwsim run``: the inverse of `parse_changes`."""
    return [part for key, value in changes.items() for part in ("--set", f"{key}={_text(value)}")]


def _value(text: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if found.keys() == {"value"} else text


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
