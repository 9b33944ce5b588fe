"""Convert a compressed file to a `hwsim` workload: layers, stored bits and densities.

Convolutions, fully-connected layers and products with a constant become matrix layers. A product of two
activations becomes a matrix layer without weights. Other computations become vector layers. Operators that
only rename elements (flatten, reshape...) are removed. Parameters after the first count as side information.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.format.container import Artifact, parse, read
from compress.format.tensors import QuantizedTensor
from compress.nn.network import INPUT
from compress.nn.ops import OPS
from compress.nn.ops.integer import INPUT_SCALE
from compress.nn.ops.picking import einsum_work
from compress.nn.ops.window import Window
from hwsim.errors import InputError, require_type
from hwsim.whole import ceil_div
from hwsim.workload.layer import OPERAND_BITS, Layer, StoredWeights, Workload, require_arithmetic, vector
from hwsim.workload.operators import (
    GRU_CELL_OPS,
    LRN_OPS,
    LSTM_CELL_OPS,
    OPERATORS,
    RNN_CELL_OPS,
    ops_per_output,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.format.layout import Layout, TensorLayout
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array, Shape
    from hwsim.workload.layer import Arithmetic

VIEWS = frozenset(
    {"flatten", "reshape", "squeeze", "unsqueeze", "dropout", "concat", "slice", "split", "per_item"}
)
"""Operators that only rename elements. They cost no work and no traffic."""

WEIGHTS_OF = {"conv": 1, "conv3d": 1, "conv_transpose": 1, "fc": 1, "lstm": 2, "gru": 2, "rnn": 2}
"""Leading parameters of an operator that are matrices of weights."""

CELL_OPS = frozenset({"lstm_cell", "gru_cell", "rnn_cell"})
"""Last layers of a step of a recurrent operator."""

MOST_STEPS = 512
"""Of a recurrent layer: each becomes two layers of the workload, as none can begin before the last ends."""


class _Cell(NamedTuple):
    """A recurrent operator: elements that a cell writes for a hidden unit, and its scalar operations."""

    states: int
    ops: int


CELLS = {"lstm": _Cell(2, LSTM_CELL_OPS), "gru": _Cell(1, GRU_CELL_OPS), "rnn": _Cell(1, RNN_CELL_OPS)}


class _Facts(NamedTuple):
    """What is the same for every node of one network."""

    network: Network
    stage: str
    shapes: dict[str, Shape]
    outputs: dict[str, list[str]]
    tensors: dict[str, TensorLayout]
    input_density: Mapping[str, float]
    multiplied: dict[str, Arithmetic]
    otherwise: Arithmetic
    owners: dict[tuple[str, ...], int]
    beside: dict[tuple[str, ...], list[str]]

    def common(self, node: Node, inputs: tuple[int, ...], index: int, *params: str) -> dict[str, Any]:
        """Keywords that every kind of layer takes; `params` are stored, the first as weights.

        Nodes that use the same weights become layers that share what the first of them stores: the
        weights, and the biases of all.
        """
        key = (node.op, *params[:1])
        owner = self.owners.setdefault(key, index) if params else index
        stored = [*params[:1], *self.beside.get(key, params[1:])]
        return {
            "like": None if owner == index else owner,
            "arithmetic": self.multiplied.get(params[0], self.otherwise) if params else self.otherwise,
            "inputs": inputs,
            "input_density": self.input_density.get(node.name, 1.0),
            "weights": _stored_weights(self.stage, [self.tensors[name] for name in stored]),
        }


def workload_of(
    artifact: Artifact | str | Path,
    *,
    layout: Layout | None = None,
    input_density: Mapping[str, float] | None = None,
    arithmetic: Arithmetic = "fp32",
    steps: int | None = None,
) -> Workload:
    """Return the workload of a compressed network.

    Parameters
    ----------
    artifact : Artifact, str or Path
        An artifact, or the path of a ``.dcz`` file.
    layout : Layout, optional
        Bits of the file by tensor, as `compress.format.container.read` returns; computed by default.
    input_density : dict of str to float, optional
        Measured fraction of non-zero inputs by node name; 1 by default.
    arithmetic : str
        Of layers whose weights are not quantized. Layers without weights use the widest of the network.
    steps : int, optional
        Length of a sequence whose length the network leaves open; that of its interface by default.

    Raises
    ------
    InputError
        If the file cannot be read, or the network cannot be executed.
    """
    if not isinstance(artifact, Artifact):
        require_type(artifact, (str, Path), "model", "an Artifact or the path of a .dcz file")
        artifact, layout = read(artifact)
    require_arithmetic(arithmetic)
    counted = layout or parse(artifact.to_bytes())[1]
    network = artifact.to_network()
    shapes = network.shapes(steps=steps)
    multiplied = _multiplied(artifact, network, arithmetic)
    facts = _Facts(
        network,
        artifact.stage,
        shapes,
        _outputs(network, shapes),
        {tensor.name: tensor for tensor in counted.tensors},
        input_density or {},
        multiplied,
        max(multiplied.values(), key=OPERAND_BITS.__getitem__, default=arithmetic),
        {},
        _beside(network),
    )
    layers: list[Layer] = []
    sources: dict[str, tuple[int, ...]] = dict.fromkeys((INPUT, *network.extra_inputs), (-1,))
    for node in network.nodes:
        given = tuple(dict.fromkeys(source for name in node.inputs for source in sources.get(name, ())))
        if node.op not in VIEWS:
            made = _layers(node, facts, given or (-1,), len(layers))
            given = tuple(len(layers) + at for at, layer in enumerate(made) if layer.op in CELL_OPS)
            layers += made
            given = given or (len(layers) - 1,)
        sources |= dict.fromkeys(facts.outputs[node.name], given)
    if not layers:
        layers.append(_copy(facts))
    zeros = "as measured" if input_density else "not counted"
    provenance = f"compressed file of {counted.file_bits // 8} bytes, zeros among activations {zeros}"
    return Workload(network.name, artifact.stage, tuple(layers), provenance, _alone(network, steps))


def _alone(network: Network, steps: int | None) -> str:
    """Why items run one at a time; empty if they run together."""
    sentence = network.interface.sentence()
    if network.interface.sequence:
        return f"{sentence}, here of {steps or network.interface.steps} steps"
    return sentence


def _beside(network: Network) -> dict[tuple[str, ...], list[str]]:
    """Parameters that nodes with the same weights have beside them, by operator and weights."""
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for node in network.nodes:
        if node.op not in CELLS:
            weights, *others = (*node.params, *_constants(node, network), "")
            found.setdefault((node.op, weights), {}).update(dict.fromkeys(filter(None, others)))
    return {key: list(names) for key, names in found.items()}


def container_bits(layout: Layout) -> int:
    """Bits of the file that belong to no layer: magic number, topology, framing, CRCs and headers."""
    headers = (tensor.total_bits - tensor.payload_bits - tensor.side_bits for tensor in layout.tensors)
    return sum(layout.overhead.values(), sum(headers))


def integer_arithmetic(bits: int) -> Arithmetic:
    """Narrowest arithmetic of the machine that holds integers of 2 to 8 bits."""
    return "int4" if bits <= 4 else "int8"


def _multiplied(artifact: Artifact, network: Network, otherwise: Arithmetic) -> dict[str, Arithmetic]:
    """Arithmetic of the products with each parameter that is a layer's weights."""
    found = {}
    for node in network.nodes:
        for name in _weights(node, network):
            tensor = artifact.tensors[name]
            found[name] = otherwise
            if isinstance(tensor, QuantizedTensor) and INPUT_SCALE in node.attrs:
                found[name] = integer_arithmetic(tensor.bits)
    return found


def _weights(node: Node, network: Network) -> tuple[str, ...]:
    """Parameters that a node multiplies what it reads with, in a product of matrices."""
    if node.op == "matmul":
        return _constants(node, network)
    return node.params[: WEIGHTS_OF.get(node.op, 0)]


def _constants(node: Node, network: Network) -> tuple[str, ...]:
    """Inputs of a node that are stored, not computed."""
    return tuple(name for name in node.inputs if name in network.params)


def _outputs(network: Network, shapes: dict[str, Shape]) -> dict[str, list[str]]:
    """Names of each node's outputs, ``name`` and ``name:1``..."""
    outputs: dict[str, list[str]] = {node.name: [node.name] for node in network.nodes}
    for name in shapes:
        if name not in outputs and name != INPUT and name not in network.extra_inputs:
            outputs[name.rpartition(":")[0]].append(name)
    return outputs


def _stored_weights(stage: str, tensors: list[TensorLayout]) -> StoredWeights | None:
    if not tensors:
        return None
    weights, *others = tensors
    decoded = [weights, *(other for other in others if other.segment_symbols.any())]
    plain = [other for other in others if not other.segment_symbols.any()]
    side = sum(one.side_bits for one in tensors) + sum(other.payload_bits for other in plain)
    return StoredWeights(
        stage,
        weights.nonzeros,
        weights.entries,
        np.concatenate([one.segment_bits for one in decoded]),
        np.concatenate([one.segment_symbols for one in decoded]),
        side,
        "bit" if "context" in weights.bits else "symbol",
        look_ups=sum(one.entries for one in tensors if one.shared),
        gaps=sum(one.entries for one in tensors if one.bits.get("gaps")),
    )


def _layers(node: Node, facts: _Facts, inputs: tuple[int, ...], index: int) -> list[Layer]:
    """Layers that a node becomes; the first one will have this index."""
    constants = _constants(node, facts.network)
    if node.op in CELLS:
        return _recurrent(node, facts, inputs, index)
    if node.op == "gather" and node.inputs[0] in constants and node.inputs[1] not in constants:
        return [_embedding(node, facts, inputs, index)]
    common = facts.common(node, inputs, index, *node.params, *constants)
    if node.op == "attention":
        return _attention(node, facts, inputs, index, common)
    if node.op == "conv":
        return [_conv(node, facts, common)]
    if node.op == "fc":
        return [_fc(node.name, facts.network.params[node.params[0]], _elements(node, facts), common)]
    if node.op == "conv3d":
        return [_conv3d(node, facts, common)]
    if node.op == "conv_transpose":
        weight = facts.network.params[node.params[0]]
        return [_conv_transpose(node, weight, _elements(node, facts), common)]
    if node.op == "matmul" and constants:
        return [_weighted_matmul(node, constants[0], facts, common)]
    if node.op == "matmul":
        return [_matmul(node, facts, common)]
    read, written = _elements(node, facts)
    ops = _ops(node, facts, written)
    return [Layer(node.name, "vector", 1, 1, 1, read, written, vector_ops=ops, op=node.op, **common)]


def _copy(facts: _Facts) -> Layer:
    """Outputs moved to where they are wanted: all that is left of a network that only renames elements."""
    elements = sum(math.prod(facts.shapes[name]) for name in facts.network.outputs)
    return vector("copy", elements, elements, elements, op="concat", arithmetic=facts.otherwise)


def _embedding(node: Node, facts: _Facts, inputs: tuple[int, ...], index: int) -> Layer:
    """Rows of a table, read from outside at each inference: other items read other rows.

    The table itself stays in DRAM. What is read of it are the rows' stored bits, as so many elements.
    """
    table, indices = facts.tensors[node.inputs[0]], math.prod(facts.shapes[node.inputs[1]])
    rows = facts.network.params[node.inputs[0]].shape[int(node.attrs["axis"])]
    common = facts.common(node, tuple(dict.fromkeys((*inputs, -1))), index)
    bits = table.payload_bits * min(indices, rows) // rows
    read = indices + ceil_div(bits, OPERAND_BITS[common["arithmetic"]])
    written = math.prod(facts.shapes[node.name])
    return vector(node.name, read, written, written, op=node.op, **common)


def _elements(node: Node, facts: _Facts) -> tuple[int, int]:
    """Activation elements a node reads and writes."""
    inputs = dict.fromkeys(name for name in node.inputs if name in facts.shapes)
    read = sum(math.prod(facts.shapes[name]) for name in inputs)
    return max(read, 1), sum(math.prod(facts.shapes[name]) for name in facts.outputs[node.name])


def _fc(name: str, weight: Array, elements: tuple[int, int], common: dict[str, Any]) -> Layer:
    """Product of rows of activations and `weight`, (filters, depth)."""
    pattern = weight != 0
    filters, depth = weight.shape
    density: dict[str, Any] = {"weight_density": float(pattern.mean()), "pattern": pattern}
    read, written = elements
    return Layer(name, "fc", read // depth, filters, depth, read, written, **density, **common)


def _conv(node: Node, facts: _Facts, common: dict[str, Any]) -> Layer:
    """Convolution; of several images in one item (frames, say), as one image of all their rows."""
    weight = facts.network.params[node.params[0]]
    filters, channels, height, width = weight.shape
    window = Window.of(node.attrs, (height, width))
    groups = int(node.attrs.get("groups", 1))
    images, _, *in_hw = facts.shapes[node.inputs[0]]
    out_hw = facts.shapes[node.name][2:]
    pattern = weight.reshape(filters, -1) != 0
    return Layer(
        node.name,
        "conv",
        images * math.prod(out_hw),
        filters // groups,
        channels * height * width,
        *_elements(node, facts),
        groups=groups,
        in_hw=(images * in_hw[0], in_hw[1]),
        out_hw=(images * out_hw[0], out_hw[1]),
        kernel=window.kernel,
        stride=window.stride,
        pad=window.pads[:2],
        weight_density=float(pattern.mean()),
        pattern=pattern,
        **common,
    )


def _conv3d(node: Node, facts: _Facts, common: dict[str, Any]) -> Layer:
    """Product of the patches of a volume and the filters, as a 1 x 1 convolution in groups."""
    weight, groups = facts.network.params[node.params[0]], int(node.attrs.get("groups", 1))
    filters, plane = len(weight), (math.prod(facts.shapes[node.name][2:]), 1)
    pattern = weight.reshape(filters, -1) != 0
    return Layer(
        node.name,
        "conv",
        plane[0],
        filters // groups,
        pattern.shape[1],
        *_elements(node, facts),
        groups=groups,
        in_hw=plane,
        out_hw=plane,
        weight_density=float(pattern.mean()),
        pattern=pattern,
        **common,
    )


def _conv_transpose(node: Node, weight: Array, elements: tuple[int, int], common: dict[str, Any]) -> Layer:
    """Each pixel times all kernels: a product of (pixels, channels) and (channels, filters h w)."""
    groups = int(node.attrs.get("groups", 1))
    if groups == 1:
        return _fc(node.name, weight.reshape(len(weight), -1).T, elements, common)
    depth, filters = len(weight) // groups, math.prod(weight.shape[1:])
    pattern = weight.reshape(groups, depth, filters).swapaxes(1, 2).reshape(-1, depth) != 0
    plane = (elements[0] // len(weight), 1)
    density = float(pattern.mean())
    return Layer(
        node.name, "conv", plane[0], filters, depth, *elements, groups=groups, in_hw=plane, out_hw=plane,
        weight_density=density, pattern=pattern, **common,
    )  # fmt: skip


def _matmul(node: Node, facts: _Facts, common: dict[str, Any]) -> Layer:
    """Product of two activations, once for each matrix of the leading axes."""
    *lead, pixels, filters = facts.shapes[node.name]
    depth = facts.shapes[node.inputs[0]][-1]
    read, written = _elements(node, facts)
    return Layer(node.name, "matmul", pixels, filters, depth, read, written, groups=math.prod(lead), **common)


def _attention(
    node: Node, facts: _Facts, inputs: tuple[int, ...], index: int, common: dict[str, Any]
) -> list[Layer]:
    """Scores, softmax and the sum of values; a token has half of a sequence before it, on average."""
    heads, groups = int(node.attrs["heads"]), int(node.attrs["kv_heads"])
    tokens, wide = facts.shapes[node.inputs[0]]
    kept, depth = facts.shapes[node.inputs[1]][1], wide // heads
    rows, keys = tokens * heads // groups, ceil_div(tokens + 1, 2)
    scores, beside = rows * groups * keys, tokens * kept
    softmax = {**common, "inputs": (index,)}
    mixed = {**common, "inputs": tuple(dict.fromkeys((index + 1, *inputs)))}
    return [
        Layer(f"{node.name}.scores", "matmul", rows, keys, depth, tokens * wide + beside, scores,
              groups=groups, **common),
        vector(f"{node.name}.softmax", scores, scores, scores * (OPERATORS["softmax"].ops or 0),
               op="softmax", **softmax),
        Layer(node.name, "matmul", rows, depth, keys, scores + beside, tokens * wide, groups=groups, **mixed),
    ]  # fmt: skip


def _weighted_matmul(node: Node, constant: str, facts: _Facts, common: dict[str, Any]) -> Layer:
    """Product with a stored matrix; with one for each of the leading axes, a 1 x 1 convolution in groups.

    Filters are the columns of a stored right operand, or the rows of a stored left one.
    """
    weight = facts.network.params[constant]
    if constant == node.inputs[-1]:
        weight = weight.swapaxes(-1, -2)
    *lead, filters, depth = weight.shape
    groups = math.prod(lead)
    read, written = _elements(node, facts)
    pixels = written // (filters * groups)
    plane = (pixels, 1) if groups > 1 else (1, 1)
    pattern = weight.reshape(-1, depth) != 0
    return Layer(
        node.name,
        "fc" if groups == 1 else "conv",
        pixels,
        filters,
        depth,
        read,
        written,
        groups,
        in_hw=plane,
        out_hw=plane,
        weight_density=float(pattern.mean()),
        pattern=pattern,
        **common,
    )


def _recurrent(node: Node, facts: _Facts, inputs: tuple[int, ...], index: int) -> list[Layer]:
    """Gates from the inputs of all steps at once; then, step after step, those from the state, and the cell.

    The gates from the state are added to those from the input. A cell reads its gates and a state, and writes
    its output and state, as ``lstm_cell`` does. All steps use one matrix.
    """
    for_input, for_state, *biases = node.params
    cell = CELLS[node.op]
    _, steps, features = facts.shapes[node.inputs[0]]
    gates, hidden = facts.network.params[for_state].shape
    if steps > MOST_STEPS:
        raise InputError(f"node {node.name}: {steps} steps one after another, expected at most {MOST_STEPS}")
    of_input = _fc(
        f"{node.name}.input",
        facts.network.params[for_input],
        (steps * features, steps * gates),
        facts.common(node, inputs, index, for_input, *biases),
    )
    layers: list[Layer] = [of_input]
    # the first step begins with a state of zeros, or with what the network reads or computes
    before: tuple[int, ...] = inputs if len(node.inputs) > 1 else ()
    for step in range(steps):
        at = index + len(layers)
        name = f"{node.name}.{step}" if steps > 1 else node.name
        common = facts.common(node, (index, *before), at, for_state)
        of_state = _fc(name, facts.network.params[for_state], (hidden, gates), common)
        layers.append(replace(of_state, input_elements=hidden + gates))
        layers.append(
            vector(
                f"{name}.cell",
                gates + hidden,
                cell.states * hidden,
                hidden * cell.ops,
                op=f"{node.op}_cell",
                **facts.common(node, (at, *before), at + 1),
            )
        )
        before = (at + 1,)
    return layers


def _ops(node: Node, facts: _Facts, written: int) -> int:
    """Scalar operations of a node without matrix product, for one item."""
    if node.op == "einsum":
        shapes = {name: array.shape for name, array in facts.network.params.items()} | facts.shapes
        return einsum_work(node.attrs["equation"], [shapes[name] for name in node.inputs])
    if node.op == "interpolate":
        return written * (2 * facts.network.params[node.params[0]].shape[1] - 1)
    if node.op in ("topk", "argmax", "argmin"):
        return math.prod(facts.shapes[node.inputs[0]])
    if node.op in ("max_pool", "avg_pool"):
        return written * math.prod(Window.of_pool(node.attrs).kernel)
    if node.op == "global_avg_pool" or node.op.startswith("reduce_"):
        return math.prod(facts.shapes[node.inputs[0]])
    if node.op == "lrn":
        return written * (int(node.attrs["size"]) + LRN_OPS)
    work = OPS[node.op].work
    if node.op in OPERATORS and work is None:
        work = ops_per_output(OPERATORS[node.op], len(node.inputs))
    return written * (max(len(node.inputs) - 1, 1) if work is None else work)
