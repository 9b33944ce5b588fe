"""ONNX graph in, network out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compress.interop.onnx.builder import Builder, Constant, Tensor
from compress.interop.onnx.converting import Conversion
from compress.interop.onnx.quantized import integers_of
from compress.interop.onnx.reading import Graph, parse_graph, read_graph
from compress.nn.folding import fold
from compress.nn.network import INPUT, Network
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from compress.format.tensors import StoredTensor
    from compress.interop.onnx.converting import Values
    from compress.nn.ops.base import Array, Shape

STORED_AS = {
    "bool": "uint8", "int4": "int8", "uint4": "uint8", "uint16": "int32", "uint32": "int64",
    "uint64": "int64",
}  # fmt: skip
"""Element types that a file of weights does not have, and what takes their place."""


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

    The first dimension of every input is the batch. Constants are folded, batch normalisation goes
    into the layer before it (a file that this project wrote comes back as it was), and floats of any
    width become float32. What the graph computes from the size of its batch is computed for one item.

    Parameters
    ----------
    path : Path
    shapes : dict of str to sequence of int, optional
        Shape of one item, without the batch, for inputs whose dimensions the file leaves open.
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
        fixed = fixed or {}
        inputs = _input_shapes(graph, shapes or {}, fixed)
        build = Builder(graph.opset, next(iter(inputs.values()))[0])
        names = {name: INPUT if index == 0 else build.reserve(name) for index, name in enumerate(inputs)}
        build.reserve(INPUT)
        values: Values = {
            name: Tensor(names[name], shape, graph.kinds[name]) for name, shape in inputs.items()
        }
        values |= {name: Constant(array) for name, array in (*graph.constants.items(), *fixed.items())}
        Conversion(build).convert(graph.operations, values)
        network = _finish(graph, build, values, {names[name]: shape[1:] for name, shape in inputs.items()})
    except InputError as error:
        raise InputError(f"{where}: {error.sentence}", error.rows) from None
    forms = {name: form for name, form in build.forms.items() if name in network.params}
    return Imported(fold(network, frozenset(forms), integers_alone=graph.ours), forms)


def _input_shapes(
    graph: Graph, given: Mapping[str, Sequence[int]], fixed: Mapping[str, Array]
) -> dict[str, Shape]:
    """Shapes of the inputs, batch included: as given, else as declared, 1 for an open batch."""
    unknown = (given.keys() | fixed.keys()) - graph.inputs.keys()
    if unknown:
        raise InputError(f"no input is named {min(unknown)!r}, expected one of {', '.join(graph.inputs)}")
    found: dict[str, Shape] = {}
    for name, declared in graph.inputs.items():
        if name in fixed:
            continue
        if not declared:
            raise InputError(f"input {name!r} has no batch dimension, expected a fixed value for it")
        item = tuple(size or 0 for size in given.get(name, declared[1:]))
        if min(item, default=1) < 1:
            raise InputError(f"input {name!r} has open dimensions {declared}, expected the shape of one item")
        found[name] = (declared[0] or 1, *item)
    batches = {shape[0] for shape in found.values()}
    if len(batches) != 1:
        raise InputError(f"inputs have batches {sorted(batches)}, expected one and the same")
    return found


def _finish(graph: Graph, build: Builder, values: Values, inputs: dict[str, Shape]) -> Network:
    """Keep what the outputs depend on."""
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
    return Network(
        graph.name,
        inputs.pop(INPUT),
        nodes,
        params,
        tuple(outputs),
        extra_inputs=inputs,
    )


def _storable(array: Array) -> Array:
    """Masks and halves of bytes become whole ones, and longer integers those that a file has."""
    kind = STORED_AS.get(array.dtype.name)
    return array if kind is None else array.astype(kind)
