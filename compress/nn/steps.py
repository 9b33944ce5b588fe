"""What executes at once: a layer, and what happens to each element of its output.

A layer computes its output in blocks that stay in cache. Activations, sums and products that follow are
applied to each block before the next one is computed, so that memory sees only the result. The answers are
those of the operators one after another, up to rounding.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from compress.nn.ops import OPS
from compress.nn.ops.base import NO_LIMITS, Context
from compress.nn.ops.window import channels_last

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from compress.nn.node import Node
    from compress.nn.ops.base import Array, Shape, Tail

IMAGES = frozenset(("conv", "tiled_conv"))
HEADS = IMAGES | {"tiled_fc"}
"""Layers that apply a tail to their blocks; the channels of each position lie side by side in a block."""

UNARY = frozenset(
    ("relu", "clip", "sigmoid", "silu", "gelu", "gelu_tanh", "tanh", "hard_sigmoid", "hard_swish",
     "leaky_relu", "elu", "linear")
)  # fmt: skip
BINARY = frozenset(("add", "mul", "sub"))
"""Operators of single elements that a tail may hold."""

LIMITING = frozenset(("relu", "clip"))
"""Those that a layer applies itself where they come first."""


class Step(NamedTuple):
    """A node, and further ones that are applied to the blocks of its output.

    Parameters
    ----------
    node : Node
    tail : tuple of Node
        Each reads the one before it.
    others : tuple of str
        Tensors that the tail reads besides.
    """

    node: Node
    tail: tuple[Node, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def limits(self) -> tuple[float, float]:
        """Least and largest output of the layer, where the tail begins with a rectifier or a clip."""
        if not self.tail or self.tail[0].op not in LIMITING:
            return NO_LIMITS
        attrs = self.tail[0].attrs if self.tail[0].op == "clip" else {"min": 0.0}
        low, high = attrs.get("min"), attrs.get("max")
        return NO_LIMITS[0] if low is None else low, NO_LIMITS[1] if high is None else high

    @property
    def output(self) -> str:
        """Name of the (first) tensor that it makes."""
        return (self.tail[-1] if self.tail else self.node).name

    def followed(self, node: Node) -> Step:
        """Return the step with a further node in its tail."""
        others = tuple(name for name in node.inputs if name != self.output)
        return Step(self.node, (*self.tail, node), (*self.others, *others))


class Plan(NamedTuple):
    """Steps in the order of execution, and the tensors that nobody reads after each."""

    steps: list[Step]
    released: list[list[str]]

    @classmethod
    def of(cls, steps: list[Step], outputs: Sequence[str]) -> Plan:
        """Release every tensor after its last use, except `outputs`."""
        last = {
            name: at
            for at, step in enumerate(steps)
            for name in (*step.node.inputs, *step.others, step.output)
        }
        released: list[list[str]] = [[] for _ in steps]
        for name in last.keys() - set(outputs):
            released[last[name]].append(name)
        return cls(steps, released)


def separate(nodes: Sequence[Node], outputs: Sequence[str]) -> Plan:
    """Every node on its own."""
    return Plan.of([Step(node) for node in nodes], outputs)


def forget(names: Sequence[str], *pieces: Sequence[dict[str, Array]]) -> None:
    """Drop what nobody reads any more from the values of each piece."""
    for values in chain(*pieces):
        for name in names:
            values.pop(name, None)


def joined(
    nodes: Sequence[Node],
    params: Mapping[str, Array],
    shapes: Mapping[str, Shape],
    outputs: Sequence[str],
) -> Plan:
    """Layers with their tails; a value that is read elsewhere or is an output is made as it is.

    Parameters
    ----------
    nodes : sequence of Node
        In the order of execution.
    params : dict of str to ndarray
    shapes : dict of str to tuple of int
        Of all tensors.
    outputs : sequence of str
    """
    readers = Counter(name for node in nodes for name in node.inputs) + Counter(outputs)
    fits = {
        node.name
        for node in nodes
        if (node.op in UNARY and len(node.inputs) == 1) or (node.op in BINARY and len(node.inputs) == 2)
        if all(
            params[name].ndim == 0 if name in params else shapes[name] == shapes[node.name]
            for name in node.inputs
        )
    }
    steps: list[Step] = []
    made: dict[str, int] = {}
    for node in _with_silu(nodes, readers):
        at = _head(node, steps, made, readers) if node.name in fits else None
        if at is None:
            at = len(steps)
            steps.append(Step(node))
        else:
            steps[at] = steps[at].followed(node)
        made[node.name] = at
    return Plan.of(steps, outputs)


def _with_silu(nodes: Sequence[Node], readers: Counter[str]) -> list[Node]:
    """Nodes with one for each product of a value and its sigmoid, as PyTorch exports SiLU."""
    gates = {node.name: node.inputs[0] for node in nodes if node.op == "sigmoid" and readers[node.name] == 1}
    result: list[Node] = []
    gone: set[str] = set()
    for node in nodes:
        source = _gated(node, gates)
        if source is None:
            result.append(node)
            continue
        gone.update(set(node.inputs) - {source})
        readers[source] -= 1
        result.append(replace(node, op="silu", inputs=(source,)))
    return [node for node in result if node.name not in gone]


def _gated(node: Node, gates: Mapping[str, str]) -> str | None:
    """Value that a node multiplies by its sigmoid; None if it does not."""
    if node.op == "mul" and len(node.inputs) == 2:
        for source, gate in (node.inputs, node.inputs[::-1]):
            if gates.get(gate) == source:
                return source
    return None


def _head(
    node: Node, steps: Sequence[Step], made: Mapping[str, int], readers: Mapping[str, int]
) -> int | None:
    """Step that a node joins; None if it starts one.

    That is the last of the steps whose outputs it reads: only then are the other values there.
    """
    last = max(node.inputs, key=lambda name: made.get(name, -1))
    at = made.get(last, -1)
    joins = at >= 0 and steps[at].node.op in HEADS and steps[at].output == last and readers[last] == 1
    return at if joins else None


def tail_of(step: Step, tensor: Callable[[str], Array]) -> Tail | None:
    """Return what a layer does with each block beside its limits; None if there is nothing.

    Parameters
    ----------
    step : Step
    tensor : callable
        Value of a tensor by its name.
    """
    nodes = step.tail[step.tail[:1] != () and step.tail[0].op in LIMITING :]
    if not nodes:
        return None
    image = step.node.op in IMAGES
    others = {name: _rows(tensor(name), image) for name in step.others}

    def apply(block: Array, rows: slice) -> None:
        context = Context(out=block)
        part = {name: value[rows] if value.ndim else value for name, value in others.items()}
        for node in nodes:
            values = tuple(part.get(name, block) for name in node.inputs)
            result = OPS[node.op].forward(values, (), node.attrs, context)
            if result is not block:
                block[...] = result

    return apply


def _rows(value: Array, image: bool) -> Array:
    """All positions of a tensor, a row of channels each; a single number as it is."""
    if value.ndim == 0:
        return value
    return (channels_last(value) if image else value).reshape(-1, value.shape[1 if image else -1])
