"""Changes to a chip as one types them: ``sram.capacity_B=65536``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from hwsim.tomlfile import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def parse_changes(texts: Iterable[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` texts into what `hwsim.machine.chip.Chip.replace` takes.

    A value is written as in TOML; one that is not TOML is text, so that names need no quotes. Bytes (keys
    that end in ``_B``) may have a prefix: ``64k`` and ``64KiB`` are 65,536, ``64kB`` is 64,000.

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
        changes[key] = bytes_of(value) if key.endswith("_B") else _value(value)
        if isinstance(changes[key], list | dict):
            raise InputError(f"change {text!r}: found a list or a table, expected one number or word")
    return changes


def options_of(changes: Mapping[str, Any]) -> list[str]:
    """Write changes as options of ``hwsim run``: the inverse of `parse_changes`."""
    return [part for key, value in changes.items() for part in ("--set", f"{key}={_text(value)}")]


SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([kKMG])(iB|B)?")
POWERS = {"k": 1, "M": 2, "G": 3}


def bytes_of(text: str) -> Any:
    """Read a size with a prefix, ``64k`` or ``64KiB``, as whole bytes; any other value as it is."""
    found = SIZE.fullmatch(text.strip())
    if not found:
        return _value(text)
    number, prefix, unit = found.groups()
    return round(float(number) * (1000 if unit == "B" else 1024) ** POWERS[prefix.replace("K", "k")])


def _value(text: str) -> Any:
    try:
        found = read_toml(f"value = {text}", text)
    except InputError:
        return text
    return found["value"] if found.keys() == {"value"} else text


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
