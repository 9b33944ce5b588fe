"""The exceptions of the project: one for bad input, one for a fault of the simulator."""

import reprlib


class InputError(ValueError):
    """Input that cannot be used. The message is one sentence.

    It says what is wrong, where (file, key, layer), and what was expected. The command lines print only
    the message and exit with code 2. Control characters in the message are shown as escapes.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class AuditError(RuntimeError):
    """A conservation law is violated. The message says which law, where, and by how much."""


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
        If `found` is of another type.
    """
    if not isinstance(found, types):
        kind = type(found).__name__
        shown = "None" if found is None else f"{reprlib.repr(found)} ({kind})"
        raise InputError(f"{what} is {shown}, expected {expected}")
