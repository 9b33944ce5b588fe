"""Operators against direct loops, finite differences and cases worked by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.nn.network import Network, Node
from compress.nn.ops import OPS, Context
from compress.nn.ops.loss import softmax_cross_entropy
from compress.nn.ops.window import Window
from hwsim.errors import InputError

some = settings(deadline=None, max_examples=25)


def tensor(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Distinct float64 values at least 0.01 apart: no ties and no kink within a difference step."""
    size = int(np.prod(shape))
    return ((rng.permutation(size) + 0.37 - size / 2) * 0.01).reshape(shape)


def single(op: str, inputs: dict, params: dict | None = None, **attrs: object) -> Network:
    """A network of one node whose inputs are parameters, so that their gradients come out too."""
    params = params or {}
    node = Node("y", op, tuple(inputs), attrs, tuple(params))
    return Network("single", (1,), (node,), {**inputs, **params})


def check_gradients(network: Network, rng: np.random.Generator, seed: int = 0) -> None:
    """Every element of every gradient equals the central difference of a random projection."""
    start = np.zeros((1, 1))

    def output(params: dict) -> np.ndarray:
        return network.with_params(params).forward(start, training=True, rng=np.random.default_rng(seed))

    weights = rng.standard_normal(output({}).shape)
    network.forward(start, training=True, rng=np.random.default_rng(seed))
    gradients = network.backward(weights)
    assert gradients.keys() == network.params.keys()
    step = 1e-5
    for name, value in network.params.items():
        assert gradients[name].shape == value.shape
        for index in np.ndindex(value.shape):
            above, below = value.copy(), value.copy()
            above[index] += step
            below[index] -= step
            slope = ((output({name: above}) - output({name: below})) * weights).sum() / (2 * step)
            assert gradients[name][index] == pytest.approx(slope, rel=1e-6, abs=1e-6)


small = st.integers(1, 3)
windows = st.builds(
    lambda kernel, stride, pads, dilation: {
        "kernel": kernel,
        "stride": stride,
        "pads": tuple(min(p, k - 1) for p, k in zip(pads, kernel * 2, strict=True)),
        "dilation": dilation,
    },
    st.tuples(small, small),
    st.tuples(small, small),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
)


@some
@given(windows, small, small, small, small, st.integers(0, 3), st.booleans())
def test_conv_gradients(window, batch, groups, depth, filters, extra, biased):
    rng = np.random.default_rng(1)
    height, width = (
        d * (k - 1) + 1 + extra for d, k in zip(window["dilation"], window["kernel"], strict=True)
    )
    inputs = {"x": tensor(rng, batch, groups * depth, height, width)}
    params = {"w": rng.standard_normal((groups * filters, depth, *window["kernel"]))}
    if biased:
        params["b"] = rng.standard_normal(groups * filters)
    attrs = {key: window[key] for key in ("stride", "pads", "dilation")}
    check_gradients(single("conv", inputs, params, groups=groups, **attrs), rng)


def direct_conv(x, w, b, stride, pads, dilation, groups):
    """Convolution as its definition reads, one output element at a time."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    filters, depth, kh, kw = w.shape
    out_h = (x.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    out_w = (x.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((len(x), filters, out_h, out_w), x.dtype)
    for n, f, r, c in np.ndindex(y.shape):
        first = f // (filters // groups) * depth
        for d, i, j in np.ndindex(depth, kh, kw):
            y[n, f, r, c] += (
                x[n, first + d, r * stride[0] + i * dilation[0], c * stride[1] + j * dilation[1]]
                * w[f, d, i, j]
            )
        y[n, f, r, c] += b[f]
    return y


@some
@given(windows, small, small, small, small)
def test_conv_is_its_definition(window, batch, groups, depth, filters):
    rng = np.random.default_rng(2)
    height, width = (d * (k - 1) + 4 for d, k in zip(window["dilation"], window["kernel"], strict=True))
    x = rng.standard_normal((batch, groups * depth, height, width))
    w = rng.standard_normal((groups * filters, depth, *window["kernel"]))
    b = rng.standard_normal(groups * filters)
    geometry = {key: window[key] for key in ("stride", "pads", "dilation")}
    network = single("conv", {"x": x}, {"w": w, "b": b}, groups=groups, **geometry)
    assert network.forward(np.zeros((1, 1))) == pytest.approx(direct_conv(x, w, b, groups=groups, **geometry))


def test_conv_spans_many_blocks():
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((3, 40, 31, 29)), rng.standard_normal((7, 40, 5, 3))
    network = single("conv", {"x": x}, {"w": w}, pads=(2, 1, 2, 1))
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (5, 3), axis=(2, 3))
    expected = np.einsum("nchwij,fcij->nfhw", patches, w)
    assert network.forward(np.zeros((1, 1))) == pytest.approx(expected)
    network.forward(np.zeros((1, 1)), training=True)
    gradient = network.backward(np.ones_like(expected))["w"]
    assert gradient == pytest.approx(np.broadcast_to(np.einsum("nchwij->cij", patches), w.shape))


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
@some
@given(windows, small, small, st.integers(0, 3), st.booleans(), st.booleans())
def test_pool_gradients(op, window, batch, channels, extra, ceil_mode, include_pad):
    rng = np.random.default_rng(4)
    height, width = (k + extra for k in window["kernel"])
    attrs = {key: window[key] for key in ("kernel", "stride", "pads")}
    attrs["ceil_mode"] = int(ceil_mode)
    if op == "avg_pool":
        attrs["count_include_pad"] = int(include_pad)
    check_gradients(single(op, {"x": tensor(rng, batch, channels, height, width)}, **attrs), rng)


def test_pool_takes_channels_apart_and_keeps_ceil_windows():
    x = np.arange(2 * 5 * 5, dtype=np.float32).reshape(1, 2, 5, 5)
    network = single("max_pool", {"x": x}, kernel=(2, 2), stride=(2, 2), ceil_mode=1)
    expected = np.array([[6, 8, 9], [16, 18, 19], [21, 23, 24]], np.float32)
    assert np.array_equal(network.forward(np.zeros((1, 1)))[0], [expected, expected + 25])
    mean = single("avg_pool", {"x": x}, kernel=(2, 2), stride=(2, 2), ceil_mode=1)
    assert np.array_equal(
        mean.forward(np.zeros((1, 1)))[0, 0], [[3, 5, 6.5], [13, 15, 16.5], [20.5, 22.5, 24]]
    )


def test_convolution_has_no_ceil_mode():
    x, w = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 3, 3), np.float32)
    network = single("conv", {"x": x}, {"w": w}, stride=(2, 2), ceil_mode=1)
    assert network.forward(np.zeros((1, 1))).tolist() == [[[[9]]]]


def test_ceil_mode_drops_a_window_that_starts_in_the_trailing_pad():
    assert Window((2, 2), (2, 2), (1, 1, 1, 1), ceil_mode=True).output_hw((3, 4)) == (2, 3)
    assert Window((2, 2), (2, 2), (1, 1, 1, 1)).output_hw((3, 4)) == (2, 3)
    assert Window((3, 3), (2, 2), ceil_mode=True).output_hw((112, 113)) == (56, 56)
    assert Window((3, 3), (2, 2)).output_hw((112, 113)) == (55, 56)


def test_average_counts_pads_only_when_asked():
    x = np.ones((1, 1, 2, 2), np.float32)
    for include, corner in ((1, 0.25), (0, 1.0)):
        network = single("avg_pool", {"x": x}, kernel=(2, 2), pads=(1, 1, 1, 1), count_include_pad=include)
        y = network.forward(np.zeros((1, 1)))
        assert y[0, 0, 0, 0] == corner
        assert y[0, 0, 1, 1] == 1


def test_max_pool_ties_go_to_the_first_winner():
    x = np.array([[[[1, 7, 7, 0], [7, 7, 0, 0]]]], np.float64)
    network = single("max_pool", {"x": x}, kernel=(2, 2), stride=(2, 2))
    assert network.forward(np.zeros((1, 1)), training=True).tolist() == [[[[7, 7]]]]
    gradient = network.backward(np.array([[[[2.0, 3.0]]]]))["x"]
    assert gradient.tolist() == [[[[0, 2, 3, 0], [0, 0, 0, 0]]]]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32])
def test_max_pool_of_integers_starts_below_all_of_them(kind):
    x = np.full((1, 1, 2, 2), np.iinfo(kind).min, kind)
    x[0, 0, 1, 1] += 3
    attrs = {"kernel": (2, 2), "pads": (1, 1, 0, 0)}
    y = OPS["max_pool"].forward((x,), (), attrs, Context())
    assert y.dtype == kind
    assert (y - x.min()).reshape(-1).tolist() == [0, 0, 0, 3]


def test_overlapping_max_windows_add_their_gradients():
    x = np.array([[[[1, 5, 2]]]], np.float64)
    network = single("max_pool", {"x": x}, kernel=(1, 2))
    network.forward(np.zeros((1, 1)), training=True)
    assert network.backward(np.array([[[[10.0, 1.0]]]]))["x"].tolist() == [[[[0, 11, 0]]]]


@some
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_fc_gradients(batch, inputs, outputs, biased):
    rng = np.random.default_rng(5)
    params = {"w": rng.standard_normal((outputs, inputs))}
    if biased:
        params["b"] = rng.standard_normal(outputs)
    check_gradients(single("fc", {"x": tensor(rng, batch, inputs)}, params), rng)


@pytest.mark.parametrize(
    ("op", "attrs", "count"),
    [
        ("relu", {}, 1),
        ("flatten", {}, 1),
        ("dropout", {"rate": 0.4}, 1),
        ("softmax", {}, 1),
        ("softmax", {"axis": 1}, 1),
        ("global_avg_pool", {}, 1),
        ("concat", {"axis": 1}, 3),
        ("concat", {"axis": -1}, 2),
        ("add", {}, 3),
    ],
)
def test_simple_gradients(op, attrs, count):
    rng = np.random.default_rng(6)
    inputs = {f"x{index}": tensor(rng, 2, 3, 2, 2) for index in range(count)}
    check_gradients(single(op, inputs, **attrs), rng)


@pytest.mark.parametrize("shapes", list(itertools.permutations([(2, 3, 2, 2), (3, 1, 1), (2, 1, 2, 1)])))
def test_add_broadcasts_and_sums_its_gradient_back(shapes):
    rng = np.random.default_rng(7)
    check_gradients(single("add", {f"x{i}": tensor(rng, *shape) for i, shape in enumerate(shapes)}), rng)


def test_concat_of_different_widths():
    rng = np.random.default_rng(8)
    inputs = {"a": tensor(rng, 2, 1, 2, 2), "b": tensor(rng, 2, 4, 2, 2)}
    check_gradients(single("concat", inputs), rng)


def test_dropout_is_the_identity_at_inference_and_keeps_the_mean_in_training():
    x = np.ones((1, 200_000), np.float32)
    network = single("dropout", {"x": x}, rate=0.25)
    assert network.forward(np.zeros((1, 1))) is x
    y = network.forward(np.zeros((1, 1)), training=True, rng=np.random.default_rng(9))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert y.mean() == pytest.approx(1, abs=0.01)
    with pytest.raises(InputError, match="Generator"):
        network.forward(np.zeros((1, 1)), training=True)


def test_softmax_of_huge_logits_is_finite():
    y = single("softmax", {"x": np.array([[1e4, 0.0], [-1e4, -1e4]])}).forward(np.zeros((1, 1)))
    assert y.tolist() == [[1, 0], [0.5, 0.5]]


@some
@given(st.integers(1, 5), st.integers(2, 6), st.booleans())
def test_cross_entropy_gradient(batch, classes, soft):
    rng = np.random.default_rng(10)
    logits = rng.standard_normal((batch, classes))
    labels = rng.integers(classes, size=batch)
    targets = rng.dirichlet(np.ones(classes), batch) if soft else labels
    _, gradient = softmax_cross_entropy(logits, targets)
    for index in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[index] = 1e-6
        above, below = (softmax_cross_entropy(logits + s, targets)[0] for s in (step, -step))
        assert gradient[index] == pytest.approx((above - below) / 2e-6, abs=1e-7)


def test_cross_entropy_by_hand():
    loss, gradient = softmax_cross_entropy(np.log(np.array([[1.0, 3.0], [1.0, 1.0]])), np.array([1, 0]))
    assert loss == pytest.approx((np.log(4 / 3) + np.log(2)) / 2)
    assert gradient == pytest.approx(np.array([[0.25, -0.25], [-0.5, 0.5]]) / 2)


@pytest.mark.parametrize(
    ("op", "inputs", "params", "attrs", "message"),
    [
        ("conv", [(1, 3, 4, 4)], [(2, 2, 3, 3)], {}, "do not fit 3 input channels"),
        ("conv", [(1, 3, 4, 4)], [(2, 3, 5, 5)], {}, "does not fit image"),
        ("conv", [(1, 3, 4, 4)], [(2, 3, 3)], {}, "weights have shape"),
        ("conv", [(1, 4, 4, 4)], [(2, 1, 3, 3)], {"groups": 3}, "3 groups must divide"),
        ("conv", [(1, 3, 4, 4)], [(2, 3, 3, 3), (3,)], {}, "bias has shape"),
        ("conv", [(1, 3, 4, 4)], [(2, 3, 3, 3)], {"stride": (0, 1)}, "stride is"),
        ("conv", [(1, 3, 4, 4)], [(2, 3, 3, 3)], {"pads": (1, 1)}, "pads are"),
        ("conv", [(1, 3, 4, 4)], [], {}, "got 0 parameters, expected 1 to 2"),
        ("conv", [(1, 3, 4, 4)], [(2, 3, 3, 3)], {"stride": 7}, "cannot use attributes"),
        ("max_pool", [(3, 4)], [], {"kernel": (2, 2)}, "expected .batch, channels, height, width."),
        ("conv", [(1, 3, 4, 4)], [(2, 3, 3, 3)], {"pads": (0, 0, 0, 1 << 40)}, "pads are"),
        ("conv", [(1, 3, 4, 4)], [(2, 3, 3, 3)], {"stride": (1.5, 1)}, "cannot use attributes"),
        ("max_pool", [(1, 1, 4, 4)], [], {}, r"kernel is \(\)"),
        ("max_pool", [(1, 1, 4, 4)], [], {"kernel": (2, 2), "dilation": (2, 1)}, "in pooling"),
        ("avg_pool", [(1, 1, 4, 4)], [], {"kernel": (2, 2), "pads": (0, 0, 2, 0)}, "must be smaller"),
        ("fc", [(1, 3)], [(2, 4)], {}, "does not fit weights"),
        ("fc", [(1, 4)], [(2, 4), (4,)], {}, "bias has shape"),
        ("dropout", [(1, 4)], [], {"rate": 1.0}, "dropout rate is 1.0"),
        ("concat", [(1, 4, 2), (1, 4, 3)], [], {"axis": 1}, "differ beside axis 1"),
        ("concat", [(1, 4)], [], {"axis": 2}, "concat axis is 2"),
        ("add", [(2, 3), (2, 4)], [], {}, "cannot be added"),
        ("add", [(2, 3)], [], {}, "got 1 inputs, expected 2"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(op, inputs, params, attrs, message):
    named = {f"x{index}": np.zeros(shape) for index, shape in enumerate(inputs)}
    weights = {f"w{index}": np.zeros(shape) for index, shape in enumerate(params)}
    with pytest.raises(InputError, match=message) as caught:
        single(op, named, weights, **attrs)
    assert "network single, node y" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("op", sorted(name for name, op in OPS.items() if op.backward))
def test_inputs_are_never_written(op):
    shape = (2, 6) if op == "fc" else (2, 3, 4, 4)
    inputs = tuple(np.linspace(-1, 1, int(np.prod(shape))).reshape(shape) for _ in range(OPS[op].inputs[0]))
    params = {"fc": (np.ones((3, 6)), np.ones(3)), "conv": (np.ones((2, 3, 2, 2)), np.ones(2))}.get(op, ())
    for array in (*inputs, *params):
        array.flags.writeable = False
    context = Context(training=True, rng=np.random.default_rng(0), needs=(True,) * len(inputs))
    attrs = {"kernel": (2, 2), "scale": 0.5, "bits": 3, "format": "bf16"}
    y = OPS[op].forward(inputs, params, attrs, context)
    gradient = np.ones_like(y)
    gradient.flags.writeable = False
    OPS[op].backward(gradient, inputs, params, attrs, context)


def test_the_fast_gaussian_unit_is_the_exact_one():
    x = np.concatenate([np.linspace(-20, 20, 100_001), [0.0, 1e-30, -1e-30, 1e30, -1e30]]).astype(np.float32)
    wide = x.astype(np.float64)
    found = OPS["gelu"].forward((x,), (), {}, Context())
    exact = OPS["gelu"].forward((wide,), (), {}, Context())
    assert (found.dtype, exact.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-6)
    ends = OPS["gelu"].forward((np.float32([np.inf, -np.inf, np.nan]),), (), {}, Context())
    np.testing.assert_array_equal(ends, [np.inf, 0, np.nan])
