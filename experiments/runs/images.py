"""Folders of images as inputs of a classifier, and the labels beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compress.io.npz import read_npy
from hwsim.errors import InputError
from hwsim.whole import whole_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
CHANNELS = {1: "L", 3: "RGB"}
"""Modes of images by their number of channels."""


@dataclass(frozen=True)
class Preparation:
    """How the pixels of an image become numbers: ``(pixel / 255 - mean) / std``.

    Parameters
    ----------
    mean, std : tuple of float
        One for all channels, or one for each.
    size : int
        The shorter side is scaled to it before the middle is cut out; 0 to scale to the network's size.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    size: int = 0


def image_files(folder: Path) -> list[Path]:
    """Images of a folder, or of the folders in it, in the order of their names."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    for inner in () if files else sorted(path for path in folder.iterdir() if path.is_dir()):
        files += sorted(path for path in inner.iterdir() if path.suffix.lower() in SUFFIXES)
    return files


def read_images(files: list[Path], item: tuple[int, ...], how: Preparation) -> NDArray[np.float32]:
    """Read images as items.

    Parameters
    ----------
    files : list of Path
    item : tuple of int
        Shape of an item: channels, height, width, or with the channels last.
    how : Preparation

    Raises
    ------
    InputError
        If the network does not take images, a file is none, or means do not fit the channels.
    """
    if len(item) != 3 or not {item[0], item[-1]} & CHANNELS.keys():
        raise InputError(
            f"items have shape {item}, expected images of 1 or 3 channels for a folder of images"
        )
    first = item[0] in CHANNELS
    channels, height, width = item if first else (item[2], *item[:2])
    for name, values in (("mean", how.mean), ("std", how.std)):
        if len(values) not in (1, channels):
            raise InputError(f"--{name} has {len(values)} numbers, expected 1 or {channels}")
    if min(how.std) <= 0:
        raise InputError(f"--std is {min(how.std):g}, expected more than zero")
    mean, std = (np.array(values, np.float32) for values in (how.mean, how.std))
    arrays = [(_pixels(path, CHANNELS[channels], (height, width), how.size) - mean) / std for path in files]
    images = np.stack(arrays).astype(np.float32)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if first else images


def _pixels(path: Path, mode: str, size: tuple[int, int], shorter: int) -> NDArray[np.float32]:
    """Pixels of an image in 0..1, shape (height, width, channels)."""
    from PIL import Image

    height, width = size
    try:
        with Image.open(path) as file:
            image = file.convert(mode)
    except (OSError, ValueError, Image.DecompressionBombError):
        raise InputError(f"{path}: not an image that can be read, expected {', '.join(SUFFIXES)}") from None
    if shorter:
        factor = shorter / min(image.size)
        image = image.resize(
            (round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR
        )
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    elif image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels: NDArray[np.float32] = np.asarray(image, np.float32).reshape(height, width, -1)
    return pixels / np.float32(255)


def read_labels(path: Path | None, folder: Path | None, count: int) -> NDArray[np.int64]:
    """Read the class of each item.

    Parameters
    ----------
    path : Path or None
        A ``.npy`` file of integers, or a text with one number a line, last where commas separate more.
    folder : Path or None
        Of images in a folder for each class, numbered in the order of their names, where there is no `path`.
    count : int
        Items.

    Raises
    ------
    InputError
        If there are no labels, or not one for each item.
    """
    if path is None:
        files = image_files(folder) if folder is not None else []
        classes = sorted({file.parent for file in files})
        if folder is None or folder in classes:
            raise InputError("no labels, expected --labels FILE or a folder of images for each class")
        labels = np.array([classes.index(file.parent) for file in files])
    elif path.suffix == ".npy":
        labels = read_npy(path)
    else:
        labels = _labels_of_text(path)
    if labels.dtype.kind not in "iu" or labels.shape != (count,) or labels.min(initial=0) < 0:
        raise InputError(f"{path or folder}: {labels.dtype} of shape {labels.shape}, expected {count} labels")
    return labels.astype(np.int64)


def _labels_of_text(path: Path) -> NDArray[np.int64]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"cannot read {path}, expected a .npy file or a text of labels") from None
    words = [line.rpartition(",")[2].strip() for line in lines if line.strip()]
    if words and not words[0].isdecimal():
        words = words[1:]  # a header
    wrong = next((word for word in words if whole_of(word) is None), None)
    if wrong is not None:
        raise InputError(f"{path}: label {wrong!r}, expected a whole number on each line")
    return np.array([int(word) for word in words], np.int64)
