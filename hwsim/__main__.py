"""``python -m hwsim``: the command line `hwsim`."""

import sys

from hwsim.beside import require_packages
from hwsim.errors import InputError


def main() -> None:
    """Run the command line, or say what hides it."""
    try:
        require_packages()
    except InputError as error:
        sys.exit(f"error: {error}")
    from experiments.cli.main import hwsim

    hwsim()


if __name__ == "__main__":
    main()
