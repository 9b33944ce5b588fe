"""Open figures in the viewer of the desktop."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pathlib import Path


def show_figures(folder: Path) -> None:
    """Open the PNG files of a run folder; where there is no display, say where they are."""
    for figure in sorted(folder.glob("*.png")):
        show_file(figure)


def show_file(figure: Path) -> None:
    """Open one figure; where there is no display, say where it is."""
    from experiments.console import print_note

    if _has_display():
        typer.launch(str(figure))
    else:
        print_note(f"no display to open it on: {figure}")


def _has_display() -> bool:
    on_linux = sys.platform.startswith("linux")
    return not on_linux or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
