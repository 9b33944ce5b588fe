"""Nothing of the user's is replaced unasked, and nothing is written from itself."""

import numpy as np
import pytest

from compress.format.container import Artifact
from compress.nn.zoo import build
from experiments.cli import main as cli


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Artifact.of(build("lenet300", np.random.default_rng(0)), "dense").save(tmp_path / "model.dcz")
    np.save(tmp_path / "items.npy", np.zeros((4, 1, 28, 28), np.float32))
    return tmp_path / "model.dcz"


@pytest.mark.parametrize(
    "arguments",
    [
        ["quantize", "model.dcz", "--inputs", "items.npy", "-o", "model.dcz"],
        ["quantize", "-o", "model.dcz", "--inputs", "items.npy", "model.dcz"],
        ["recode", "model.dcz", "--force", "-o", "./model.dcz"],
        ["execute", "model.dcz", "--inputs", "x=items.npy", "-o", "items.npy", "--force"],
    ],
)
def test_an_output_is_not_its_own_input(model, arguments, capsys):
    before = model.read_bytes()
    assert cli.run(cli.DCZ, arguments) == 2
    assert "written from itself, expected another name" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_a_link_to_the_input_is_the_input(model, capsys):
    (model.parent / "link.dcz").symlink_to(model)
    assert cli.run(cli.DCZ, ["recode", "model.dcz", "-o", "link.dcz", "--force"]) == 2
    assert "written from itself" in capsys.readouterr().err


def test_a_file_that_exists_is_replaced_by_force_alone(model, capsys):
    path = model.parent / "out.npz"
    path.write_text("mine")
    assert cli.run(cli.DCZ, ["export", "model.dcz", "-o", "out.npz"]) == 2
    assert "out.npz exists, expected a new name, or --force to replace it" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert cli.run(cli.DCZ, ["export", "model.dcz", "-o", "out.npz", "--force"]) == 0
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize("option", ["--csv", "--trace", "--plot"])
def test_what_a_run_writes_is_new(model, option, capsys):
    path = model.parent / "mine.png"
    path.write_text("mine")
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", option, str(path)]) == 2
    assert path.read_text() == "mine"
    assert cli.run(cli.HWSIM, ["run", "edge", "model.dcz", option, "model.dcz", "--force"]) == 2
    assert "written from itself" in capsys.readouterr().err


def test_a_device_takes_what_is_written(model):
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--csv", "/dev/null"]) == 0
