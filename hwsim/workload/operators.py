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
    reads : {"element", "row", "more"}
        What of its inputs an output element depends on: the element of the same place, the same row (the
        pixel's or token's channels included), or more.
    """

    name: str
    kind: str | None
    ops: int | None
    gradient: Literal["input", "output", "nothing", "passed"] = "input"
    joins: bool = False
    reads: Literal["element", "row", "more"] = "more"


OTHER_ELEMENTWISE = (
    "affine", "hard_sigmoid", "hard_swish", "erf", "exp", "log", "pow", "reciprocal", "sqrt", "div",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "softplus", "elu",
    "gelu_tanh", "prelu", "ceil", "sign", "mod", "round_levels",
)  # fmt: skip
"""Operators without a row of their own; they work element by element."""

OPERATORS: dict[str, Operator] = {
    row.name: row
    for row in (
        Operator("max_pool", "maxpool", None),
        Operator("avg_pool", "avgpool", None, "nothing"),
        Operator("global_avg_pool", "globalpool", None, "nothing"),
        Operator("reduce_mean", None, None, "nothing"),
        Operator("lrn", "lrn", None, reads="row"),
        Operator("lstm_cell", "lstm_cell", None),
        Operator("gru_cell", None, None),
        Operator("rnn_cell", None, None),
        Operator("log_softmax", None, None, "output", reads="row"),
        Operator("relu", "relu", 1, "output", reads="element"),
        Operator("clip", "relu6", 2, "output", reads="element"),
        Operator("leaky_relu", None, None, "output", reads="element"),
        Operator("sigmoid", "sigmoid", FUNCTION_OPS, "output", reads="element"),
        Operator("tanh", "tanh", FUNCTION_OPS, "output", reads="element"),
        Operator("silu", "silu", 5, reads="element"),  # sigmoid, multiply
        Operator("gelu", "gelu", 9, reads="element"),  # tanh of a cubic
        Operator("softmax", "softmax", 8, "output", reads="row"),  # maximum, subtract, exp, sum, scale
        Operator("layer_norm", "layernorm", 7, reads="row"),  # sum, centre, square, sum, scale, gain, offset
        Operator("group_norm", "groupnorm", 7),  # as layer_norm
        Operator("rms_norm", "rmsnorm", 4, reads="row"),  # square, sum, scale, gain
        Operator("rope", "rope", 3, reads="element"),  # two multiplications, one addition
        Operator("add", "add", 1, "passed", joins=True, reads="element"),
        Operator("sub", None, None, "passed", reads="element"),
        Operator("mul", "multiply", 1, joins=True, reads="element"),
        # one input times a number, added to the other
        Operator("axpy", "axpy", 2, "passed", joins=True, reads="element"),
        Operator("linear", None, None, "passed", reads="element"),
        Operator("neg", None, None, "passed", reads="element"),
        Operator("concat", "concat", 1, "passed", reads="row"),  # a move
        Operator("store", "store", 1, "passed", reads="element"),  # a move to a cache
        # absolute maximum, scale, round, clip
        Operator("quantize", "quantize", 4, "passed", reads="element"),
        Operator("pad", "channelpad", None, "passed", reads="row"),
        Operator("transpose", None, None, "passed"),
        Operator("slice", None, None, "passed"),
        Operator("gather", None, None, "passed"),
        *(Operator(name, None, None, reads="element") for name in OTHER_ELEMENTWISE),
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

GRU_CELL_OPS = 18
"""Per hidden unit: two sigmoids, one tanh, three products, three sums."""

RNN_CELL_OPS = FUNCTION_OPS
"""Per hidden unit: one tanh."""

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
