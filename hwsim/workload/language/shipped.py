"""Models by name or file: the shipped configurations, and any ``config.json`` of a known family."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.csvfile import read_rows
from hwsim.errors import InputError, hint, require_type
from hwsim.workload.language import decoder_families, encoder_families, llama_like
from hwsim.workload.language.model import LanguageModel

if TYPE_CHECKING:
    from hwsim.csvfile import Row
    from hwsim.workload.language.config import Config

COLUMNS = ("name", "parameters", "source")
MAX_PARAMETERS = 1 << 44
"""Largest model: more could not be counted in 64 bits."""

MAX_BYTES = 1 << 20
"""Largest configuration file."""

FAMILIES: dict[str, type[Config]] = {
    cls.family: cls for cls in (*llama_like.FAMILIES, *decoder_families.FAMILIES, *encoder_families.FAMILIES)
}
"""Known families by their ``model_type``."""


def model_names() -> list[str]:
    """Names of the shipped models."""
    return list(_index())


def published_parameters(name: str) -> int:
    """Number of parameters that is published for a shipped model."""
    return int(_index()[name].number("parameters", 1.0))


def model_of(model: LanguageModel | str | Path) -> LanguageModel:
    """Return a model, loaded if it is given by name or by the path of a configuration.

    Parameters
    ----------
    model : LanguageModel, str or Path
        A model, the name of a shipped one, or a Hugging Face ``config.json`` or its folder.

    Raises
    ------
    InputError
        If there is no such model or file, or the configuration is of an unknown family or has an unknown
        key.
    """
    if isinstance(model, LanguageModel):
        return model
    require_type(model, (str, Path), "model", "the name of a shipped model or a config.json")
    if str(model) in _index():
        return _shipped(str(model))
    path = Path(model)
    if path.suffix != ".json" and not path.is_dir():
        raise InputError(
            f"no model {str(model)!r}{hint(model, _index())}, expected one of {', '.join(_index())} or a "
            "config.json"
        )
    file = path / "config.json" if path.is_dir() else path
    return model_from(
        _values(file), file.resolve().parent.name if file.stem == "config" else file.stem, str(file)
    )


def model_from(values: dict[str, Any], name: str, where: str) -> LanguageModel:
    """Describe the model of a configuration.

    Parameters
    ----------
    values : dict
        Keys and values of a ``config.json``.
    name : str
        Name of the model.
    where : str
        File, for messages.

    Raises
    ------
    InputError
        If the family or a key is unknown, a key is missing, or a value is out of range.
    """
    family = values.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise InputError(f"{where}: model_type is {family!r}, expected one of {', '.join(FAMILIES)}")
    config = FAMILIES[family].read(values, where)
    try:
        model = config.model(name)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if model.parameters > MAX_PARAMETERS:
        raise InputError(f"{where}: {model.parameters} parameters, expected at most {MAX_PARAMETERS}")
    return model


def _values(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file}: more than {MAX_BYTES} bytes, expected a configuration")
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}), expected a config.json") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON, expected a config.json") from error
    if not isinstance(found, dict):
        raise InputError(f"{file}: {type(found).__name__} at the top, expected keys and values")
    return found


@cache
def _shipped(name: str) -> LanguageModel:
    file = _data() / f"{name}.json"
    return model_from(json.loads(file.read_text(encoding="utf-8")), name, f"{name}.json")


def _data() -> Any:
    return resources.files("hwsim") / "data" / "language"


@cache
def _index() -> dict[str, Row]:
    return {row.text("name"): row for row in read_rows(_data() / "index.csv", COLUMNS)}
