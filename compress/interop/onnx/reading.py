"""An ONNX file as plain data: the only place where bytes that others wrote are believed or not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.interop.onnx.absent import with_stand_ins
from compress.interop.onnx.external import with_external_data
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from compress.nn.ops.base import Array

try:
    import onnx
    import onnx.inliner
    from onnx import numpy_helper
except ImportError:  # the package is an extra
    onnx = None  # type: ignore[assignment]

MAX_FILE_BYTES = 1 << 31
"""Protobuf messages end here."""

MAX_EMPTY = 1 << 20
"""Values that a shape may stand for where one of its dimensions is 0: numpy refuses the largest."""

PRODUCER = "hwsim"
"""Names the files that this project writes."""

OPSETS = (7, 28)
"""First and last version of the operator set whose meaning is known."""

OWN_DOMAINS = ("", "ai.onnx")
"""Names of the standard's own operator set."""

FLOATS = ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")
TINY_FLOATS = ("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ")
"""Floats of one byte: weights may have them, inputs may not."""

INTEGERS = ("UINT8", "INT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "BOOL")
PACKED = ("INT4", "UINT4")
"""Integers of which a byte holds two."""

MAX_INLINED = 1 << 20
"""Most nodes that the functions of a file may stand for: each may call the ones before it many times."""


@dataclass(frozen=True)
class Operation:
    """One node of the file; an input that is left out is an empty name.

    Parameters
    ----------
    op : str
        Operator; one of another operator set than the standard's is called ``domain.name``.
    captured : tuple of str
        Values that its branches read from outside.
    proto : object
        The node as it stands in the file.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: dict[str, Any]
    captured: tuple[str, ...] = ()
    proto: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Branch:
    """A subgraph of an operation, which sees the values around it; operations are in order."""

    outputs: tuple[str, ...]
    constants: dict[str, Array]
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Unread:
    """An attribute of a kind that no converter takes."""

    kind: str


@dataclass(frozen=True)
class Graph:
    """A checked ONNX graph.

    Parameters
    ----------
    inputs : dict of str to tuple of (int or None)
        Declared shapes; None where the file leaves a dimension open.
    dimensions : dict of str to tuple of str
        Names of the inputs' dimensions; empty where the file gives none.
    kinds : dict of str to str
        Element types of the inputs, as numpy calls them; floats of any width are float32.
    constants : dict of str to ndarray
        Initializers: float32, integers as they are, bool.
    operations : tuple of Operation
        Each after the ones it takes its inputs from.
    ours : bool
        Whether this project wrote the file.
    weightless : bool
        Whether weights are made up.
    """

    name: str
    opset: int
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    constants: dict[str, Array]
    operations: tuple[Operation, ...]
    dimensions: dict[str, tuple[str, ...]]
    kinds: dict[str, str]
    ours: bool = False
    weightless: bool = False


def require_onnx() -> None:
    """Check that the extra is installed.

    Raises
    ------
    InputError
        If it is not.
    """
    if onnx is None:
        raise InputError("ONNX files need the package onnx, expected after: pip install 'hwsim[onnx]'")


def read_graph(path: Path, *, shapes_alone: bool = False) -> Graph:
    """Read and check an ONNX file, and the files of weights beside it.

    Parameters
    ----------
    path : Path
    shapes_alone : bool
        Take made-up values for weights whose file is absent.

    Raises
    ------
    InputError
        If the file is no ONNX model, keeps data outside its folder, or its graph is not one.
    """
    require_onnx()
    try:
        if path.stat().st_size >= MAX_FILE_BYTES:
            raise InputError(
                f"{path}: file has {path.stat().st_size} bytes, expected fewer than {MAX_FILE_BYTES}"
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected an ONNX file") from None
    return parse_graph(data, str(path), path.parent, shapes_alone=shapes_alone)


def parse_graph(data: bytes, where: str, folder: Path | None = None, *, shapes_alone: bool = False) -> Graph:
    """Check an ONNX model in memory.

    Parameters
    ----------
    data : bytes
    where : str
        Names the model in messages.
    folder : Path, optional
        Where files of weights lie; without it the model has to be in one piece.
    shapes_alone : bool
        Take made-up values for weights whose file is absent in the folder.

    Raises
    ------
    InputError
        As `read_graph`.
    """
    require_onnx()
    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # of either implementation of protobuf, which share no class
        raise InputError(f"{where}: not an ONNX model, the protobuf message cannot be parsed") from None
    try:
        absent = shapes_alone and folder is not None and with_stand_ins(model, folder)
        return replace(_checked(with_external_data(_inlined(model), folder)), weightless=absent)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _inlined(model: Any) -> Any:
    """Replace calls of the file's own functions by what they do."""
    if not model.functions:
        return model
    sizes: dict[tuple[str, str], int] = {}
    bodies = {(one.domain, one.name): one.node for one in model.functions}

    def size(key: tuple[str, str], above: frozenset[tuple[str, str]]) -> int:
        if key in above:
            raise InputError(f"function {key[1]!r} calls itself, expected functions that end")
        if key not in sizes:
            called = ((node.domain, node.op_type) for node in bodies[key])
            sizes[key] = sum(size(one, above | {key}) if one in bodies else 1 for one in called)
        return sizes[key]

    total = sum(size(key, frozenset()) for key in bodies)
    total += sum(sizes.get((node.domain, node.op_type), 0) for node in model.graph.node)
    if total > MAX_INLINED:
        raise InputError(f"functions stand for {total} nodes, expected at most {MAX_INLINED}")
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception:  # C++ errors of no common class
        raise InputError(f"function {model.functions[0].name!r} cannot be replaced by its nodes") from None


def _checked(model: Any) -> Graph:
    graph = model.graph
    if not graph.node:
        raise InputError("the graph has no nodes, expected at least one")
    constants = _constants(graph)
    inputs = [value for value in graph.input if value.name not in constants]
    kinds = {value.name: _kind(value) for value in inputs}
    shapes = {value.name: _shape(value) for value in inputs}
    operations = tuple(operation_of(node, index) for index, node in enumerate(graph.node))
    return Graph(
        graph.name or "onnx",
        _opset(model),
        shapes,
        tuple(value.name for value in graph.output),
        constants,
        _sorted(operations, {*constants, *shapes}),
        {value.name: _dimension_names(value) for value in inputs},
        kinds,
        model.producer_name == PRODUCER,
    )


def _constants(graph: Any) -> dict[str, Array]:
    if graph.sparse_initializer:
        raise InputError("sparse initializers are not supported, expected dense ones")
    return {tensor.name: tensor_array(tensor, tensor.name) for tensor in graph.initializer}


def _opset(model: Any) -> int:
    versions = [one.version for one in model.opset_import if one.domain in OWN_DOMAINS]
    if len(versions) != 1 or not OPSETS[0] <= versions[0] <= OPSETS[1]:
        raise InputError(f"operator set is {versions}, expected one version from {OPSETS[0]} to {OPSETS[1]}")
    return int(versions[0])


def _shape(value: Any) -> tuple[int | None, ...]:
    if not value.type.HasField("tensor_type"):
        raise InputError(f"input {value.name!r} is no tensor")
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in dims)


def _dimension_names(value: Any) -> tuple[str, ...]:
    names = (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    return tuple(name if isinstance(name, str) else name.decode("utf-8", "replace") for name in names)


def _kind(value: Any) -> str:
    kind = _type_name(value.type.tensor_type.elem_type)
    if kind not in (*FLOATS, *INTEGERS, *PACKED):
        raise InputError(f"input {value.name!r} holds {kind}, expected numbers")
    return "float32" if kind in FLOATS else kind.lower()


def _type_name(number: int) -> str:
    return next((name for name, known in onnx.TensorProto.DataType.items() if known == number), str(number))


def operation_of(node: Any, index: int) -> Operation:
    """Read a node, the `index`-th of its graph.

    Raises
    ------
    InputError
        If the data of a tensor or the graph of a branch cannot be read.
    """
    name = node.name or next((output for output in node.output if output), f"node{index}")
    op, domain = str(node.op_type), str(node.domain)  # protobuf gives bytes where a text is damaged
    op = op if domain in OWN_DOMAINS else f"{domain}.{op}"
    attrs = {attribute.name: _attribute(attribute, name) for attribute in node.attribute}
    captured = {name for branch in attrs.values() if isinstance(branch, Branch) for name in _outside(branch)}
    return Operation(name, op, tuple(node.input), tuple(node.output), attrs, tuple(sorted(captured)), node)


def _attribute(attribute: Any, node: str) -> Any:
    kinds = onnx.AttributeProto
    if attribute.type == kinds.TENSOR:
        return tensor_array(attribute.t, f"{node}.{attribute.name}")
    if attribute.type in (kinds.FLOAT, kinds.INT):
        return onnx.helper.get_attribute_value(attribute)
    if attribute.type == kinds.STRING:
        return attribute.s.decode("utf-8", "replace")
    if attribute.type in (kinds.FLOATS, kinds.INTS):
        return tuple(onnx.helper.get_attribute_value(attribute))
    if attribute.type == kinds.STRINGS:
        return tuple(text.decode("utf-8", "replace") for text in attribute.strings)
    if attribute.type == kinds.GRAPH and not attribute.g.input:
        return _branch(attribute.g)
    return Unread(next((key for key, number in kinds.AttributeType.items() if number == attribute.type), "?"))


def _branch(graph: Any) -> Branch:
    """Read a subgraph without inputs: a branch of an If."""
    constants = _constants(graph)
    operations = tuple(operation_of(node, index) for index, node in enumerate(graph.node))
    made = {name for operation in operations for name in operation.outputs}
    outside = {name for operation in operations for name in _reads(operation)} - made
    return Branch(
        tuple(value.name for value in graph.output), constants, _sorted(operations, {*constants, *outside})
    )


def _reads(operation: Operation) -> set[str]:
    return {name for name in (*operation.inputs, *operation.captured) if name}


def _outside(branch: Branch) -> set[str]:
    """Names that a branch takes from around it."""
    made = {*branch.constants, *(name for operation in branch.operations for name in operation.outputs)}
    read = {name for operation in branch.operations for name in _reads(operation)}
    return (read | set(branch.outputs)) - made


def tensor_array(tensor: Any, name: str) -> Array:
    """Return the values of a tensor of the file; floats of any width become float32.

    Raises
    ------
    InputError
        If the values are outside the file, do not fit the shape or have another type.
    """
    kind = _type_name(tensor.data_type)
    known = (*FLOATS, *TINY_FLOATS, *INTEGERS, *PACKED)
    if kind not in known:
        raise InputError(f"tensor {name!r} holds {kind}, expected one of {', '.join(known)}")
    count = math.prod(tensor.dims)
    if min(tensor.dims, default=0) < 0 or count > _stored(tensor) * (2 if kind in PACKED else 1):
        raise InputError(f"tensor {name!r} declares shape {tuple(tensor.dims)} but stores fewer values")
    if math.prod(dim for dim in tensor.dims if dim) > max(count, MAX_EMPTY):
        raise InputError(f"tensor {name!r} is empty, expected a smaller shape than {tuple(tensor.dims)}")
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError):
        raise InputError(f"tensor {name!r}: its data does not fit shape {tuple(tensor.dims)}") from None
    return array.astype(np.float32, copy=False) if kind in (*FLOATS, *TINY_FLOATS) else array


def _stored(tensor: Any) -> int:
    """No tensor has more values than this: its bytes, or the entries of its lists."""
    lists = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    return len(tensor.raw_data) + sum(map(len, lists))


def _sorted(operations: tuple[Operation, ...], known: set[str]) -> tuple[Operation, ...]:
    """Put every operation after its inputs' (Kahn 1962), in the file's order where that is open."""
    producers = _producers(operations, known)
    waiting = dict.fromkeys(range(len(operations)), 0)
    consumers: dict[int, list[int]] = {}
    for index, operation in enumerate(operations):
        for name in _reads(operation) - known:
            if name not in producers:
                raise InputError(f"node {operation.name!r}: input {name!r} is produced by nothing")
            consumers.setdefault(producers[name], []).append(index)
            waiting[index] += 1
    ready = [index for index, count in waiting.items() if not count]
    order = []
    for index in ready:
        order.append(operations[index])
        for consumer in consumers.get(index, ()):
            waiting[consumer] -= 1
            if not waiting[consumer]:
                ready.append(consumer)
    if len(order) < len(operations):
        stuck = next(operations[index].name for index, count in waiting.items() if count)
        raise InputError(f"node {stuck!r} is part of a cycle, expected a graph without")
    return tuple(order)


def _producers(operations: Iterable[Operation], known: set[str]) -> dict[str, int]:
    producers: dict[str, int] = {}
    for index, operation in enumerate(operations):
        for name in filter(None, operation.outputs):
            if name in producers or name in known:
                raise InputError(f"node {operation.name!r}: the name {name!r} is defined twice")
            producers[name] = index
    return producers
