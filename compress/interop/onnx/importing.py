"""ONNX graph in, network out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx import layers, moving, pointwise
from compress.interop.onnx.batching import any_batch
from compress.interop.onnx.builder import Builder, Call, Constant, Tensor, Value
from compress.interop.onnx.entry import Entry, entry_of, fixed_values
from compress.interop.onnx.reading import Graph, Operation, parse_graph, read_graph
from compress.nn.folding import fold
from compress.nn.interface import Interface
from compress.nn.network import INPUT, Network
from compress.nn.tied import tie
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from compress.nn.ops.base import Array

CONVERTERS: dict[str, Callable[[Call], Any]] = {
    **layers.CONVERTERS,
    **pointwise.CONVERTERS,
    **moving.CONVERTERS,
}
"""ONNX operations that can be imported."""


def import_onnx(
    path: Path,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> Network:
    """Import an ONNX file as a network.

    The first dimension of every input counts items, unless its name or a recurrence says that it is time.
    Two random items are executed together and apart: where they differ, items run one at a time, as the
    interface of the network says. Constants are folded, batch normalisation goes
    into the layer before it (a file that this project wrote comes back as it was), and floats of any
    width become float32.

    Parameters
    ----------
    path : Path
    shapes : dict of str to sequence of int, optional
        Shape of one item, or with the first dimension, for inputs whose dimensions the file leaves open.
    fixed : dict of str to ndarray, optional
        Values of inputs that are to become constants (a sampling rate, say).

    Raises
    ------
    InputError
        If the file cannot be trusted or read, an operation is not supported (the message names its
        node and lists what is), or a dimension is open.
    """
    return network_of(read_graph(path), str(path), shapes, fixed)


def import_shapes(
    path: Path,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> tuple[Network, bool]:
    """Import an ONNX file, with made-up weights for those in files that are absent.

    Parameters and errors as in `import_onnx`.

    Returns
    -------
    tuple of Network and bool
        Whether weights are made up.
    """
    graph = read_graph(path, shapes_alone=True)
    return network_of(graph, str(path), shapes, fixed), graph.weightless


def import_onnx_bytes(
    data: bytes,
    where: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> Network:
    """Import an ONNX model in memory, called `where` in messages; the rest as `import_onnx`."""
    return network_of(parse_graph(data, where), where, shapes, fixed)


def network_of(
    graph: Graph,
    where: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> Network:
    """Make the network of a checked graph; parameters as in `import_onnx`."""
    try:
        values = fixed_values(graph, fixed or {})
        entry = entry_of(graph, shapes or {}, values)
        network = tie(any_batch(lambda batch: _trace(graph, entry, values, batch), entry))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return network if graph.ours else fold(network)


def _trace(graph: Graph, entry: Entry, fixed: Mapping[str, Array], batch: int | None) -> Network:
    """Convert the graph with so many items in its first dimension; see `any_batch`."""
    inputs = entry.shapes(batch or entry.batch)
    build = Builder(graph.opset, next(iter(inputs.values()))[0])
    names = {name: INPUT if index == 0 else build.reserve(name) for index, name in enumerate(inputs)}
    build.reserve(INPUT)
    values: dict[str, Value] = {name: Tensor(names[name], shape) for name, shape in inputs.items()}
    values |= {name: Constant(array) for name, array in (*graph.constants.items(), *fixed.items())}
    for operation in graph.operations:
        _convert(build, operation, values)
    lead = entry.lead if batch is None else {name: shape[0] for name, shape in inputs.items()}
    return _finish(
        graph, build, values, {tensor: name for name, tensor in names.items()}, replace(entry, lead=lead)
    )


def _convert(build: Builder, operation: Operation, values: dict[str, Value]) -> None:
    where = f"node {operation.name!r} ({operation.op})"
    if operation.op not in CONVERTERS:
        raise InputError(f"{where} is not supported, expected one of {', '.join(sorted(CONVERTERS))}")
    build.begin(operation.name)
    unknown = [name for name in operation.inputs if name and name not in values]
    if unknown:
        raise InputError(f"{where}: {unknown[0]!r} is a further output of its node, which is not supported")
    arguments = tuple(values[name] if name else None for name in operation.inputs)
    try:
        result = CONVERTERS[operation.op](Call(build, operation.attrs, arguments, len(operation.outputs)))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError):
        raise InputError(f"{where}: attributes {operation.attrs} and inputs do not fit together") from None
    outputs = result if isinstance(result, tuple) else (result,)
    values.update(zip(operation.outputs, outputs, strict=False))


def _finish(
    graph: Graph, build: Builder, values: Mapping[str, Value], names: dict[str, str], entry: Entry
) -> Network:
    """Keep what the outputs depend on; `names` are those of the inputs in the file, by tensor."""
    outputs = []
    for name in graph.outputs:
        value = values.get(name)
        if not isinstance(value, Tensor):
            raise InputError(f"output {name!r} does not depend on the input, expected one that does")
        outputs.append(value.name)
    needed = set(outputs)
    kept = []
    for node, produced in zip(reversed(build.nodes), reversed(build.produced), strict=True):
        if needed.intersection(produced):
            kept.append(node)
            needed.update(node.inputs, node.params)
    nodes = tuple(reversed(kept))
    params = {name: _storable(array) for name, array in build.params.items() if name in needed}
    items = {tensor: entry.items[name] for tensor, name in names.items()}
    interface = Interface(
        names={tensor: name for tensor, name in names.items() if name != tensor},
        outputs=graph.outputs if graph.outputs != tuple(outputs) else (),
        types={tensor: graph.kinds[name] for tensor, name in names.items() if graph.kinds[name] != "float32"},
        lead={tensor: entry.lead[name] for tensor, name in names.items() if name in entry.lead},
        dimension=entry.dimension,
        steps=entry.steps,
    )
    return Network(
        graph.name,
        items.pop(INPUT),
        nodes,
        params,
        tuple(outputs),
        extra_inputs=items,
        interface=interface,
    )


def _storable(array: Array) -> Array:
    """Masks become 8-bit integers: a file of weights has no single bits."""
    return array.astype(np.uint8) if array.dtype == np.bool_ else array
