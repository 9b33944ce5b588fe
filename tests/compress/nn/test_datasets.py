"""MNIST as shipped, other sources in its shape, and files that are not what they claim."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from compress.nn.datasets import IDX_FILES, MNIST_FILE, load_dataset
from hwsim.errors import InputError

ORIGINAL_MD5 = {
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}
FASHION = Path("/usr/share/datasets/fashion-mnist")


def arrays(train: int = 5, test: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {}
    for part, count in (("train", train), ("test", test)):
        made[f"x_{part}"] = rng.integers(256, size=(count, 28, 28), dtype=np.uint8)
        made[f"y_{part}"] = rng.integers(10, size=count, dtype=np.uint8)
    return made


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def idx_folder(folder: Path, made: dict[str, np.ndarray], packed: bool = False) -> Path:
    for key, name in IDX_FILES.items():
        content = idx(made[key])
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("mnist", validation=10_000)


def test_mnist_is_the_original_byte_for_byte():
    with np.load(MNIST_FILE, allow_pickle=False) as stored:
        assert {key: hashlib.md5(idx(stored[key])).hexdigest() for key in stored} == ORIGINAL_MD5


def test_mnist_splits(mnist):
    assert [len(part) for part in (mnist.train, mnist.validation, mnist.test)] == [50_000, 10_000, 10_000]
    assert mnist.train.x.shape == (50_000, 1, 28, 28)
    assert mnist.train.x.dtype == np.float32
    assert mnist.train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    pixels = np.concatenate([mnist.train.x, mnist.validation.x]).astype(np.float64)
    assert (pixels.min(), pixels.max()) == (0, 1)
    assert pixels.mean() == pytest.approx(0.13066, abs=1e-5)
    assert pixels.std() == pytest.approx(0.30811, abs=1e-5)


def test_validation_is_the_end_of_the_training_images(tmp_path):
    np.savez_compressed(tmp_path / "small.npz", **arrays())
    whole, apart = load_dataset(tmp_path / "small.npz"), load_dataset(tmp_path / "small.npz", validation=2)
    assert (whole.name, len(whole.train), len(whole.validation)) == ("small", 5, 0)
    assert np.array_equal(apart.train.x, whole.train.x[:3])
    assert np.array_equal(apart.validation.x, whole.train.x[3:])
    assert np.array_equal(apart.validation.y, whole.train.y[3:])
    for count in (-1, 5):
        with pytest.raises(InputError, match=f"validation is {count} images, expected 0 to 4"):
            load_dataset(tmp_path / "small.npz", validation=count)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_folder_equals_npz(tmp_path, packed):
    made = arrays()
    np.savez(tmp_path / "same.npz", **made)
    expected, found = load_dataset(tmp_path / "same.npz"), load_dataset(idx_folder(tmp_path, made, packed))
    for part in ("train", "test"):
        assert np.array_equal(getattr(found, part).x, getattr(expected, part).x)
        assert np.array_equal(getattr(found, part).y, getattr(expected, part).y)


@pytest.mark.skipif(
    not FASHION.is_dir(), reason="Fashion-MNIST (package dataset-fashion-mnist) is not installed"
)
def test_fashion_mnist_loads_unchanged():
    fashion = load_dataset(FASHION)
    assert (len(fashion.train), len(fashion.test)) == (60_000, 10_000)
    assert np.bincount(fashion.train.y).tolist() == [6000] * 10


def npz(**changed: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{**arrays(), **changed})
    return stream.getvalue()


def forged_header() -> bytes:
    """An npz whose first array declares 10^12 images in a header of a few bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)}
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for key in IDX_FILES:
            archive.writestr(f"{key}.npy", header.getvalue())
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable npz"),
        (b"PK\x03\x04 nothing", "not a readable npz"),
        (npz()[:-40], "not a readable npz"),
        (npz()[:4000] + b"\xff" + npz()[4001:], "not a readable npz"),
        (npz(y_test=np.array([None, 1, 2], object)), "not a readable npz"),
        (forged_header(), "not a readable npz"),
        (npz(x_train=np.zeros((5, 28, 28))), "train images are float64 of shape"),
        (npz(x_train=np.zeros((5, 784), np.uint8)), "expected uint8 of shape"),
        (npz(x_test=np.zeros((0, 28, 28), np.uint8), y_test=np.zeros(0, np.uint8)), "test images are uint8"),
        (npz(y_train=np.zeros(4, np.uint8)), "train labels are uint8 of shape"),
        (npz(y_train=np.zeros(5)), "train labels are float64"),
        (npz(y_test=np.array([0, 10, 3])), "test labels run from 0 to 10"),
        (npz(y_test=np.array([0, -1, 3])), "test labels run from -1 to 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "npz",  # its bytes may hold the time of day
)
def test_bad_npz_is_refused_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_array_and_missing_file(tmp_path):
    np.savez(tmp_path / "half.npz", x_train=arrays()["x_train"])
    with pytest.raises(InputError, match="has no array y_train"):
        load_dataset(tmp_path / "half.npz")
    with pytest.raises(InputError, match="not found"):
        load_dataset(tmp_path / "none.npz")
    with pytest.raises(InputError, match="no file train-images-idx3-ubyte or"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("key", "forge", "message"),
    [
        (
            "x_train",
            lambda good: b"\0\0\x08\x01" + good[4:],
            "magic number is 0x00000801, expected 0x00000803",
        ),
        (
            "y_train",
            lambda good: b"\0\0\x0d\x01" + good[4:],
            "magic number is 0x00000d01, expected 0x00000801",
        ),
        ("x_test", lambda good: good[:7], "truncated, 7 of 16 bytes"),
        ("x_test", lambda good: good[:-1], "truncated, 2351 of 2352 bytes"),
        ("x_test", lambda good: good + b"\0", "goes on after the 2352 bytes"),
        ("x_test", lambda good: good[:4] + b"\xff" * 12, "expected at most"),
        ("y_test", lambda good: good[:-1] + b"\x0a", "labels run from"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_bad_idx_is_refused_in_one_sentence(tmp_path, key, forge, message, packed):
    idx_folder(tmp_path, arrays(), packed)
    content = forge(idx(arrays()[key]))
    path = tmp_path / (IDX_FILES[key] + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 5, 200])
def test_damaged_gzip_is_refused(tmp_path, cut):
    idx_folder(tmp_path, arrays(), packed=True)
    path = tmp_path / (IDX_FILES["x_train"] + ".gz")
    path.write_bytes(path.read_bytes()[:cut] or b"not gzip at all, but long enough")
    with pytest.raises(InputError, match=r"damaged|truncated"):
        load_dataset(tmp_path)


def test_damaged_package_file_is_told(tmp_path, monkeypatch):
    path = tmp_path / "mnist.npz"
    path.write_bytes(npz())
    monkeypatch.setattr("compress.nn.datasets.MNIST_FILE", path)
    with pytest.raises(InputError, match=r"damaged, its SHA-256 is .*, expected 06af5dfe"):
        load_dataset("mnist")
