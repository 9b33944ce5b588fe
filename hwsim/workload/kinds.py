"""Kinds of layers: from one row of a table and the shapes of its inputs to a `Layer`.

A shape is (channels, height, width). Work of vector kinds is counted by `hwsim.workload.operators`.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from hwsim.errors import InputError
from hwsim.workload.layer import (
    OPERAND_BITS,
    Layer,
    conv,
    dense_storage,
    fc,
    vector,
)
from hwsim.workload.operators import BY_KIND, LRN_OPS, LSTM_CELL_OPS, ops_per_output
from hwsim.workload.storage import FLOAT_BITS, stored_dense, stored_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.csvfile import Row
    from hwsim.workload.layer import Norm, StoredWeights

Shape = tuple[int, int, int]

GEOMETRY = ("filters", "kernel", "stride", "pad", "groups")
STORAGE = ("bias", "norm", "weight_density", "value_bits", "index_bits")
WINDOW = frozenset({"kernel", "stride", "pad"})

NORM_PARAMETERS = {"layernorm": 2, "groupnorm": 2, "rmsnorm": 1}
"""Parameters per channel, fetched with the layer."""

KINDS: dict[str, frozenset[str]] = {
    "conv": frozenset({*GEOMETRY, *STORAGE}),
    "fc": frozenset({"filters", *STORAGE}),
    "matmul": frozenset({"filters", "groups"}),
    "maxpool": WINDOW,
    "avgpool": WINDOW,
    "globalpool": frozenset(),
    "lrn": frozenset({"kernel"}),
    "lstm_cell": frozenset(),
    "channelpad": frozenset({"filters"}),
    **{kind: frozenset() for kind, operator in BY_KIND.items() if operator.ops is not None},
}
"""Kind -> the columns of geometry and storage it uses; the others must be empty."""

MAX_ELEMENTS = 1 << 44
"""Largest number of elements of a tensor."""

MAX_VALUE_BITS = 64
"""Widest weight that can be stored."""

WITH_WEIGHTS = frozenset({"conv", "fc", *NORM_PARAMETERS})
ELEMENTWISE_PAIRS = tuple(kind for kind, operator in BY_KIND.items() if operator.joins)
SEVERAL_INPUTS = frozenset({"fc", "matmul", "concat", "lstm_cell", *ELEMENTWISE_PAIRS})
SAME_SHAPE = frozenset({"conv", "maxpool", "avgpool", "globalpool", "lrn", "channelpad"})
"""Kinds that must see their input exactly as it was made; others may regroup its elements."""


def is_sequence(row: Row, inherited: bool) -> bool:
    """Whether a layer sees a sequence, as a 1-D layer does: its width is empty where its height is given.

    Parameters
    ----------
    row : Row
    inherited : bool
        Whether its inputs are sequences: so is then what a row sees that gives no shape.
    """
    if row.cells.get("channels"):
        return bool(row.cells.get("height")) and not row.cells.get("width")
    return inherited


def build_layer(
    row: Row, name: str, kind: str, sources: Sequence[Shape | None], sequence: bool = False
) -> tuple[Layer, Shape]:
    """Layer of one row and the shape of its output.

    Parameters
    ----------
    row : Row
    name, kind : str
    sources : sequence of Shape or None
        Output shapes of its inputs, None for those from outside the table.
    sequence : bool
        Its height is a length: one number for kernel, stride or padding is along it.

    Raises
    ------
    InputError
        If shapes do not match, a dimension is missing or zero, or a cell cannot be read.
    """
    shape = _input_shape(row, kind, sources)
    _require_size(row, "channels", *shape)
    extra: dict[str, Any] = {
        "input_density": row.number("input_density", 0.0, 1.0, default=1.0),
        "arithmetic": row.text("arithmetic", OPERAND_BITS, default="fp32"),
    }
    try:
        if kind == "conv":
            return _conv(row, name, shape, _window(row, sequence, kernel=1), extra)
        if kind == "fc":
            return _fc(row, name, shape, extra)
        if kind == "matmul":
            return _matmul(row, name, shape, sources, extra)
        if kind in ("maxpool", "avgpool"):
            return _pool(row, name, shape, _window(row, sequence), extra | {"op": BY_KIND[kind].name})
        return _vector(row, name, kind, shape, sources, extra)
    except InputError as error:
        if str(error).startswith(row.where):
            raise
        raise InputError(f"{row.where}: {error}") from error


def _input_shape(row: Row, kind: str, sources: Sequence[Shape | None]) -> Shape:
    """Shape the layer sees: what its cells say, checked against what its inputs give."""
    given = tuple(row.integer(c, low=1, default=0) for c in ("channels", "height", "width"))
    shape = (given[0], given[1] or 1, given[2] or 1)
    if kind == "concat" and len(sources) > 1:
        made = _joined(row, shape if given[0] else None, sources)
    else:
        made = _made(kind, sources)
    if made is None:
        if not given[0]:
            raise row.error("channels", "the input's size, which its inputs do not tell")
        return shape
    if not given[0]:
        filled = next((c for c, size in zip(("height", "width"), given[1:], strict=True) if size), None)
        if filled:
            raise row.error(filled, "nothing where channels is empty")
        return made
    if shape != made if kind in SAME_SHAPE else prod(shape) != prod(made):
        raise InputError(
            f"{row.where}: {kind} expects an input of {_text(shape)}, but its inputs give {_text(made)}"
        )
    return shape


def _made(kind: str, sources: Sequence[Shape | None]) -> Shape | None:
    """What the inputs give together; None where they do not tell."""
    if kind in ELEMENTWISE_PAIRS:
        return next((shape for shape in sources if shape is not None), None)
    if kind in ("matmul", "lstm_cell") or len(sources) == 1:
        return sources[0]
    known = [shape for shape in sources if shape is not None]
    return (sum(prod(shape) for shape in known), 1, 1) if len(known) == len(sources) else None


def _joined(row: Row, given: Shape | None, sources: Sequence[Shape | None]) -> Shape | None:
    """Inputs of a concat joined by channels, or by height or width where its row says so.

    None where not all of them are known.
    """
    known = [shape for shape in sources if shape is not None]
    if not known:
        return None
    complete = len(known) == len(sources)
    if not (complete or given):
        return None
    whole = known[0] if complete or given is None else given
    for axis in (0, 1, 2) if given else (0,):
        if any(_resized(shape, axis, whole[axis]) != whole for shape in known):
            continue
        total = sum(shape[axis] for shape in known)
        if complete and (axis == 0 or (given and given[axis] == total)):
            return _resized(whole, axis, total)
        if not complete and total < whole[axis]:
            return None
    other = next((shape for shape in known if shape[1:] != whole[1:]), known[-1])
    raise InputError(
        f"{row.where}: concat cannot join {_text(whole)} and {_text(other)}, "
        "expected equal heights and widths"
    )


def _resized(shape: Shape, axis: int, size: int) -> Shape:
    """Shape with another size along one axis."""
    channels, height, width = (size if i == axis else old for i, old in enumerate(shape))
    return channels, height, width


class _Window(NamedTuple):
    """Kernel, stride and padding, height first."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]


def _window(row: Row, sequence: bool, kernel: int | None = None) -> _Window:
    """Window of a row; in a sequence, one number is along its length and leaves the width alone."""

    def pair(column: str, low: int, default: int | None) -> tuple[int, int]:
        along, across = row.pair(column, low, default)
        return (along, low) if sequence and "x" not in row.cells.get(column, "") else (along, across)

    return _Window(pair("kernel", 1, kernel), pair("stride", 1, 1), pair("pad", 0, 0))


def _conv(row: Row, name: str, shape: Shape, window: _Window, extra: dict[str, Any]) -> tuple[Layer, Shape]:
    filters, groups = row.integer("filters", low=1), row.integer("groups", low=1, default=1)
    kernel, stride, pad = window
    _require_size(row, "filters", filters, shape[0], *kernel)
    _require_size(row, "filters", filters, *(size + 2 * p for size, p in zip(shape[1:], pad, strict=True)))
    layer = conv(
        name,
        shape[0],
        shape[1:],
        filters,
        kernel,
        stride,
        pad,
        groups,
        **extra,
    )
    return _with_weights(row, layer), (filters, *layer.out_hw)


def _fc(row: Row, name: str, shape: Shape, extra: dict[str, Any]) -> tuple[Layer, Shape]:
    filters = row.integer("filters", low=1)
    _require_size(row, "filters", filters, *shape)
    layer = fc(name, prod(shape), filters, **extra)
    return _with_weights(row, layer), (layer.filters, 1, 1)


def _with_weights(row: Row, layer: Layer) -> Layer:
    density = row.number("weight_density", 0.0, 1.0, default=1.0)
    norm = cast("Norm", row.text("norm", ("none", "batch"), default="none"))
    return replace(layer, weight_density=density, weights=_stored(row, layer, density), norm=norm)


def _stored(row: Row, layer: Layer, density: float) -> StoredWeights:
    bits = row.integer("value_bits", low=1, high=MAX_VALUE_BITS, default=layer.operand_bits)
    filters = layer.filters * layer.groups
    bias = row.text("bias", ("yes", "no"), default="yes") == "yes"
    if not row.cells.get("index_bits"):
        return stored_dense(layer.weight_count, bits, filters, bias=bias)
    gap_bits = row.integer("index_bits", low=1, high=16)
    return stored_entries("pruned", layer.weight_count, filters, density, bits, gap_bits, bias=bias)


def _matmul(
    row: Row, name: str, shape: Shape, sources: Sequence[Shape | None], extra: dict[str, Any]
) -> tuple[Layer, Shape]:
    filters, groups = row.integer("filters", low=1), row.integer("groups", low=1, default=1)
    channels, pixels = shape[0], shape[1] * shape[2]
    if channels % groups or filters % groups:
        raise row.error("groups", f"a divisor of {channels} channels and {filters} filters")
    second = channels * filters // groups
    _require_size(row, "filters", second)
    _require_size(row, "filters", filters, pixels)
    if len(sources) != 2:
        raise row.error("inputs", "two inputs of a matmul")
    if sources[1] is not None and prod(sources[1]) != second:
        raise InputError(
            f"{row.where}: matmul expects a second input of {second} elements, but "
            f"{_text(sources[1])} has {prod(sources[1])}"
        )
    layer = Layer(
        name,
        "matmul",
        pixels,
        filters // groups,
        channels // groups,
        prod(shape) + second,
        filters * pixels,
        groups,
        **extra,
    )
    return layer, (filters, *shape[1:])


def _vector(
    row: Row, name: str, kind: str, shape: Shape, sources: Sequence[Shape | None], extra: dict[str, Any]
) -> tuple[Layer, Shape]:
    elements = prod(shape)
    extra["op"] = BY_KIND[kind].name
    if kind == "globalpool":
        return vector(name, elements, shape[0], elements, **extra), (shape[0], 1, 1)
    if kind == "lrn":
        ops = elements * (row.integer("kernel", low=1) + LRN_OPS)
        return vector(name, elements, elements, ops, **extra), shape
    if kind == "lstm_cell":
        return _lstm_cell(row, name, shape, extra)
    if kind == "channelpad":
        return _channelpad(row, name, shape, extra)
    if kind in ELEMENTWISE_PAIRS:
        _require_equal(row, kind, sources)
    if kind in NORM_PARAMETERS:
        parameters = NORM_PARAMETERS[kind] * shape[0]
        extra["weights"] = dense_storage(0, side_bits=FLOAT_BITS * parameters)
    read = elements * (len(sources) if kind in ELEMENTWISE_PAIRS else 1)
    ops = elements * (ops_per_output(BY_KIND[kind], len(sources)) or 0)
    return vector(name, read, elements, ops, **extra), shape


def _pool(row: Row, name: str, shape: Shape, window: _Window, extra: dict[str, Any]) -> tuple[Layer, Shape]:
    kernel, stride, pad = window
    _require_size(row, "pad", shape[0], *pad)
    height, width = (
        (size + 2 * p - k) // s + 1 for size, p, k, s in zip(shape[1:], pad, kernel, stride, strict=True)
    )
    if height < 1 or width < 1:
        raise row.error("kernel", f"a window that fits {_text(shape)}")
    out = shape[0] * height * width
    geometry = {"in_hw": shape[1:], "out_hw": (height, width), **window._asdict()}
    layer = vector(name, prod(shape), out, out * prod(kernel), **geometry, **extra)
    return layer, (shape[0], height, width)


def _channelpad(row: Row, name: str, shape: Shape, extra: dict[str, Any]) -> tuple[Layer, Shape]:
    """Channels of one value after the input's: zeros, or the time of a differential equation."""
    out = (row.integer("filters", low=shape[0]), *shape[1:])
    _require_size(row, "filters", *out)
    return vector(name, prod(shape), prod(out), prod(out), **extra), out


def _lstm_cell(row: Row, name: str, shape: Shape, extra: dict[str, Any]) -> tuple[Layer, Shape]:
    """Four gates and the cell state in, hidden and cell state out; the next layer sees the hidden one."""
    if shape[0] % 4:
        raise row.error("channels", f"four gates of equal size, which {shape[0]} channels are not")
    hidden = (shape[0] // 4, *shape[1:])
    units = prod(hidden)
    return vector(name, 5 * units, 2 * units, units * LSTM_CELL_OPS, **extra), hidden


def _require_equal(row: Row, kind: str, sources: Sequence[Shape | None]) -> None:
    if len(sources) < 2:
        raise row.error("inputs", f"at least two inputs of {kind}")
    known = list(dict.fromkeys(shape for shape in sources if shape is not None))
    if len(known) > 1:
        raise InputError(
            f"{row.where}: {kind} expects inputs of equal size, found {_text(known[0])} and {_text(known[1])}"
        )


def _require_size(row: Row, column: str, *factors: int) -> None:
    if prod(factors) > MAX_ELEMENTS:
        raise row.error(column, f"tensors of at most {MAX_ELEMENTS} elements")


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape))
