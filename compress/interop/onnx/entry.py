"""The inputs of a graph: shapes to trace it with, and what their first dimensions count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.interface import OPEN
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compress.interop.onnx.reading import Graph
    from compress.nn.ops.base import Array, Shape

TIME_WORDS = frozenset(
    {"t", "time", "times", "seq", "sequence", "step", "steps", "frame", "frames", "len", "length"}
)
"""Words in the name of a dimension that is time."""

TIME_STARTS = ("seq", "time", "frame")


@dataclass(frozen=True)
class Entry:
    """What a graph is traced with.

    Parameters
    ----------
    items : dict of str to tuple of int
        Shape of one item of each input, without the first dimension.
    lead : dict of str to int
        First dimensions that count no items: their size, or `OPEN`.
    dimension : str
        Name of the first dimension; empty if the file gives none.
    batch : int
        Items that the file declares, 1 where it leaves them open.
    any_batch : bool
        Whether the file leaves the first dimension open.
    steps : int
        Length of an open first dimension.
    """

    items: dict[str, Shape]
    lead: dict[str, int]
    dimension: str
    batch: int
    any_batch: bool
    steps: int

    def shapes(self, batch: int) -> dict[str, Shape]:
        """Shapes of the inputs with so many items (or steps, where the first dimension is a sequence)."""
        first = {name: self.lead.get(name, 1 if self.lead else batch) or batch for name in self.items}
        return {name: (first[name], *shape) for name, shape in self.items.items()}


def entry_of(graph: Graph, given: Mapping[str, Sequence[int]], fixed: Mapping[str, Array]) -> Entry:
    """Find the shapes of the inputs, as given or as declared.

    Parameters
    ----------
    graph : Graph
    given : dict of str to sequence of int
        Shapes of one item, or whole shapes with their first dimension.
    fixed : dict of str to ndarray
        Values of inputs that are constants.

    Raises
    ------
    InputError
        If an input is unknown or a dimension is open.
    """
    unknown = (given.keys() | fixed.keys()) - graph.inputs.keys()
    if unknown:
        raise InputError(f"no input is named {min(unknown)!r}, expected one of {', '.join(graph.inputs)}")
    names = [name for name in graph.inputs if name not in fixed]
    for name in names:
        if not graph.inputs[name]:
            raise InputError(
                f"input {name!r} has no batch dimension, expected a fixed value for it (--fix {name}=VALUE)"
            )
    whole = {name: tuple(given[name]) for name in given if len(given[name]) == len(graph.inputs[name])}
    firsts = {name: whole[name][0] if name in whole else graph.inputs[name][0] for name in names}
    dimension = next((graph.dimensions[name][0] for name in names if graph.dimensions[name][0]), "")
    items = {name: _item(graph, name, given.get(name), dimension) for name in names}
    if is_time(dimension):
        lead = {name: OPEN for name in names if graph.dimensions[name][0] == dimension}
        lead |= {name: size for name, size in firsts.items() if name not in lead and size and size > 1}
        steps = next((firsts[name] for name, size in lead.items() if size == OPEN and firsts[name]), None)
        return Entry(items, lead, dimension, steps or 1, None in firsts.values(), steps or 1)
    declared = [graph.inputs[name][0] for name in names]
    sizes = {size for size in firsts.values() if size}
    if len(sizes) == 1 and (None not in firsts.values() or sizes == {1} or whole):
        return Entry(items, {}, dimension, sizes.pop(), None in declared, 1)
    lead = {name: size for name, size in firsts.items() if size and size > 1}
    return Entry(items, lead, dimension, 1, None in declared, 1)


def _item(graph: Graph, name: str, given: Sequence[int] | None, items: str) -> Shape:
    """Shape of one item of an input, without its first dimension."""
    declared, names = graph.inputs[name], graph.dimensions[name]
    rank = len(declared)
    if given is not None and len(given) not in (rank, rank - 1):
        raise InputError(
            f"input {name!r} is given the shape {tuple(given)}, expected {rank - 1} sizes of one item"
        )
    sizes = tuple(given)[-(rank - 1) or rank :] if given is not None else declared[1:]
    known = tuple(
        size or (1 if called and called == items else 0)
        for size, called in zip(sizes, names[1:], strict=True)
    )
    if min(known, default=1) < 1:
        shape = ", ".join(called or str(size or "?") for size, called in zip(declared, names, strict=True))
        example = "x".join(
            str(size or called or "?") for size, called in zip(declared[1:], names[1:], strict=True)
        )
        raise InputError(
            f"input {name!r} has open dimensions ({shape}), expected the shape of one item "
            f"(--shape {name}={example})"
        )
    return known


def is_time(dimension: str) -> bool:
    """Whether a dimension of this name is time: a sequence, its steps or frames."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", dimension)]
    if "batch" in words:
        return False
    return any(word in TIME_WORDS or word.startswith(TIME_STARTS) for word in words)


def fixed_values(graph: Graph, fixed: Mapping[str, Array]) -> dict[str, Array]:
    """Values of fixed inputs in their declared types and ranks."""
    values = {}
    for name, value in fixed.items():
        rank = len(graph.inputs[name]) if name in graph.inputs else value.ndim
        array = np.asarray(value).astype(graph.kinds.get(name, "float32"))
        values[name] = array.reshape((1,) * rank) if array.size == 1 else array
    return values
