"""Find the workload a user names: a compressed file, a table of layers, or a built-in network."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs.doors import DOORS, door
from hwsim.errors import InputError, hint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from compress.format.container import Artifact
    from compress.format.layout import Layout
    from hwsim.workload.layer import Workload


FILES = (".dcz", ".csv", ".onnx")
"""Ends of names of files that hold a workload."""


def open_workloads(
    name: str,
    stage: str = "",
    inputs: Sequence[str] = (),
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    fixed: Mapping[str, NDArray[Any]] | None = None,
) -> list[Workload]:
    """Return the workloads `name` stands for: one, or one per stage of a built-in network.

    Parameters
    ----------
    name : str
        Path of a ``.dcz`` or ``.onnx`` file or a ``.csv`` table, or a built-in network.
    stage : str
        Of a built-in network, published or assumed; all that are published if empty.
    inputs : sequence of str
        Items for a ``.dcz`` or ``.onnx`` file, as `read_inputs` takes them. The file is executed on them to
        count the zeros among activations.
    shapes, fixed : dict, optional
        Of inputs of an ``.onnx`` file, as `import_onnx` takes them.

    Raises
    ------
    InputError
        If there is no such file or network, a file is given a stage, or anything else inputs.
    """
    path = Path(name)
    if inputs and path.suffix not in (".dcz", ".onnx"):
        raise InputError(
            f"{name}: nothing to execute on {', '.join(inputs)}, expected a .dcz or .onnx file with inputs"
        )
    if (shapes or fixed) and path.suffix != ".onnx":
        raise InputError(f"{name}: has its shapes, expected an .onnx file with --shape or --fix")
    if not is_built_in(name):
        if stage:
            raise InputError(f"{name}: a file has one stage, expected no --stage")
        if path.suffix == ".csv":
            return [_from_csv(path)]
        if path.suffix == ".onnx":
            return [_from_onnx(path, inputs, shapes or {}, fixed or {})]
        return [_from_dcz(path, inputs)]
    if path.suffix in DOORS:
        raise InputError(f"{name}: {door(name)}, expected a network, a .dcz, .onnx or .csv file here")
    from experiments.runs.assumed_stages import ASSUMED, load_stage
    from hwsim.workload.language.shipped import model_names
    from hwsim.workload.networks import STAGES, load_network, network_names, network_stages

    if name not in network_names():
        near = hint(name, (*network_names(), *model_names()))
        raise InputError(
            f"no network {name!r}{near}, expected one of {', '.join(network_names())}, a language model, a "
            ".dcz or .onnx file or a .csv table"
        )
    if stage:
        assumed = name in ASSUMED and stage in STAGES
        return [load_stage(name, stage) if assumed else load_network(name, stage)]
    return [load_network(name, found) for found in network_stages(name)]


def layers_named(text: str, workload: Workload) -> list[str]:
    """Names of layers in a list that is separated by commas.

    A name that has commas itself is in quotes, as in a CSV file, or found by what the network has.

    Raises
    ------
    InputError
        If quotes are not closed.
    """
    try:
        (parts,) = csv.reader([text], strict=True)
    except csv.Error as error:
        raise InputError(f"--layers {text!r}: {error}, expected names separated by commas") from error
    known = {layer.name for layer in workload.layers}
    names = []
    while parts:
        joined = [",".join(parts[:count]) for count in range(1, len(parts) + 1)]
        taken = next((count for count, name in enumerate(joined, 1) if name in known), 1)
        names.append(joined[taken - 1])
        parts = parts[taken:]
    return names


def is_built_in(name: str) -> bool:
    """Whether `name` is to be a built-in network and not a file."""
    return Path(name).suffix not in FILES


def usual_stage(name: str) -> str:
    """Stage of a run that names none: a built-in network is dense, a file has its own."""
    return "dense" if is_built_in(name) else ""


def _from_dcz(path: Path, inputs: Sequence[str]) -> Workload:
    from compress.format.container import read
    from compress.lowering import workload_of

    artifact, layout = read(path)
    return _workload(artifact, inputs, layout) if inputs else workload_of(artifact, layout=layout)


def _from_onnx(
    path: Path,
    inputs: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
    fixed: Mapping[str, NDArray[Any]],
) -> Workload:
    from compress.interop.onnx import import_shapes, stored
    from compress.lowering import workload_of

    found, made_up = import_shapes(path, shapes, fixed)
    artifact = stored(*found)
    workload = _workload(artifact, inputs) if inputs else workload_of(artifact)
    if made_up:
        workload = replace(
            workload, provenance=f"{path}, shapes alone: its weights are absent, taken as dense"
        )
    return workload


def _workload(artifact: Artifact, inputs: Sequence[str], layout: Layout | None = None) -> Workload:
    from experiments.runs.after_training import workload_on
    from experiments.runs.inputs import read_inputs

    return workload_on(artifact, read_inputs(inputs, artifact.topology), layout)


def _from_csv(path: Path) -> Workload:
    from hwsim.workload.networks import load_csv

    return load_csv(path)
