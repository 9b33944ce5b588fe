"""Sweep files: TOML in, a validated `Sweep` and its points out.

A sweep names axes: ``chip``, ``network``, ``stage``, ``batch``, ``governor`` (of
`experiments.runs.governing`), options of language models (``context``, ``prompt``, ``weights``, ``kv``,
``arithmetic``), any key of a chip file (``sram.capacity_B``, ``power.cap_W``), and how
shipped networks are taken to be compressed (``compression.density``, ``compression.value_bits``,
``compression.gap_bits``). An axis is a list of values, or a range with ``low``,
``high``, ``scale`` and, in a grid, ``count``. Ranges between whole numbers give whole numbers.
"""

from __future__ import annotations

import itertools
import math
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from experiments.runs.assumed_stages import USUAL
from experiments.runs.governing import GOVERNORS
from experiments.runs.language import is_language_model
from experiments.runs.point import COMPRESSION, LANGUAGE, Point
from experiments.runs.workloads import usual_stage
from hwsim.errors import InputError, hint
from hwsim.machine.chip import load_chip
from hwsim.tomlfile import read_toml

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
MAX_POINTS = 1_000_000
OWN_AXES = ("chip", "network", "stage", "batch", "governor", *LANGUAGE)
COMPRESSION_AXES = tuple(f"{COMPRESSION}{key}" for key in vars(USUAL) if key != "source")

Number = int | float
Value = int | float | str | bool


class Range(BaseModel):
    """An axis between two numbers.

    Parameters
    ----------
    low, high : int or float
        Ends, both included. Two integers make every value an integer.
    scale : {"linear", "log"}
    count : int, optional
        Values of a grid, evenly spaced in `scale`.
    """

    model_config = STRICT

    low: Number
    high: Number
    scale: Literal["linear", "log"] = "linear"
    count: Annotated[int, Field(ge=2, le=MAX_POINTS)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError("low below high")
        if self.scale == "log" and self.low <= 0:
            raise ValueError("low above zero for a logarithmic scale")
        return self

    def at(self, fraction: float) -> Value:
        """Return the value at `fraction` of the way from low to high."""
        if self.scale == "log":
            found = self.low * (self.high / self.low) ** fraction
        else:
            found = self.low + (self.high - self.low) * fraction
        found = min(max(found, self.low), self.high)
        return round(found) if isinstance(self.low, int) and isinstance(self.high, int) else float(found)


class Choices(BaseModel):
    """An axis of listed values."""

    model_config = STRICT

    values: list[Value] = Field(min_length=1)

    def at(self, fraction: float) -> Value:
        """Return the value whose equal share of [0, 1] holds `fraction`."""
        return self.values[min(int(fraction * len(self.values)), len(self.values) - 1)]


class Sweep(BaseModel):
    """What to vary and how; see the module.

    Parameters
    ----------
    name : str
        Names the results; lower-case letters, digits, ``-`` and ``_``.
    seed : int
        Of the random and Latin hypercube samples.
    method : {"grid", "random", "latin-hypercube"}
        A Latin hypercube puts one sample into each of `points` equal slices of every axis (McKay,
        Beckman and Conover 1979, "A comparison of three methods for selecting values of input variables").
    points : int, optional
        Samples to draw; a grid has as many as its axes make.
    axes : dict of str to Range or Choices
    """

    model_config = STRICT

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    seed: int = Field(default=0, ge=0)
    method: Literal["grid", "random", "latin-hypercube"]
    points: Annotated[int, Field(ge=1, le=MAX_POINTS)] | None = None
    axes: dict[str, Any] = Field(min_length=1)

    def samples(self) -> list[Point]:
        """Return the points in order, each once.

        Two samples of one configuration, such as a random choice drawn twice, are one point.
        """
        rows = self._grid() if self.method == "grid" else self._drawn()
        return list(dict.fromkeys(_point_of(dict(zip(self.axes, row, strict=True))) for row in rows))

    def _grid(self) -> list[tuple[Value, ...]]:
        return list(itertools.product(*(_grid_values(axis) for axis in self.axes.values())))

    def _drawn(self) -> list[tuple[Value, ...]]:
        generator = np.random.default_rng(self.seed)
        assert self.points is not None
        shape = (len(self.axes), self.points)
        fractions = generator.random(shape)
        if self.method == "latin-hypercube":
            slices = generator.permuted(np.tile(np.arange(self.points), (len(self.axes), 1)), axis=1)
            fractions = (slices + fractions) / self.points
        columns = [
            [axis.at(fraction) for fraction in row]
            for axis, row in zip(self.axes.values(), fractions.tolist(), strict=True)
        ]
        return list(zip(*columns, strict=True))


def sweep_names() -> list[str]:
    """Names of the shipped sweeps."""
    return sorted(
        path.name.removesuffix(".toml") for path in _shipped().iterdir() if path.name.endswith(".toml")
    )


def load_sweep(name_or_path: str | Path) -> Sweep:
    """Load a shipped sweep by name, or any sweep file by path.

    Raises
    ------
    InputError
        If there is no such sweep, it is not TOML, or a key is unknown, missing, of the wrong type or
        out of range.
    """
    where, path = str(name_or_path), Path(name_or_path)
    try:
        if where in sweep_names():
            text = (_shipped() / f"{where}.toml").read_text(encoding="utf-8")
        elif path.suffix == ".toml" and path.is_file():
            text = path.read_text(encoding="utf-8")
        else:
            raise InputError(
                f"no sweep {where!r}{hint(where, sweep_names())}: expected a .toml file or one of "
                f"{', '.join(sweep_names())}"
            )
    except UnicodeDecodeError:
        raise InputError(f"{where}: not UTF-8 text, expected a TOML sweep file") from None
    return _sweep_of(read_toml(text, where), where)


def _shipped() -> Any:
    return resources.files("experiments") / "sweeps"


def _sweep_of(tables: dict[str, Any], where: str) -> Sweep:
    sweep: Sweep = _validated(Sweep, tables, where)
    axes = {key: _axis_of(key, found, where) for key, found in _flat(sweep.axes).items()}
    _check_size(sweep, axes, where)
    _check_own_axes(axes, where)
    _check_chip_keys(axes, where)
    return sweep.model_copy(update={"axes": axes})


def _flat(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested tables to dotted keys, so that ``sram.capacity_B`` may be quoted or not."""
    flat: dict[str, Any] = {}
    for key, found in tables.items():
        if isinstance(found, dict) and not found.keys() & {"low", "high"}:
            flat |= _flat(found, f"{prefix}{key}.")
        else:
            flat[prefix + key] = found
    return flat


def _axis_of(key: str, found: Any, where: str) -> Range | Choices:
    if isinstance(found, dict):
        return _validated(Range, found, where, f"axes.{key}")
    if not isinstance(found, list):
        raise InputError(
            f"{where}: key axes.{key}: found {found!r}, expected a list or a range of low and high"
        )
    return _validated(Choices, {"values": found}, where, f"axes.{key}")


def _check_size(sweep: Sweep, axes: dict[str, Range | Choices], where: str) -> None:
    grid = sweep.method == "grid"
    if grid != (sweep.points is None):
        expected = "no such key: a grid is as large as its axes" if grid else f"a number for {sweep.method}"
        raise InputError(f"{where}: key points: found {sweep.points}, expected {expected}")
    for key, axis in axes.items():
        if isinstance(axis, Range) and grid == (axis.count is None):
            expected = "a number of values in a grid" if grid else f"no such key for {sweep.method}"
            raise InputError(f"{where}: key axes.{key}.count: found {axis.count}, expected {expected}")
    size = math.prod(_length(axis) for axis in axes.values()) if grid else 0
    if size > MAX_POINTS:
        raise InputError(f"{where}: key axes: found a grid of {size} points, expected at most {MAX_POINTS}")


def _check_own_axes(axes: dict[str, Range | Choices], where: str) -> None:
    for key in ("chip", "network"):
        if key not in axes:
            raise InputError(f"{where}: key axes.{key}: nothing found, expected a list of names")
    for key in ("chip", "network", "stage", "governor", "weights", "kv", "arithmetic"):
        axis = axes.get(key)
        if axis and not (isinstance(axis, Choices) and all(isinstance(name, str) for name in axis.values)):
            raise InputError(f"{where}: key axes.{key}: expected a list of names")
    for name in getattr(axes.get("governor"), "values", ()):
        if name not in GOVERNORS:
            raise InputError(
                f"{where}: key axes.governor: found {name!r}, expected some of {', '.join(GOVERNORS)}"
            )
    for key in ("batch", "context", "prompt"):
        axis = axes.get(key)
        sizes = [] if axis is None else [axis.low] if isinstance(axis, Range) else axis.values
        if any(type(size) is not int or size < 1 for size in sizes):
            raise InputError(f"{where}: key axes.{key}: found {sizes}, expected whole numbers from 1 on")


def _check_chip_keys(axes: dict[str, Range | Choices], where: str) -> None:
    """Refuse a key that no chip of the sweep has; a key that some lack fails at their points."""
    keys = set[str]().union(*(load_chip(str(name)).keys for name in axes["chip"].values))  # type: ignore[union-attr]
    for key in axes:
        if key not in OWN_AXES + COMPRESSION_AXES and key not in keys:
            raise InputError(
                f"{where}: key axes.{key}: no chip of the sweep has it, expected "
                f"{', '.join(OWN_AXES + COMPRESSION_AXES)} or a key of a chip file such as sram.capacity_B"
            )


def _length(axis: Range | Choices) -> int:
    return len(axis.values) if isinstance(axis, Choices) else axis.count or 0


def _grid_values(axis: Range | Choices) -> list[Value]:
    if isinstance(axis, Choices):
        return axis.values
    last = _length(axis) - 1
    return list(dict.fromkeys(axis.at(index / last) for index in range(last + 1)))


def _point_of(row: dict[str, Any]) -> Point:
    network = row["network"]
    others = {key: value for key, value in row.items() if key not in OWN_AXES}
    compression = tuple(
        (key.removeprefix(COMPRESSION), value) for key, value in others.items() if key in COMPRESSION_AXES
    )
    changes = tuple((key, value) for key, value in others.items() if key not in COMPRESSION_AXES)
    return Point(
        row["chip"],
        network,
        row.get("stage", _usual_stage(network, bool(compression))),
        row.get("batch", 1),
        changes,
        compression,
        row.get("governor", ""),
        tuple((key, row[key]) for key in LANGUAGE if key in row),
    )


def _usual_stage(network: str, compressed: bool) -> str:
    if compressed:
        return "huffman"
    return "" if is_language_model(network) else usual_stage(network)


def _validated(schema: type[BaseModel], values: dict[str, Any], where: str, prefix: str = "") -> Any:
    """Validate, and put pydantic's first finding into a sentence."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        found = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        key = ".".join(filter(None, (prefix, *map(str, found["loc"][:1]))))
        if found["type"] == "extra_forbidden":
            reason = f"unknown key, expected one of {', '.join(schema.model_fields)}"
        elif found["type"] == "missing":
            reason = "nothing found, expected a value"
        else:
            wanted = found["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            reason = f"found {found['input']!r}, expected {wanted[0].lower()}{wanted[1:]}"
        raise InputError(f"{where}: key {key}: {reason}" if key else f"{where}: {reason}") from None
