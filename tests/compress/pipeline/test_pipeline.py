"""The chain from a recipe to files: stages, determinism, resumption, early stopping."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from compress.format.container import parse
from compress.format.execution import executable
from compress.format.tensors import DenseTensor, PrunedTensor, SharedTensor
from compress.nn.datasets import Dataset, Split
from compress.nn.network import Network, Node
from compress.nn.train import evaluate
from compress.pipeline import run as pipeline
from compress.pipeline.recipe import Recipe
from compress.pipeline.run import compress
from compress.pipeline.state import State, load, save
from hwsim.errors import InputError

TRAIN = {"kind": "train", "epochs": 3, "batch": 20}
PRUNE = {"kind": "prune", "density": 0.2, "epochs": 3, "batch": 20}
SHARE = {
    "kind": "share", "values": {"fc1": 5, "fc2": 4}, "bias_values": 3, "epochs": 2, "batch": 20,
    "learning_rate": 0.002,
}  # fmt: skip
ENCODE = {"kind": "encode", "coding": "huffman"}


def recipe(*steps: dict, **keys) -> Recipe:
    return Recipe.model_validate(
        {"name": "test", "description": "", "network": "tiny", "step": list(steps), **keys}
    )


WHOLE = recipe(TRAIN, PRUNE, SHARE, ENCODE)


def tiny(rng: np.random.Generator) -> Network:
    nodes = (
        Node("flatten", "flatten"),
        Node("fc1", "fc", ("flatten",), params=("fc1.weight", "fc1.bias")),
        Node("relu", "relu", ("fc1",)),
        Node("fc2", "fc", ("relu",), params=("fc2.weight", "fc2.bias")),
    )
    params = {
        "fc1.weight": rng.normal(0, 0.3, (30, 16)).astype(np.float32),
        "fc1.bias": np.zeros(30, np.float32),
        "fc2.weight": rng.normal(0, 0.3, (4, 30)).astype(np.float32),
        "fc2.bias": np.zeros(4, np.float32),
    }
    return Network("tiny", (1, 4, 4), nodes, params)


def rows(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    y = rng.integers(4, size=count)
    x = rng.random((count, 1, 4, 4), dtype=np.float32)
    x[np.arange(count), 0, y] += 1
    return Split(x, y)


DATA = Dataset("rows", rows(300, 0), rows(0, 1), rows(200, 2), "none")


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch):
    monkeypatch.setattr(pipeline, "build", lambda name, rng: tiny(rng))
    monkeypatch.setattr("compress.nn.lenets.MODELS", {"tiny": tiny})


def files(chosen: Recipe, **options) -> list[bytes]:
    return [artifact.to_bytes() for artifact in compress(chosen, DATA, **options)]


def test_every_stage_is_a_file_smaller_than_the_one_before():
    artifacts = list(compress(WHOLE, DATA))
    assert [artifact.stage for artifact in artifacts] == ["dense", "pruned", "shared", "huffman"]
    forms = [type(artifact.tensors["fc1.weight"]) for artifact in artifacts]
    assert forms == [DenseTensor, PrunedTensor, SharedTensor, SharedTensor]
    sizes = [len(artifact.to_bytes()) for artifact in artifacts]
    assert sizes[0] > sizes[1] > sizes[2]
    assert [evaluate(artifact.to_network(), DATA.test) < 0.05 for artifact in artifacts] == [True] * 4
    pruned, shared, huffman = artifacts[1:]
    assert sum(pruned.tensors[name].nonzeros for name in ("fc1.weight", "fc2.weight")) <= 0.2 * 600
    assert len(huffman.tensors["fc1.weight"].codebook) <= 5
    assert len(huffman.tensors["fc1.bias"].codebook) <= 3
    np.testing.assert_array_equal(
        shared.tensors["fc1.weight"].to_array() != 0, pruned.tensors["fc1.weight"].values != 0
    )
    x = DATA.test.x
    assert shared.to_network().forward(x).tobytes() == huffman.to_network().forward(x).tobytes()


def test_a_file_executes_as_the_network_in_memory(tmp_path):
    artifact = list(compress(WHOLE, DATA))[-1]
    read = parse(artifact.to_bytes())[0]
    expected = artifact.to_network().forward(DATA.test.x)
    assert read.to_network().forward(DATA.test.x).tobytes() == expected.tobytes()


def test_same_seed_same_bytes_and_another_seed_others():
    assert files(WHOLE, seed=3) == files(WHOLE, seed=3)
    assert files(WHOLE, seed=3)[-1] != files(WHOLE, seed=4)[-1]


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(tmp_path, done):
    expected = files(WHOLE)
    list(islice(compress(WHOLE, DATA, work=tmp_path), done))
    seen = []
    assert files(WHOLE, work=tmp_path, on_progress=seen.append) == expected
    trained = {report.step for report in seen if report.epoch}
    assert trained == {step for step in (0, 1, 2) if step >= done}


def test_a_kill_in_the_middle_of_a_step_repeats_that_step(tmp_path):
    def kill(report):
        if report.kind == "prune" and report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files(WHOLE, work=tmp_path, on_progress=kill)
    assert files(WHOLE, work=tmp_path) == files(WHOLE)


def test_recipes_that_begin_alike_share_their_first_results(tmp_path):
    files(WHOLE, work=tmp_path)
    other = recipe(TRAIN, {**PRUNE, "density": 0.4})
    seen = []
    result = files(other, work=tmp_path, on_progress=seen.append)
    assert {report.step for report in seen if report.epoch} == {1}
    assert result == files(other)
    seen.clear()
    files(other, work=tmp_path, seed=1, on_progress=seen.append)
    assert {report.step for report in seen if report.epoch} == {0, 1}


def test_a_damaged_checkpoint_is_refused(tmp_path):
    files(recipe(TRAIN), work=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"not a readable checkpoint, remove it"):
        files(recipe(TRAIN), work=tmp_path)


def test_a_state_survives_the_disk(tmp_path):
    network = tiny(np.random.default_rng(0))
    labels = np.array([[0, 2], [1, 1]])
    state = State(
        network,
        {"fc1.weight": network.params["fc1.weight"] > 0},
        {"w": SharedTensor(labels, np.array([0.5, -1], np.float16))},
        {"fc1.bias": np.ones(30, np.float32)},
    )
    save(state, tmp_path / "state.npz")
    read = load(tmp_path / "state.npz", network)
    np.testing.assert_array_equal(read.masks["fc1.weight"], state.masks["fc1.weight"])
    np.testing.assert_array_equal(read.shared["w"].labels, labels)
    assert read.shared["w"].codebook.dtype == np.float16
    np.testing.assert_array_equal(read.teacher["fc1.bias"], np.ones(30))
    assert all(np.array_equal(read.network.params[name], value) for name, value in network.params.items())


def test_pruning_on_keeps_what_was_pruned_before():
    first = {**PRUNE, "density": 0.5}
    by_layer = {**PRUNE, "density": None, "densities": {"fc1": 0.1}}
    artifacts = list(compress(recipe(TRAIN, first, by_layer), DATA))
    before, after = (artifact.arrays() for artifact in artifacts[1:])
    for name in ("fc1.weight", "fc2.weight"):
        assert not (after[name][before[name] == 0]).any()
    assert np.count_nonzero(after["fc1.weight"]) <= round(0.1 * 480)


def test_pruning_at_once_needs_no_training():
    seen = []
    artifacts = list(compress(recipe(TRAIN, {**PRUNE, "epochs": 0}), DATA, on_progress=seen.append))
    dense, pruned = (artifact.arrays()["fc1.weight"] for artifact in artifacts)
    kept = pruned != 0
    np.testing.assert_array_equal(pruned[kept], dense[kept])
    assert {report.step for report in seen if report.epoch} == {0}


def test_n_of_m_pruning_holds_in_every_group():
    artifacts = list(compress(recipe(TRAIN, {**PRUNE, "density": None, "n_of_m": [1, 4]}), DATA))
    weight = artifacts[1].arrays()["fc1.weight"]
    assert (np.count_nonzero(weight.reshape(-1, 4), axis=1) <= 1).all()
    assert np.count_nonzero(weight) > 60


def test_pruning_units_keeps_the_strongest_of_a_layer():
    chosen = {"kind": "prune", "units": {"fc1": 8}, "epochs": 0}
    dense, pruned = (artifact.arrays() for artifact in compress(recipe(TRAIN, chosen), DATA))
    strength = np.square(dense["fc1.weight"]).sum(1) * np.square(dense["fc2.weight"]).sum(0)
    kept = np.sort(np.argsort(strength)[-8:])
    np.testing.assert_array_equal(np.flatnonzero(pruned["fc1.weight"].any(axis=1)), kept)
    np.testing.assert_array_equal(np.flatnonzero(pruned["fc2.weight"].any(axis=0)), kept)
    np.testing.assert_array_equal(pruned["fc1.weight"][kept], dense["fc1.weight"][kept])


def test_units_go_gradually_and_the_rest_is_trained_on():
    chosen = {**PRUNE, "density": None, "units": {"fc1": 8}}
    artifact = list(compress(recipe(TRAIN, chosen, PRUNE), DATA))[-1]
    assert np.count_nonzero(artifact.arrays()["fc1.weight"].any(axis=1)) <= 8
    assert evaluate(artifact.to_network(), DATA.test) < 0.05


def test_fewer_updates_of_the_masks_end_at_the_same_density():
    few, many = (
        list(compress(recipe(TRAIN, {**PRUNE, "updates": updates}), DATA))[-1].arrays()
        for updates in (2, 1000)
    )
    assert np.count_nonzero(few["fc1.weight"]) + np.count_nonzero(few["fc2.weight"]) <= 0.2 * 600
    assert not np.array_equal(few["fc1.weight"], many["fc1.weight"])


def test_gap_bits_reach_the_files():
    artifacts = list(compress(recipe(TRAIN, PRUNE, SHARE, ENCODE, gap_bits={"fc1": 2}), DATA))
    for artifact in artifacts[1:]:
        assert parse(artifact.to_bytes())[0].tensors["fc1.weight"].gap_bits == 2


def test_half_precision_holds_codebooks_and_biases():
    halves = {**SHARE, "codebook": "fp16", "bias_values": 0}
    shared = list(compress(recipe(TRAIN, PRUNE, halves), DATA))[-1]
    assert shared.tensors["fc1.weight"].codebook.dtype == np.float16
    assert shared.tensors["fc1.bias"].values.dtype == np.float16
    assert shared.tensors["fc1.bias"].nonzeros > 0
    whole = list(compress(recipe(TRAIN, PRUNE, {**halves, "codebook": "fp32"}), DATA))[-1]
    assert whole.tensors["fc1.bias"].values.dtype == np.float32


def test_weights_may_change_between_shared_values():
    fixed, moving = (
        list(compress(recipe(TRAIN, PRUNE, {**SHARE, "learning_rate": 0.05, "reassign": on}), DATA))[-1]
        for on in (False, True)
    )
    labels = [artifact.tensors["fc1.weight"].labels for artifact in (fixed, moving)]
    np.testing.assert_array_equal(labels[0] != 0, labels[1] != 0)
    assert not np.array_equal(*labels)
    assert len(moving.tensors["fc1.weight"].codebook) == 5
    assert evaluate(moving.to_network(), DATA.test) < 0.05


def test_integers_come_beside_the_other_stages():
    aside = recipe(TRAIN, {"kind": "quantize", "bits": 4, "calibration": "mse", "images": 50}, PRUNE)
    artifacts = list(compress(aside, DATA))
    assert [artifact.stage for artifact in artifacts] == ["dense", "int4", "pruned"]
    assert evaluate(executable(artifacts[1]), DATA.test) < 0.1


def test_training_stops_early_and_keeps_the_best_epoch():
    data = Dataset("rows", DATA.train, rows(200, 5), DATA.test, "none")
    step = {**TRAIN, "epochs": 60, "patience": 3, "schedule": "constant"}
    seen = []
    (artifact,) = compress(recipe(step), data, on_progress=seen.append)
    errors = [report.validation_error for report in seen if report.epoch]
    assert len(errors) < 60
    assert len(errors) == errors.index(min(errors)) + 1 + 3
    assert evaluate(artifact.to_network(), data.validation) == min(errors)


def test_the_teacher_is_the_dense_network():
    taught = recipe(TRAIN, {**PRUNE, "teacher_weight": 1.0})
    losses = []
    artifacts = list(compress(taught, DATA, on_progress=lambda report: losses.append(report.loss)))
    teacher, student = (artifact.to_network().forward(DATA.test.x) for artifact in artifacts)
    untaught = list(compress(recipe(TRAIN, PRUNE), DATA))[1].to_network().forward(DATA.test.x)
    assert np.abs(student - teacher).mean() < 0.8 * np.abs(untaught - teacher).mean()


@pytest.mark.parametrize(
    ("steps", "keys", "message"),
    [
        (
            [{**SHARE, "values": {"fc9": 3}}],
            {},
            "key step.0.values.fc9: no such layer, expected one of fc1, fc2",
        ),
        ([{**PRUNE, "density": None, "units": {"fc9": 3}}], {}, "key step.0.units.fc9: no such layer"),
        ([{**PRUNE, "density": None, "units": {"fc2": 3}}], {}, "units of 'fc2': expected one of fc1"),
        ([TRAIN], {"gap_bits": {"conv1": 3}}, "key gap_bits.conv1: no such layer"),
        ([{**TRAIN, "patience": 2}], {}, "key step.0.patience: there is no validation split"),
        ([{**PRUNE, "teacher_weight": 0.5}], {}, "no dense network yet, expected a train step before"),
        ([TRAIN, ENCODE], {}, "key step.1.kind: 'encode' finds no shared weights, expected a share step"),
        ([TRAIN, SHARE, PRUNE, ENCODE], {}, "key step.3.kind: 'encode' finds no shared weights"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(steps, keys, message):
    with pytest.raises(InputError, match=message):
        list(compress(recipe(*steps, **keys), DATA))
