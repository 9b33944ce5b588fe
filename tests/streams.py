"""Random tile streams for tests of engines, power and traces."""

import numpy as np
from hypothesis import strategies as st

from hwsim.engine.stream import TileStream


def uniform(steps, read=0, decode=0, compute=0, write=0, **extra):
    """Stream of equal, independent steps on the MAC array."""
    settings = {"latency": 0, "turnaround": 0, "fetch_depth": 2, "decode_depth": 2} | extra

    def column(value):
        return np.full(steps, value, np.int64)

    return TileStream(
        column(0),
        column(0),
        column(read),
        column(decode),
        column(compute),
        column(write),
        column(-1),
        column(-1),
        **settings,
    )


@st.composite
def streams(draw, most=40, least=0):
    """Streams of any shape: shared channel, slow and fast decoders, zero steps, spills, two units."""
    n = draw(st.integers(least, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    longest = [draw(st.sampled_from([0, 1, 3, 20, 100])) for _ in range(4)]
    idle = draw(st.sampled_from([0.0, 0.2, 0.7]))
    linked = draw(st.sampled_from([0.0, 0.2, 0.9]))

    def ticks(most):
        return rng.integers(0, most + 1, n) * (rng.random(n) >= idle)

    def link(chance):
        earlier = (rng.random(n) * np.arange(n)).astype(np.int64)
        return np.where((rng.random(n) < chance) & (np.arange(n) > 0), earlier, -1)

    return TileStream(
        np.sort(rng.integers(0, 4, n)),
        rng.integers(0, 2, n) if draw(st.booleans()) else np.zeros(n, np.int64),
        *(ticks(most) for most in longest),
        link(linked),
        link(linked / 3),
        draw(st.sampled_from([0, 1, 7, 100])),
        draw(st.sampled_from([0, 1, 10])),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
    )
