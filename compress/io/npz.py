"""Numpy's files from any hand: no pickles, no forged sizes, and one kind of error.

What `numpy.load` raises on bytes that are not an array is open-ended (`tokenize.TokenError`, `zlib.error`,
`MemoryError`, ...), and a member of an archive that is no array comes back as bytes: both end here.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.budget import require_memory
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

MAX_BYTES = 1 << 30
"""Most that a file may declare beyond its own size, so that a forged header cannot exhaust memory."""


def read_npz(file: BinaryIO, path: Path, used: float = 0.0) -> Arrays:
    """Read all arrays of an archive that `numpy.savez` wrote.

    Parameters
    ----------
    file : file object
        Open for reading, and seekable.
    path : Path
        Names the file in errors.
    used : float
        Bytes that what is made of the arrays takes, for each of their own.

    Raises
    ------
    InputError
        If it is damaged, declares or would take too much, or holds something other than plain arrays.
    """
    limit = max(MAX_BYTES, file.seek(0, io.SEEK_END))
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            declared = sum(member.file_size for member in archive.infolist())
        if declared <= limit:
            require_memory(str(path), {"arrays": declared, "what is made of them": used * declared})
            file.seek(0)
            with np.load(file, allow_pickle=False) as members:
                arrays = {name: members[name] for name in members.files}
    except InputError:
        raise
    # zipfile, zlib and numpy raise a dozen classes, with the header's parser even SyntaxError
    except Exception:
        raise InputError(f"{path}: not a readable npz file of plain numeric arrays") from None
    if declared > limit:
        raise InputError(f"{path}: declares {declared} bytes, expected at most {limit}")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path}: member {name} is not an array, expected plain arrays only")
    return arrays


def write_npz(file: BinaryIO | Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of numbers; numpy 1.26 takes no option of its own beside them, later ones do."""
    np.savez(file, **arrays)  # type: ignore[arg-type]


def read_npy(path: Path) -> NDArray[Any]:
    """Read the array of a ``.npy`` file.

    Raises
    ------
    InputError
        If the file cannot be read, or holds something other than one plain array.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}, expected a .npy file") from None
    except Exception:  # as above
        raise InputError(f"{path}: not an array of plain numbers, expected a .npy file") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: an archive of arrays, expected a .npy file of one")
    return array
