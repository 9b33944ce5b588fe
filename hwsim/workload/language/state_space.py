"""The layers of a selective state space (Mamba, Gu and Dao, arXiv 2312.00752, algorithm 2).

The state of a sequence takes the place of its keys and values. A pass reads it once and writes it once,
however many tokens it has; the scan keeps it on chip meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.workload.language.forms import VECTOR_BITS
from hwsim.workload.language.layers import OUTSIDE
from hwsim.workload.layer import dense_storage, vector
from hwsim.workload.operators import FUNCTION_OPS

if TYPE_CHECKING:
    from hwsim.workload.language.attention import Step
    from hwsim.workload.language.layers import Layers
    from hwsim.workload.language.model import StateSpace

SCAN_OPS = FUNCTION_OPS + 6
"""Per element of the state and token: its decay (a product, exp), decay and input applied (two products, a
sum), and its part of the output (a product, a sum)."""


def add_state_space(layers: Layers, part: StateSpace, source: int, features: int, step: Step) -> int:
    """Add a state space, and return the index of its output."""
    tokens, width = step.tokens, part.width
    both = layers.matrix("in", source, features, 2 * width, tokens, bias=part.bias)
    taps = part.kernel + part.convolution_bias
    mixed = layers.each(
        "convolution", "linear", (both,), tokens, tokens * width, 2 * taps * tokens * width,
        weights=dense_storage(0, side_bits=VECTOR_BITS * taps * width),
    )  # fmt: skip
    mixed = layers.each("silu", "silu", (mixed,), tokens, tokens * width)
    chosen = layers.matrix("select", mixed, width, part.rank + 2 * part.state, tokens)
    time = layers.matrix("time", chosen, part.rank, width, tokens, bias=True)
    scanned = _add_scan(layers, part, (mixed, chosen, time), step)
    gated = layers.each("gate", "silu", (both,), tokens, tokens * width)
    product = layers.each("product", "mul", (gated, scanned), tokens, tokens * width)
    return layers.matrix("out", product, width, features, tokens, bias=part.bias)


def _add_scan(layers: Layers, part: StateSpace, sources: tuple[int, ...], step: Step) -> int:
    """The recurrence over tokens: it reads the state of the sequence, and leaves it behind."""
    tokens, width, state = step.tokens, part.width, part.state_elements
    storage = layers.storage
    made = tokens * (2 * width + part.rank + 2 * part.state)
    scanned = layers.add(
        vector(
            layers.prefix + "scan",
            made + state,
            tokens * width,
            tokens * width * (part.state * SCAN_OPS + FUNCTION_OPS),
            op="linear",
            inputs=(*sources, OUTSIDE),
            arithmetic=storage.arithmetic,
            outside_bits=storage.cache.bits(state, width),
            weights=dense_storage(0, side_bits=VECTOR_BITS * width * (part.state + 1)),
            in_hw=(tokens, 1),
            out_hw=(tokens, 1),
        )
    )
    layers.cached("state", scanned, 1, state, read_on_chip=True)
    return scanned
