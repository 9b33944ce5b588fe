"""Vector operators, one row each, with all their properties.

An operator has one name in compressed files, in `Layer.op` and in code. A table of layers has its own
spelling of some names, in `kind`. Only the ONNX modules translate names.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

FUNCTION_OPS = 4
"""Scalar operations of a function of one variable: look-up and interpolation."""


class Operator(NamedTuple):
    """One vector operator.

    Parameters
    ----------
    name : str
    kind : str, optional
        Name in a table of layers; None where tables do not have it.
    ops : int, optional
        Scalar operations for an output element; of an operator with several operands, for each operand after
        the first. None where shapes or attributes decide, or where `compress.nn.ops` says it.
    gradient : {"input", "output", "nothing", "passed"}
        What its gradient needs beside the output's gradient. ``passed`` is no work: the output's gradient
        is moved or scaled.
    joins : bool
        Whether it joins several operands of one shape element by element.
    """

    name: str
    kind: str | None
    ops: int | None
    gradient: Literal["input", "output", "nothing", "passed"] = "input"
    joins: bool = False


OPERATORS: dict[str, Operator] = {
    row.name: row
    for row in (
        Operator("max_pool", "maxpool", None),
        Operator("avg_pool", "avgpool", None, "nothing"),
        Operator("global_avg_pool", "globalpool", None, "nothing"),
        Operator("reduce_mean", None, None, "nothing"),
        Operator("lrn", "lrn", None),
        Operator("lstm_cell", "lstm_cell", None),
        Operator("relu", "relu", 1, "output"),
        Operator("clip", "relu6", 2, "output"),
        Operator("leaky_relu", None, None, "output"),
        Operator("sigmoid", "sigmoid", FUNCTION_OPS, "output"),
        Operator("tanh", "tanh", FUNCTION_OPS, "output"),
        Operator("silu", "silu", 5),  # sigmoid, multiply
        Operator("gelu", "gelu", 9),  # tanh of a cubic
        Operator("softmax", "softmax", 8, "output"),  # maximum, subtract, exp, sum, scale
        Operator("layer_norm", "layernorm", 7),  # sum, centre, square, sum, scale, gain, offset
        Operator("group_norm", "groupnorm", 7),  # as layer_norm
        Operator("rms_norm", "rmsnorm", 4),  # square, sum, scale, gain
        Operator("rope", "rope", 3),  # two multiplications, one addition
        Operator("add", "add", 1, "passed", joins=True),
        Operator("sub", None, None, "passed"),
        Operator("mul", "multiply", 1, joins=True),
        Operator("axpy", "axpy", 2, "passed", joins=True),  # one input times a number, added to the other
        Operator("linear", None, None, "passed"),
        Operator("neg", None, None, "passed"),
        Operator("concat", "concat", 1, "passed"),  # a move
        Operator("pad", "channelpad", None, "passed"),
        Operator("transpose", None, None, "passed"),
        Operator("slice", None, None, "passed"),
        Operator("gather", None, None, "passed"),
    )
}
"""Operators by name. One without a row needs its input for its gradient.

A function of one variable (exp, sigmoid, tanh) counts as `FUNCTION_OPS`; everything else counts its
additions, multiplications, comparisons and moves. Tables of layers and compressed files count alike.
"""

BY_KIND: dict[str, Operator] = {row.kind: row for row in OPERATORS.values() if row.kind}
"""Operators by their name in a table of layers."""

LSTM_CELL_OPS = 24
"""Per hidden unit: three sigmoids, two tanh, three products, one sum."""

LRN_OPS = 6
"""Per element beside the squares of the neighbourhood: a power (4), offset and scale."""


def ops_per_output(operator: Operator, operands: int) -> int | None:
    """Count scalar operations for an output element; None where the table does not say.

    Parameters
    ----------
    operator : Operator
    operands : int
        Inputs that are joined; of no other consequence.
    """
    if operator.ops is None or not operator.joins:
        return operator.ops
    return operator.ops * max(operands - 1, 1)
