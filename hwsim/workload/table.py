"""Read a workload from a CSV table with one row per layer.

Only the columns ``name`` and ``kind`` are required. An empty cell means the default:

====================  =====================================================================
``name``              unique name of the layer
``kind``              ``conv``, ``fc``, ``matmul`` or a vector operation: `kinds.KINDS`
``inputs``            names of earlier layers, ``input`` (of the network) or ``memory`` (state
                      and caches fetched at every inference), separated by blanks; default:
                      the row before
``channels``,         input shape as the layer sees it; default: what its inputs give. Checked
``height``,           against them: convolutions and pooling must match exactly, other kinds
``width``             may regroup the elements. Required where the inputs do not give it
``filters``           output channels of ``conv``, ``fc`` and ``matmul``
``kernel``,           of ``conv`` and pooling: ``3`` or, height first, ``1x7``; of ``lrn`` the
``stride``,           number of neighbours; defaults 1 (pooling: none), 1 and 0. Where the width
``pad``               is empty and the height is not, the layer is 1-D: ``3`` is along the length,
                      also in the layers that read it
``groups``            groups of ``conv``, heads of ``matmul``; default 1
``weight_density``,   fractions that are not zero; default 1
``input_density``
``arithmetic``        ``fp32`` (default), ``fp64``, ``tf32``, ``fp16``, ``bf16``, ``fp8``, ``int16``,
                      ``int8``, ``int4``
``bias``              ``yes`` (default) or ``no``: one stored bias per filter
``norm``              ``batch`` where a batch normalisation is folded into the weights: training does
                      it apart
``like``              name of an earlier layer of the same size whose weights it uses
``value_bits``        bits of a stored weight; default: as wide as the arithmetic
``index_bits``        width of the gap field if only non-zeros are stored; default: all are
``times``             neighbouring rows with the same number form a block, repeated that many times
====================  =====================================================================

Tokens of a sequence are rows of an image: a linear layer on 128 tokens of 768 features is a 1x1
``conv`` on 768 x 128 x 1. A ``matmul`` is such a convolution whose weights are its second input:
``channels`` and ``filters`` count all groups together.

Each copy of a block takes the last layer of the copy before where the first one takes the row before
the block. Later rows can read the block's last layer only. ``like`` names a layer of the first copy,
maybe itself: then all copies use the same weights.
"""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.csvfile import read_rows
from hwsim.errors import InputError, printable
from hwsim.workload.kinds import (
    GEOMETRY,
    KINDS,
    SEVERAL_INPUTS,
    STORAGE,
    WITH_WEIGHTS,
    Shape,
    build_layer,
    is_sequence,
)
from hwsim.workload.layer import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.resources.abc import Traversable

    from hwsim.csvfile import Row
    from hwsim.workload.layer import Layer

REQUIRED = ("name", "kind")
OPTIONAL = (
    "inputs", "channels", "height", "width", *GEOMETRY, *STORAGE, "input_density", "arithmetic", "like",
    "times",
)  # fmt: skip
NETWORK_INPUT, MEMORY = "input", "memory"

MAX_LAYERS = 1 << 13
"""Largest number of layers, copies included: the deepest network that is shipped has 3,009."""

MAX_OPERATIONS, MAX_STORED_BITS = 1 << 50, 1 << 46
"""What all layers together may do for one item, and store: more could not be counted in 64 bits."""


@dataclass(frozen=True)
class LayerRow:
    """One row, with inputs named and nothing inferred yet; `like` is empty for weights of its own."""

    row: Row
    name: str
    kind: str
    inputs: tuple[str, ...]
    like: str = ""


def read_layer_rows(file: Traversable | Path) -> list[LayerRow]:
    """Read a table, check names, kinds and inputs, and write blocks out copy by copy.

    Raises
    ------
    InputError
        If a name is empty or repeated, a kind unknown, an input not an earlier layer, a cell is
        filled that the kind does not use, or there are too many layers.
    """
    rows: list[LayerRow] = []
    named: dict[str, str] = {}
    readable = {NETWORK_INPUT: NETWORK_INPUT, MEMORY: MEMORY}
    previous = NETWORK_INPUT
    for times, block in groupby(read_rows(file, REQUIRED, OPTIONAL), _times):
        parts: list[LayerRow] = []
        within: dict[str, str] = {}
        for row in block:
            item = _layer_row(row, previous, ChainMap(within, readable), named)
            previous = item.name
            named[previous] = within[previous] = previous
            parts.append(item)
            if len(rows) + times * len(parts) > MAX_LAYERS:
                raise row.error("times", f"at most {MAX_LAYERS} layers in all")
        rows += repeat_rows(parts, times, rows[-1].name if rows else NETWORK_INPUT)
        if times == 1:
            readable |= within
        else:
            readable[previous] = rows[-1].name
            named |= {name: f"0.{name}" for name in within}
    if not rows:
        raise InputError(f"{file}: no layers, expected at least one row")
    return rows


def _times(row: Row) -> int:
    return row.integer("times", low=1, high=MAX_LAYERS, default=1)


def _layer_row(row: Row, previous: str, readable: Mapping[str, str], named: dict[str, str]) -> LayerRow:
    """Read one row.

    Parameters
    ----------
    previous : str
        Name of the row before.
    readable, named : dict of str to str
        Layers it may take its inputs from, and all there are: name in the table -> name among all copies.
    """
    name, kind = row.text("name"), row.text("kind", KINDS)
    if name in named or name in (NETWORK_INPUT, MEMORY) or len(name.split()) > 1:
        raise row.error("name", "one word, not used before")
    for column in (*GEOMETRY, *STORAGE):
        if row.cells.get(column) and column not in KINDS[kind]:
            raise row.error(column, f"nothing for a {kind} layer")
    inputs = tuple(row.cells.get("inputs", "").split()) or (previous,)
    if not all(source in readable for source in inputs):
        raise row.error("inputs", "names of earlier layers, 'input' or 'memory'")
    if len(inputs) > 1 and kind not in SEVERAL_INPUTS:
        raise row.error("inputs", f"one input of a {kind} layer")
    like = row.cells.get("like", "")
    if like and (kind not in WITH_WEIGHTS or (like != name and like not in named)):
        raise row.error("like", f"an earlier layer, or nothing for a {kind} layer")
    return LayerRow(row, name, kind, tuple(readable[source] for source in inputs), named.get(like, like))


def repeat_rows(rows: Sequence[LayerRow], times: int, source: str = NETWORK_INPUT) -> list[LayerRow]:
    """Chain `times` copies of a block: each takes the last layer of the copy before in place of `source`."""
    if times == 1:
        return list(rows)
    chained: list[LayerRow] = []
    firsts = {item.name: f"0.{item.name}" for item in rows}
    for copy in range(times):
        names = {item.name: f"{copy}.{item.name}" for item in rows}
        if chained:
            names[source] = chained[-1].name
        chained += [
            replace(
                item,
                name=names[item.name],
                inputs=tuple(names.get(i, i) for i in item.inputs),
                like=firsts.get(item.like, item.like),
            )
            for item in rows
        ]
    return chained


def workload_of(rows: Sequence[LayerRow], name: str, stage: str, provenance: str) -> Workload:
    """Infer shapes and build the layers.

    Raises
    ------
    InputError
        If shapes do not match, a dimension is zero or missing, a density lies outside 0..1, or there
        is more to do or to store than can be counted.
    """
    index = _by_name(rows)
    sequences = set[str]()
    shapes: dict[str, Shape] = {}
    layers: list[Layer] = []
    operations = stored_bits = 0
    for item in rows:
        sequence = is_sequence(item.row, not sequences.isdisjoint(item.inputs))
        if sequence:
            sequences.add(item.name)
        layer, shapes[item.name] = build_layer(
            item.row, item.name, item.kind, [shapes.get(source) for source in item.inputs], sequence
        )
        inputs = tuple(index.get(source, -1) for source in item.inputs)
        owner = _owner(item, layer, layers, index)
        layers.append(replace(layer, inputs=inputs, like=owner))
        operations += layer.macs + layer.vector_ops
        stored_bits += layers[-1].stored_bits
        _require_countable(item, "operations an item", operations, MAX_OPERATIONS)
        _require_countable(item, "stored bits", stored_bits, MAX_STORED_BITS)
    return Workload(name, stage, tuple(layers), provenance)


def _by_name(rows: Sequence[LayerRow]) -> dict[str, int]:
    """Index of every layer; a copy of a block may not have the name of another row."""
    index: dict[str, int] = {}
    for i, item in enumerate(rows):
        if item.name in index:
            first, second = (found.row for found in (rows[index[item.name]], item))
            raise InputError(
                f"{second.where}: layers {first.cells['name']} and {second.cells['name']} would both be "
                f"called {item.name}, as copies of a block are numbered, expected another name"
            )
        index[item.name] = i
    return index


def _require_countable(item: LayerRow, what: str, count: int, most: int) -> None:
    if count > most:
        raise InputError(
            f"{item.row.where}: with layer {item.name} the network has {count} {what}, "
            f"expected at most {most}"
        )


def _owner(item: LayerRow, layer: Layer, layers: Sequence[Layer], index: dict[str, int]) -> int | None:
    """Index of the layer whose weights `layer` uses; None if they are its own."""
    if item.like in ("", item.name):
        return None
    named = index[item.like]
    above = layers[named].like
    owner = named if above is None else above
    if (layers[owner].weight_count, layers[owner].stored_bits) != (layer.weight_count, layer.stored_bits):
        raise item.row.error("like", f"a layer that stores as much as {item.name}")
    return owner


def load_csv(path: str | Path) -> Workload:
    """Load a table of layers: its columns are described in `hwsim.workload.table`.

    Raises
    ------
    InputError
        If the file is not a sound table; the message names file, line and column.
    """
    file = Path(path)
    source = f"layer table {printable(file.name)}, no weights"
    return workload_of(read_layer_rows(file), printable(file.stem), "as listed", source)
