"""Optimizers by hand, training end to end on a small problem, and the hooks of compression."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from compress.nn.augment import shifted
from compress.nn.config import TrainConfig
from compress.nn.datasets import Dataset, Split, load_dataset
from compress.nn.lenets import build
from compress.nn.network import Network, Node
from compress.nn.ops.loss import softmax_cross_entropy
from compress.nn.optim import SCHEDULES, SGD, Adam
from compress.nn.train import Constraint, evaluate, train, with_dropout
from hwsim.errors import InputError


def split(count: int, rng: np.random.Generator) -> Split:
    """Images with one bright row or column each; the class says which."""
    y = rng.integers(8, size=count)
    x = rng.random((count, 1, 4, 4), dtype=np.float32)
    for image, label in zip(x[:, 0], y, strict=True):
        (image if label < 4 else image.T)[label % 4] += 1
    return Split(x, y)


def dataset(validation: int = 100) -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset("bars", split(600, rng), split(validation, rng), split(200, rng), "none")


def network(seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    nodes = (
        Node("conv", "conv", params=("conv.weight", "conv.bias")),
        Node("relu", "relu", ("conv",)),
        Node("flatten", "flatten", ("relu",)),
        Node("fc", "fc", ("flatten",), params=("fc.weight", "fc.bias")),
    )
    shapes = {"conv.weight": (6, 1, 3, 3), "conv.bias": (6,), "fc.weight": (8, 24), "fc.bias": (8,)}
    params = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    return Network("bars", (1, 4, 4), nodes, params)


QUICK = TrainConfig(epochs=3, batch=50, learning_rate=0.1, dropout={"fc": 0.1})


def bits(trained: Network) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in trained.params.items()}


@pytest.mark.parametrize(
    "config", [TrainConfig(8, 50, 0.1, dropout={"fc": 0.1}), TrainConfig(8, 50, 0.01, optimizer="adam")]
)
def test_training_learns_and_leaves_its_input_alone(config):
    start, data = network(), dataset()
    before = bits(start)
    reports = []
    trained = train(start, data, config, rng=np.random.default_rng(1), on_epoch=reports.append)
    assert bits(start) == before
    assert [report.epoch for report in reports] == list(range(1, 9))
    assert reports[-1].loss < reports[0].loss / 4
    assert evaluate(start, data.test) > 0.7
    assert evaluate(trained, data.test) < 0.06
    assert reports[-1].validation_error == evaluate(trained, data.validation)


def test_same_seed_same_bytes():
    config = TrainConfig(epochs=2, batch=64, shift_pixels=1)
    first, again, other = (
        bits(train(network(), dataset(), config, rng=np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_fortran_ordered_parameters_are_trained_too():
    plain = network()
    turned = plain.with_params({name: np.asfortranarray(value) for name, value in plain.params.items()})
    results = [train(net, dataset(), QUICK, rng=np.random.default_rng(1)) for net in (plain, turned)]
    assert bits(results[0]) == bits(results[1])


def test_masked_weights_stay_exactly_positive_zero():
    start = network()
    masks = {"fc.weight": np.random.default_rng(2).random((8, 24)) < 0.3}
    trained = train(start, dataset(), QUICK, rng=np.random.default_rng(1), masks=masks)
    off = trained.params["fc.weight"][~masks["fc.weight"]]
    assert off.tobytes() == bytes(4 * off.size)
    assert np.count_nonzero(trained.params["fc.weight"]) == masks["fc.weight"].sum()


def test_a_constraint_can_tighten_the_masks_on_the_way():
    masks = {"fc.weight": np.ones((8, 24), bool)}

    class Prune(Constraint):
        def updated(self, params, progress):
            magnitude = np.abs(params["fc.weight"])
            masks["fc.weight"][...] = magnitude >= np.quantile(magnitude, 0.5 * progress)

    trained = train(
        network(), dataset(), QUICK, rng=np.random.default_rng(1), masks=masks, constraint=Prune()
    )
    assert np.count_nonzero(trained.params["fc.weight"]) == 96


def test_a_constraint_can_tie_weights_through_their_gradients():
    start = network()
    index = np.random.default_rng(3).integers(4, size=(8, 24))
    codebook = np.array([-0.3, -0.1, 0.1, 0.3], np.float32)

    class Shared(Constraint):
        def adjust(self, params, gradients, progress):
            sums = np.bincount(index.ravel(), gradients["fc.weight"].ravel(), 4)
            gradients["fc.weight"] = sums[index].astype(np.float32)

    start = start.with_params({"fc.weight": codebook[index]})
    trained = train(
        start, dataset(), TrainConfig(3, 50, 0.002), rng=np.random.default_rng(1), constraint=Shared()
    )
    weight = trained.params["fc.weight"]
    centroids = np.array([weight[index == code][0] for code in range(4)])
    assert np.array_equal(weight, centroids[index])
    assert not np.array_equal(centroids, codebook)


def test_executed_values_pass_their_gradient_straight_through():
    levels = np.float32(8)

    class Rounded(Constraint):
        def executed(self, params, progress):
            return {"fc.weight": np.round(params["fc.weight"] * levels) / levels}

    seen = []
    trained = train(
        network(),
        dataset(),
        TrainConfig(8, 50, 0.1),
        rng=np.random.default_rng(1),
        constraint=Rounded(),
        on_epoch=lambda report: seen.append(report.network.params["fc.weight"].copy()),
    )
    latent = trained.params["fc.weight"]
    assert np.array_equal(seen[-1], np.round(latent * levels) / levels)
    assert not np.array_equal(seen[-1], latent)
    assert evaluate(trained.with_params({"fc.weight": seen[-1]}), dataset().test) < 0.06


def test_progress_runs_from_zero_to_one():
    seen = {"executed": [], "adjust": [], "updated": []}

    class Watch(Constraint):
        def executed(self, params, progress):
            seen["executed"].append(progress)
            return {}

        def adjust(self, params, gradients, progress):
            seen["adjust"].append(progress)

        def updated(self, params, progress):
            seen["updated"].append(progress)

    train(network(), dataset(), TrainConfig(2, 300), rng=np.random.default_rng(1), constraint=Watch())
    assert seen["adjust"] == [0, 0.25, 0.5, 0.75]
    assert seen["updated"] == [0.25, 0.5, 0.75, 1]
    assert seen["executed"] == [0, 0.25, 0.5, 0.5, 0.75, 1]


def test_on_epoch_ends_training_early():
    reports = []
    train(
        network(),
        dataset(validation=0),
        TrainConfig(50, 100),
        rng=np.random.default_rng(1),
        on_epoch=lambda report: reports.append(report) or len(reports) == 2,
    )
    assert len(reports) == 2
    assert reports[0].validation_error is None


def test_dropout_is_for_training_only():
    start, data = network(), dataset()
    learner = with_dropout(start, {"fc": 0.5, "conv": 0.1})
    assert [node.op for node in learner.nodes] == ["dropout", "conv", "relu", "flatten", "dropout", "fc"]
    assert learner.params is start.params
    assert np.array_equal(learner.forward(data.test.x), start.forward(data.test.x))
    trained = train(start, data, QUICK, rng=np.random.default_rng(1))
    assert trained.nodes == start.nodes
    plain = replace(QUICK, dropout={})
    assert bits(trained) != bits(train(start, data, plain, rng=np.random.default_rng(1)))
    with pytest.raises(InputError, match="dropout before 'fc2', which is no node"):
        train(start, data, replace(QUICK, dropout={"fc2": 0.1}), rng=np.random.default_rng(1))


def test_distillation_through_the_loss():
    data = dataset()
    teacher = train(network(), data, TrainConfig(8, 50, 0.1), rng=np.random.default_rng(1))

    def match(logits, x, _y):
        soft = np.exp(teacher.forward(x))
        return softmax_cross_entropy(logits, soft / soft.sum(axis=1, keepdims=True))

    student = train(network(5), data, TrainConfig(8, 50, 0.1), rng=np.random.default_rng(2), loss=match)
    agreement = teacher.forward(data.test.x).argmax(1) == student.forward(data.test.x).argmax(1)
    assert agreement.mean() > 0.9


def test_sgd_by_hand():
    params = {"w": np.array([[1.0]]), "b": np.array([1.0])}
    gradients = {"w": np.array([[2.0]]), "b": np.array([2.0])}
    optimizer = SGD(momentum=0.5, weight_decay=0.1)
    optimizer.step(params, gradients, 0.1)
    assert params["w"].item() == pytest.approx(1 - 0.1 * 2.1)
    assert params["b"].item() == pytest.approx(1 - 0.1 * 2)
    optimizer.step(params, gradients, 0.1)
    assert params["w"].item() == pytest.approx(0.79 - 0.1 * (0.5 * 2.1 + 2 + 0.079))
    assert params["b"].item() == pytest.approx(0.8 - 0.1 * (0.5 * 2 + 2))


def test_adam_by_hand():
    params = {"w": np.array([[1.0]]), "b": np.array([1.0])}
    optimizer = Adam(beta1=0.9, beta2=0.99, epsilon=0, weight_decay=0.5)
    optimizer.step(params, {"w": np.array([[4.0]]), "b": np.array([-4.0])}, 0.1)
    assert params["w"].item() == pytest.approx(1 - 0.1 - 0.1 * 0.5)
    assert params["b"].item() == pytest.approx(1 + 0.1)
    optimizer.step(params, {"w": np.array([[0.0]]), "b": np.array([0.0])}, 0.1)
    mean, square = 0.9 * 0.1 * 4 / (1 - 0.81), 0.99 * 0.01 * 16 / (1 - 0.99**2)
    assert params["b"].item() == pytest.approx(1.1 + 0.1 * mean / math.sqrt(square))


def test_schedules():
    assert [SCHEDULES["cosine"](t) for t in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert [SCHEDULES["step"](t) for t in (0, 0.49, 0.5, 0.75, 1)] == pytest.approx([1, 1, 0.1, 0.01, 0.01])
    assert SCHEDULES["constant"](0.7) == 1


def test_shifts_move_pixels_and_fill_with_zeros():
    x = np.arange(1, 19, dtype=np.float32).reshape(2, 1, 3, 3)
    moved = shifted(x, np.array([[1, -1], [0, 2]]))
    assert moved[0, 0].tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]
    assert moved[1, 0].tolist() == [[0, 0, 10], [0, 0, 13], [0, 0, 16]]


def test_evaluate_counts_the_last_short_batch():
    nodes = (Node("flatten", "flatten"), Node("fc", "fc", ("flatten",), params=("w",)))
    identity = Network("identity", (1, 2, 2), nodes, {"w": np.eye(4, dtype=np.float32)})
    x = np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)
    assert evaluate(identity, Split(x, np.array([0, 1, 2, 0])), batch=3) == 0.25


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"epochs": 0}, "epochs is 0, expected at least 1"),
        ({"batch": 0}, "batch is 0"),
        ({"shift_pixels": -1}, "shift_pixels is -1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"weight_decay": -1.0}, "weight_decay -1.0"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"optimizer": "lion"}, "optimizer is 'lion'"),
        ({"schedule": "sine"}, "schedule 'sine'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(bad, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(**{"epochs": 1, **bad})


@pytest.mark.parametrize("mask", [np.ones((8, 23), bool), np.ones((8, 24))])
def test_a_mask_that_does_not_fit_is_refused(mask):
    with pytest.raises(InputError, match=r"mask 'fc\.weight'"):
        train(network(), dataset(), QUICK, rng=np.random.default_rng(1), masks={"fc.weight": mask})
    with pytest.raises(InputError, match="mask 'fc2'"):
        train(network(), dataset(), QUICK, rng=np.random.default_rng(1), masks={"fc2": mask})


def test_diverging_training_is_told():
    with pytest.raises(InputError, match="training diverges, expected a lower learning rate"):
        train(network(), dataset(), TrainConfig(3, 50, 1e20), rng=np.random.default_rng(1))


@pytest.mark.slow
def test_lenet300_reaches_the_published_error():
    data, rng = load_dataset(), np.random.default_rng(0)
    rates = {"fc1": 0.1, "fc2": 0.2, "fc3": 0.1}
    config = TrainConfig(40, learning_rate=0.1, weight_decay=1e-4, dropout=rates)
    trained = train(build("lenet300", rng), data, config, rng=rng)
    assert evaluate(trained, data.test) <= 0.0164
