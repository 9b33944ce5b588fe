"""The authors' compressed SqueezeNet, and files that pretend to be it."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.format.container import Artifact, parse
from compress.format.recode import compact, recode
from compress.format.tensors import SharedTensor
from compress.interop.han import import_han, parse_han, preprocess
from compress.nn.zoo import build
from hwsim.csvfile import read_rows
from hwsim.errors import InputError
from hwsim.workload.networks import STATISTICS

DATA = resources.files("hwsim") / "data"
NAME = "squeezenet_deep_compression/compressed_SqueezeNet.net"
PUBLISHED_BYTES = 675_763
CONVOLUTIONS = [node for node in build("squeezenet1_0").nodes if node.op == "conv"]


@pytest.fixture(scope="module")
def published() -> Path:
    default = ROOT.parent / "shared/data" / NAME
    path = Path(os.environ.get("HWSIM_SQUEEZENET", default))
    if not path.exists():
        pytest.skip(f"the published file is not here, set HWSIM_SQUEEZENET to its path (tried {path.name})")
    return path


@pytest.fixture(scope="module")
def artifact(published: Path) -> Artifact:
    return import_han(published)


def photographs() -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="scikit-image, which ships the photographs, is absent")
    return np.concatenate([preprocess(data.chelsea()), preprocess(data.coffee())])


def made(entries: int = 3, gap: int = 0, label: int = 7) -> bytes:
    """A file of the same layout with a few entries in every layer."""
    counts = np.full(26, entries, "<u4").tobytes()
    codebook = np.arange(256, dtype="<f4").tobytes()
    labels, gaps = bytes([label] * entries), bytes([gap * 17] * -(-entries // 2))
    return counts + b"".join(
        codebook + np.full(node_filters(node), 0.5, "<f4").tobytes() + labels + gaps for node in CONVOLUTIONS
    )


def node_filters(node) -> int:
    return build("squeezenet1_0").params[node.params[0]].shape[0]


def test_whole_file_is_read(published, artifact):
    weights = [artifact.tensors[node.params[0]] for node in CONVOLUTIONS]
    assert published.stat().st_size == PUBLISHED_BYTES
    assert sum(tensor.labels.size for tensor in weights) == 1_244_448
    assert len(weights) == 26
    assert abs(len(artifact.to_bytes()) - PUBLISHED_BYTES) < 2000


def test_photographs_are_recognised(artifact):
    x = photographs()
    logits = artifact.to_network().forward(x)
    assert logits.shape == (2, 1000)
    assert set(np.argsort(-logits[0])[:3]) == {285, 282, 281}
    assert logits[0].argmax() == 285
    assert logits[1].argmax() == 967


@pytest.mark.parametrize(("coding", "limit"), [("huffman", 562_000), ("context", 546_000)])
def test_coded_anew_it_is_smaller_and_the_same(artifact, coding, limit):
    data = recode(artifact, coding).to_bytes()
    assert len(data) <= limit
    decoded = parse(data)[0].arrays()
    for name, value in artifact.arrays().items():
        assert np.array_equal(decoded[name], value)
    x = np.random.default_rng(0).standard_normal((1, 3, 227, 227), np.float32) * 50
    assert np.array_equal(parse(data)[0].to_network().forward(x), artifact.to_network().forward(x))


def test_shipped_statistics_are_counted_in_it(artifact):
    """`hwsim run CHIP squeezenet1_0` has the densities and mean bits of this file."""
    shipped = [row.cells for row in read_rows(DATA / "published_layers.csv", STATISTICS)]
    shipped = [cells for cells in shipped if cells["network"] == "SqueezeNet"]
    coded = {
        name: replace(tensor, coding="huffman", gap_bits=4)
        for name, tensor in artifact.tensors.items()
        if isinstance(tensor, SharedTensor)
    }
    layout = parse(replace(artifact, tensors=dict(artifact.tensors) | coded).to_bytes())[1]
    counted = [tensor for tensor in layout.tensors if tensor.name in coded]
    for cells, tensor in zip(shipped, counted, strict=True):
        assert float(cells["weight_density"]) == pytest.approx(tensor.nonzeros / tensor.size, rel=1e-5)
        for column, stream in (("value_bits_huffman", "values"), ("index_bits_huffman", "gaps")):
            assert float(cells[column]) == pytest.approx(tensor.bits[stream] / tensor.entries, rel=1e-3)


def test_positions_labels_and_biases_of_a_made_file():
    artifact = parse_han(made(entries=3, gap=4))
    for node in CONVOLUTIONS:
        weight, bias = (artifact.tensors[name].to_array() for name in node.params)
        assert np.flatnonzero(weight).tolist() == [4, 9, 14]
        assert set(weight.ravel()[[4, 9, 14]]) == {7.0}
        assert set(bias) == {0.5}


def test_preprocess_centres_and_swaps_the_channels():
    image = np.zeros((454, 600, 3), np.uint8)
    image[:, 73:527] = (10, 20, 30)
    x = preprocess(image)
    assert x.shape == (1, 3, 227, 227)
    assert np.allclose(x[0].mean(axis=(1, 2)), [30 - 104, 20 - 117, 10 - 123], atol=0.1)


def test_compact_keeps_the_weights():
    labels = np.array([[0, 1, 2, 3], [4, 4, 2, 0]])
    tensor = SharedTensor(labels, np.array([0.5, -1, 0.5, 0, 9], np.float32))
    small = compact(tensor)
    assert small.codebook.tolist() == [-1, 0.5]
    assert np.array_equal(small.to_array(), tensor.to_array())
    assert small.nonzeros == 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends inside the table of counts, expected at least 104 bytes"),
        (made()[:1000], "ends inside the codebook of conv1"),
        (made()[:-1], "ends inside the gaps of conv_final"),
        (made() + b"\0", "expected its end after"),
        (np.full(26, 2**32 - 1, "<u4").tobytes() + bytes(5000), "ends inside the indices of conv1"),
        (made(entries=2000, gap=15), "an entry of conv1 has position"),
        (made()[:104] + b"\xff" * 4 + made()[108:], "codebook of conv1"),
    ],
)
def test_malformed_files_are_refused(data, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_han(data)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.net"):
        import_han(tmp_path / "none.net")


VALID = made()


@settings(max_examples=20)
@given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_another_network(place, value):
    data = bytearray(VALID)
    data[place] = value
    try:
        artifact = parse_han(bytes(data))
    except InputError:
        return
    assert artifact.topology == parse_han(VALID).topology
