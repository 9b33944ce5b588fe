"""The commands on compressed files: what they print, and what they say of a damaged file."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from compress.format.container import Artifact
from compress.format.execution import executable
from compress.format.tensors import SharedTensor
from compress.methods.quantize import quantize_network
from compress.nn.datasets import load_dataset
from compress.nn.lenets import build
from compress.nn.network import Network, Node
from experiments.cli import main as cli

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """LeNet-300-100 whose second layer is shared and coded; 1 in 10 of its weights is not zero."""
    network = build("lenet300", np.random.default_rng(0))
    labels = (np.arange(30_000) % 10 == 0).reshape(100, 300).astype(np.uint16)
    shared = SharedTensor(labels, np.array([0.5], np.float32), "huffman")
    path = tmp_path_factory.mktemp("model") / "model.dcz"
    Artifact.of(network, "huffman", {"fc2.weight": shared}).save(path)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A data set of four images of class 0 to train on and three of class 1 to test with."""
    path = tmp_path_factory.mktemp("data") / "few.npz"
    x, y = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.uint8)
    np.savez(path, x_train=x, y_train=y, x_test=x[:3], y_test=y[:3] + np.uint8(1))
    return path


def run(capsys, *arguments: str) -> str:
    assert cli.run(cli.DCZ, [str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_inspect_prints_bytes_by_stream_that_add_up_to_the_file(capsys, model):
    lines = [line.split() for line in run(capsys, "inspect", model).splitlines()]
    header = next(line for line in lines if line[:1] == ["tensor"])
    (fc1,) = [line for line in lines if line[:1] == ["fc1.weight"]]
    assert fc1[1:6] == ["dense", "float32", "235,200", "100.0%", "940,800"]
    whole = next(line for line in lines if line[:2] == ["whole", "file"])
    assert header[-2:] == ["total", "ratio"]
    assert whole[-2] == f"{model.stat().st_size:,}"
    assert float(whole[-1]) == round(266_610 * 4 / model.stat().st_size, 1)


def test_inspect_as_json_holds_every_byte(capsys, model):
    data = json.loads(run(capsys, "inspect", model, "--json"))
    assert data["bytes"] == model.stat().st_size
    assert sum(tensor["total"] for tensor in data["tensors"]) == data["bytes"]
    assert data["ratio"] == 4 * 266_610 / data["bytes"]
    (shared,) = [tensor for tensor in data["tensors"] if tensor["tensor"] == "fc2.weight"]
    assert (shared["form"], shared["nonzeros"]) == ("shared huffman", 3000)


def test_verify_says_that_a_file_is_whole(capsys, model):
    assert run(capsys, "verify", model).count(f"{model} is whole: {model.stat().st_size:,} bytes") == 1


def test_evaluate_executes_the_file(capsys, model, images):
    network = Artifact.load(model).to_network()
    wrong = int(network.forward(np.zeros((1, 1, 28, 28), np.float32)).argmax() != 1)
    printed = json.loads(run(capsys, "evaluate", model, "--dataset", images, "--json"))
    assert printed == {"file": str(model), "dataset": "few", "images": 3, "test_error": float(wrong)}
    assert f"test error {100 * wrong:.2f}% on 3 images of few" in run(
        capsys, "evaluate", model, "--dataset", images
    )


@pytest.mark.parametrize("stored", [[], ["--stored"]])
def test_evaluate_executes_quantized_layers_on_integers(capsys, tmp_path, stored):
    rng = np.random.default_rng(5)
    pixels, nobody = rng.integers(0, 256, (40, 28, 28), np.uint8), np.zeros(40, np.uint8)
    own = tmp_path / "own.npz"
    np.savez(own, x_train=pixels, y_train=nobody, x_test=pixels, y_test=nobody)
    network, x = build("lenet300", rng), load_dataset(str(own)).test.x
    artifact = quantize_network(network, x, 2)
    integers, floats = (made.forward(x).argmax(1) for made in (executable(artifact), artifact.to_network()))
    assert (integers != floats).any()
    artifact.save(tmp_path / "int2.dcz")
    np.savez(own, x_train=pixels, y_train=nobody, x_test=pixels, y_test=integers.astype(np.uint8))
    command = ["evaluate", tmp_path / "int2.dcz", "--dataset", own, "--json", *stored]
    assert json.loads(run(capsys, *command))["test_error"] == 0


@pytest.mark.parametrize("stored", [[], ["--stored"]])
def test_execute_writes_outputs_and_ranks_classes(capsys, tmp_path, model, stored):
    x = np.random.default_rng(1).random((40, 1, 28, 28), np.float32)
    np.save(tmp_path / "x.npy", x)
    words = ["execute", model, "--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy", *stored]
    expected = Artifact.load(model).to_network().forward(x)
    answers = json.loads(run(capsys, *words, "--json"))
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-4, atol=1e-5)
    assert [[place["class"] for place in answer] for answer in answers] == np.argsort(-expected)[
        :, :5
    ].tolist()
    printed = run(capsys, *words, "--force")
    assert f"{tmp_path / 'y.npy'}: 40 items" in printed
    assert f"{expected[0].argmax()} ({expected[0].max():.4g})" in printed


def test_outputs_without_items_are_not_ranked(capsys, tmp_path):
    odd = saved(tmp_path / "odd.dcz", Node("x", "reduce_sum", attrs={"axes": (0, 1, 2, 3), "keepdims": 0}))
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 28, 28), np.float32))
    assert cli.run(cli.DCZ, ["execute", str(odd), "--inputs", str(tmp_path / "x.npy")]) == 2
    assert "shape () for one item, expected (1, ...)" in " ".join(capsys.readouterr().err.split())


def saved(path, *nodes: Node):
    network = Network("odd", (1, 28, 28), nodes, {})
    Artifact.of(network, "dense").save(path)
    return path


@pytest.mark.parametrize("command", ["evaluate", "sensitivity"])
@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        ([Node("x", "flatten")], "(1, 784)"),
        ([Node("x", "relu")], "(1, 1, 28, 28)"),
        ([Node("x", "reduce_sum", attrs={"axes": (0, 1, 2, 3), "keepdims": 0})], "()"),
        ([Node("x", "reduce_sum", attrs={"axes": (1, 2, 3), "keepdims": 0})], "(1,)"),
    ],
)
def test_outputs_that_are_no_scores_of_the_classes_are_refused(
    capsys, tmp_path, images, command, nodes, shape
):
    odd = saved(tmp_path / "odd.dcz", *nodes)
    assert cli.run(cli.DCZ, [command, str(odd), "--dataset", str(images)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"error: network odd: gives an output of shape {shape} for one image, expected (1, 10)" in error


def test_sensitivity_of_a_network_without_weights_is_refused(capsys, tmp_path, images):
    first = Node("x", "slice", ("flat",), {"ranges": ((1, 0, 10, 1),)})
    odd = saved(tmp_path / "odd.dcz", Node("flat", "flatten"), first)
    command = [
        "sensitivity",
        str(odd),
        "--dataset",
        str(images),
        "--images",
        "2",
        "-o",
        str(tmp_path / "out"),
    ]
    assert cli.run(cli.DCZ, command) == 2
    assert (
        "error: network odd: no fully-connected, convolutional or recurrent layer" in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["inspect", "verify", "evaluate"])
@pytest.mark.parametrize("kept", [0, 3, 50, 10_000])
def test_a_cut_file_gives_one_sentence_and_exit_code_2(capsys, tmp_path, model, command, kept):
    cut = tmp_path / "cut.dcz"
    cut.write_bytes(model.read_bytes()[:kept])
    assert cli.run(cli.DCZ, [command, str(cut)]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"error: {cut}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["inspect", "verify", "evaluate"])
def test_a_missing_file_or_a_folder_gives_one_sentence(capsys, tmp_path, command):
    for path in (tmp_path, tmp_path / "none.dcz"):
        assert cli.run(cli.DCZ, [command, str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_evaluate_names_the_data_set_it_cannot_find(capsys, model):
    assert cli.run(cli.DCZ, ["evaluate", str(model), "--dataset", "nowhere"]) == 2
    assert "data set nowhere: not found" in capsys.readouterr().err


RECIPE = """
name = "short"
description = "Every step once"
network = "lenet300"
step = [
    { kind = "train", epochs = 1 },
    { kind = "prune", density = 0.1, epochs = 1 },
    { kind = "share", values = { fc1 = 3 }, epochs = 1 },
    { kind = "encode" },
]
"""


def test_compress_follows_a_recipe_and_gives_the_same_bytes_from_kept_steps(capsys, tmp_path, images):
    recipe, work = tmp_path / "short.toml", tmp_path / "work"
    recipe.write_text(RECIPE)
    common = ("--recipe", recipe, "--dataset", images, "--seed", "3")
    printed = run(capsys, "compress", *common, "-o", tmp_path / "a.dcz", "--work", work)
    assert printed.startswith(f"{tmp_path / 'a.dcz'}: lenet300, stage huffman, ")
    run(capsys, "compress", *common, "-o", tmp_path / "b.dcz", "--work", work)
    assert (tmp_path / "a.dcz").read_bytes() == (tmp_path / "b.dcz").read_bytes()
    assert Artifact.load(tmp_path / "a.dcz").stage == "huffman"


@pytest.mark.slow
def test_compress_goes_on_after_a_kill_and_ends_in_the_same_bytes(tmp_path, images):
    recipe, work = tmp_path / "short.toml", tmp_path / "work"
    recipe.write_text(RECIPE.replace("epochs = 1", "epochs = 30"))
    common = [
        "compress",
        "--recipe",
        recipe,
        "--dataset",
        images,
        "-o",
        tmp_path / "killed.dcz",
        "--work",
        work,
    ]
    command = [sys.executable, "-c", "from experiments.cli.main import dcz; dcz()", *map(str, common)]
    with subprocess.Popen(command) as process:
        while process.poll() is None and not list(work.glob("*.npz")):
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.dcz").exists()
    subprocess.run(command, check=True)
    whole = [str(part) for part in common[:-3]] + [str(tmp_path / "whole.dcz")]
    assert cli.run(cli.DCZ, whole) == 0
    assert (tmp_path / "killed.dcz").read_bytes() == (tmp_path / "whole.dcz").read_bytes()


@pytest.mark.parametrize("arguments", [["nowhere"], ["lenet300-demo", "-o", "no/such/folder/model.dcz"]])
def test_compress_refuses_what_it_cannot_do_before_it_trains(capsys, arguments):
    assert cli.run(cli.DCZ, ["compress", "--recipe", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_sensitivity_prunes_layer_by_layer_and_draws(capsys, model, images, tmp_path):
    folder = tmp_path / "scan"
    options = ("--dataset", images, "--images", 2, "-o", folder)
    printed = run(capsys, "sensitivity", model, *options)
    assert "fc1" in printed
    assert {"sensitivity.csv", "sensitivity.png", "manifest.json"} <= {path.name for path in folder.iterdir()}
    points = json.loads(run(capsys, "sensitivity", model, *options, "--json"))
    assert {point["layer"] for point in points} == {"fc1", "fc2", "fc3"}
    assert {point["error_pct"] for point in points} <= {0.0, 50.0, 100.0}
