"""Follow a recipe on a data set and produce compressed files.

The random numbers of a step depend only on the seed and the position of the step. The result of each step is
saved in a working folder. A run that was killed resumes at the step where it stopped and produces the same
bytes. Recipes whose first steps are equal share their results. The versions of the code and of its libraries
are not checked, so use one working folder per version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compress.io.files import make_folder
from compress.methods.prune import weights_of
from compress.nn.datasets import dataset_of
from compress.nn.lenets import build
from compress.pipeline import state as checkpoint
from compress.pipeline.recipe import recipe_of
from compress.pipeline.state import State
from compress.pipeline.steps import KINDS, Workbench
from hwsim.errors import InputError, require_type
from hwsim.whole import require_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compress.format.container import Artifact
    from compress.nn.datasets import Dataset
    from compress.nn.network import Network
    from compress.nn.train import EpochReport
    from compress.pipeline.recipe import Recipe
    from compress.pipeline.steps import OnEpoch


@dataclass(frozen=True)
class Progress:
    """Progress of a run: `epoch` epochs of a step are finished.

    Parameters
    ----------
    step, steps : int
        Index of the step, from 0, and the number of steps.
    kind : str
        ``train``, ``prune``...
    epoch, epochs : int
    loss, validation_error : float or None
        Loss and validation error of the latest epoch.
    """

    step: int
    steps: int
    kind: str
    epoch: int
    epochs: int
    loss: float | None = None
    validation_error: float | None = None


OnProgress = Callable[[Progress], None]


def compress(
    recipe: Recipe | str | Path,
    dataset: Dataset | str | Path = "mnist",
    *,
    seed: int = 0,
    work: str | Path | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Iterator[Artifact]:
    """Train and compress a network by a recipe. Yield one artifact per stage.

    Parameters
    ----------
    recipe : Recipe, str or Path
        A recipe, the name of a shipped one (`recipe_names`), or a ``.toml`` file.
    dataset : Dataset, str or Path
        A data set loaded with the recipe's `validation`, or a name or path as for `load_dataset`.
    seed : int
        The same seed gives the same bytes on the same machine.
    work : str or Path, optional
        Folder for the results of finished steps. A later run resumes from them; their version is not checked.
        Results are not kept by default.
    on_progress : callable
        Called with a `Progress` at the beginning of each step and after each epoch.

    Raises
    ------
    InputError
        If an argument has the wrong type, a name is unknown, or the recipe does not fit the network or the
        data set.
    """
    recipe = recipe_of(recipe)
    require_whole(seed, "seed", "a whole number, at least 0")
    if work is not None:
        require_type(work, (str, Path), "work", "a folder")
    return _follow(recipe, dataset_of(dataset, validation=recipe.validation), seed, work, on_progress)


def _follow(
    recipe: Recipe, dataset: Dataset, seed: int, work: str | Path | None, on_progress: OnProgress
) -> Iterator[Artifact]:
    network = build(recipe.network, np.random.default_rng(seed))
    _check(recipe, network, dataset)
    folder = Path(work) if work is not None else None
    if folder is not None:
        make_folder(folder)
    state = State(network)
    for index, step in enumerate(recipe.steps):
        path = folder / _file_name(recipe, index, dataset, seed) if folder else None
        bench = Workbench(
            dataset,
            np.random.default_rng([seed, index + 1]),
            recipe.gap_bits,
            _reporter(recipe, index, on_progress),
        )
        kind = KINDS[step.kind]
        if path is not None and path.exists():
            state = checkpoint.load(path, network)
        else:
            state = kind.run(step, state, bench)
            if path is not None:
                checkpoint.save(state, path)
        yield kind.artifact(step, state, bench)


def _check(recipe: Recipe, network: Network, dataset: Dataset) -> None:
    """Check that the recipe names layers of the network, has the data it needs and codes what is shared."""
    layers = weights_of(network)
    shared = False
    tables: dict[str, Mapping[str, object]] = {"gap_bits": recipe.gap_bits}
    for index, step in enumerate(recipe.steps):
        tables[f"step.{index}.densities"] = getattr(step, "densities", {})
        tables[f"step.{index}.units"] = getattr(step, "units", {})
        tables[f"step.{index}.values"] = getattr(step, "values", {})
        bits = getattr(step, "bits", {})
        tables[f"step.{index}.bits"] = bits if isinstance(bits, dict) else {}
        if getattr(step, "patience", 0) and not len(dataset.validation):
            raise InputError(
                f"recipe {recipe.name}: key step.{index}.patience: there is no validation split, "
                "expected validation above 0"
            )
        if step.kind == "encode" and not shared:
            raise InputError(
                f"recipe {recipe.name}: key step.{index}.kind: 'encode' finds no shared weights, expected a "
                "share step before, without a train or prune step between"
            )
        shared = step.kind == "share" or (shared and step.kind not in ("train", "prune"))
    for key, table in tables.items():
        unknown = sorted(table.keys() - layers.keys())
        if unknown:
            raise InputError(
                f"recipe {recipe.name}: key {key}.{unknown[0]}: no such layer, expected one of "
                f"{', '.join(layers)}"
            )


def _reporter(recipe: Recipe, index: int, on_progress: OnProgress) -> OnEpoch:
    """Report the beginning of a step, and return the callback for its epochs."""
    step = recipe.steps[index]
    begin = Progress(index, len(recipe.steps), step.kind, 0, getattr(step, "epochs", 0))
    on_progress(begin)

    def on_epoch(report: EpochReport) -> None:
        on_progress(
            replace(begin, epoch=report.epoch, loss=report.loss, validation_error=report.validation_error)
        )

    return on_epoch


def _file_name(recipe: Recipe, index: int, dataset: Dataset, seed: int) -> str:
    """Name of a step's checkpoint: a digest of everything its result depends on, except the code."""
    depends_on = {
        "network": recipe.network,
        "steps": [step.model_dump(mode="json") for step in recipe.steps[: index + 1]],
        "data": [dataset.sha256, len(dataset.train), len(dataset.validation)],
        "seed": seed,
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    return f"{recipe.network}-{index}-{recipe.steps[index].kind}-{digest[:16]}.npz"
