"""The names of `import compress`: they take names and paths as well as objects, and say what they expect."""

import numpy as np
import pytest
from checkout import ROOT

import compress
import hwsim
from compress.nn import train
from hwsim.errors import InputError

MODEL = ROOT / "results" / "reference" / "compression" / "best-lenet300-0.dcz"
RECIPE = """
name = "nothing"
description = "no epoch of training"
network = "lenet300"
[[step]]
kind = "train"
epochs = 0
"""


@pytest.fixture(scope="module")
def artifact():
    return compress.read(MODEL)[0]


def test_a_recipe_and_a_data_set_are_taken_by_name(tmp_path):
    path = tmp_path / "nothing.toml"
    path.write_text(RECIPE, encoding="utf-8")
    (by_name,) = compress.compress(path, seed=3)
    (by_object,) = compress.compress(compress.load_recipe(path), compress.load_dataset("mnist"), seed=3)
    assert by_name.stage == "dense"
    assert by_name.to_bytes() == by_object.to_bytes()


def test_the_validation_images_of_a_recipe_are_set_apart(tmp_path):
    path = tmp_path / "nothing.toml"
    path.write_text(RECIPE.replace("\n[[", "\nvalidation = 60000\n[["), encoding="utf-8")
    with pytest.raises(InputError, match="validation is 60000 images, expected 0 to 59999"):
        compress.compress(path)


def test_a_path_stands_for_the_artifact_in_the_file(artifact, tmp_path):
    by_path, by_object = compress.workload_of(MODEL), compress.workload_of(artifact)
    assert repr(by_path) == repr(by_object)
    assert by_path.weight_bits == by_object.weight_bits > 0
    assert hwsim.simulate("edge", by_path).summary() == hwsim.simulate("edge", by_object).summary()
    images = np.zeros((1, 1, 28, 28), np.float32)
    np.testing.assert_array_equal(
        compress.executable(MODEL).forward(images), compress.executable(artifact).forward(images)
    )
    compress.export(str(MODEL), tmp_path / "a.npz")
    compress.export(artifact, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_evaluate_gives_the_error_of_the_executed_network(artifact):
    test = compress.load_dataset().test
    assert compress.evaluate(MODEL) == train.evaluate(compress.executable(artifact), test)
    few = compress.Dataset("few", test[:100], test[:0], test[:100], "none")
    assert compress.evaluate(artifact, few, stored=True) == train.evaluate(artifact.to_network(), test[:100])


def test_a_model_comes_in_by_its_suffix(artifact, tmp_path):
    pytest.importorskip("onnx", reason="the extra hwsim[onnx] is not installed")
    path = tmp_path / "model.onnx"
    compress.export(artifact, path)
    imported = compress.import_model(path)
    assert imported.stage == "huffman"  # found again among decoded weights
    images = np.random.default_rng(0).random((4, 1, 28, 28), dtype=np.float32)
    np.testing.assert_allclose(
        imported.to_network().forward(images), artifact.to_network().forward(images), rtol=1e-5, atol=1e-5
    )


MODEL_EXPECTED = "expected an Artifact or the path of a .dcz file"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compress.read(5), "model is 5 (int), expected the path of a .dcz file"),
        (lambda: compress.read("nowhere.dcz"), "cannot read nowhere.dcz"),
        (lambda: compress.workload_of(None), f"model is None, {MODEL_EXPECTED}"),
        (lambda: compress.executable(["x"]), f"model is ['x'] (list), {MODEL_EXPECTED}"),
        (lambda: compress.evaluate(5), f"model is 5 (int), {MODEL_EXPECTED}"),
        (lambda: compress.export(5, "a.npz"), f"model is 5 (int), {MODEL_EXPECTED}"),
        (lambda: compress.export(MODEL, 5), "path is 5 (int), expected a file to write that ends in .onnx"),
        (
            lambda: compress.import_model(5),
            "model is 5 (int), expected the path of an .onnx, .gguf or .net file",
        ),
        (
            lambda: compress.import_model("a.h5"),
            "a.h5: format '.h5' is unknown, expected .onnx, .gguf or .net",
        ),
        (lambda: compress.import_model("a.onnx", shapes=3), "shapes is 3 (int), expected a dict of shapes"),
        (
            lambda: compress.load_recipe(5),
            "recipe is 5 (int), expected the name of a shipped recipe",
        ),
        (lambda: compress.load_dataset(5), "data set is 5 (int), expected 'mnist', an npz file or a folder"),
        (
            lambda: compress.load_dataset(validation="9"),
            "validation is '9' (str), expected a number",
        ),
        (
            lambda: compress.compress(5),
            "recipe is 5 (int), expected a Recipe, the name of a shipped one",
        ),
        (lambda: compress.compress("norecipe"), "no recipe 'norecipe': expected a .toml file or one of"),
        (lambda: compress.compress("lenet300-demo", 5), "data set is 5 (int), expected a Dataset, 'mnist'"),
        (lambda: compress.compress("lenet300-demo", seed="0"), "seed is '0' (str), expected a whole number"),
        (
            lambda: compress.compress("lenet300-demo", seed=-1),
            "seed is -1, expected a whole number",
        ),
        (lambda: compress.compress("lenet300-demo", work=5), "work is 5 (int), expected a folder"),
        (lambda: compress.inspect(5), "model is 5 (int), expected the path of a .dcz file"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(call, message):
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("number", [10**5000, -(10**5000), [10**5000]], ids=range(3))
@pytest.mark.parametrize(
    "call",
    [
        compress.read,
        compress.inspect,
        compress.import_model,
        compress.load_recipe,
        compress.load_dataset,
        compress.workload_of,
        compress.executable,
        compress.evaluate,
        compress.compress,
        lambda number: compress.export(number, "a.onnx"),
        lambda number: compress.load_dataset(validation=number),
        lambda number: compress.import_model("a.onnx", shapes=number),
        lambda number: compress.workload_of(MODEL, arithmetic=number),
        lambda number: compress.compress("lenet300-demo", seed=number),
        lambda number: compress.compress("lenet300-demo", work=number),
    ],
)
def test_numbers_of_any_digits_are_refused_in_one_sentence(call, number):
    with pytest.raises(InputError) as refused:
        call(number)
    assert len(str(refused.value)) < 1000
