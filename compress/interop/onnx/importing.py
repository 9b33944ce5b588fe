"""ONNX graph in, network out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from compress.interop.onnx.batching import any_batch
from compress.interop.onnx.builder import Builder, Constant, Tensor
from compress.interop.onnx.converting import Conversion
from compress.interop.onnx.entry import Entry, entry_of, fixed_values
from compress.interop.onnx.quantized import integers_of
from compress.interop.onnx.reading import Graph, parse_graph, read_graph
from compress.nn.folding import fold
from compress.nn.interface import Interface
from compress.nn.network import INPUT, Network
from compress.nn.tied import tie
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from compress.format.tensors import StoredTensor
    from compress.interop.onnx.converting import Values
    from compress.nn.ops.base import Array

STORED_AS = {
    "bool": "uint8", "int4": "int8", "uint4": "uint8", "uint16": "int32", "uint32": "int64",
    "uint64": "int64",
}  # fmt: skip
"""Element types that a file of weights does not have, and what takes their place."""


BYTES = {"int4": "int8", "uint4": "uint8"}
"""Element types of inputs that numpy does not have, and what takes their place."""


class Imported(NamedTuple):
    """A network, and the form in which some of its parameters come: integers and their scales."""

    network: Network
    forms: dict[str, StoredTensor]


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
    return read_onnx(path, shapes, fixed).network


def read_onnx(
    path: Path,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> Imported:
    """Import an ONNX file with the stored form of its weights; the rest as `import_onnx`."""
    return imported(read_graph(path), str(path), shapes, fixed)


def import_shapes(
    path: Path,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> tuple[Imported, bool]:
    """Import an ONNX file, with made-up weights for those in files that are absent.

    Parameters and errors as in `import_onnx`.

    Returns
    -------
    tuple of Imported and bool
        Whether weights are made up.
    """
    graph = read_graph(path, shapes_alone=True)
    return imported(graph, str(path), shapes, fixed), graph.weightless


def import_onnx_bytes(
    data: bytes,
    where: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> Network:
    """Import an ONNX model in memory, called `where` in messages; the rest as `import_onnx`."""
    return read_onnx_bytes(data, where, shapes, fixed).network


def read_onnx_bytes(
    data: bytes,
    where: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> Imported:
    """Import an ONNX model in memory with the stored form of its weights; the rest as `import_onnx`."""
    return imported(parse_graph(data, where), where, shapes, fixed)


def imported(
    graph: Graph,
    where: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, Array] | None = None,
) -> Imported:
    """Make the network of a checked graph; parameters as in `import_onnx`."""
    try:
        values = fixed_values(graph, fixed or {})
        entry = entry_of(graph, shapes or {}, values)
        forms: dict[str, StoredTensor] = {}
        network = tie(any_batch(lambda batch: _trace(graph, entry, values, batch, forms), entry))
    except InputError as error:
        raise InputError(f"{where}: {error.sentence}", error.rows) from None
    forms = {name: form for name, form in forms.items() if name in network.params}
    return Imported(fold(network, frozenset(forms), integers_alone=graph.ours), forms)


def _trace(
    graph: Graph,
    entry: Entry,
    fixed: Mapping[str, Array],
    batch: int | None,
    forms: dict[str, StoredTensor],
) -> Network:
    """Convert the graph with so many items in its first dimension, see `any_batch`; add forms of weights."""
    inputs = entry.shapes(batch or entry.batch)
    build = Builder(graph.opset, next(iter(inputs.values()))[0])
    names = {name: INPUT if index == 0 else build.reserve(name) for index, name in enumerate(inputs)}
    build.reserve(INPUT)
    values: Values = {name: Tensor(names[name], shape, graph.kinds[name]) for name, shape in inputs.items()}
    values |= {name: Constant(array) for name, array in (*graph.constants.items(), *fixed.items())}
    Conversion(build).convert(graph.operations, values)
    forms |= build.forms
    lead = entry.lead if batch is None else {name: shape[0] for name, shape in inputs.items()}
    tensors = {tensor: name for name, tensor in names.items()}
    return _finish(graph, build, values, tensors, replace(entry, lead=lead))


def _finish(graph: Graph, build: Builder, values: Values, names: dict[str, str], entry: Entry) -> Network:
    """Keep what the outputs depend on; `names` are those of the inputs in the file, by tensor."""
    outputs = []
    for name in graph.outputs:
        value = values.get(name)
        if isinstance(value, Tensor) and value.integer:
            build.begin(value.name)
            value = integers_of(build, value)
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
        types={
            tensor: BYTES.get(graph.kinds[name], graph.kinds[name])
            for tensor, name in names.items()
            if graph.kinds[name] != "float32"
        },
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
    """Masks and halves of bytes become whole ones, and longer integers those that a file has."""
    kind = STORED_AS.get(array.dtype.name)
    return array if kind is None else array.astype(kind)
