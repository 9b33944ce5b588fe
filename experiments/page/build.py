"""Put the page together: its files as they are, and what was simulated as scripts beside them."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import resources
from shlex import quote
from typing import TYPE_CHECKING, Any

from compress.io.files import write_text
from experiments.figures import preview, style
from experiments.page.closed_form import closed_form
from experiments.page.errors import errors_of
from experiments.page.grid import Grid, stage_grid
from experiments.page.lessons import LESSONS
from experiments.page.pack import packed, script
from experiments.page.settings import AXES, NETWORKS, PRESETS, STAGES
from experiments.page.story import story
from experiments.runs.parallel import in_order
from experiments.runs.record import MANIFEST, replacing_folder, sha256, versions
from experiments.studies.registry import shipped_data_digest
from hwsim.arrays.base import Tiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from experiments.page.settings import Choice, Network

PREVIEW = "preview.png"
"""Picture that other sites show beside a link to the page."""


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
        If the folder cannot be written, or holds something else.
    """
    with replacing_folder(target.resolve()) as folder:
        for name, text in static_files():
            write_text(folder / name, text)
        told = story()
        style.save_as(preview.draw(told), folder / PREVIEW)
        for name, text in _simulated(told, names, workers, on_progress):
            write_text(folder / name, text)
        files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
        inputs = {"shipped data": shipped_data_digest()}
        manifest = {"name": "page", "versions": versions(), "inputs": inputs, "files": files}
        write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def static_files() -> Iterator[tuple[str, str]]:
    """Give each file that is the same on every page: its name and its text."""
    for entry in sorted((resources.files(__package__) / "static").iterdir(), key=lambda found: found.name):
        yield entry.name, entry.read_text(encoding="utf-8")


def _simulated(
    told: dict[str, Any], names: Sequence[str], workers: int, on_progress: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    """Give each file that has simulated numbers: its name and its text."""
    on_progress("lessons")
    parts = in_order(_called, [(lesson,) for lesson in (*LESSONS.values(), closed_form)], workers)
    lessons = dict(zip(LESSONS, parts, strict=False))
    yield "lessons.js", script("lessons", "tour", lessons)
    yield "shapes.js", script("shapes", "closed_form", parts[-1])
    components = {name for row in lessons["token"]["rows"] for name in row["watts"]}
    for name in names:
        on_progress(name)
        grid, network = Grid(), NETWORKS[name]
        for part in in_order(stage_grid, [(network, stage) for stage in network.scene.stages], workers):
            grid.extend(part)
        components |= {key.split("|")[1] for row in grid.rows for key in row if "|" in key}
        yield f"grid-{name}.js", script("grids", name, packed(grid))
    text = json.dumps(site(names, components) | {"story": told}, ensure_ascii=False)
    yield "site.js", f"Object.assign(hwsim.site, {text});\n"


def _called(part: Callable[[], Any]) -> Any:
    return part()


def site(names: Sequence[str], components: set[str]) -> dict[str, Any]:
    """Everything but the points: labels, colours and what the controls can be set to."""
    return {
        "axes": AXES,
        "ink": style.INK,
        "series": style.SERIES,
        "components": _looks(
            {
                name: style.COMPONENTS[name]
                for name in style.in_order(components, style.COMPONENTS, "component")
            }
        ),
        "tiles": _looks(style.TILES),
        "stages": {
            name: {"label": label, "colour": colour, "spoken": spoken}
            for name, (label, colour, spoken) in STAGES.items()
        },
        "presets": [asdict(preset) for preset in PRESETS if preset.network in names],
        "networks": {name: _described(NETWORKS[name]) for name in names},
    }


def _looks(known: dict[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    return {name: {"label": label, "colour": colour} for name, (label, colour) in known.items()}


def _described(network: Network) -> dict[str, Any]:
    workloads = {stage: network.scene.workload(stage) for stage in network.scene.stages}
    chip = network.machine.chip
    return {
        "label": network.label,
        "machine": network.machine.title,
        "command": network.command_start,
        "layers": network.layer_option,
        "chip": f"{chip.name}, {chip.description[0].lower()}{chip.description[1:]}",
        "tiles": chip.array_with(Tiled).tiles,
        "start": network.start(),
        "axes": {
            axis: [_chosen(network, choice) for choice in choices] for axis, choices in network.axes().items()
        },
        "weight_bytes": {stage: workload.weight_bits / 8 for stage, workload in workloads.items()},
        "errors": errors_of(network.scene.network),
        "provenance": {stage: _sentence(workload.provenance) for stage, workload in workloads.items()},
    }


def _chosen(network: Network, choice: Choice) -> dict[str, Any]:
    return {
        "label": choice.label,
        "key": choice.key,
        "note": choice.note,
        "value": choice.value,
        "options": [quote(word) for word in network.options(choice)],
    }


def _sentence(provenance: str) -> str:
    return f"{provenance[0].upper()}{provenance[1:]}."
