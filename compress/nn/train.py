"""Training and evaluation; compression steps take part through a `Constraint`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.augment import augmented
from compress.nn.network import Node
from compress.nn.ops.base import Array
from compress.nn.ops.loss import softmax_cross_entropy
from compress.nn.optim import SCHEDULES, SGD, Adam, Optimizer
from hwsim.compiled import njit
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compress.nn.config import TrainConfig
    from compress.nn.datasets import Dataset, Split
    from compress.nn.network import Network

Masks = Mapping[str, Array]
Loss = Callable[[Array, Array, Array], tuple[float, Array]]
"""``loss(logits, x, y)`` gives the mean loss of a batch and the gradient of its logits."""


class Constraint:
    """What a compression step does to training; each hook does nothing unless overridden.

    `progress` is the fraction of all steps that are over, from 0 to 1.
    """

    def executed(self, params: Mapping[str, Array], progress: float) -> Mapping[str, Array]:
        """Values to execute in place of some parameters, whose gradients then go straight to them."""
        return {}

    def adjust(self, params: Mapping[str, Array], gradients: dict[str, Array], progress: float) -> None:
        """Change the gradients, in place, before the optimizer uses them."""

    def updated(self, params: Mapping[str, Array], progress: float) -> None:
        """Change the parameters, in place, after the optimizer's step and before masks apply."""


@dataclass(frozen=True)
class EpochReport:
    """State after an epoch.

    Parameters
    ----------
    epoch, epochs : int
        Counted from 1.
    loss : float
        Mean training loss of the epoch.
    validation_error : float or None
        Fraction of the validation split that is classified wrongly, if there is such a split.
    network : Network
        Its parameters are the ones being trained: copy what is to be kept.
    """

    epoch: int
    epochs: int
    loss: float
    validation_error: float | None
    network: Network


def hard_labels(logits: Array, _x: Array, y: Array) -> tuple[float, Array]:
    """Cross-entropy of logits (batch, classes) against the data set's own labels: the default loss."""
    return softmax_cross_entropy(logits, y)


def train(
    network: Network,
    dataset: Dataset,
    config: TrainConfig,
    *,
    rng: np.random.Generator,
    masks: Masks | None = None,
    constraint: Constraint | None = None,
    loss: Loss = hard_labels,
    on_epoch: Callable[[EpochReport], bool | None] | None = None,
) -> Network:
    """Train on the training split and return the trained network; `network` is left as it is.

    Parameters
    ----------
    network : Network
        Its first output is the logits, shape (batch, classes).
    dataset : Dataset
    config : TrainConfig
    rng : numpy.random.Generator
        Order of the images, dropout and augmentation; the same state gives the same bytes.
    masks : dict of str to ndarray of bool, optional
        Weights that are False stay exactly zero. A constraint may change the masks on the way.
    constraint : Constraint, optional
    loss : callable, optional
        ``loss(logits, x, y) -> (value, gradient)``, for example against a teacher's outputs.
    on_epoch : callable, optional
        Gets an `EpochReport`; training ends early if it returns True.

    Raises
    ------
    InputError
        If a mask has no parameter of its shape, or training diverges.
    """
    masks, constraint = {} if masks is None else masks, constraint or Constraint()
    trained = network.with_params(
        {name: np.array(value, order="C") for name, value in network.params.items()}
    )
    params = trained.params
    _check_masks(masks, params)
    _apply(masks, params)
    optimizer = _optimizer(config)
    schedule = SCHEDULES[config.schedule]
    steps = config.epochs * ceil_div(len(dataset.train), config.batch)
    live = trained.with_params({})
    learner = with_dropout(live, config.dropout)
    step = 0
    for epoch in range(1, config.epochs + 1):
        total = 0.0
        for x, y in _batches(dataset.train, config, rng):
            progress = step / steps
            live.params.update({**params, **constraint.executed(params, progress)})
            with np.errstate(over="ignore", invalid="ignore"):
                value, gradient = loss(learner.forward(x, training=True, rng=rng), x, y)
            if not np.isfinite(value):
                raise InputError(f"network {network.name}: training diverges, expected a lower learning rate")
            gradients = learner.backward(gradient)
            constraint.adjust(params, gradients, progress)
            optimizer.step(params, gradients, config.learning_rate * schedule(progress))
            step += 1
            constraint.updated(params, step / steps)
            _apply(masks, params)
            total += value * len(x)
        if not np.isfinite(total):
            raise InputError(
                f"network {network.name}: the loss is not finite, expected a lower learning rate"
            )
        live.params.update({**params, **constraint.executed(params, step / steps)})
        error = evaluate(live, dataset.validation) if len(dataset.validation) else None
        report = EpochReport(epoch, config.epochs, total / len(dataset.train), error, live)
        if on_epoch is not None and on_epoch(report):
            break
    return trained


def evaluate(network: Network, split: Split, batch: int = 250) -> float:
    """Fraction of a split's images that the network's first output classifies wrongly."""
    wrong = 0
    for first in range(0, len(split), batch):
        part = split[first : first + batch]
        wrong += int((network.forward(part.x).argmax(axis=1) != part.y).sum())
    return wrong / len(split)


def require_classifier(network: Network, classes: int) -> None:
    """Refuse a network whose first output does not score each class of a data set.

    Raises
    ------
    InputError
        If the output for one image is not of shape (1, classes).
    """
    shape = network.shapes(batch=1)[network.outputs[0]]
    if shape != (1, classes):
        raise InputError(
            f"network {network.name}: gives an output of shape {shape} for one image, expected "
            f"{(1, classes)}, a score for each class of the data set"
        )


def with_dropout(network: Network, rates: Mapping[str, float]) -> Network:
    """Put dropout before the (first) input of the named nodes; the parameters are shared, not copied.

    Raises
    ------
    InputError
        If a name is no node, or a rate is not at least 0 and below 1.
    """
    unknown = sorted(rates.keys() - {node.name for node in network.nodes})
    if unknown:
        raise InputError(f"network {network.name}: dropout before {unknown[0]!r}, which is no node")
    nodes: list[Node] = []
    for node in network.nodes:
        if node.name in rates:
            drop = Node(f"{node.name}.dropout", "dropout", node.inputs[:1], {"rate": rates[node.name]})
            nodes += [drop, replace(node, inputs=(drop.name, *node.inputs[1:]))]
        else:
            nodes.append(node)
    return replace(network, nodes=tuple(nodes))


def _optimizer(config: TrainConfig) -> Optimizer:
    if config.optimizer == "adam":
        return Adam(weight_decay=config.weight_decay)
    return SGD(config.momentum, config.weight_decay)


def _batches(split: Split, config: TrainConfig, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Every image once, in random order."""
    order = rng.permutation(len(split))
    for first in range(0, len(order), config.batch):
        chosen = order[first : first + config.batch]
        x = split.x[chosen]
        yield augmented(x, config, rng), split.y[chosen]


def _check_masks(masks: Masks, params: Mapping[str, Array]) -> None:
    for name, mask in masks.items():
        if name not in params or mask.shape != params[name].shape or mask.dtype != np.bool_:
            raise InputError(
                f"mask {name!r} is {mask.dtype} of shape {mask.shape}, expected bool of a parameter's shape"
            )


@njit(cache=True)
def _clear(value, mask):  # type: ignore[no-untyped-def]
    for i in range(value.size):
        if not mask[i]:
            value[i] = 0


def _apply(masks: Masks, params: Mapping[str, Array]) -> None:
    for name, mask in masks.items():
        _clear(params[name].reshape(-1), mask.reshape(-1))
