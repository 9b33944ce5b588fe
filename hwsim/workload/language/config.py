"""What all configurations share: sizes, activation functions, and keys that change no size and no work.

A configuration is a Hugging Face ``config.json``. Each family is one class, found by its ``model_type``.
A key that a family does not know is refused, because it may change the network.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwsim.csvfile import read_rows
from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.workload.language.model import Activation, LanguageModel

Size = Annotated[int, Field(ge=1, le=1 << 24, strict=True)]
Depth = Annotated[int, Field(ge=1, le=4096, strict=True)]
Share = Annotated[float, Field(gt=0, le=1)]

ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "relu": "relu",
    **dict.fromkeys(
        ("gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu"), "gelu"
    ),
}
"""Names of activation functions in configurations."""


class Config(BaseModel):
    """Sizes that a family's configuration gives, by their names there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: ClassVar[str]
    """``model_type`` of the family."""

    @abstractmethod
    def model(self, name: str) -> LanguageModel:
        """Describe the model."""

    @classmethod
    def read(cls, values: dict[str, Any], where: str) -> Config:
        """Check a configuration of this family.

        Parameters
        ----------
        values : dict
            Of the JSON file.
        where : str
            File or model, for messages.

        Raises
        ------
        InputError
            If a key is unknown or missing, or has a value out of range.
        """
        known = {key: value for key, value in values.items() if key not in _without_effect()}
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            raise InputError(f"{where}: {cls._sentence(error)}") from error

    @classmethod
    def _sentence(cls, error: ValidationError) -> str:
        """What is wrong with the first bad key, and what is expected."""
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "configuration"
        known = ", ".join(sorted(cls.model_fields))
        if first["type"] == "extra_forbidden":
            return f"unknown key {key!r} of {cls.family}, expected some of {known}"
        if first["type"] == "missing":
            return f"no key {key!r}, expected it in a configuration of {cls.family}"
        return f"{key} is {first['input']!r}, expected otherwise ({first['msg'].lower()})"


@cache
def _without_effect() -> frozenset[str]:
    """Keys that change neither the number of parameters nor what is computed."""
    file = resources.files("hwsim") / "data" / "language" / "without_effect.csv"
    return frozenset(row.text("key") for row in read_rows(file, ("key", "about")))


def head_width(features: int, heads: int, key: str) -> int:
    """Features of a head, where all heads together have those of the model.

    Raises
    ------
    InputError
        If they cannot.
    """
    if features % heads:
        raise InputError(f"{key} is {heads}, expected a divisor of the {features} features")
    return features // heads


def activation_of(name: str, key: str) -> Activation:
    """Find the operator of an activation function.

    Raises
    ------
    InputError
        If it is not known.
    """
    if name not in ACTIVATIONS:
        raise InputError(f"{key} is {name!r}, expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
