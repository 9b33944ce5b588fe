"""One look for every figure: colours that mean the same everywhere, and files that are the same bytes.

Colours are those of Okabe and Ito, "Color Universal Design" (2008), told apart by colour-blind readers.
Fonts, sizes and the table of components are those of `hwsim.plotting`, which draws a single run.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from compress.io.files import write_bytes
from hwsim.energy import components
from hwsim.energy.components import look_of
from hwsim.errors import InputError
from hwsim.plotting import HALF_PAGE_IN, INK, LOOKS, PALE, applied, literal, looking, recolour, text_on

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "COMPONENTS",
    "HALF_PAGE_IN",
    "INK",
    "LOOKS",
    "PALE",
    "SERIES",
    "STAGES",
    "TILES",
    "Figure",
    "applied",
    "in_order",
    "looking",
    "save",
    "save_as",
    "text_on",
]

COMPONENTS: dict[str, tuple[str, str]] = {name: look_of(name) for name in components.COMPONENTS}
"""Label and colour of each component of the machine, in the order bars are stacked."""

STAGES: dict[str, tuple[str, str]] = {
    "dense": ("dense", "#222222"),
    "pruned": ("pruned", "#CDA6E6"),
    "shared": ("+ shared", "#A25BD0"),
    "huffman": ("+ Huffman", "#7128A8"),
    "int8": ("INT8", "#6E9A1F"),
}
"""Label and colour of each compression stage, in the order they are applied.

Steps of one purple that no component has, and a green between those of components: see `COMPONENTS`.
"""

TILES: dict[str, tuple[str, str]] = {
    "computing": ("computing", "#F0E442"),
    "loading": ("loading or unfilled", "#A89C00"),
    "stalled": ("stalled on memory", "#56B4E9"),
    "throttled": ("throttled", "#8C8C8C"),
    "power_gated": ("power-gated", "#222222"),
}
"""Label and colour of each of the `TileStates`, in their order."""

SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
"""Colours of things that have none of their own, in the order they are drawn."""


def in_order(found: set[str], known: dict[str, tuple[str, str]], what: str) -> list[str]:
    """Return the names in `found` in the order of `known`.

    Raises
    ------
    InputError
        If a name has no label and colour.
    """
    unknown = sorted(found - known.keys())
    if unknown:
        raise InputError(f"figure: no colour for {what} {unknown[0]!r}, expected one of {', '.join(known)}")
    return [name for name in known if name in found]


METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Kinds of files of figures, and what is left out of each: the same figure gives the same bytes."""


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `figure` to `path` with the suffixes ``.png`` and ``.svg``, and return both."""
    return [save_as(figure, path.with_suffix(suffix)) for suffix in (".png", ".svg")]


def save_as(figure: Figure, path: Path) -> Path:
    """Write `figure` as the suffix of `path` says, without dates and versions.

    Raises
    ------
    InputError
        If there is no such kind of file, or it cannot be written.
    """
    if path.suffix not in METADATA:
        raise InputError(f"cannot write {path}: expected a name that ends in {', '.join(METADATA)}")
    buffer = BytesIO()
    literal(figure)
    with applied():
        recolour(figure)
        figure.savefig(buffer, format=path.suffix[1:], metadata=METADATA[path.suffix])
    write_bytes(path, buffer.getvalue())
    return path
