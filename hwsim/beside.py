"""Packages that are installed beside this one: found, and not hidden by files of the user.

``python -m`` and notebooks look into the current folder first. A ``compress.py`` or a folder ``experiments``
there would be imported in place of ours, and fail far from the cause.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hwsim.errors import InputError

PACKAGES = ("compress", "experiments")


def require_packages() -> None:
    """Check that `compress` and `experiments` are those of this installation.

    Raises
    ------
    InputError
        If a file or a folder of the same name hides one of them, or it is missing.
    """
    home = Path(__file__).resolve().parents[1]
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None:
            raise InputError(f"no package {name} in {home}, expected it beside hwsim: install hwsim again")
        found = Path(spec.origin or next(iter(spec.submodule_search_locations or []), "")).resolve()
        if home / name not in (found, *found.parents):
            raise InputError(
                f"{found} hides the package {name} of hwsim, expected another name, or another folder to "
                "start from"
            )
