"""The one exception that bad input raises anywhere in the project."""


class InputError(ValueError):
    """Input that cannot be used: the message is one sentence a user can act on.

    It says what is wrong, where (file, key path, layer), and what was expected. Command lines
    print the message alone and exit with code 2.
    """
