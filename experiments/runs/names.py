"""Runs as they are named on the command line, or by a saved report.

A run is a chip, a network and, in any order, a stage, a batch size and changed keys of the chip:
``edge:lenet5:huffman``, ``reference_250w:alexnet:dense:64``, ``edge:model.dcz:sram.capacity_B=65536``. A
language model has the options of ``hwsim run``: ``l4:llama-3-8b:context=4096:weights=int4-g128``. A
report that ``hwsim run --json`` wrote is one as well. Whatever stands for it, a run is simulated anew.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs.changes import parse_changes
from experiments.runs.language import is_language_model, of_point
from experiments.runs.point import LANGUAGE, Point
from experiments.runs.workloads import open_workloads, usual_stage
from hwsim.errors import InputError
from hwsim.run import simulate
from hwsim.whole import whole_of

if TYPE_CHECKING:
    from hwsim.report import Report

SYNTAX = "CHIP:NETWORK[:STAGE][:BATCH][:KEY=VALUE], or a .json file of `hwsim run --json`"
SAME = 1e-9
"""How far a saved figure may be from that of the same run now."""


def parse_run(text: str) -> Point:
    """Read one run from the command line.

    Raises
    ------
    InputError
        If the text or the file does not name one run, or the file is of another version.
    """
    path, _, stage = text.partition(".json:")
    if text.endswith(".json") or stage:
        return _saved(Path(text if text.endswith(".json") else f"{path}.json"), stage)
    chip, network, *others = [*text.split(":"), ""] if ":" not in text else text.split(":")
    batches = [word for word in others if word.isdecimal()]
    stages = [word for word in others if "=" not in word and not word.isdecimal()]
    batch = whole_of(batches[0]) if batches else 1
    if batch is None or len(batches) > 1 or len(stages) > 1 or "" in (chip, network, *others):
        raise InputError(f"run {text!r}: expected {SYNTAX}")
    usual = "" if Path(network).is_dir() or is_language_model(network) else usual_stage(network)
    changes = parse_changes(word for word in others if "=" in word)
    return Point(
        chip,
        network,
        stages[0] if stages else usual,
        batch,
        tuple((key, value) for key, value in changes.items() if key not in LANGUAGE),
        language=tuple((key, value) for key, value in changes.items() if key in LANGUAGE),
    )


def _saved(path: Path, stage: str) -> Point:
    """Find the run that a report was made by, and make sure that it still gives the same."""
    runs = _read_report(path)
    if not runs:
        raise InputError(f"{path}: no run in it, expected what `hwsim run --json` wrote")
    chosen = [run for run in runs if stage in ("", run["stage"])]
    if len(chosen) != 1:
        raise InputError(
            f"{path}: {len(chosen)} runs{f' of stage {stage!r}' if stage else ''}, expected one, named "
            f"by {path}:STAGE, of the stages {', '.join(run['stage'] for run in runs)}"
        )
    (run,) = chosen
    asked = run["asked"]
    if any(asked.get(key) for key in ("layers", "training", "inputs")):
        raise InputError(
            f"{path}: a run of some layers, of training or on inputs, expected one of the whole network alone"
        )
    point = Point(
        asked["chip"], asked["workload"], asked["stage"], asked["batch"], tuple(run["changes"].items())
    )
    report = report_of(point)
    now = report.summary()
    for name in ("energy_J", "inferences_per_s"):
        if not math.isclose(run[name], now[name], rel_tol=SAME):  # type: ignore[arg-type]
            raise InputError(
                f"{path}: {name} was {run[name]:.6g} and is now {now[name]:.6g}: the chip, the network or "
                "the program has changed, expected a report of today's"
            )
    return point


def _read_report(path: Path) -> list[dict[str, Any]]:
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))
        for run in runs:
            asked = run["asked"]
            texts = (run["stage"], *(asked[name] for name in ("chip", "workload", "stage")))
            if not all(isinstance(text, str) for text in texts) or type(asked["batch"]) is not int:
                raise TypeError
            if not all(isinstance(value, str | int | float) for value in run["changes"].values()):
                raise TypeError
            float(run["energy_J"]), float(run["inferences_per_s"]), asked["layers"]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise InputError(f"{path}: not a report of `hwsim run --json`, expected one") from None
    return list(runs)


def report_of(point: Point) -> Report:
    """Simulate a run.

    Raises
    ------
    InputError
        If there is no such chip, network or stage, or it cannot run.
    """
    machine = point.machine()
    workload = of_point(point, machine) or open_workloads(point.network, point.stage)[0]
    return simulate(machine, workload, point.batch)


def label_of(point: Point) -> str:
    """Name a run as one would type it."""
    changes = [f"{key}={value}" for key, value in (*point.language, *point.changes)]
    parts = [point.chip, point.network, point.stage, str(point.batch) if point.batch > 1 else "", *changes]
    return ":".join(part for part in parts if part)


def models_of(point: Point) -> list[Point]:
    """Runs to choose from when accuracy is held: the file, or every ``.dcz`` file of the folder.

    Raises
    ------
    InputError
        If the run has no weights to execute.
    """
    path = Path(point.network)
    if path.suffix == ".dcz":
        return [point]
    found = sorted(path.glob("*.dcz")) if path.is_dir() else []
    if not found:
        raise InputError(
            f"{point.network}: no weights to execute, so its accuracy is not known: expected a .dcz file, or "
            "a folder of them to choose from"
        )
    return [replace(point, network=str(model)) for model in found]
