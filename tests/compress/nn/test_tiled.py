"""Packed layers: the sums are those of the plain ones, whatever the shapes, the memory and the company."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from compress.nn.network import Network, Node
from compress.nn.ops import OPS, Context
from compress.nn.ops.tile import ROWS, WIDTH
from compress.nn.ops.tiled import packed, padded
from compress.nn.ops.window import channels_last
from compress.nn.tiling import tiled
from hwsim.errors import InputError

RNG = np.random.default_rng(7)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def run(op, x, weight, bias=None, ctx=None, **attrs):
    params = (packed(weight), padded(bias, len(weight)))
    return OPS[f"tiled_{op}"].forward((x,), params, {**attrs, "shape": weight.shape}, ctx or Context())


def expected(op, x, weight, bias=None, **attrs):
    params = [weight, *([] if bias is None else [bias])]
    wide = [array.astype(np.float64) for array in (x, *params)]
    return OPS[op].forward((wide[0],), tuple(wide[1:]), attrs, Context())


@pytest.mark.parametrize(
    ("filters", "channels"), [(1, 1), (5, 3), (16, 8), (WIDTH, 4), (WIDTH + 8, 5), (2 * WIDTH + 1, 2)]
)
@pytest.mark.parametrize(
    ("kernel", "attrs"),
    [
        ((1, 1), {}),
        ((1, 1), {"stride": (2, 2)}),
        ((3, 3), {"pads": (1, 1, 1, 1)}),
        ((3, 2), {"stride": (2, 1), "pads": (0, 1, 2, 0)}),
        ((2, 3), {"dilation": (2, 1), "pads": (1, 0, 1, 0)}),
    ],
)
def test_a_convolution_of_any_shape(filters, channels, kernel, attrs):
    for batch, size in product((1, 3), ((3, 3), (7, 9))):
        x, weight, bias = normal(batch, channels, *size), normal(filters, channels, *kernel), normal(filters)
        found = run("conv", x, weight, bias, **attrs)
        wanted = expected("conv", x, weight, bias, **attrs)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, ROWS // 4 + 1, ROWS, ROWS + 1, 5 * ROWS + 3])
@pytest.mark.parametrize("outputs", [3, WIDTH // 2, WIDTH, WIDTH + 5])
def test_a_fully_connected_layer_of_any_shape(rows, outputs):
    x, weight = normal(rows, 33), normal(outputs, 33)
    np.testing.assert_allclose(run("fc", x, weight), expected("fc", x, weight), rtol=1e-5, atol=1e-5)


def test_leading_dimensions_stay():
    x, weight = normal(2, 3, 5, 8), normal(4, 8)
    assert run("fc", x, weight).shape == (2, 3, 5, 4)
    assert run("fc", x[:, :0], weight).shape == (2, 0, 5, 4)


@pytest.mark.parametrize("kernel", [1, 3])
def test_memory_may_lie_in_any_order(kernel):
    whole = normal(2, 12, 10, 8)
    weight = normal(6, 4, kernel, kernel)
    last = channels_last(whole).transpose(0, 3, 1, 2)
    views = (whole[:, 4:8], last[:, 4:8], last[:, 4:8, ::-1], last[:, ::3], last[:, :4].astype(np.float64))
    for view in views:
        found = run("conv", view, weight)
        plain = run("conv", np.ascontiguousarray(view, np.float32), weight)
        assert np.array_equal(found, plain)


def test_an_item_has_the_same_bytes_alone_and_in_any_batch():
    x, weight = normal(5, 3, 9, 7), normal(40, 3, 3, 3)
    together = run("conv", x, weight)
    for at in range(5):
        assert np.array_equal(run("conv", x[at : at + 1], weight)[0], together[at])
    rows, matrix = normal(29, 50), normal(40, 50)
    together = run("fc", rows, matrix)
    for at in (0, 11, 28):
        assert np.array_equal(run("fc", rows[at : at + 1], matrix)[0], together[at])


def test_limits_keep_what_is_no_number():
    x = np.array([[np.nan], [-2.0], [9.0], [1.0]], np.float32)
    found = run("fc", x, np.ones((1, 1), np.float32), ctx=Context(limits=(0.0, 6.0)))
    np.testing.assert_array_equal(found, [[np.nan], [0.0], [6.0], [1.0]])


def test_limits_beyond_the_range_of_a_type_are_infinite():
    assert Context(limits=(-1e300, 1e300)).bounds(np.dtype(np.float32)) == (-np.inf, np.inf)


def test_each_block_gets_its_tail_once():
    x, weight = normal(1, 2, 150, 160), normal(WIDTH + 3, 2, 1, 1)
    seen = []

    def tail(block, rows):
        seen.extend(range(rows.start, rows.stop))
        block += 100

    found = run("conv", x, weight, ctx=Context(tail=tail))
    assert seen == list(range(150 * 160))
    np.testing.assert_allclose(found, run("conv", x, weight) + 100, rtol=1e-6)


def test_packed_weights_of_another_shape_or_type():
    weight, attrs = normal(5, 3), {"shape": (5, 3)}
    panels, bias = packed(weight), padded(None, 5)
    infer = OPS["tiled_fc"].infer
    assert infer(((2, 3),), (panels.shape, bias.shape), attrs) == ((2, 5),)
    with pytest.raises(InputError, match="packed weights and bias have shapes"):
        infer(((2, 3),), (panels.shape, (5,)), attrs)
    with pytest.raises(InputError, match="packed weights and bias have shapes"):
        infer(((2, 3),), ((1, 2, WIDTH), bias.shape), attrs)
    with pytest.raises(InputError, match=r"shape of the weights is \(5, 0\)"):
        infer(((2, 3),), ((1, 0, WIDTH), bias.shape), {"shape": (5, 0)})
    x = normal(4, 3)
    narrow = np.round(panels * 10).astype(np.int8)
    found = OPS["tiled_fc"].forward((x,), (narrow, bias), attrs, Context())
    np.testing.assert_allclose(found, x @ np.round(weight * 10).T, rtol=1e-5, atol=1e-5)


def network():
    nodes = (
        Node("first", "conv", ("input",), {"pads": (1, 1, 1, 1)}, ("kernels", "shift")),
        Node("again", "conv", ("first",), {"pads": (1, 1, 1, 1)}, ("kernels",)),
        Node("groups", "conv", ("again",), {"groups": 2}, ("half",)),
        Node("apart", "conv", ("groups",), {"dilation": (1, 2)}, ("spread",)),
        Node("flat", "flatten", ("apart",)),
        Node("scores", "fc", ("flat",), {}, ("matrix",)),
    )
    params = {
        "kernels": normal(4, 4, 3, 3),
        "shift": normal(4),
        "half": normal(4, 2, 1, 1),
        "spread": normal(2, 4, 1, 2),
        "matrix": normal(3, 2 * 5 * 4),
    }
    return Network("net", (4, 5, 6), nodes, params)


def test_a_network_keeps_its_names_and_its_answers():
    plain = network()
    made = tiled(plain)
    assert [node.op for node in made.nodes] == [
        "tiled_conv", "tiled_conv", "conv", "conv", "flatten", "tiled_fc",
    ]  # fmt: skip
    assert [node.name for node in made.nodes] == [node.name for node in plain.nodes]
    x = normal(3, 4, 5, 6)
    np.testing.assert_allclose(made.forward(x), plain.forward(x), rtol=1e-4, atol=1e-4)


def test_tied_weights_are_packed_once_and_shared_ones_stay():
    made = tiled(network())
    assert made.nodes[0].params[0] == made.nodes[1].params[0]
    assert "kernels" not in made.params
    read = Node("read", "mul", ("scores", "factor"))
    last = replace(network().nodes[-1], params=("matrix",))
    nodes = (*network().nodes[:-1], last, read, Node("sum", "reduce_sum", ("matrix",), {"axes": (0, 1)}))
    plain = replace(
        network(), nodes=nodes, params={**network().params, "factor": normal(3)}, outputs=("read", "sum")
    )
    assert tiled(plain).params["matrix"] is plain.params["matrix"]
