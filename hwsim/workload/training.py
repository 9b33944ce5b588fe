"""One training step as a workload: forward, both backward passes, and the update of the weights.

Each layer of the forward pass is followed, in reverse order, by

* the gradient of its input: of a convolution, the convolution of the output's gradient with the
  turned kernels; of a matrix, the product with its transpose. Both use the stored weights again;
* the gradient of its weights: a product of stored input and output's gradient whose depth runs
  over all pixels of all items, one result for the batch;
* the update: the optimizer's state and the weights are read, changed and written back.

Activations that a backward layer reads stay live from the forward pass until then, on chip or in
DRAM. Gradients of several readers of one tensor are added. The first layers need no gradient of
their input. A vector layer's gradient costs as many operations as the layer. Normalisations cost twice
as many, because they have parameters. A batch normalisation that is folded into weights is done apart
(`hwsim.workload.normalisation`). Sums, copies and moves pass their gradient on. A layer that reads a part
of a concatenation's gradient from DRAM is charged for all of it. Gradients of biases are free. A recurrent
layer is trained for the one step that it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from hwsim.errors import InputError
from hwsim.workload.layer import Layer, Workload, dense_storage, vector
from hwsim.workload.normalisation import NORMALISE, gradient_layers, unfolded
from hwsim.workload.operators import OPERATORS
from hwsim.workload.storage import FLOAT_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable

STATE_BITS = 32
"""Optimizer state, and the copy of weights that are narrower, is kept in fp32."""

TRAINABLE = ("fp32", "tf32", "fp16", "bf16")

LOSS_OPS = 1
"""Per class: the probability less the label."""
LOAD_OPS = 2
"""Per element of the input: a mean taken off, a scale."""


class Optimizer(NamedTuple):
    """What an optimizer keeps for each weight and does to it.

    Parameters
    ----------
    moments : int
        Numbers kept for each weight.
    state_ops, update_ops : int
        Scalar operations on them, and on the weight; a square root or a division counts as 4.
    """

    moments: int
    state_ops: int
    update_ops: int


OPTIMIZERS = {
    "sgd": Optimizer(0, 0, 2),  # w -= rate g
    "momentum": Optimizer(1, 2, 2),  # v = decay v + g; w -= rate v
    "adam": Optimizer(2, 7, 11),  # Kingma and Ba 2015, algorithm 1
}


@dataclass(frozen=True)
class Footprint:
    """Bytes that a training step holds beside the network's input.

    Parameters
    ----------
    weights_B, gradients_B, state_B : int
        Once, however large the batch.
    activations_B : int
        For each item: what the forward pass keeps for the backward passes.
    """

    weights_B: int
    gradients_B: int
    state_B: int
    activations_B: int


def training_step(workload: Workload, optimizer: str = "momentum") -> Workload:
    """Turn an inference into a training step.

    Parameters
    ----------
    workload : Workload
        With weights stored dense.
    optimizer : str
        Key of `OPTIMIZERS`.

    Raises
    ------
    InputError
        If there is no such optimizer, nothing to train, weights are not stored dense, or the
        arithmetic is not of floating point.
    """
    if optimizer not in OPTIMIZERS:
        raise InputError(f"optimizer {optimizer!r}: expected one of {', '.join(OPTIMIZERS)}")
    for layer in workload.layers:
        if layer.arithmetic not in TRAINABLE or (layer.weights and not _is_dense(layer)):
            raise InputError(
                f"workload {workload.name} ({workload.stage}), layer {layer.name}: training needs weights "
                f"stored dense, as {', '.join(TRAINABLE)}"
            )
    if not any(layer.weights for layer in workload.layers):
        raise InputError(f"workload {workload.name}: no layer has weights, expected some to train")
    step = _Step(unfolded(workload), OPTIMIZERS[optimizer])
    return Workload(
        f"{workload.name} training", workload.stage, tuple(step.layers), f"{workload.provenance}; {optimizer}"
    )


def footprint(step: Workload) -> Footprint:
    """Count what a training step keeps.

    Parameters
    ----------
    step : Workload
        As `training_step` makes it.
    """
    layers = step.layers
    forward = next(i for i, layer in enumerate(layers) if layer.name == "loss")
    kept = {i for layer in layers[forward:] for i in layer.inputs if 0 <= i < forward}
    weights = sum(layer.stored_bits for layer in layers[:forward])
    updates = [layer for layer in layers if layer.writes_back]
    return Footprint(
        weights // 8,
        sum(layer.output_elements * layer.operand_bits for layer in updates if layer.op == "update") // 8,
        sum(layer.stored_bits for layer in updates) // 8,
        sum(layers[i].output_elements * layers[i].operand_bits for i in kept) // 8,
    )


def _is_dense(layer: Layer) -> bool:
    stored = layer.weights
    return stored is not None and stored.entries >= layer.weight_count and not stored.symbols


class _Step:
    """Layers of a step as they are added; forward layers keep their order, after the input's."""

    def __init__(self, workload: Workload, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.layers: list[Layer] = [_load(workload.layers[0])]
        self.layers += [self._shifted(layer) for layer in workload.layers]
        self.count = len(self.layers)
        self.needed = self._needed()
        self.gradients: dict[int, list[int]] = {}
        self.sums: dict[int, list[int]] = {}
        self.first_use = {_owner(i, self.layers): i for i in reversed(range(self.count))}
        self._loss()
        for index in reversed(range(1, self.count)):
            self._backward(index)

    def _shifted(self, layer: Layer) -> Layer:
        """Make room for the input at index 0: who reads nothing but it reads it there."""
        loaded = self.layers[0].output_elements
        only = set(layer.inputs) == {-1} and layer.input_elements == loaded
        inputs = (0,) if only else tuple(i + 1 if i >= 0 else -1 for i in layer.inputs)
        return replace(layer, inputs=inputs, like=None if layer.like is None else layer.like + 1)

    def _needed(self) -> set[int]:
        """Layers whose output's gradient is needed: those that depend on weights."""
        found: set[int] = set()
        for index, layer in enumerate(self.layers):
            if layer.weights or found.intersection(layer.inputs):
                found.add(index)
        return found

    def _add(self, layer: Layer) -> int:
        self.layers.append(layer)
        return len(self.layers) - 1

    def _loss(self) -> None:
        """The gradient of a softmax and its cross entropy is one subtraction; so is a squared error's."""
        last = self.count - 1
        size = self.layers[last].output_elements
        loss = vector(
            "loss", size, size, LOSS_OPS * size, inputs=(last,), arithmetic=self.layers[last].arithmetic
        )
        index = self._add(loss)
        fused = self.layers[last].op == "softmax"
        self.gradients[self.layers[last].inputs[0] if fused else last] = [index]

    def _backward(self, index: int) -> None:
        layer = self.layers[index]
        found = self.gradients.pop(index, [])
        if found and index in self.needed:
            gradient = self._sum(f"{layer.name}.sum", found, layer.output_elements, layer)
            if layer.kind == "vector":
                self._vector(index, gradient)
            elif layer.kind == "matmul":
                self._matmul(index, gradient)
            else:
                self._weighted(index, gradient)
        if layer.weights:
            self._update(index)

    def _sum(self, name: str, parts: list[int], size: int, like: Layer, over_batch: str = "each") -> int:
        """Add the gradients that several readers give."""
        for number, part in enumerate(parts[1:], 1):
            layer = vector(
                f"{name}{number}", 2 * size, size, size, inputs=(parts[0], part), op="add",
                arithmetic=like.arithmetic, over_batch=over_batch,
            )  # fmt: skip
            parts = [self._add(layer), *parts[1:]]
        return parts[0]

    def _pass_on(self, sources: Iterable[int], gradient: int) -> None:
        for source in dict.fromkeys(sources):
            if source in self.needed:
                self.gradients.setdefault(source, []).append(gradient)

    def _weights_get(self, index: int, gradient: int) -> None:
        """Keep a gradient for the weights that a layer uses, until those of all its uses are there."""
        self.sums.setdefault(_owner(index, self.layers), []).append(gradient)

    def _vector(self, index: int, gradient: int) -> None:
        layer = self.layers[index]
        if layer.op == NORMALISE:
            self._normalised(index, gradient)
            return
        needs = OPERATORS[layer.op].gradient if layer.op in OPERATORS else "input"
        if needs == "passed":
            self._pass_on(layer.inputs, gradient)
            return
        kept = {"input": layer.inputs, "output": (index,), "nothing": ()}[needs]
        read = layer.output_elements + sum(self.layers[i].output_elements for i in kept if i >= 0)
        ops = max(layer.vector_ops, layer.input_elements) * (2 if layer.weights else 1)
        made = self._add(
            vector(
                f"{layer.name}.dx", read, layer.input_elements, ops, inputs=(gradient, *kept), op="gradient",
                arithmetic=layer.arithmetic,
            )
        )  # fmt: skip
        self._pass_on(layer.inputs, made)
        if layer.weights:
            self._weights_get(index, made)

    def _normalised(self, index: int, gradient: int) -> None:
        """Of a batch normalisation: sums over the batch first, then the gradient of every element."""
        layer = self.layers[index]
        source = layer.inputs[0]
        sums, back = gradient_layers(layer, gradient, source, len(self.layers))
        self._weights_get(index, self._add(sums))
        self._pass_on((source,), self._add(back))

    def _matmul(self, index: int, gradient: int) -> None:
        """Of A B: the output's gradient times B transposed, and A transposed times it."""
        layer = self.layers[index]
        left, right = layer.inputs[0], layer.inputs[-1]
        sizes = (layer.pixels * layer.depth, layer.depth * layer.filters)
        shapes = ((layer.pixels, layer.depth, layer.filters), (layer.depth, layer.filters, layer.pixels))
        for letter, target, other, shape, size, other_size in zip(
            "ab", (left, right), (right, left), shapes, sizes, reversed(sizes), strict=True
        ):
            if target not in self.needed:
                continue
            pixels, filters, depth = shape
            made = Layer(
                f"{layer.name}.d{letter}", "matmul", pixels, filters, depth,
                layer.output_elements + layer.groups * other_size, layer.groups * size, layer.groups,
                arithmetic=layer.arithmetic, inputs=(gradient, other) if letter == "a" else (other, gradient),
            )  # fmt: skip
            self._pass_on((target,), self._add(made))

    def _weighted(self, index: int, gradient: int) -> None:
        layer = self.layers[index]
        if self.needed.intersection(layer.inputs):
            shape = _turned(layer) if layer.kind == "conv" else _transposed(layer)
            owner = _owner(index, self.layers)
            made = self._add(
                replace(shape, name=f"{layer.name}.dx", inputs=(gradient,), like=owner, pattern=None)
            )
            self._pass_on(layer.inputs, made)
        weights = Layer(
            f"{layer.name}.dw", "matmul", layer.depth, layer.filters, layer.pixels,
            layer.input_elements + layer.output_elements, layer.weight_count, layer.groups,
            input_density=layer.input_density, arithmetic=layer.arithmetic, inputs=(*layer.inputs, gradient),
            over_batch="sum",
        )  # fmt: skip
        self._weights_get(index, self._add(weights))

    def _update(self, index: int) -> None:
        """Once the gradient of its last use is there, change the optimizer's state and the weights."""
        owner = _owner(index, self.layers)
        if self.first_use[owner] != index or owner not in self.sums:
            return
        layer = self.layers[owner]
        assert layer.weights is not None
        size = layer.weight_count + layer.weights.side_bits // FLOAT_BITS
        gradient = self._sum(f"{layer.name}.dw_sum", self.sums.pop(owner), size, layer, "sum")
        copies = self.optimizer.moments + (layer.operand_bits < STATE_BITS)
        if copies:
            gradient = self._add(
                vector(
                    f"{layer.name}.state", size * (copies + 1), size * copies,
                    size * max(self.optimizer.state_ops, copies),
                    inputs=(gradient,), op="state", over_batch="once", writes_back=True,
                    weights=dense_storage(size * copies, STATE_BITS),
                )
            )  # fmt: skip
        self._add(
            vector(
                f"{layer.name}.update", (max(self.optimizer.moments, 1) + 1) * size, size,
                size * self.optimizer.update_ops, inputs=(gradient,),
                op="update", arithmetic=layer.arithmetic, over_batch="once", writes_back=True,
                weights=layer.weights, like=owner,
            )
        )  # fmt: skip


def _owner(index: int, layers: list[Layer]) -> int:
    like = layers[index].like
    return index if like is None else like


def _load(first: Layer) -> Layer:
    """The batch comes in and is normalised; it stays for the gradient of the first weights."""
    size = first.input_elements
    return vector("input", size, size, LOAD_OPS * size, arithmetic=first.arithmetic)


def _transposed(layer: Layer) -> Layer:
    """Product of the output's gradient and the transposed matrix."""
    return replace(
        layer, filters=layer.depth, depth=layer.filters, input_elements=layer.output_elements,
        output_elements=layer.input_elements, input_density=1.0,
    )  # fmt: skip


def _turned(layer: Layer) -> Layer:
    """Convolution of the output's gradient with the turned kernels.

    With a stride, the pixels of the input fall into phases that see different taps of the kernel;
    each phase is a convolution on the output's grid, and the mean number of taps stands for all.
    """
    taps = layer.kernel[0] * layer.kernel[1]
    channels = layer.depth // taps
    shape = _transposed(layer)
    if layer.stride == (1, 1):
        height, width = layer.in_hw
        pad = tuple(max(k - 1 - p, 0) for k, p in zip(layer.kernel, layer.pad, strict=True))
        return replace(
            shape, pixels=height * width, filters=channels, depth=layer.filters * taps,
            in_hw=layer.out_hw, out_hw=layer.in_hw, pad=(pad[0], pad[1]),
        )  # fmt: skip
    phases = min(layer.kernel[0], layer.stride[0]) * min(layer.kernel[1], layer.stride[1])
    return replace(
        shape, pixels=layer.pixels, filters=channels * phases, depth=ceil(layer.filters * taps / phases),
        in_hw=layer.out_hw, out_hw=layer.in_hw, kernel=(1, 1), stride=(1, 1), pad=(0, 0),
    )  # fmt: skip
