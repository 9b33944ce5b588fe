"""Mappings of an array that has a rule of its own, and beside each the best that the rule passes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.arrays.base import Moves, OffersMapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from hwsim.arrays.base import ArrayModel
    from hwsim.workload.layer import Layer

FIGURES = Moves._fields


def own_mappings(array: ArrayModel, layers: Sequence[Layer], batch: int) -> pd.DataFrame:
    """Compare the mapping that an array takes with a better one, layer by layer.

    Parameters
    ----------
    array : ArrayModel
    layers : sequence of Layer
        Those that the array runs are compared.
    batch : int

    Returns
    -------
    DataFrame
        layer, dram_words, accesses and cycles of the array's mapping, the same of the better one with
        ``better_`` before them, and its accesses x cycles over those of the first (``product``). Not a
        number where none is better. No rows for an array that offers no other mapping.
    """
    import pandas as pd  # here, because the import is slow and most runs print no table

    rows: list[dict[str, object]] = []
    if isinstance(array, OffersMapping):
        rows = [_row(array, layer, batch) for layer in layers if layer.kind != "vector"]
    names = [*FIGURES, *(f"better_{name}" for name in FIGURES), "product"]
    return pd.DataFrame(rows, columns=["layer", *names])


def _row(array: OffersMapping, layer: Layer, batch: int) -> dict[str, object]:
    own, better = array.mappings(layer, batch)
    row: dict[str, object] = {"layer": layer.name, **own._asdict()}
    if better:
        row |= {f"better_{name}": value for name, value in better._asdict().items()}
        row["product"] = better.product / own.product
    return row
