"""What a network's inputs and outputs are called, and what their first dimension counts.

Most networks count items along the first dimension of every input, and items do not see one another. Some
files mix them: attention or a recurrence runs along that dimension. Then items run one at a time. Some
inputs have no items at all: the first dimension of a sequence is time, that of a state counts layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hwsim.errors import InputError, require_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.nn.ops.base import Array, Shape

OPEN = 0
"""Size of a first dimension that counts no items and has any length, as a sequence has."""


@dataclass(frozen=True)
class Interface:
    """Names, element types and first dimensions.

    Parameters
    ----------
    names : dict of str to str
        Names that inputs have for users, by tensor; a tensor's own name by default.
    outputs : tuple of str
        Names that outputs have for users, in order; empty for the tensors' own names.
    types : dict of str to str
        Element types of inputs as numpy calls them; ``float32`` by default.
    lead : dict of str to int
        Inputs whose first dimension counts no items: its size, or `OPEN`. Such a network takes one item at
        a time.
    apart : bool
        Whether items run one at a time because they mix along the first dimension.
    dimension : str
        Name of the first dimension in the file that the network comes from; empty if it has none.
    steps : int
        Length of an open first dimension where no input tells it, in a simulation.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    lead: Mapping[str, int] = field(default_factory=dict)
    apart: bool = False
    dimension: str = ""
    steps: int = 1

    @property
    def together(self) -> bool:
        """Whether several items may run as one batch."""
        return not (self.lead or self.apart)

    @property
    def sequence(self) -> bool:
        """Whether the first dimension of an input is a sequence of any length."""
        return OPEN in self.lead.values()

    def name(self, tensor: str) -> str:
        """Name of an input for users."""
        return self.names.get(tensor, tensor)

    def type_of(self, tensor: str) -> str:
        """Element type of an input."""
        return self.types.get(tensor, "float32")

    def sentence(self) -> str:
        """Say why items run one at a time; empty if they run together."""
        called = f"({self.dimension}) " if self.dimension else ""
        if self.sequence:
            return f"the first dimension {called}is a sequence, not items: each sequence runs whole and alone"
        if self.lead:
            fixed = ", ".join(f"{self.name(name)} ({size})" for name, size in self.lead.items())
            return f"the first dimension of {fixed} counts no items: items run one at a time"
        if self.apart:
            return f"the first dimension {called}mixes items: items run one at a time"
        return ""

    def shape(self, tensor: str, item: Shape, batch: int, steps: int) -> Shape:
        """Shape of an input whose item has shape `item` without the first dimension.

        Parameters
        ----------
        tensor : str
        item : tuple of int
        batch : int
            Items; one where a first dimension counts none.
        steps : int
            Length of an open first dimension.
        """
        if not self.lead:
            return (batch, *item)
        return (self.lead.get(tensor, 1) or steps, *item)

    def pieces(self, values: Mapping[str, Array], shapes: Mapping[str, Shape]) -> list[dict[str, Array]]:
        """Cut inputs into what may run together: all items, or one piece for each.

        Parameters
        ----------
        values : dict of str to ndarray
            Items of each input, shape (items, \\*item). An input whose first dimension counts no items has
            another one in front of it, or holds one item for all pieces.
        shapes : dict of str to tuple of int
            Of one item, without the first dimension.

        Raises
        ------
        InputError
            If a shape does not fit, or inputs have different numbers of items.
        """
        items = {name: self._items(name, values[name], shape) for name, shape in shapes.items()}
        counts = {name: count for name, count in items.items() if count is not None}
        total = next(iter(counts.values()), 1)
        for name, count in counts.items():
            if count != total:
                raise InputError(
                    f"input {self.name(name)} has {count} items, expected {total} as the other inputs have"
                )
        if self.together or (self.apart and total == 1):
            return [dict(values)]
        return [
            {name: self._item(name, values[name], items[name], at) for name in values} for at in range(total)
        ]

    def _items(self, name: str, value: Array, shape: Shape) -> int | None:
        """Items of an input; None where it is one for all."""
        require_type(value, np.ndarray, f"input {name}", "an array of numbers")
        whole = name in self.lead
        count: int | None
        if whole and value.ndim == len(shape) + 2:
            inner, count = value.shape[1:], len(value)
        else:
            inner = value.shape
            count = None if whole else (*inner, 0)[0]
        wanted = self.lead.get(name, OPEN)
        if (
            value.ndim == 0
            or count == 0
            or inner[1:] != shape
            or (wanted and inner[0] != wanted)
            or not inner[0]
        ):
            first = wanted or self.dimension or ("steps" if whole else "batch")
            before = "(items,) " if whole else ""
            raise InputError(
                f"input {self.name(name)} has shape {value.shape}, expected {before}"
                f"({', '.join(map(str, (first, *shape)))})"
            )
        return count

    def _item(self, name: str, value: Array, count: int | None, at: int) -> Array:
        if count is None:
            return value
        return value[at] if name in self.lead else value[at : at + 1]


def join(arrays: list[Array], axis: int | None) -> Array:
    """Put the outputs of several pieces together: along an axis, or along a new first one if None."""
    if axis is not None and len(arrays) == 1:
        return arrays[0]
    if axis is None:
        return np.stack(arrays)
    return np.concatenate([np.atleast_1d(array) for array in arrays], axis=axis)
