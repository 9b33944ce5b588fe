"""Language models of a command line: by name, by configuration, or by a file whose headers are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from experiments.runs.point import Point
    from hwsim.machine.chip import Chip
    from hwsim.workload.language.memory import Served
    from hwsim.workload.layer import Workload

FILES = (".json", ".gguf")
"""Suffixes of files of language models; a folder of safetensors has none."""


@dataclass(frozen=True)
class LanguageOptions:
    """Options of a command about a language model; empty texts are defaults.

    Parameters
    ----------
    context, prompt : int, optional
        Tokens in the cache before a decode step; tokens of a prefill.
    weights, kv, arithmetic : str
    """

    context: int | None = None
    prompt: int | None = None
    weights: str = ""
    kv: str = ""
    arithmetic: str = ""


def is_language_model(name: str) -> bool:
    """Whether a name stands for a language model: a shipped one, a file, or a folder with a configuration."""
    from hwsim.workload.language.shipped import model_names

    path = Path(name)
    if path.suffix == ".dcz":
        return _reads_words(path)
    return name in model_names() or path.suffix in FILES or (path / "config.json").is_file()


def _reads_words(path: Path) -> bool:
    """Whether a compressed file is a language model; a file that cannot be read is none."""
    from compress.format.container import read_topology_of
    from experiments.runs.language_parts import reads_words

    try:
        return reads_words(read_topology_of(path))
    except InputError:
        return False


def served(name: str, options: LanguageOptions) -> Served:
    """Find a language model and how it is stored.

    Raises
    ------
    InputError
        If there is no such model or form, or a file that has its own weights is given others.
    """
    from hwsim.workload.language.memory import Served

    path = Path(name)
    arithmetic, kv = options.arithmetic or "fp16", options.kv or None
    if path.suffix not in (".gguf", ".dcz") and not (path.is_dir() and any(path.glob("*.safetensors"))):
        return Served.of(name, options.weights or None, kv, arithmetic)  # type: ignore[arg-type]
    from experiments.runs.language_files import open_parts

    if options.weights:
        raise InputError(f"{name}: a file has its own weights, expected no --weights {options.weights}")
    model, parts = open_parts(path)
    return Served.of(model, parts, kv, arithmetic)  # type: ignore[arg-type]


def workload_of(chip: Chip, name: str, options: LanguageOptions, batch: int) -> Workload:
    """Build the pass that the options describe, if its model fits the chip.

    Parameters
    ----------
    chip : Chip
    name : str
    options : LanguageOptions
        With a context a decode step, with a prompt a prefill; of an encoder its forward pass.
    batch : int
        Sequences at once.

    Raises
    ------
    InputError
        If there is no such model or form, neither or both of context and prompt are given, or the model
        does not fit.
    """
    from hwsim.analysis.capacity import require_fit
    from hwsim.workload.language.memory import footprint

    found = served(name, options)
    if (options.context is None) == (options.prompt is None):
        raise InputError(
            f"{found.model.name} is a language model, expected either --context (tokens before a decode "
            "step) or --prompt (tokens of its prefill)"
        )
    tokens = options.prompt if options.prompt is not None else options.context or 0
    if not found.model.decoder:
        workload = found.forward(tokens, batch)
    elif options.prompt is None:
        workload, tokens = found.decode(tokens, batch), 1
    else:
        workload = found.prefill(tokens, batch)
    require_fit(
        chip, found.model.name, footprint(found, options.context or options.prompt or 0, batch, tokens)
    )
    return workload


def of_point(point: Point, chip: Chip) -> Workload | None:
    """Build the workload of a point whose network is a language model; None if it is none.

    Raises
    ------
    InputError
        If a value is none that the option of this name takes, there is a stage, another network has such
        options, or as `workload_of`.
    """
    options = dict(point.language)
    for key in ("context", "prompt"):
        if type(options.get(key, 0)) is not int:
            raise InputError(f"{key}={options[key]}: expected a whole number of tokens")
    found = LanguageOptions(**options)
    if not is_language_model(point.network):
        refuse_options(point.network, found)
        return None
    if point.stage:
        raise InputError(f"{point.network} is a language model, expected no stage {point.stage}")
    return workload_of(chip, point.network, found, point.batch)


def refuse_other_options(name: str, **options: object) -> None:
    """Refuse options that a language model does not have, by an `InputError`."""
    for option, value in options.items():
        if value:
            raise InputError(f"{name} is a language model, expected no --{option} with it")


def refuse_options(name: str, options: LanguageOptions) -> None:
    """Refuse the options of a language model for anything else, by an `InputError`."""
    for option in ("context", "prompt", "weights", "kv"):
        value = getattr(options, option)
        if value not in (None, ""):
            raise InputError(f"--{option} {value}: {name} is no language model (see `hwsim networks`)")
