"""The exceptions of the project: one for bad input, one for a fault of the simulator."""

from __future__ import annotations

import errno
import os
import reprlib
from difflib import get_close_matches
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class InputError(ValueError):
    """Input that cannot be used. The message is one sentence; several reasons are a table under it.

    It says what is wrong, where (file, key, layer), and what was expected. The command lines print only
    the message and exit with code 2. Control characters in the message are shown as escapes.

    Parameters
    ----------
    message : str
    rows : sequence of str
        Lines under the message, one for each reason.
    """

    def __init__(self, message: str, rows: Sequence[str] = ()) -> None:
        self.sentence, self.rows = printable(message), tuple(map(printable, rows))
        super().__init__("\n".join([self.sentence, *self.rows]))


def printable(text: str) -> str:
    """Show control characters as escapes: a name cannot steer the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class AuditError(RuntimeError):
    """A conservation law is violated. The message says which law, where, and by how much."""


class _Repr(reprlib.Repr):
    """Shortened values, whole numbers that Python refuses to write included."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = 100  # most names are not cut

    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"<whole number of {x.bit_length()} bits>"


def shown(value: object) -> str:
    """Write a value that a user gave into a message: shortened, and however many digits it has."""
    return _Repr().repr(value)


def require_writable(found: object, what: str) -> None:
    """Refuse a value that Python cannot write as text, by an `InputError`.

    Parameters
    ----------
    found : object
    what : str
        Its name, for the message.
    """
    try:
        repr(found)
    except ValueError:
        raise InputError(f"{what} is {shown(found)}, expected fewer digits") from None


def require_type(found: object, types: type | tuple[type, ...], what: str, expected: str) -> None:
    """Check the type of an argument.

    Parameters
    ----------
    found : object
    types : type or tuple of type
    what, expected : str
        Name of the argument, and description of the values it accepts, for the message.

    Raises
    ------
    InputError
        If `found` is of another type, or a name that no file can have.
    """
    if not isinstance(found, types):
        kind = type(found).__name__
        given = "None" if found is None else f"{shown(found)} ({kind})"
        raise InputError(f"{what} is {given}, expected {expected}")
    if isinstance(found, (str, PurePath)) and (fault := _fault(str(found))):
        raise InputError(f"{what} is {shown(str(found))}, expected {expected}: {fault}")


def _fault(name: str) -> str:
    """Why no file of this system can have a name; empty if one can."""
    if "\0" in name:
        return "no name holds a null character"
    try:
        os.lstat(name)
    except UnicodeEncodeError:
        return "no name holds such characters"
    except OSError as error:
        return "the name is too long" if error.errno == errno.ENAMETOOLONG else ""
    return ""


def hint(name: object, known: Iterable[str]) -> str:
    """Suggest the known name that is nearest to one that is not known.

    Parameters
    ----------
    name : object
        What was given; its text is compared.
    known : iterable of str

    Returns
    -------
    str
        ``" (did you mean 'edge'?)"``, to put after the name in a message; empty if nothing is near.
    """
    text, names = str(name), list(known)
    longer = [one for one in names if text and one.startswith(text)]
    near = get_close_matches(text, longer or names, 1) or longer
    return f" (did you mean {near[0]!r}?)" if near else ""
