"""Work is bounded, not only what is declared: a small file that stands for gigabytes is refused."""

from __future__ import annotations

import gzip
import re
import struct
import zipfile

import numpy as np
import pytest

from compress.format.container import Artifact
from compress.format.tensors import PrunedTensor
from compress.nn.datasets import load_dataset
from compress.nn.network import INPUT, Network, Node
from compress.nn.room import held_B
from experiments.cli import main as cli
from experiments.runs import after_training
from experiments.runs.inputs import read_inputs
from hwsim.budget import MOST_B, allow_memory, require_memory
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.workload.table import load_csv

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

IMAGES = 1_200_000
"""Of 28 by 28 pixels: 0.9 GB, and five times as much as they are used."""


def zeros(shape, member):
    """Write an array of zero bytes into an archive, a piece at a time."""
    np.lib.format.write_array_header_2_0(member, {"descr": "|u1", "fortran_order": False, "shape": shape})
    left, piece = int(np.prod(shape)), bytes(1 << 22)
    while left:
        left -= member.write(piece[: min(left, len(piece))])


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    path = tmp_path_factory.mktemp("bomb") / "images.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, shape in {"x_train": (IMAGES, 28, 28), "y_train": (IMAGES,)}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                zeros(shape, member)
    return path


def test_an_archive_of_a_few_megabytes_that_would_take_five_gigabytes(bomb):
    assert bomb.stat().st_size < 1 << 23
    with pytest.raises(InputError) as error:
        load_dataset(bomb)
    said = str(error.value)
    assert re.search(r"would take 898\.\d MiB of arrays \+ 3\.5\d+ GiB of .* = 4\.38\d GiB in memory", said)
    assert "expected at most 3 GiB: `--max-memory SIZE`" in said


def test_a_zipped_idx_file_that_would_take_more(tmp_path):
    shape = (1_000_000, 28, 28)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        with gzip.open(tmp_path / f"{name}.gz", "wb") as file:
            file.write(struct.pack(">4B3I", 0, 0, 8, 3, *shape))
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"")
    said = r"747\.7 MiB of pixels \+ 2\.921 GiB of pixels in fp32 = 3\.651 GiB"
    with pytest.raises(InputError, match=said):
        load_dataset(tmp_path)


def sparse(rows, columns):
    """A layer of zeros: a file of a byte for hundreds of weights."""
    weights = np.zeros((rows, columns), np.float32)
    weights[:, 0] = 1.0
    network = Network("wide", (columns,), (Node("fc", "fc", (INPUT,), params=("w",)),), {"w": weights})
    return Artifact.of(network, "pruned", {"w": PrunedTensor(weights)})


@pytest.mark.parametrize("how", ["shrink", "quantize"])
def test_a_file_that_would_take_too_much_while_it_is_compressed(how):
    artifact, chip = sparse(40, 300), load_chip("edge")
    inputs = {INPUT: np.ones((4, 300), np.float32)}
    options = {
        "shrink": {"seed": 0, "density": 0.5, "bits": 2},
        "quantize": {"bits": 8, "calibration": "minmax"},
    }[how]
    allow_memory(1 << 19)
    try:
        with pytest.raises(InputError, match=r"compressing it would take 609\.4 KiB of 12,000 weights"):
            getattr(after_training, how)(artifact, inputs, chip, batch=1, **options)
    finally:
        allow_memory(MOST_B)
    before, after = getattr(after_training, how)(artifact, inputs, chip, batch=1, **options)
    assert after.size_B <= before.size_B


def test_inputs_that_would_take_too_much(tmp_path):
    network = sparse(4, 1000).to_network()
    np.save(tmp_path / "x.npy", np.zeros((300, 1000), np.uint8))
    allow_memory(1 << 20)
    try:
        with pytest.raises(InputError, match=r"293 KiB of values \+ 3\.433 MiB of values as float32"):
            read_inputs([str(tmp_path / "x.npy")], network)
    finally:
        allow_memory(MOST_B)
    assert read_inputs([str(tmp_path / "x.npy")], network)[INPUT].shape == (300, 1000)


def test_a_table_of_too_many_layers(tmp_path):
    path = tmp_path / "deep.csv"
    path.write_text("name,kind,channels,height,width,filters,times\nfc,fc,8,1,1,8,20000\n", encoding="utf-8")
    with pytest.raises(InputError, match="found '20000', expected a whole number, 1 to 8192"):
        load_csv(path)
    rows = "".join(f"fc{index},fc,8,1,1,8\n" for index in range(20_000))
    path.write_text(f"name,kind,channels,height,width,filters\n{rows}", encoding="utf-8")
    with pytest.raises(InputError, match="at most 8192 layers in all"):
        load_csv(path)


def test_what_may_be_taken_is_an_option_that_ends_with_the_command(capsys, bomb):
    words = [
        "compress",
        "--recipe",
        "lenet300-demo",
        "--dataset",
        str(bomb),
        "-o",
        str(bomb.with_name("m.dcz")),
    ]
    assert cli.run(cli.DCZ, ["--max-memory", "64M", *words]) == cli.BAD_INPUT
    assert "expected at most 64 MiB" in capsys.readouterr().err
    assert cli.run(cli.DCZ, words) == cli.BAD_INPUT
    assert "expected at most 3 GiB" in capsys.readouterr().err
    assert cli.run(cli.DCZ, ["--max-memory", "lots", *words]) == cli.BAD_INPUT
    assert "--max-memory 'lots': expected a size such as 8G" in capsys.readouterr().err


def test_parts_of_a_sum_are_named():
    require_memory("work", {"a": MOST_B})
    with pytest.raises(InputError, match="work would take 3 GiB of a \\+ 1 KiB of b = 3 GiB in memory"):
        require_memory("work", {"a": MOST_B, "b": 1024, "c": 0})
    with pytest.raises(InputError, match="memory is 0 bytes, expected at least 1"):
        allow_memory(0)


def unfolding(side):
    """A file of a few bytes whose execution holds many planes of its input at once."""
    conv = Node("conv", "conv", (INPUT,), {"kernel": (1, 1)}, ("w",))
    nodes = (conv, Node("relu", "relu", ("conv",)), Node("sum", "global_avg_pool", ("relu",)))
    network = Network("unfolding", (1, side, side), nodes, {"w": np.ones((64, 1, 1, 1), np.float32)})
    return Artifact.of(network, "dense")


def test_values_between_nodes_that_would_take_too_much():
    shapes = {"input": (2, 5), "a": (2, 10), "a:1": (2, 1), "b": (2, 10), "c": (2, 3)}
    reads = {"a": ["input"], "b": ["a"], "c": ["b", "a"]}
    # a and b are held while c is made; the second output of a is read by none, an output is held to the end
    assert held_B(reads, shapes, ("c",)) == 4 * 2 * (10 + 10 + 3)
    assert held_B(reads, shapes, ("c", "a:1")) == 4 * 2 * (10 + 1 + 10 + 3)
    assert held_B(reads, shapes, ("c", "input")) == 4 * 2 * (5 + 10 + 10 + 3)
    with pytest.raises(InputError, match="network unfolding would take 8 GiB of values between nodes"):
        unfolding(4096).to_network().forward(np.broadcast_to(np.float32(1), (1, 1, 4096, 4096)))


def test_a_command_that_executes_adds_up_and_may_be_allowed_more(tmp_path, capsys):
    unfolding(64).save(tmp_path / "model.dcz")
    np.save(tmp_path / "images.npy", np.ones((1, 1, 64, 64), np.float32))
    words = ["execute", str(tmp_path / "model.dcz"), "--inputs", str(tmp_path / "images.npy")]
    assert cli.run(cli.DCZ, ["--max-memory", "1M", *words]) == 2
    assert "network unfolding would take 2 MiB of values between nodes" in capsys.readouterr().err
    assert cli.run(cli.DCZ, ["--max-memory", "4M", *words]) == 0
