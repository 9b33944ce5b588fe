"""The one exception that bad input raises anywhere in the project, and that of a simulator at fault."""

import reprlib


class InputError(ValueError):
    """Input that cannot be used: the message is one sentence a user can act on.

    It says what is wrong, where (file, key path, layer), and what was expected. Command lines
    print the message alone and exit with code 2.

    Names that come from a file may hold anything: characters that would break the line, or command
    a terminal, are shown as escapes.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class AuditError(RuntimeError):
    """A law of conservation is broken: the message says which, where, and by how much."""


def require_type(found: object, types: type | tuple[type, ...], what: str, expected: str) -> None:
    """Check the type of an argument.

    Parameters
    ----------
    found : object
    types : type or tuple of type
    what, expected : str
        The argument, and what it may be, as the message says them.

    Raises
    ------
    InputError
        If `found` is of another type.
    """
    if not isinstance(found, types):
        kind = type(found).__name__
        shown = "None" if found is None else f"{reprlib.repr(found)} ({kind})"
        raise InputError(f"{what} is {shown}, expected {expected}")
