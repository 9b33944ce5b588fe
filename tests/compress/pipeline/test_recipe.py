"""Recipe files: what is read, and what is refused with one clear sentence."""

from __future__ import annotations

import pytest

from compress.nn.config import TrainConfig
from compress.nn.lenets import MODELS
from compress.pipeline.recipe import load_recipe, recipe_names
from hwsim.errors import InputError

GOOD = """
name = "tiny"
description = "for a test"
network = "lenet300"

[gap_bits]
fc1 = 5

[[step]]
kind = "train"
epochs = 2
learning_rate = 1

[[step]]
kind = "prune"
density = 0.1
epochs = 3

[[step]]
kind = "share"
values = { fc1 = 15 }
epochs = 0

[[step]]
kind = "encode"
"""


def test_a_recipe_is_read(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(GOOD)
    recipe = load_recipe(path)
    assert [step.kind for step in recipe.steps] == ["train", "prune", "share", "encode"]
    assert recipe.steps[0].config() == TrainConfig(epochs=2, learning_rate=1.0)
    assert recipe.gap_bits == {"fc1": 5}


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_sound(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.network in MODELS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", 'epochs = "2"', "key step.0.epochs: found '2', expected a valid integer"),
        ("epochs = 2", "epochs = -1", "key step.0.epochs: found -1, expected greater than or equal to 0"),
        ("epochs = 2", "epochs = true", "key step.0.epochs: found True, expected a valid integer"),
        ("epochs = 2", "", "key step.0.epochs: nothing found, expected a value"),
        ("epochs = 2", "epoch = 2", "key step.0.epoch: unknown key, expected one of epochs, batch"),
        ("learning_rate = 1", "learning_rate = nan", "key step.0.learning_rate: found nan"),
        ("density = 0.1", "", "key step.1: found keys kind, epochs, expected exactly one of density"),
        ("density = 0.1", "density = 0.1\nn_of_m = [2, 4]", "expected exactly one of density, densities"),
        ("density = 0.1", "density = 10", "key step.1.density: found 10, expected less than or equal to 1"),
        (
            "values = { fc1 = 15 }",
            "values = { fc1 = 15 }\nreassign = true\npatience = 2",
            "expected patience 0 with reassign",
        ),
        ("fc1 = 15", "fc1 = 0", "key step.2.values.fc1: found 0, expected greater than or equal to 1"),
        ("{ fc1 = 15 }", "{}", "key step.2.values: found keys , expected dictionary should have at least 1"),
        ('kind = "encode"', 'kind = "zip"', "key step.3.kind: found 'zip', expected one of train, prune"),
        ('kind = "encode"', "", "key step.3.kind: nothing found, expected one of train, prune"),
        ('network = "lenet300"', "", "key network: nothing found, expected a value"),
        (
            'network = "lenet300"',
            'network = "lenet300"\nzip = 1',
            "key zip: unknown key, expected one of name",
        ),
        ("fc1 = 5", "fc1 = 40", "key gap_bits.fc1: found 40, expected less than or equal to"),
        ("[[step]]", "[step]", "not valid TOML"),
    ],
)
def test_a_bad_recipe_is_refused(tmp_path, old, new, message):
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no recipe 'nothing': expected a .toml file or one of"):
        load_recipe("nothing")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 text"):
        load_recipe(tmp_path / "binary.toml")
