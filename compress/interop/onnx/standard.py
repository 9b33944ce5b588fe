"""What the ONNX standard itself says of an operator: its value on constants, and its body of simpler ones."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.interop.onnx.builder import MAX_CONSTANT_ELEMENTS
from compress.interop.onnx.reading import OWN_DOMAINS, Operation, onnx, operation_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compress.nn.ops.base import Array

try:
    from onnx import shape_inference
    from onnx.reference import ReferenceEvaluator
except ImportError:  # the package is an extra
    pass

RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
"""Operators without a value of their own."""

MOST_SHAPE_ELEMENTS = 1 << 12
"""Largest constant whose values the inference of shapes is told."""

IR_VERSION = 10


def evaluated(operation: Operation, arrays: Sequence[Array | None], opset: int) -> tuple[Array, ...]:
    """Compute an operation whose inputs are all constants, with the standard's reference implementation.

    Parameters
    ----------
    operation : Operation
    arrays : sequence of ndarray or None
        Values of its inputs; None where one is left out.
    opset : int
        Version of the operator set.

    Raises
    ------
    InputError
        If the operator is random, is not the standard's, does not accept the values, or its outputs are
        no tensors of numbers, or too large.
    """
    if operation.op in RANDOM or operation.proto.domain not in OWN_DOMAINS:
        raise InputError("has no value that is known before the network runs, expected constants")
    model = _alone(operation, arrays, opset)
    _check_size(model)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = ReferenceEvaluator(model).run(None, _feeds(operation, arrays))
    except Exception as error:  # the evaluator's numpy code checks nothing and raises whatever comes
        raise InputError(f"cannot be computed from its constants ({type(error).__name__})") from None
    return tuple(_plain(result) for result in results)


def _alone(operation: Operation, arrays: Sequence[Array | None], opset: int) -> Any:
    """Model of the one node, with small inputs as constants for the inference of shapes."""
    helper = onnx.helper
    values = _feeds(operation, arrays)
    graph = helper.make_graph(
        [operation.proto],
        "constant",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in values.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in operation.outputs if name],
        [
            onnx.numpy_helper.from_array(array, name)
            for name, array in values.items()
            if array.size <= MOST_SHAPE_ELEMENTS
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)


def _feeds(operation: Operation, arrays: Sequence[Array | None]) -> dict[str, Array]:
    pairs = zip(operation.inputs, arrays, strict=True)
    return {name: np.asarray(array) for name, array in pairs if array is not None}


def _check_size(model: Any) -> None:
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # C++ errors of no common class, and those of protobuf
        raise InputError("its constants do not fit together") from None
    for value in inferred.graph.output:
        dims = value.type.tensor_type.shape.dim
        if math.prod(dim.dim_value or 1 for dim in dims) > MAX_CONSTANT_ELEMENTS:
            raise InputError(f"a constant has more than {MAX_CONSTANT_ELEMENTS} elements")


def _plain(result: Any) -> Array:
    """Values in the types of the network: floats of any width become float32."""
    array = np.asarray(result)
    if isinstance(result, list) or array.dtype.kind not in "iubfV" or array.dtype == object:
        raise InputError("gives no tensor of numbers, expected one")
    if array.dtype.kind in "fV":
        return array.astype(np.float32)
    return array


class Body(NamedTuple):
    """Simpler operations that the standard defines an operator by.

    Parameters
    ----------
    inputs, outputs : tuple of str
        What the body calls the operation's inputs and outputs, in order.
    operations : tuple of Operation
    opset : int
        Version of the operator set that it is written in.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]
    opset: int


def body_of(operation: Operation, types: Sequence[tuple[str, int]], opset: int) -> Body | None:
    """Return what the standard defines an operator by; None where it has no simpler ones.

    Parameters
    ----------
    operation : Operation
    types : sequence of (str, int)
        Element type of each input, as numpy calls it, and its number of axes.
    opset : int
        Version of the operator set.
    """
    node = operation.proto
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
        function = _function(schema, node, types, opset)
    except Exception:  # schemas and their builders raise errors of C++ of no common class
        return None
    if function is None:
        return None
    given = {one.name: one.default_value for one in schema.attributes.values() if one.default_value.name}
    given |= {one.name: one for one in function.attribute_proto}
    given |= {one.name: one for one in node.attribute}
    version = max((one.version for one in function.opset_import if one.domain in OWN_DOMAINS), default=opset)
    operations = tuple(operation_of(_bound(inner, given), index) for index, inner in enumerate(function.node))
    return Body(tuple(function.input), tuple(function.output), operations, version)


def _bound(inner: Any, given: dict[str, Any]) -> Any:
    """Copy of a node of a body whose attributes are those of the operation."""
    made = onnx.NodeProto()
    made.CopyFrom(inner)
    made.ClearField("attribute")
    for one in inner.attribute:
        if not one.ref_attr_name:
            made.attribute.append(one)
        elif one.ref_attr_name in given:
            copied = made.attribute.add()
            copied.CopyFrom(given[one.ref_attr_name])
            copied.name = one.name
    return made


def _function(schema: Any, node: Any, types: Sequence[tuple[str, int]], opset: int) -> Any:
    helper = onnx.helper
    if schema.has_function:
        versions = [one for one in schema.function_opset_versions if one <= opset]
        data = schema.get_function_with_opset_version(max(versions)) if versions else None
        return onnx.FunctionProto.FromString(data) if isinstance(data, bytes) else data
    if not schema.has_context_dependent_function:
        return None
    protos = [
        helper.make_tensor_type_proto(
            helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [f"axis{at}" for at in range(rank)]
        ).SerializeToString()
        for kind, rank in types
    ]
    versions = [one for one in schema.context_dependent_function_opset_versions if one <= opset]
    data = schema.get_context_dependent_function_with_opset_version(
        max(versions, default=opset), node.SerializeToString(), protos
    )
    return onnx.FunctionProto.FromString(data) if data else None
