"""Put the page together: its files as they are, plotly.js once, and what was simulated as scripts."""

from __future__ import annotations

import json
import shlex
from importlib import resources
from typing import TYPE_CHECKING, Any

from compress.io.files import write_text
from experiments.figures import style
from experiments.page.grid import Grid, stage_grid
from experiments.page.lessons import LESSONS, token_report
from experiments.page.pack import packed, script
from experiments.page.settings import AXES, NETWORKS
from experiments.runs.changes import options_of
from experiments.runs.parallel import in_order
from experiments.runs.record import MANIFEST, replacing_folder, sha256, versions
from experiments.studies.registry import shipped_data_digest
from hwsim.arrays.base import Tiled
from hwsim.errors import InputError
from hwsim.run import simulate
from hwsim.workload.networks import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from experiments.page.settings import Choice, Network

FIRST = "alexnet"
"""Network that the explorer shows at first."""

SPOKEN = {
    "dense": "dense",
    "pruned": "pruned",
    "shared": "pruned and shared",
    "huffman": "pruned, shared and Huffman-coded",
    "int8": "in 8-bit integers",
}
"""Stages within a sentence."""


def build(
    target: Path,
    names: Sequence[str] = tuple(NETWORKS),
    workers: int = 1,
    on_progress: Callable[[str], None] = lambda name: None,
) -> None:
    """Write the page into a folder, which takes its place when it is complete.

    Parameters
    ----------
    target : Path
        A new or empty folder, or one that holds an earlier page alone.
    names : sequence of str
        Networks of the explorer.
    workers : int
        Processes; the files are the same for any number.
    on_progress : callable
        Told of each network, and of the lessons, before they are simulated.

    Raises
    ------
    InputError
        If the folder cannot be written, or holds something else, or plotly is not installed.
    """
    plotly_js = _plotly_js()
    with replacing_folder(target.resolve()) as folder:
        write_text(folder / "plotly.js", plotly_js)
        for name, text in _files(names, workers, on_progress):
            write_text(folder / name, text)
        files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
        inputs = {"shipped data": shipped_data_digest()}
        manifest = {"name": "page", "versions": versions(), "inputs": inputs, "files": files}
        write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def _plotly_js() -> str:
    """Return the script that draws the figures in a browser, from the Python package that brings it."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise InputError("hwsim page needs plotly: expected `pip install 'hwsim[page]'`") from None
    return str(get_plotlyjs())


def _files(
    names: Sequence[str], workers: int, on_progress: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    """Give each file of the page but plotly.js: its name and its text."""
    for entry in sorted((resources.files(__package__) / "static").iterdir(), key=lambda found: found.name):
        yield entry.name, entry.read_text(encoding="utf-8")
    yield "site.js", f"Object.assign(hwsim.site, {json.dumps(site(names), ensure_ascii=False)});\n"
    on_progress("lessons")
    parts = in_order(_called, [(lesson,) for lesson in LESSONS.values()], workers)
    yield "lessons.js", script("lessons", "tour", dict(zip(LESSONS, parts, strict=True)))
    for name in names:
        on_progress(name)
        grid = Grid()
        for part in in_order(stage_grid, [(NETWORKS[name], stage) for stage in STAGES], workers):
            grid.extend(part)
        yield f"grid-{name}.js", script("grids", name, packed(grid))


def _called(lesson: Callable[[], Any]) -> Any:
    return lesson()


def site(names: Sequence[str]) -> dict[str, Any]:
    """Everything but the points: labels, colours and what the controls can be set to."""
    return {
        "first": FIRST if FIRST in names else names[0],
        "axes": AXES,
        "ink": style.INK,
        "series": style.SERIES,
        "components": _looks({name: style.COMPONENTS[name] for name in _components(names)}),
        "tiles": _looks(style.TILES),
        "stages": {name: look | {"spoken": SPOKEN[name]} for name, look in _looks(style.STAGES).items()},
        "networks": {name: _described(NETWORKS[name]) for name in names},
    }


def _components(names: Sequence[str]) -> list[str]:
    """Components that a network of the explorer or a token spends energy on, in the order of `style`."""
    found: set[str] = set()
    for network in (NETWORKS[name] for name in names):
        for stage in STAGES:
            report = simulate(network.machine.chip, network.scene.workload(stage))
            found |= {component for (component,) in report.joules_by("component")}
    found |= {component for (component,) in token_report("bf16-huffman", 1).joules_by("component")}
    return style.in_order(found, style.COMPONENTS, "component")


def _looks(known: dict[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    return {name: {"label": label, "colour": colour} for name, (label, colour) in known.items()}


def _described(network: Network) -> dict[str, Any]:
    workloads = {stage: network.scene.workload(stage) for stage in STAGES}
    chip = network.machine.chip
    return {
        "label": network.label,
        "command": network.command_start,
        "layers": network.layer_option,
        "chip": f"{chip.name}, {chip.description[0].lower()}{chip.description[1:]}",
        "tiles": chip.array_with(Tiled).tiles,
        "start": network.start(),
        "axes": {
            axis: [_chosen(network, choice) for choice in choices] for axis, choices in network.axes().items()
        },
        "weight_bytes": {stage: workload.weight_bits / 8 for stage, workload in workloads.items()},
        "provenance": {stage: _sentence(workload.provenance) for stage, workload in workloads.items()},
    }


def _chosen(network: Network, choice: Choice) -> dict[str, Any]:
    options = [shlex.quote(word) for word in options_of(network.set_by(choice))]
    return {"label": choice.label, "note": choice.note, "value": choice.value, "options": options}


def _sentence(provenance: str) -> str:
    return f"{provenance[0].upper()}{provenance[1:]}."
