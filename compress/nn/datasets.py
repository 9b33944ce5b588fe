"""Labelled images: MNIST from the package, or a data set of the same shape from a path."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import zlib
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.io.npz import MAX_BYTES, read_npz
from hwsim.budget import require_memory
from hwsim.errors import InputError, require_type, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from compress.io.npz import Arrays

MNIST_FILE = Path(__file__).parents[1] / "data" / "mnist.npz"
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"
IMAGE_HW = (28, 28)
CLASSES = 10

IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
FLOAT_B = 4
"""Bytes of a pixel as it is used."""
UNREADABLE = (EOFError, OSError, MemoryError, zlib.error)


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Parameters
    ----------
    x : ndarray of float32, shape (n, 1, 28, 28)
        Pixels from 0 to 1.
    y : ndarray of int64, shape (n,)
        Classes from 0 to 9.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("x", "y"):  # compiled code has no type for the other byte order
            array = getattr(self, name)
            object.__setattr__(self, name, np.asarray(array, array.dtype.newbyteorder("=")))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, items: slice) -> Split:
        return Split(self.x[items], self.y[items])


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test images.

    Parameters
    ----------
    name : str
    train, validation, test : Split
        `validation` is for hyper-parameters and early stopping; it is empty by default. `test` is for the
        final result only.
    sha256 : str
        Digest of the npz file, or of the four IDX files one after another.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    sha256: str


def load_dataset(source: str | Path = "mnist", *, validation: int = 0) -> Dataset:
    """Load MNIST, or a data set of the same shape.

    Parameters
    ----------
    source : str or Path
        ``"mnist"`` for the copy in the package, an npz file with uint8 arrays `x_train`,
        `y_train`, `x_test`, `y_test`, or a folder with MNIST's four IDX files, gzipped or not.
    validation : int
        Number of training images, taken from the end, that become the validation set.

    Raises
    ------
    InputError
        If a file is missing, malformed or not of MNIST's shape.
    """
    require_type(source, (str, Path), "data set", "'mnist', an npz file or a folder of IDX files")
    require_type(validation, Integral, "validation", "a number of images")
    packaged = source == "mnist"
    path = MNIST_FILE if packaged else Path(source)
    if path.is_dir():
        files = {key: _idx_path(path, name) for key, name in IDX_FILES.items()}
    elif path.is_file():
        files = {"npz": path}
    else:
        raise InputError(
            f"data set {source}: not found, expected 'mnist', an npz file or a folder of IDX files"
        )
    contents = {key: _read(file) for key, file in files.items()}
    sha256 = hashlib.sha256(b"".join(contents.values())).hexdigest()
    if packaged and sha256 != MNIST_SHA256:
        raise InputError(f"{path}: damaged, its SHA-256 is {sha256}, expected {MNIST_SHA256}")
    if "npz" in contents:
        arrays = _read_npz(path, contents["npz"])
    else:
        arrays = {key: _read_idx(files[key], content) for key, content in contents.items()}
    train, test = _split(path, arrays, "train"), _split(path, arrays, "test")
    if not 0 <= validation < len(train):
        raise InputError(f"validation is {shown(validation)} images, expected 0 to {len(train) - 1}")
    kept = len(train) - validation
    return Dataset(path.stem, train[:kept], train[kept:], test, sha256)


def dataset_of(dataset: Dataset | str | Path, *, validation: int = 0) -> Dataset:
    """Return a data set, loaded if it is given by name or path.

    Parameters
    ----------
    dataset : Dataset, str or Path
    validation : int
        As for `load_dataset`; used only if the data set is loaded here.

    Raises
    ------
    InputError
        If it is none of these, or cannot be loaded.
    """
    if isinstance(dataset, Dataset):
        return dataset
    expected = "a Dataset, 'mnist', an npz file or a folder of IDX files"
    require_type(dataset, (str, Path), "data set", expected)
    return load_dataset(dataset, validation=validation)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _idx_path(folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    raise InputError(f"{folder}: no file {name} or {name}.gz")


def _read_idx(path: Path, content: bytes) -> NDArray[Any]:
    """Decode an IDX file: 0, 0, element type (8 is uint8), rank, big-endian sizes, elements."""
    rank = 3 if "images" in path.name else 1
    stream = gzip.GzipFile(fileobj=io.BytesIO(content)) if path.suffix == ".gz" else io.BytesIO(content)
    header = _take(path, stream.read, 4 + 4 * rank)
    if header[:4] != bytes((0, 0, 8, rank)):
        raise InputError(f"{path}: magic number is 0x{header[:4].hex()}, expected 0x0000080{rank}")
    shape = tuple(int(size) for size in np.frombuffer(header[4:], ">u4"))
    size = math.prod(shape)
    if size > MAX_BYTES:
        raise InputError(f"{path}: declares shape {shape}, expected at most {MAX_BYTES} bytes")
    require_memory(str(path), {"pixels": size, "pixels in fp32": FLOAT_B * size})
    elements = _take(path, stream.read, size)
    if _take(path, stream.read, 1, short=True):
        raise InputError(f"{path}: goes on after the {size} bytes that its header declares")
    return np.frombuffer(elements, np.uint8).reshape(shape)


def _take(path: Path, read: Callable[[int], bytes], size: int, short: bool = False) -> bytes:
    try:
        content = read(size)
    except UNREADABLE:
        raise InputError(f"{path}: damaged, it cannot be decompressed") from None
    if len(content) != size and not short:
        raise InputError(f"{path}: truncated, {len(content)} of {size} bytes are there")
    return content


def _read_npz(path: Path, content: bytes) -> Arrays:
    arrays = read_npz(io.BytesIO(content), path, FLOAT_B)
    missing = [key for key in IDX_FILES if key not in arrays]
    if missing:
        raise InputError(f"{path}: has no array {missing[0]}, expected {', '.join(IDX_FILES)}")
    return arrays


def _split(path: Path, arrays: Arrays, part: str) -> Split:
    images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if images.dtype != np.uint8 or images.shape[1:] != IMAGE_HW or not len(images):
        raise InputError(
            f"{path}: {part} images are {images.dtype} of shape {images.shape}, "
            "expected uint8 of shape (n, 28, 28)"
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise InputError(
            f"{path}: {part} labels are {labels.dtype} of shape {labels.shape}, expected integers of shape "
            f"({len(images)},)"
        )
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise InputError(f"{path}: {part} labels run from {labels.min()} to {labels.max()}, expected 0 to 9")
    x = np.divide(images[:, np.newaxis], 255, dtype=np.float32)
    return Split(x, labels.astype(np.int64))
