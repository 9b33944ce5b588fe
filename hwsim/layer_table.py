"""Tables of layers: one CSV row per layer in, a `Workload` out.

Columns, of which only ``name`` and ``kind`` are required; an empty cell means the default:

================  =====================================================================
``name``          unique name of the layer
``kind``          ``conv``, ``fc``, ``matmul`` or a vector operation: `layer_kinds.KINDS`
``inputs``        names of earlier layers, ``input`` (of the network) or ``memory`` (state
                  and caches fetched at every inference), separated by blanks; default:
                  the row before
``channels``,     input shape as the layer sees it; default: what its inputs give. Checked
``height``,       against them: convolutions and pooling must match exactly, other kinds
``width``         may regroup the elements. Needed where the inputs do not tell
``filters``       output channels of ``conv``, ``fc`` and ``matmul``
``kernel``,       of ``conv`` and pooling: ``3`` or, height first, ``1x7``; of ``lrn`` the
``stride``,       number of neighbours; defaults 1 (pooling: none), 1 and 0
``pad``
``groups``        groups of ``conv``, heads of ``matmul``; default 1
``weight_density``, ``input_density``: fractions that are not zero; default 1
``arithmetic``    ``fp32`` (default), ``fp16``, ``bf16``, ``int16``, ``int8``, ``int4``
``bias``          ``yes`` (default) or ``no``: a stored bias a filter
``value_bits``    bits of a stored weight; default: as wide as the arithmetic
``index_bits``    width of the gap field if only non-zeros are stored; default: all are
================  =====================================================================

Tokens of a sequence are rows of an image: a linear layer on 128 tokens of 768 features is a 1x1
``conv`` on 768 x 128 x 1. A ``matmul`` is such a convolution whose weights are its second input:
``channels`` and ``filters`` count all groups together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.csvfile import read_rows
from hwsim.errors import InputError
from hwsim.layer_kinds import GEOMETRY, KINDS, SEVERAL_INPUTS, STORAGE, Shape, build_layer
from hwsim.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

    from hwsim.csvfile import Row

REQUIRED = ("name", "kind")
OPTIONAL = ("inputs", "channels", "height", "width", *GEOMETRY, *STORAGE, "input_density", "arithmetic")
NETWORK_INPUT, MEMORY = "input", "memory"


@dataclass(frozen=True)
class LayerRow:
    """One row, with inputs named and nothing inferred yet."""

    row: Row
    name: str
    kind: str
    inputs: tuple[str, ...]


def read_layer_rows(file: Traversable | Path) -> list[LayerRow]:
    """Read a table and check names, kinds and inputs.

    Raises
    ------
    InputError
        If a name is empty or repeated, a kind unknown, an input not an earlier layer, or a cell is
        filled that the kind does not use.
    """
    rows: list[LayerRow] = []
    known = {NETWORK_INPUT, MEMORY}
    for row in read_rows(file, REQUIRED, OPTIONAL):
        name, kind = row.text("name"), row.text("kind", KINDS)
        if name in known or len(name.split()) > 1:
            raise row.error("name", "one word, not used before")
        for column in (*GEOMETRY, *STORAGE):
            if row.cells.get(column) and column not in KINDS[kind]:
                raise row.error(column, f"nothing for a {kind} layer")
        inputs = tuple(row.cells.get("inputs", "").split()) or (rows[-1].name if rows else NETWORK_INPUT,)
        if not set(inputs) <= known:
            raise row.error("inputs", "names of earlier layers, 'input' or 'memory'")
        if len(inputs) > 1 and kind not in SEVERAL_INPUTS:
            raise row.error("inputs", f"one input of a {kind} layer")
        rows.append(LayerRow(row, name, kind, inputs))
        known.add(name)
    if not rows:
        raise InputError(f"{file}: no layers, expected at least one row")
    return rows


def repeat_rows(rows: Sequence[LayerRow], times: int) -> list[LayerRow]:
    """Chain `times` copies of a block: each takes the last layer of the copy before as its input."""
    if times == 1:
        return list(rows)
    chained: list[LayerRow] = []
    for copy in range(times):
        names = {item.name: f"{copy}.{item.name}" for item in rows}
        if chained:
            names[NETWORK_INPUT] = chained[-1].name
        chained += [
            replace(item, name=names[item.name], inputs=tuple(names.get(i, i) for i in item.inputs))
            for item in rows
        ]
    return chained


def workload_of(rows: Sequence[LayerRow], name: str, stage: str, provenance: str) -> Workload:
    """Infer shapes and build the layers.

    Raises
    ------
    InputError
        If shapes do not match, a dimension is zero or missing, or a density lies outside 0..1.
    """
    index = {item.name: i for i, item in enumerate(rows)}
    shapes: dict[str, Shape] = {}
    layers = []
    for item in rows:
        layer, shapes[item.name] = build_layer(
            item.row, item.name, item.kind, [shapes.get(source) for source in item.inputs]
        )
        layers.append(replace(layer, inputs=tuple(index.get(source, -1) for source in item.inputs)))
    return Workload(name, stage, tuple(layers), provenance)


def load_csv(path: str | Path) -> Workload:
    """Load a table of layers: its columns are described in `hwsim.layer_table`.

    Raises
    ------
    InputError
        If the file is not a sound table; the message names file, line and column.
    """
    file = Path(path)
    return workload_of(read_layer_rows(file), file.stem, "as listed", f"layer table {file.name}, no weights")
