"""Read TOML: what is none is refused in one sentence, whatever Python's reader makes of it."""

from __future__ import annotations

import tomllib
from typing import Any

from hwsim.errors import InputError


def read_toml(text: str, where: str) -> dict[str, Any]:
    """Tables of a text in TOML.

    Parameters
    ----------
    text : str
    where : str
        Name of the file, for the error.

    Raises
    ------
    InputError
        If the text is not TOML, is nested too deeply, or holds a whole number of thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{where}: not valid TOML: expected values nested less deeply") from None
    except ValueError:  # more digits than Python reads
        raise InputError(f"{where}: not valid TOML: expected shorter whole numbers") from None
