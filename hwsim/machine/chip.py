"""Read chip files: TOML in, a validated and frozen `Chip` out.

Every numeric key of a chip file has an entry in the ``[sources]`` table: a citation,
``design choice: why`` or ``derived: how``. An error names the file, the key, the value that was found
and what was expected.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import numpy as np
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, create_model

from hwsim import display
from hwsim.arrays import array_class, array_kinds
from hwsim.energy.dram import dram_names, load_dram
from hwsim.energy.table import located
from hwsim.errors import InputError, hint, printable, require_type, require_writable
from hwsim.machine.checks import SET_TO, contradictions
from hwsim.machine.derive import followed
from hwsim.machine.families import completed
from hwsim.machine.sections import STRICT, ArrayCount, Machine
from hwsim.tomlfile import read_toml
from hwsim.units import memory_size

if TYPE_CHECKING:
    from dataclasses import Field as Column

    from hwsim.arrays.base import ArrayModel

CHANGED_DEFAULT = "design choice: changed from the default of its table"
"""Source of a key that a chip file left out and `Chip.replace` has changed."""


class Chip(Machine):
    """One accelerator: everything the simulator knows about the machine."""

    _notes: tuple[str, ...] = PrivateAttr(())

    @property
    def notes(self) -> tuple[str, ...]:
        """What has followed from changes of the chip file, a sentence for each cause."""
        return self._notes

    @property
    def warnings(self) -> tuple[str, ...]:
        """What contradicts itself in the chip, a sentence each."""
        return contradictions(self)

    def __repr__(self) -> str:
        return display.text(f"Chip: {self.name}", self._facts)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return display.card(self.name, self._facts)

    @property
    def _facts(self) -> dict[str, str]:
        process, dram, power = self.process, self.dram, self.power
        return {
            "about": self.description,
            "array": type(self.array).__name__,
            "core": f"{process.clock_GHz:g} GHz, {process.node_nm} nm, {process.die_mm2:g} mm2",
            "memory": f"{memory_size(self.sram.capacity_B)} on chip",
            "DRAM": f"{dram.type}, {dram.bandwidth_GB_per_s:g} GB/s",
            "power cap": f"{power.cap_W:g} W ({power.scope})",
        }

    @property
    def keys(self) -> set[str]:
        """Dotted keys that `replace` can change, including every parameter of the array."""
        array = {"kind"} | {f.name for f in fields(self.array)}
        return _leaves(self.model_dump(exclude={"array"})).keys() | {f"array.{name}" for name in array}

    def replace(self, **changes: Any) -> Chip:
        """Return a copy with some keys changed, for example ``replace(**{"sram.capacity_B": 65536})``.

        The new chip is validated like a chip file.

        Keys that rest on a changed one follow it (`hwsim.machine.derive`), unless they are changed, too;
        `notes` of the new chip says which.

        Raises
        ------
        InputError
            If a key is unknown, or the new chip is not valid.
        """
        tables = self.model_dump(exclude={"array"}, exclude_unset=True)
        tables["array"] = {"kind": self.array.kind} | {
            f.name: getattr(self.array, f.name)
            for f in fields(self.array)
            if f"array.{f.name}" in self.sources or getattr(self.array, f.name) != _default(f)
        }
        keys = self.keys
        for path, value in changes.items():
            if isinstance(value, np.ndarray) and value.ndim:
                raise InputError(
                    f"chip {self.name}: {path} is an array of shape {value.shape}, expected one value"
                )
            require_writable(value, f"chip {self.name}: {path}")
        changes = {
            path: value.item() if isinstance(value, (np.generic, np.ndarray)) else value
            for path, value in changes.items()
        }
        for path in changes:
            if path not in keys:
                known = _leaves(self.model_dump())
                raise InputError(f"chip {self.name}: no key {path!r} to change{hint(path, known)}")
        follow = followed(self, changes)
        sources = tables["sources"]
        for path, value in {**changes, **follow.values}.items():
            table, _, key = path.rpartition(".")
            within = tables.setdefault(table, {}) if table else tables
            if within.get(key) != value and (path in sources or isinstance(value, str)):
                sources[path] = f"{SET_TO} {value}"
            within[key] = value
        sources.update(follow.sources)
        for path in changes.keys() & _numeric_keys(tables) - sources.keys():
            sources[path] = CHANGED_DEFAULT
        changed = _chip_of(tables, f"chip {self.name} with {changes}")
        changed._notes = self._notes + follow.notes
        return changed


def chip_names() -> list[str]:
    """Names of the shipped chips."""
    return sorted(p.name.removesuffix(".toml") for p in _shipped().iterdir() if p.name.endswith(".toml"))


def chips() -> dict[str, str]:
    """Names of the shipped chips, each with a one-line description."""
    return {name: load_chip(name).description for name in chip_names()}


def load_chip(name_or_path: str | Path) -> Chip:
    """Load a shipped chip by name, or a chip file by path.

    Parameters
    ----------
    name_or_path : str or Path
        One of `chips`, or a ``.toml`` file.

    Raises
    ------
    InputError
        If there is no such chip, the file is not TOML, or a key is unknown, missing, of the wrong
        type, out of range or without a source.
    """
    tables = read_toml(chip_text(name_or_path), str(name_or_path))
    chip = _chip_of(completed(tables, str(name_or_path)), str(name_or_path))
    table = located(chip.process.energy_table, Path(name_or_path).parent)
    return chip.model_copy(update={"process": chip.process.model_copy(update={"energy_table": table})})


def chip_text(name_or_path: str | Path) -> str:
    """Text of a chip file.

    Parameters
    ----------
    name_or_path : str or Path
        One of `chips`, or a ``.toml`` file.

    Raises
    ------
    InputError
        If there is no such chip, or the file is not UTF-8 text.
    """
    require_type(name_or_path, (str, Path), "chip", "the name of a shipped chip or a .toml file")
    path = Path(name_or_path)
    if str(name_or_path) in chip_names():
        return (_shipped() / f"{name_or_path}.toml").read_text(encoding="utf-8")
    if path.suffix == ".toml" and path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text, expected a TOML chip file") from error
    raise InputError(
        f"no chip {str(name_or_path)!r}{hint(name_or_path, chip_names())}: expected a .toml file or one of "
        f"{', '.join(chip_names())}"
    )


def copy_chip(name_or_path: str | Path, path: Path) -> None:
    """Write a chip file to start a new chip from: the same text, under the name of the new file.

    Parameters
    ----------
    name_or_path : str or Path
        One of `chips`, or a ``.toml`` file.
    path : Path
        The new file, which must not exist yet.

    Raises
    ------
    InputError
        If there is no such chip, the new file exists, it cannot be written or does not end in ``.toml``.
    """
    named = f"name = {json.dumps(printable(path.stem))}"
    text = re.sub(r"(?m)^name = .*$", lambda _: named, chip_text(name_or_path), count=1)
    if path.suffix != ".toml":
        raise InputError(f"{path}: expected a file that ends in .toml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{path}: exists, expected the name of a new file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _shipped() -> Any:
    return resources.files("hwsim") / "data" / "chips"


def _chip_of(tables: dict[str, Any], where: str) -> Chip:
    built = {"array": _array_of(tables["array"], where)} if isinstance(tables.get("array"), dict) else {}
    chip: Chip = _validated(Chip, tables | built, where)
    if chip.dram.type not in dram_names():
        raise InputError(
            f"{where}: key dram.type: found {chip.dram.type!r}, expected one of {', '.join(dram_names())}"
        )
    if chip.dram.standby_W and load_dram(chip.dram.type).model == "all-in":
        raise InputError(
            f"{where}: key dram.standby_W: found {chip.dram.standby_W!r}, but the energy per bit of "
            f"{chip.dram.type} includes standby power, expected 0"
        )
    unsourced = sorted(_numeric_keys(tables) - chip.sources.keys())
    if unsourced:
        raise InputError(
            f"{where}: key {unsourced[0]} has no entry in [sources], expected a citation, "
            "'design choice: ...' or 'derived: ...'"
        )
    return chip


def _array_of(table: dict[str, Any], where: str) -> ArrayModel:
    kind = table.get("kind")
    model: Any = array_class(kind) if isinstance(kind, str) else None
    if model is None:
        raise InputError(
            f"{where}: key array.kind: found {kind!r}, expected one of {', '.join(array_kinds())}"
        )
    values = _validated(
        _array_schema(model), {k: v for k, v in table.items() if k != "kind"}, where, ("array",)
    )
    try:
        built: ArrayModel = model(**values.model_dump())
    except InputError as error:
        raise InputError(f"{where}: key array: {error}") from error
    return built


def _default(column: Column[Any]) -> Any:
    return column.default_factory() if callable(column.default_factory) else column.default


@cache
def _array_schema(model: type[Any]) -> type[BaseModel]:
    """Pydantic model with the fields of an array's dataclass, checked strictly."""
    hints = {name: ArrayCount if hint is int else hint for name, hint in get_type_hints(model).items()}
    columns: dict[str, Any] = {
        f.name: (hints[f.name], Field(default_factory=f.default_factory))
        if callable(f.default_factory)
        else (hints[f.name], f.default if f.default is not f.default_factory else ...)
        for f in fields(model)
    }
    return create_model("Array", __config__=STRICT, **columns)


def _validated(schema: type[Any], values: dict[str, Any], where: str, prefix: tuple[str, ...] = ()) -> Any:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        unknown_first = sorted(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        found = unknown_first[0]
        key = ".".join((*prefix, *map(str, found["loc"])))
        if found["type"] == "extra_forbidden":
            known = _known_keys(schema, found["loc"][:-1])
            reason = f"unknown key{hint(found['loc'][-1], known)}, expected one of {', '.join(known)}"
        elif found["type"] == "missing":
            reason = "nothing found, expected a value"
        elif found["type"] in ("model_type", "is_instance_of"):
            reason = f"found {found['input']!r}, expected a table"
        else:
            reason = (
                f"found {found['input']!r}, expected {found['msg'].lower().removeprefix('input should be ')}"
            )
        raise InputError(f"{where}: key {key}: {reason}") from error


def _known_keys(schema: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    for key in path:
        schema = cast("type[BaseModel]", schema.model_fields[str(key)].annotation)
    return sorted(schema.model_fields)


def _numeric_keys(tables: dict[str, Any]) -> set[str]:
    return {
        path
        for path, value in _leaves(tables).items()
        if isinstance(value, int | float | dict) and not isinstance(value, bool)
    }


def _leaves(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key, without the sources."""
    leaves: dict[str, Any] = {}
    for key, value in tables.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and not prefix:
            leaves |= _leaves(value, f"{path}.") if path != "sources" else {}
        else:
            leaves[path] = value
    return leaves
