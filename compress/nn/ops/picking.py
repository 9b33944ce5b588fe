"""Elements chosen by other elements: indices, order, place; inference only."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.ops.base import MANY, Array, Arrays, Attrs, Context, Op, Shape, same_shape
from compress.nn.ops.shaping import axis_of
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Shapes = tuple[Shape, ...]

REDUCTIONS = {"none": None, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
"""What a scatter does where there is a value already."""


def _infer_gather_elements(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    axis = axis_of(attrs["axis"], len(shapes[0]))
    _check_beside(shapes[0], shapes[1], axis)
    return (shapes[1],)


def _check_beside(data: Shape, places: Shape, axis: int) -> None:
    """Indices have to lie within the data along all other axes."""
    if len(places) != len(data) or any(
        size > whole for at, (size, whole) in enumerate(zip(places, data, strict=True)) if at != axis
    ):
        raise InputError(f"indices have shape {places}, expected one that fits {data} beside axis {axis}")


def _within(places: Array, size: int) -> Array:
    """Indices counted from the front.

    Raises
    ------
    InputError
        If one is outside `size` elements.
    """
    if places.size and not -size <= places.min() <= places.max() < size:
        raise InputError(f"an index is outside {size} elements")
    return np.asarray(np.where(places < 0, places + size, places))


def _gather_elements(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    data, places = inputs
    axis = axis_of(attrs["axis"], data.ndim)
    within = data[tuple(slice(size) if at != axis else slice(None) for at, size in enumerate(places.shape))]
    return np.take_along_axis(within, _within(places, data.shape[axis]), axis)


def _infer_scatter_elements(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    _check_beside(shapes[0], shapes[1], axis_of(attrs["axis"], len(shapes[0])))
    if shapes[1] != shapes[2]:
        raise InputError(f"indices and updates have shapes {shapes[1:]}, expected the same")
    _check_reduction(attrs)
    return (shapes[0],)


def _check_reduction(attrs: Attrs) -> None:
    if attrs.get("reduction", "none") not in REDUCTIONS:
        raise InputError(f"reduction is {attrs['reduction']!r}, expected one of {', '.join(REDUCTIONS)}")


def _scatter(data: Array, at: tuple[Array, ...], updates: Array, attrs: Attrs) -> Array:
    result, ufunc = data.copy(), REDUCTIONS[attrs.get("reduction", "none")]
    if ufunc is None:
        result[at] = updates
    else:
        ufunc.at(result, at, updates)
    return result


def _scatter_elements(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    data, places, updates = inputs
    axis = axis_of(attrs["axis"], data.ndim)
    at: list[Array] = list(np.indices(places.shape, sparse=True))
    at[axis] = _within(places, data.shape[axis])
    return _scatter(data, tuple(at), updates, attrs)


def _infer_gather_nd(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    data, places = shapes
    together = int(attrs.get("batch_dims", 0))
    if not 0 <= together < min(len(data), len(places)) or data[:together] != places[:together]:
        raise InputError(f"{together} leading axes of {data} and {places} are not the same")
    depth = places[-1]
    if not 1 <= depth <= len(data) - together:
        raise InputError(f"indices have shape {places}, expected at most {len(data) - together} in a row")
    return ((*places[:-1], *data[together + depth :]),)


def _gather_nd(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    data, places = inputs
    together = int(attrs.get("batch_dims", 0))
    lead = data.shape[:together]
    flat, rows = (
        data.reshape(-1, *data.shape[together:]),
        places.reshape(math.prod(lead), -1, places.shape[-1]),
    )
    at = tuple(_within(rows[..., k], flat.shape[k + 1]) for k in range(rows.shape[-1]))
    items = np.arange(len(flat))[:, np.newaxis]
    return flat[(items, *at)].reshape(*places.shape[:-1], *data.shape[together + places.shape[-1] :])


def _infer_scatter_nd(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    data, places, updates = shapes
    depth = places[-1] if places else 0
    if not 1 <= depth <= len(data) or updates != (*places[:-1], *data[depth:]):
        raise InputError(f"indices and updates have shapes {places} and {updates}, which do not fit {data}")
    _check_reduction(attrs)
    return (data,)


def _scatter_nd(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    data, places, updates = inputs
    at = tuple(_within(places[..., k], data.shape[k]) for k in range(places.shape[-1]))
    return _scatter(data, at, updates, attrs)


def _infer_topk(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    axis, k = axis_of(attrs["axis"], len(shapes[0])), int(attrs["k"])
    if not 0 <= k <= shapes[0][axis]:
        raise InputError(f"k is {k}, expected 0 to the {shapes[0][axis]} elements of axis {axis}")
    shape = (*shapes[0][:axis], k, *shapes[0][axis + 1 :])
    return (shape, shape)


def _topk(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Arrays:
    """The largest (or smallest) elements in order, and their places; of equals, the first."""
    x, axis = inputs[0], attrs["axis"]
    if attrs.get("largest", 1):  # reversed twice, so that of equals the first stays first
        order = np.flip(x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    places = np.take(order, np.arange(attrs["k"]), axis=axis)
    return np.take_along_axis(x, places, axis), places.astype(np.int64)


def _infer_place(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    axis = axis_of(attrs["axis"], len(shapes[0]))
    kept = (1,) if attrs.get("keepdims", 1) else ()
    return ((*shapes[0][:axis], *kept, *shapes[0][axis + 1 :]),)


def _place(function: Callable[..., Array]) -> Op:
    def forward(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
        x, axis, keepdims = inputs[0], attrs["axis"], bool(attrs.get("keepdims", 1))
        if not attrs.get("select_last_index", 0):
            return function(x, axis=axis, keepdims=keepdims)
        return np.asarray(x.shape[axis] - 1 - function(np.flip(x, axis), axis=axis, keepdims=keepdims))

    return Op(_infer_place, forward)


def _infer_cumsum(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    axis_of(attrs["axis"], len(shapes[0]))
    for name in ("exclusive", "reverse"):
        if attrs.get(name, 0) not in (0, 1):
            raise InputError(f"{name} is {attrs[name]!r}, expected 0 or 1")
    return (shapes[0],)


def _cumsum(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    x, axis = inputs[0], attrs["axis"]
    x = np.flip(x, axis) if attrs.get("reverse", 0) else x
    total = np.cumsum(x, axis=axis, dtype=x.dtype)
    if attrs.get("exclusive", 0):
        total = np.roll(total, 1, axis)
        total[tuple(slice(None) if at != axis % x.ndim else 0 for at in range(x.ndim))] = 0
    return np.flip(total, axis) if attrs.get("reverse", 0) else total


def _infer_trilu(shapes: Shapes, params: Shapes, attrs: Attrs) -> Shapes:
    int(attrs["k"])
    if len(shapes[0]) < 2:
        raise InputError(f"input has shape {shapes[0]}, expected matrices")
    return same_shape(shapes, params, attrs)


def _trilu(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Upper (or lower) triangle of each matrix, from the diagonal ``k`` on."""
    return (np.triu if attrs.get("upper", 1) else np.tril)(inputs[0], attrs["k"])


def _infer_tile(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    repeats = tuple(attrs["repeats"])
    if len(repeats) != len(shapes[0]) or min(repeats, default=0) < 0:
        raise InputError(f"repeats are {repeats}, expected one for each axis of {shapes[0]}")
    return (tuple(size * count for size, count in zip(shapes[0], repeats, strict=True)),)


def _infer_one_hot(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    axis, depth = axis_of(attrs["axis"], len(shapes[0]) + 1), int(attrs["depth"])
    if depth < 1:
        raise InputError(f"depth is {depth}, expected at least 1")
    float(attrs["off"]), float(attrs["on"])
    return ((*shapes[0][:axis], depth, *shapes[0][axis:]),)


def _one_hot(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """``on`` at the place that each element numbers along a new axis, ``off`` elsewhere."""
    places, depth = np.expand_dims(inputs[0].astype(np.int64), attrs["axis"]), attrs["depth"]
    axis = axis_of(attrs["axis"], places.ndim)
    numbers = np.arange(depth).reshape(tuple(-1 if at == axis else 1 for at in range(places.ndim)))
    hit = np.where(places < 0, places + depth, places) == numbers
    return np.where(hit, np.float32(attrs["on"]), np.float32(attrs["off"]))


def _infer_einsum(shapes: Shapes, _params: Shapes, attrs: Attrs) -> Shapes:
    if not isinstance(attrs["equation"], str):
        raise InputError(f"equation is {attrs['equation']!r}, expected a text")
    left, arrow, right = attrs["equation"].replace(" ", "").partition("->")
    terms = left.split(",")
    try:
        sizes, more = _sizes_by_letter(terms, shapes)
        if not arrow:
            once = sorted(letter for letter in sizes if left.count(letter) == 1)
            right = ("..." if "..." in left else "") + "".join(once)
        begin, named = right.find("..."), right.replace("...", "")
        shape = [sizes[letter] for letter in named]
        if begin >= 0:
            shape[begin:begin] = more
    except (ValueError, KeyError):
        raise InputError(f"equation {attrs['equation']!r} does not fit shapes {shapes}") from None
    return (tuple(shape),)


def _sizes_by_letter(terms: list[str], shapes: Shapes) -> tuple[dict[str, int], Shape]:
    """Size of the axis of each letter, and of those that three dots stand for."""
    sizes: dict[str, int] = {}
    more: Shape = ()
    for term, shape in zip(terms, shapes, strict=True):
        named, begin = term.replace("...", ""), term.find("...")
        extra = len(shape) - len(named)
        if (not named.isalpha() and named) or extra < 0 or (extra and begin < 0):
            raise ValueError
        lead = len(named) if begin < 0 else begin
        more = np.broadcast_shapes(more, shape[lead : lead + extra])
        for letter, size in zip(named, (*shape[:lead], *shape[lead + extra :]), strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ValueError
    return sizes, more


def einsum_work(equation: str, shapes: Sequence[tuple[int, ...]]) -> int:
    """Count a product and a sum for each combination of the letters of an equation."""
    sizes: dict[str, int] = {}
    for term, shape in zip(equation.partition("->")[0].replace("...", "").split(","), shapes, strict=True):
        sizes |= dict(zip(term, shape[-len(term) :], strict=False)) if term else {}
    return 2 * math.prod(sizes.values())


def _einsum(inputs: Arrays, _params: Arrays, attrs: Attrs, _ctx: Context) -> Array:
    """Sum of products over the letters that the result does not name (Einstein's convention)."""
    return np.asarray(np.einsum(attrs["equation"].replace(" ", ""), *inputs, optimize=True))


OPS = {
    "gather_elements": Op(_infer_gather_elements, _gather_elements, inputs=(2, 2)),
    "gather_nd": Op(_infer_gather_nd, _gather_nd, inputs=(2, 2)),
    "scatter_elements": Op(_infer_scatter_elements, _scatter_elements, inputs=(3, 3), work=1),
    "scatter_nd": Op(_infer_scatter_nd, _scatter_nd, inputs=(3, 3), work=1),
    "topk": Op(_infer_topk, _topk),
    "argmax": _place(np.argmax),
    "argmin": _place(np.argmin),
    "cumsum": Op(_infer_cumsum, _cumsum),
    "trilu": Op(_infer_trilu, _trilu),
    "tile": Op(_infer_tile, lambda inputs, _params, attrs, _ctx: np.tile(inputs[0], attrs["repeats"])),
    "one_hot": Op(_infer_one_hot, _one_hot),
    "einsum": Op(_infer_einsum, _einsum, inputs=(1, MANY)),
}
