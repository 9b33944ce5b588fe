"""Kinds of arrays by name: the shipped ones, and those that other packages register.

A package of its own registers its array in one of two ways: it calls `register_array`, in the module
that defines the class, or it declares an entry point of the group ``hwsim.arrays``, which is loaded
when a chip file names its kind.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from hwsim.arrays.eie import EieArray
from hwsim.arrays.eyeriss import EyerissArray
from hwsim.arrays.gemm import GemmArray
from hwsim.arrays.nm import StructuredArray
from hwsim.arrays.simd import SimdArray
from hwsim.arrays.systolic import SystolicArray
from hwsim.arrays.tpu import TpuArray
from hwsim.errors import InputError

if TYPE_CHECKING:
    from hwsim.arrays.base import ArrayModel

ENTRY_POINTS = "hwsim.arrays"
"""Group of entry points: the name is the kind, the value the class."""

CONTRACT = ("kind", "peak_macs_per_cycle", "cost")

_ARRAYS: dict[str, type[ArrayModel]] = {
    model.kind: model
    for model in (EieArray, EyerissArray, GemmArray, SimdArray, StructuredArray, SystolicArray, TpuArray)
}


def register_array(kind: str, model: type[Any]) -> None:
    """Let chip files name an array.

    Parameters
    ----------
    kind : str
        Value of ``array.kind`` in a chip file.
    model : type
        A frozen dataclass that keeps the contract `hwsim.arrays.base.ArrayModel`; its fields are the
        other keys of ``[array]``.

    Raises
    ------
    InputError
        If the kind is taken, or the class does not keep the contract.
    """
    if kind in _ARRAYS:
        raise InputError(f"array kind {kind!r} is registered already, expected a new name")
    if not _is_frozen_dataclass(model):
        raise InputError(f"array kind {kind!r}: found {model!r}, expected a frozen dataclass")
    fields = model.__dataclass_fields__
    missing = [name for name in CONTRACT if not hasattr(model, name) and name not in fields]
    if missing:
        raise InputError(
            f"array kind {kind!r}: class {model.__name__} has no {missing[0]}, expected {', '.join(CONTRACT)}"
        )
    if model.kind != kind:
        raise InputError(
            f"array kind {kind!r}: class {model.__name__} has kind {model.kind!r}, expected the same"
        )
    _ARRAYS[kind] = model


def array_kinds() -> list[str]:
    """Kinds that a chip file may name, those of other packages included."""
    _load_entry_points()
    return sorted(_ARRAYS)


def array_class(kind: str) -> type[ArrayModel] | None:
    """Class of a kind, None where there is none.

    Raises
    ------
    InputError
        If the kind is no shipped one and an entry point cannot be loaded.
    """
    if kind not in _ARRAYS:
        _load_entry_points()
    return _ARRAYS.get(kind)


def _is_frozen_dataclass(model: object) -> bool:
    parameters = vars(model).get("__dataclass_params__") if isinstance(model, type) else None
    return parameters is not None and parameters.frozen


@cache
def _load_entry_points() -> None:
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            model = entry.load()
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"entry point {entry.name} of {ENTRY_POINTS}: {entry.value} cannot be loaded ({error}), "
                "expected MODULE:CLASS"
            ) from error
        register_array(entry.name, model)
