"""The steps of a recipe. A step takes a state and returns the next; most steps also produce a file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.format.container import Artifact
from compress.format.tensors import DenseTensor, PrunedTensor, stage_of
from compress.methods.aware import QuantizationAware
from compress.methods.prune import (
    GradualPruning,
    global_masks,
    gradual_density,
    layer_masks,
    nm_mask,
    weights_of,
)
from compress.methods.quantize import quantize_network
from compress.methods.share import CODEBOOK_DTYPES, CentroidTuning, MovingLabels, share
from compress.methods.units import Slim, remove, silence, unit_masks, untouched
from compress.nn.ops.loss import softmax_cross_entropy
from compress.nn.ops.simple import softmax
from compress.nn.train import Constraint, EpochReport, Loss, hard_labels, train
from compress.pipeline.recipe import EncodeStep
from compress.pipeline.state import State
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.format.tensors import StoredTensor
    from compress.methods.prune import Mask, MaskRule
    from compress.nn.datasets import Dataset
    from compress.nn.network import Network
    from compress.nn.ops.base import Array
    from compress.pipeline.recipe import PruneStep, QuantizeStep, ShareStep, Training, TrainStep

OnEpoch = Callable[[EpochReport], None]


@dataclass(frozen=True)
class Workbench:
    """What a step works with, besides the state.

    Parameters
    ----------
    dataset : Dataset
    rng : numpy.random.Generator
        The step's own.
    gap_bits : dict of str to int
        Index width by layer; where there is none, the one that gives the fewest bits.
    on_epoch : callable
        Gets an `EpochReport` after each epoch.
    """

    dataset: Dataset
    rng: np.random.Generator
    gap_bits: Mapping[str, int] = field(default_factory=dict)
    on_epoch: OnEpoch = field(default=lambda report: None)


def _train(step: TrainStep, state: State, bench: Workbench) -> State:
    """Train all weights; the result is the teacher of later steps."""
    network = _fit(state, step, bench)
    return State(network, teacher=network.params)


def _prune(step: PruneStep, state: State, bench: Workbench) -> State:
    """Prune, gradually while training if there are epochs; then silence units without effect."""
    slim = untouched(state.network) if step.n_of_m else remove(state.network)
    small = _slimmed(state, slim)
    names = list(weights_of(small.network).values())
    pruning = GradualPruning(
        _mask_rule(step, state, small), names, until=step.until, updates=step.updates, masks=small.masks
    )
    if step.epochs:
        final_epoch = math.ceil(step.until * step.epochs)
        trained = _fit(replace(small, masks=pruning.masks), step, bench, pruning, final_epoch).params
    else:
        pruning.updated(small.network.params, 1.0)
        kept = {name: small.network.params[name] * mask for name, mask in pruning.masks.items()}
        trained = {**small.network.params, **kept}
    whole = state.network.params
    network = silence(state.network.with_params(slim.put_back(trained, whole)))
    return State(network, {name: network.params[name] != 0 for name in names}, {}, state.teacher)


def _share(step: ShareStep, state: State, bench: Workbench) -> State:
    """Share weights layer by layer, and train the shared values if there are epochs."""
    slim = remove(state.network)
    small = _slimmed(state, slim)
    tensors = {
        name: share(
            small.network.params[name],
            k,
            step.init,
            iterations=step.iterations,
            codebook=step.codebook,
            rng=bench.rng,
        )
        for name, k in _shared_values(step, state.network).items()
    }
    tuning: CentroidTuning | MovingLabels
    if step.reassign:
        tuning, start = MovingLabels(tensors), small.network
    else:
        tuning = CentroidTuning(tensors)
        start = small.network.with_params({name: tensor.to_array() for name, tensor in tensors.items()})
    trained = _fit(replace(small, network=start), step, bench, tuning).params
    whole = state.network.params
    tensors = tuning.tensors(trained)
    labels = slim.put_back({name: tensor.labels for name, tensor in tensors.items()}, whole)
    tensors = {name: replace(tensor, labels=labels[name]) for name, tensor in tensors.items()}
    params = slim.put_back(trained, whole) | {name: tensor.to_array() for name, tensor in tensors.items()}
    precision = CODEBOOK_DTYPES[step.codebook]
    for name in _biases(state.network):
        params[name] = params[name].astype(precision).astype(np.float32)
    return State(state.network.with_params(params), state.masks, tensors, state.teacher)


def _slimmed(state: State, slim: Slim) -> State:
    """Leave out the units that have no effect: what remains trains faster, to the same end."""
    return replace(state, network=slim.network, masks=slim.take(state.masks))


def _unchanged(_step: EncodeStep | QuantizeStep, state: State, _bench: Workbench) -> State:
    """Nothing changes but how the file is written."""
    return state


def _dense_artifact(_step: TrainStep, state: State, _bench: Workbench) -> Artifact:
    """Every weight in fp32."""
    return Artifact.of(state.network, "dense")


def _pruned_artifact(_step: PruneStep, state: State, bench: Workbench) -> Artifact:
    """fp32 non-zeros and the gaps between them; biases in fp32."""
    tensors: dict[str, StoredTensor] = {
        name: PrunedTensor(state.network.params[name], bench.gap_bits.get(layer))
        for layer, name in weights_of(state.network).items()
    }
    return Artifact.of(state.network, "pruned", tensors)


def _shared_artifact(step: ShareStep | EncodeStep, state: State, bench: Workbench) -> Artifact:
    """Codebooks, labels and gaps: of fixed width, or coded. What fp16 holds exactly is stored so."""
    coding = step.coding if isinstance(step, EncodeStep) else "fixed"
    width_of = {name: bench.gap_bits.get(layer) for layer, name in weights_of(state.network).items()}
    tensors: dict[str, StoredTensor] = {
        name: replace(tensor, coding=coding, gap_bits=width_of.get(name))
        for name, tensor in state.shared.items()
    }
    for name, value in state.network.params.items():
        half = value.astype(np.float16)
        if name not in tensors and np.array_equal(half, value):
            tensors[name] = DenseTensor(half)
    return Artifact.of(state.network, stage_of(coding), tensors)


def _quantized_artifact(step: QuantizeStep, state: State, bench: Workbench) -> Artifact:
    """Weights in integers, and the scales to execute in integers; biases in fp32."""
    images = bench.dataset.train.x[: step.images]
    artifact = quantize_network(
        state.network, images, step.bits, per_channel=step.per_channel, calibration=step.calibration
    )
    if not step.epochs:
        return artifact
    aware = QuantizationAware(artifact)
    learner = replace(state, network=aware.learner(state.network))
    return aware.artifact(_fit(learner, step, bench, aware).params)


class Kind(NamedTuple):
    """How a kind of step runs, and what file its result makes.

    Both take the step, the state and the workbench; `run` gives the next state, `artifact` the file
    that stands for it.
    """

    run: Callable[[Any, State, Workbench], State]
    artifact: Callable[[Any, State, Workbench], Artifact]


KINDS = {
    "train": Kind(_train, _dense_artifact),
    "prune": Kind(_prune, _pruned_artifact),
    "share": Kind(_share, _shared_artifact),
    "encode": Kind(_unchanged, _shared_artifact),
    "quantize": Kind(_unchanged, _quantized_artifact),
}


def _mask_rule(step: PruneStep, state: State, small: State) -> MaskRule:
    """Masks for the weights of `small` at a fraction of the pruning period.

    Begins where earlier pruning ended. Densities count the weights of the whole network.
    """
    tensor_of = weights_of(state.network)
    started = {
        name: float(state.masks[name].mean()) if name in state.masks else 1.0 for name in tensor_of.values()
    }
    sizes = {name: state.network.params[name].size for name in started}
    left = {name: small.network.params[name].size for name in started}
    if step.density is not None:
        final = step.density
        growth = sum(sizes.values()) / sum(left.values())
        initial = sum(started[name] * sizes[name] for name in sizes) / sum(sizes.values())
        return lambda weights, ramp: global_masks(
            weights, min(1.0, growth * gradual_density(ramp, final, initial)), step.score
        )
    if step.n_of_m is not None:
        n, m = step.n_of_m
        return lambda weights, ramp: {
            name: nm_mask(weight, round(gradual_density(ramp, n, m)), m) for name, weight in weights.items()
        }
    if step.units:
        return lambda weights, ramp: unit_masks(small.network, weights, step.units, ramp)
    finals = {tensor_of[layer]: density for layer, density in step.densities.items()}

    def by_layer(weights: Mapping[str, Array], ramp: float) -> dict[str, Mask]:
        densities = {
            name: min(1.0, sizes[name] / left[name] * gradual_density(ramp, final, started[name]))
            for name, final in finals.items()
        }
        return layer_masks(weights, densities)

    return by_layer


def _shared_values(step: ShareStep, network: Network) -> dict[str, int]:
    """Number of shared values by tensor."""
    tensor_of = weights_of(network)
    values = {tensor_of[layer]: k for layer, k in step.values.items()}
    return values | (dict.fromkeys(_biases(network), step.bias_values) if step.bias_values else {})


def _biases(network: Network) -> list[str]:
    layers = weights_of(network)
    return [node.params[1] for node in network.nodes if node.name in layers and len(node.params) > 1]


def _fit(
    state: State,
    step: Training,
    bench: Workbench,
    constraint: Constraint | None = None,
    final_epoch: int = 1,
) -> Network:
    """Train as the step says; `final_epoch` is the first whose network may be kept."""
    if not step.epochs:
        return state.network
    stopping = _EarlyStopping(step.patience, final_epoch)

    def on_epoch(report: EpochReport) -> bool:
        bench.on_epoch(report)
        return stopping(report)

    trained = train(
        state.network,
        bench.dataset,
        step.config(),
        rng=bench.rng,
        masks=state.masks,
        constraint=constraint,
        loss=_loss(state, step),
        on_epoch=on_epoch,
    )
    return stopping.best or trained


def _loss(state: State, step: Training) -> Loss:
    """Cross-entropy with the labels, in part with the outputs of the dense network."""
    if not step.teacher_weight:
        return hard_labels
    if not state.teacher:
        raise InputError("teacher_weight: there is no dense network yet, expected a train step before")
    teacher = state.network.with_params(state.teacher)
    share_of_teacher, heat = step.teacher_weight, step.temperature

    def loss(logits: Array, x: Array, y: Array) -> tuple[float, Array]:
        soft = softmax(teacher.forward(x) / heat)
        hard_value, hard_gradient = softmax_cross_entropy(logits, y)
        soft_value, soft_gradient = softmax_cross_entropy(logits / heat, soft)
        value = (1 - share_of_teacher) * hard_value + share_of_teacher * heat**2 * soft_value
        return value, (1 - share_of_teacher) * hard_gradient + share_of_teacher * heat * soft_gradient

    return loss


class _EarlyStopping:
    """Keeps the network of the best epoch, and ends training when it is long past."""

    def __init__(self, patience: int, final_epoch: int) -> None:
        self.best: Network | None = None
        self._patience, self._final_epoch = patience, final_epoch
        self._error, self._epoch = math.inf, 0

    def __call__(self, report: EpochReport) -> bool:
        if not self._patience or report.epoch < self._final_epoch:
            return False
        assert report.validation_error is not None
        if report.validation_error < self._error:
            self._error, self._epoch = report.validation_error, report.epoch
            network = report.network
            self.best = network.with_params({name: value.copy() for name, value in network.params.items()})
        return report.epoch - self._epoch >= self._patience
