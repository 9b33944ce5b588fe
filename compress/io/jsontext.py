"""JSON as every command and every run writes it: other programs read it, and it cannot steer a terminal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

ODD = re.compile(r"[^\n -~]")
"""Characters that may have to be escaped."""


def json_text(data: Any) -> str:
    """Write plain data as indented JSON, with a newline at the end.

    What is not a finite number is null. Characters that cannot be printed are escaped, and read back as they
    were: control characters, and bytes of a file's name that are no text.
    """
    text = json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)
    return ODD.sub(_escaped, text) + "\n"


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _finite(data: Any) -> Any:
    """Plain data with None for numbers that JSON cannot hold, and numbers of numpy as Python's own."""
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if isinstance(data, Integral) and not isinstance(data, bool):
        return int(data)
    if isinstance(data, Real) and not isinstance(data, (bool, float)):
        data = float(data)
    return None if isinstance(data, float) and not math.isfinite(data) else data
