"""Inputs as people have them: by name, in archives and folders, integers, images and their labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from compress.format.container import Artifact
from compress.nn.interface import OPEN, Interface
from compress.nn.network import Network, Node
from experiments.cli import main as cli
from experiments.runs.images import Preparation, read_images, read_labels
from experiments.runs.inputs import halves, items, read_inputs, run
from hwsim.errors import InputError

RNG = np.random.default_rng(4)


def tokens_and_mask() -> Network:
    nodes = (
        Node("rows", "gather", ("table", "input"), {"axis": 0}),
        Node("masked", "mul", ("rows", "mask")),
        Node("pooled", "reduce_sum", ("masked",), {"axes": (1,), "keepdims": 0}),
        Node("logits", "fc", ("pooled",), {}, ("w",)),
    )
    params = {
        "table": RNG.standard_normal((9, 4)).astype(np.float32),
        "w": RNG.standard_normal((3, 4)).astype(np.float32),
    }
    interface = Interface({"input": "ids", "mask": "m"}, ("rows", "logits"), {"input": "int64"})
    return Network("two", (5,), nodes, params, ("rows", "logits"), {"mask": (5, 1)}, interface)


@pytest.fixture
def files(tmp_path):
    ids, mask = RNG.integers(0, 9, (6, 5)), RNG.random((6, 5, 1)).astype(np.float32)
    np.save(tmp_path / "a.npy", ids.astype(np.int32))
    np.save(tmp_path / "b.npy", mask)
    np.savez(tmp_path / "both.npz", ids=ids, m=mask)
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "ids.npy", ids)
    np.save(tmp_path / "folder" / "m.npy", mask)
    Artifact.of(tokens_and_mask(), "dense").save(tmp_path / "two.dcz")
    return tmp_path


def test_inputs_come_by_name_in_an_archive_or_a_folder(files):
    network = tokens_and_mask()
    given = [f"ids={files}/a.npy", f"m={files}/b.npy"], [f"{files}/both.npz"], [f"{files}/folder"]
    found = [read_inputs(one, network) for one in given]
    for values in found:
        assert values["input"].dtype == np.int64
        assert all(np.array_equal(values[name], found[0][name]) for name in values)
    outputs = run(network, found[0])
    assert outputs["rows"].shape == (6, 5, 4)
    assert outputs["logits"].shape == (6, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["{0}/a.npy"], r"a.npy: for which input\? expected ids=.*a.npy or m="),
        (
            ["ids={0}/a.npy"],
            "no file for input m, expected --inputs ids=FILE --inputs m=FILE or an ",
        ),
        (["ids={0}/b.npy", "m={0}/b.npy"], "holds float32 that int64 does not hold, expected whole numbers"),
        (["ids={0}/a.npy", "m={0}/a.npy"], r"shape \(6, 5\), expected \(1 or more items, 5, 1\) for input m"),
        (["{0}/both.npz", "m={0}/b.npy"], "input m is given twice"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_told(files, given, message):
    with pytest.raises(InputError, match=message):
        read_inputs([text.format(files) for text in given], tokens_and_mask())


def test_every_command_takes_them_and_judges_each_output(files, capsys):
    model, inputs = str(files / "two.dcz"), ["--inputs", f"ids={files}/a.npy", "--inputs", f"m={files}/b.npy"]
    assert cli.run(cli.DCZ, ["execute", model, *inputs, "-o", str(files / "out.npz"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == list(np.load(files / "out.npz")) == ["rows", "logits"]
    assert cli.run(cli.DCZ, ["execute", model, *inputs, "-o", str(files / "out.npy")]) == 2
    assert "outputs rows, logits, expected a name that ends in .npz" in capsys.readouterr().err
    for command in ("shrink", "quantize"):
        words = [command, model, *inputs, "-o", str(files / "s.dcz"), "--force", "--chip", "edge", "--json"]
        assert cli.run(cli.DCZ, words) == 0
        made = json.loads(capsys.readouterr().out)[1]
        assert list(made["outputs"]) == ["rows", "logits"]
        assert made["outputs"]["logits"]["top_1"] is not None
    assert cli.run(cli.HWSIM, ["run", "edge", model, *inputs, "--json"]) == 0
    assert "as measured" in json.loads(capsys.readouterr().out)[0]["provenance"]


def test_halves_of_items_and_of_a_sequence():
    values = {"input": np.arange(10).reshape(5, 2)}
    plain = Network("n", (2,), (Node("y", "relu"),), {})
    first, second = halves(plain, values)
    assert (len(first["input"]), len(second["input"]), items(plain, values)) == (3, 2, 5)
    whole = Network("n", (2,), (Node("y", "relu"),), {}, interface=Interface(lead={"input": OPEN}))
    assert items(whole, values) == 1
    assert [len(half["input"]) for half in halves(whole, values)] == [3, 2]
    several = {"input": np.arange(20).reshape(2, 5, 2)}
    assert [half["input"].shape for half in halves(whole, several)] == [(1, 5, 2), (1, 5, 2)]


@pytest.fixture
def pictures(tmp_path):
    for kind, colour in (("cat", (255, 0, 0)), ("dog", (0, 255, 0))):
        (tmp_path / kind).mkdir()
        for number in range(2):
            Image.new("RGB", (12, 8), colour).save(tmp_path / kind / f"{number}.png")
    return tmp_path


def test_images_become_numbers(pictures):
    how = Preparation((0.5, 0.0, 0.0), (0.5, 1.0, 1.0), 8)
    found = read_inputs([str(pictures)], Network("n", (3, 6, 6), (Node("y", "relu"),), {}), images=how)[
        "input"
    ]
    assert found.shape == (4, 3, 6, 6)
    assert found[0, :, 0, 0] == pytest.approx([1, 0, 0])
    assert found[2, :, 3, 3] == pytest.approx([-1, 1, 0])
    with pytest.raises(InputError, match="--mean has 2 numbers, expected 1 or 3"):
        read_images([pictures / "cat" / "0.png"], (3, 6, 6), Preparation((0.5, 0.5)))
    with pytest.raises(InputError, match="expected images of 1 or 3 channels"):
        read_images([pictures / "cat" / "0.png"], (7,), Preparation())


def test_a_classifier_is_evaluated_on_folders_of_classes(pictures, capsys):
    nodes = (
        Node("mean", "global_avg_pool"),
        Node("flat", "flatten", ("mean",)),
        Node("y", "fc", ("flat",), {}, ("w",)),
    )
    classifier = Network("c", (3, 6, 6), nodes, {"w": np.eye(3, dtype=np.float32)})
    Artifact.of(classifier, "dense").save(pictures / "c.dcz")
    words = ["evaluate", str(pictures / "c.dcz"), "--inputs", str(pictures), "--json"]
    assert cli.run(cli.DCZ, words) == 0
    assert json.loads(capsys.readouterr().out)["test_error"] == 0
    (pictures / "labels.csv").write_text("name,class\na,0\nb,0\nc,1\nd,2\n")
    assert cli.run(cli.DCZ, [*words, "--labels", str(pictures / "labels.csv")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["test_error"], shown["top_5_error"]) == (0.25, 0)


def test_labels_that_do_not_fit(tmp_path):
    (tmp_path / "l.txt").write_text("1\ntwo\n")
    with pytest.raises(InputError, match="label 'two', expected a whole number on each line"):
        read_labels(tmp_path / "l.txt", None, 2)
    with pytest.raises(InputError, match="no labels, expected --labels FILE"):
        read_labels(None, None, 2)
    (tmp_path / "l.txt").write_text("1\n")
    with pytest.raises(InputError, match="expected 2 labels"):
        read_labels(tmp_path / "l.txt", None, 2)
