"""Benchmarks of coding, clustering, training and inference, beside the libraries that people use for them.

Each function sends what it works on to the peers, which run in an environment of their own, and
measures ours in this process. A comparison whose peer is not there is left out with a word.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.codecs import gaps, huffman
from compress.codecs.base import Labels
from compress.codecs.bits import padded
from compress.codecs.fields import ByteReader
from compress.codecs.table import CODECS
from compress.io.npz import write_npz
from compress.methods.cluster import kmeans
from compress.methods.prune import kept_count, top_mask
from compress.methods.share import share
from compress.nn import zoo
from compress.nn.config import TrainConfig
from compress.nn.lenets import build
from compress.nn.train import train
from compress.pipeline.recipe import PruneStep, TrainStep
from compress.pipeline.state import State
from experiments.bench.measuring import Measurement, cpu_s, peak_B, run_child
from experiments.bench.peers import libraries
from experiments.console import print_json, print_note
from experiments.studies.training import follow, small_mnist
from experiments.threads import ONE_THREAD
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from compress.format.tensors import SharedTensor

Answer = dict[str, Any]

SHARED_VALUES = 31
LARGE, LENET = "4096x4096", "LeNet-5 fc1"
GAP_BITS = {LARGE: 4, LENET: 5}
DENSITY = {LARGE: 0.09, LENET: 0.08}
LEAST_OF_HUFF0 = {LENET: 0.8}
"""Least decoding speed of small tensors, in that of zstd's Huff0."""

POINTS, CLUSTERS = 1_000_000, 256

NETWORKS = {"lenet300": ("LeNet-300-100", 1.0), "lenet5": ("LeNet-5", 1.3)}
"""Name, and the most times of the peer's that an epoch may take."""

IMAGES = {"vgg16": ("VGG-16", None, 1.5), "squeezenet1_0": ("SqueezeNet", 0.5, None)}
"""Name, and the most seconds and the most times of the peer's that an image may take."""
IMAGE_RUNS = 5

BATCH, RATE, EPOCH_RUNS = 100, 0.02, 3


def ask(
    peer_python: str, request: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, Answer]:
    """Have peers work on `arrays`; those that are missing are told and left out.

    Parameters
    ----------
    peer_python : str
        Python of an environment that has them; ours if empty.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        write_npz(path, arrays)
        text = json.dumps({**request, "file": str(path)})
        command = [peer_python or sys.executable, libraries.__file__]
        answers: dict[str, Answer] = json.loads(run_child(command, text, ONE_THREAD).output)
    for name, answer in answers.items():
        if "missing" in answer:
            print_note(f"{name}: skipped, {answer['missing']}; `make bench` installs it")
    return {name: answer for name, answer in answers.items() if "missing" not in answer}


class Streams(NamedTuple):
    """Gaps and entries of a tensor, and their codes."""

    entries: NDArray[Any]
    distances: NDArray[Any]
    value_code: huffman.Code
    gap_code: huffman.Code
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, tensor: SharedTensor, gap_bits: int) -> Streams:
        """Take a tensor apart into one segment."""
        distances, entries, counts = gaps.encode(tensor.labels.ravel(), gap_bits, tensor.labels.size)
        values = huffman.build(np.bincount(entries, minlength=len(tensor.codebook) + 1))
        return cls(entries, distances, values, huffman.build(np.bincount(distances)), counts)

    def entropy_bytes(self) -> float:
        """Bound of all codes that look at one symbol at a time."""
        streams = (self.entries, self.distances)
        return sum(entropy_bits(np.bincount(stream)) * len(stream) for stream in streams) / 8

    def ideal_bytes(self) -> float:
        """Bytes of ideal Huffman codes and their tables."""
        total = 0.0
        for stream, code in ((self.entries, self.value_code), (self.distances, self.gap_code)):
            counts = np.bincount(stream, minlength=len(code.lengths))
            total += huffman.encoded_bits(code, counts) / 8 + len(huffman.pack_lengths(code))
        return total


def entropy_bits(counts: NDArray[Any]) -> float:
    """Bits per symbol."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def mask_bound_bytes(labels: NDArray[Any]) -> float:
    """Entropy of a mask whose weights are independent, and of the values."""
    kept = np.bincount((labels != 0).ravel().astype(np.int64), minlength=2)
    values = np.bincount(labels[labels != 0])
    return (entropy_bits(kept) * labels.size + entropy_bits(values) * kept[1]) / 8


def levels_of(tensor: SharedTensor) -> NDArray[np.int32]:
    """Labels as signed integers in the order of their values, as codecs of quantized weights want them."""
    negative = int((tensor.codebook < 0).sum())
    rank = np.argsort(np.argsort(tensor.codebook)) - negative
    table = np.zeros(len(tensor.codebook) + 1, np.int32)
    table[1:] = rank + (rank >= 0)
    return table[tensor.labels]


@cache
def tensors() -> dict[str, SharedTensor]:
    """A large tensor of normal weights, and the largest layer of a LeNet-5 trained for a moment."""
    weight = np.random.default_rng(0).standard_normal((4096, 4096), np.float32)
    weight *= top_mask(np.abs(weight), kept_count(weight.size, DENSITY[LARGE]))
    steps = [
        TrainStep(kind="train", epochs=1, learning_rate=RATE),
        PruneStep(kind="prune", densities={"fc1": DENSITY[LENET]}, epochs=1, learning_rate=RATE),
    ]
    state, _ = follow(State(build("lenet5", np.random.default_rng(0))), steps, small_mnist(), 0)
    trained = state.network.params["fc1.weight"]
    return {name: share(w, SHARED_VALUES, "linear") for name, w in ((LARGE, weight), (LENET, trained))}


def codecs(peer_python: str) -> list[Measurement]:
    """Bytes and decoding speed of our codecs and of others, on the same tensors."""
    arrays: dict[str, NDArray[Any]] = {}
    streams = {}
    for name, tensor in tensors().items():
        streams[name] = Streams.of(tensor, GAP_BITS[name])
        symbols = np.concatenate([streams[name].entries, streams[name].distances]).astype(np.uint8)
        arrays |= {f"{name}/symbols": symbols, f"{name}/levels": levels_of(tensor)}
    answers = ask(peer_python, {"what": "codecs", "tensors": list(tensors())}, arrays)
    found = []
    for name, tensor in tensors().items():
        peers = {key.split("/")[1]: answer for key, answer in answers.items() if key.startswith(f"{name}/")}
        found += [*_huffman(name, tensor, streams[name], peers), *_strong(name, tensor, peers)]
    return found


def _huffman(
    name: str, tensor: SharedTensor, streams: Streams, peers: Mapping[str, Answer]
) -> list[Measurement]:
    """The published streams: gaps of the published width, both Huffman-coded."""
    size = CODECS["huffman"].size(_labels(tensor), GAP_BITS[name])
    bound = ("order-0 entropy", streams.entropy_bytes()) if name == LARGE else (
        "ideal Huffman and its tables", streams.ideal_bytes()
    )  # fmt: skip
    speed = 2 * len(streams.entries) / cpu_s(_huffman_decoder(streams)) / 1e6
    found = [
        Measurement(f"{name}: Huffman", size, "bytes"),
        Measurement(f"{name}: Huffman over {bound[0]}", size / bound[1], "x", 1.01, "less"),
        Measurement(f"{name}: Huffman decoding", speed, "million symbols/s"),
    ]
    for peer, label, target in (
        ("zlib_huffman", "zlib, Huffman only", 1.5),
        ("dahuffman", "dahuffman", 150),
        ("zstd", "zstd's Huff0", LEAST_OF_HUFF0.get(name)),
    ):
        if peer in peers:
            theirs = peers[peer]["items"] / peers[peer]["decode_s"] / 1e6
            found += [
                Measurement(f"{name}: {label}", peers[peer]["bytes"], "bytes"),
                Measurement(f"{name}: {label}, decoding", theirs, "million symbols/s"),
                Measurement(f"{name}: our decoding over {label}", speed / theirs, "x", target),
            ]
    return found


def _huffman_decoder(streams: Streams) -> Callable[[], object]:
    """Decode both streams, cut into as many runs as the segments of a file."""
    runs = max(len(streams.entries) // 8192, 1)
    jobs = []
    for symbols, code in ((streams.entries, streams.value_code), (streams.distances, streams.gap_code)):
        parts = np.array_split(symbols, runs)
        out = np.zeros(2 * len(symbols) + 16, np.uint8)
        ends = [0]
        for part in parts:
            ends.append(huffman.encode(part, code, out, ends[-1]))
        counts = np.array([len(part) for part in parts])
        jobs.append((padded(out[: ceil_div(ends[-1], 8)]), np.array(ends[:-1]), counts, code))
    return lambda: [huffman.decode(*job) for job in jobs]


def _strong(name: str, tensor: SharedTensor, peers: Mapping[str, Answer]) -> list[Measurement]:
    """Context mixing, and as the faster preset Huffman coding with the gaps' width left free."""
    strong, quick = _written(tensor, "context"), _written(tensor, "huffman")
    weights = tensor.labels.size / 1e6
    strong_speed = weights / cpu_s(partial(_read, tensor, "context", strong), 3)
    quick_speed = weights / cpu_s(partial(_read, tensor, "huffman", quick), 3)
    over_bound = len(strong) / mask_bound_bytes(tensor.labels)
    found = [
        Measurement(f"{name}: strong codec", len(strong), "bytes"),
        Measurement(f"{name}: strong codec over the independent-mask bound", over_bound, "x", 1.02, "less"),
        Measurement(f"{name}: strong codec, decoding", strong_speed, "million weights/s"),
        Measurement(f"{name}: faster preset", len(quick), "bytes"),
        Measurement(f"{name}: faster preset, decoding", quick_speed, "million weights/s"),
    ]
    if "nncodec" in peers:
        best, plain = peers["nncodec"], peers["nncodec_plain"]
        best_speed, plain_speed = (weights / peer["decode_s"] for peer in (best, plain))
        found += [
            Measurement(f"{name}: nncodec", best["bytes"], "bytes"),
            Measurement(f"{name}: nncodec, decoding", best_speed, "million weights/s"),
            Measurement(f"{name}: nncodec without its search", plain["bytes"], "bytes"),
            Measurement(f"{name}: nncodec without its search, decoding", plain_speed, "million weights/s"),
        ]
        for codec, data, speed, most_bytes, least_speed in (
            ("strong codec", strong, strong_speed / best_speed, 1.0, 1.0),
            ("faster preset", quick, quick_speed / max(best_speed, plain_speed), 1.02, 2.0),
        ):
            pair, size = f"{name}: {codec} over nncodec", len(data) / best["bytes"]
            found.append(Measurement(f"{pair}, bytes", size, "x", most_bytes, "less"))
            found.append(Measurement(f"{pair}, decoding", speed, "x", least_speed))
    return found


def _labels(tensor: SharedTensor) -> Labels:
    return Labels(tensor.labels.ravel(), tensor.shape, tensor.codebook)


def _written(tensor: SharedTensor, coding: str) -> bytes:
    """Streams of a tensor as a file holds them."""
    return CODECS[coding].encode(_labels(tensor))


def _read(tensor: SharedTensor, coding: str, data: bytes) -> object:
    """Labels out of the streams."""
    return CODECS[coding].decode(ByteReader(data), tensor.shape, tensor.codebook)


def clusters(peer_python: str) -> list[Measurement]:
    """Our clustering against the exact optimum, a million normal numbers into 256 clusters."""
    values = np.random.default_rng(0).standard_normal(POINTS)
    spent_s = cpu_s(lambda: kmeans(values, CLUSTERS), 3)
    inertia = kmeans(values, CLUSTERS).inertia
    found = [Measurement("k-means of a million, 256 clusters", spent_s, "CPU s", 1, "less")]
    for name, answer in ask(peer_python, {"what": "clusters", "k": CLUSTERS}, {"values": values}).items():
        found += [
            Measurement(f"the same by {name}, exact", answer["s"], "CPU s"),
            Measurement(
                f"inertia over the optimum of {name}", inertia / answer["inertia"], "x", 1.01, "less"
            ),
        ]
    return found


def training(peer_python: str) -> list[Measurement]:
    """An epoch on one thread, ours and PyTorch's, each in a process of its own."""
    train_split = small_mnist().train
    arrays: dict[str, NDArray[Any]] = {"x": train_split.x, "y": train_split.y}
    request = {"what": "training", "networks": list(NETWORKS), "batch": BATCH, "learning_rate": RATE}
    answers = ask(peer_python, {**request, "runs": EPOCH_RUNS}, arrays)
    command = [
        sys.executable,
        "-c",
        "from experiments.bench.against_peers import print_epochs; print_epochs()",
    ]
    ours: dict[str, float] = json.loads(run_child(command, environment=ONE_THREAD).output)
    found = []
    for name, (label, most) in NETWORKS.items():
        found.append(Measurement(f"{label}: an epoch of {len(train_split):,} images", ours[name], "CPU s"))
        if name in answers:
            theirs = answers[name]["s"]
            found += [
                Measurement(f"{label}: the same in PyTorch", theirs, "CPU s"),
                Measurement(f"{label}: our epoch over PyTorch's", ours[name] / theirs, "x", most, "less"),
            ]
    return found


def print_epochs() -> None:
    """Print the CPU seconds of an epoch of each network, the best of several, as JSON."""
    print_json({name: epoch_s(name) for name in NETWORKS})


def epoch_s(name: str) -> float:
    """CPU seconds of an epoch, after a first one that does not count."""
    dataset = small_mnist()
    dataset = replace(dataset, validation=dataset.validation[:0])
    marks = []
    train(
        build(name, np.random.default_rng(0)),
        dataset,
        TrainConfig(epochs=EPOCH_RUNS + 1, batch=BATCH, learning_rate=RATE, schedule="constant"),
        rng=np.random.default_rng(0),
        on_epoch=lambda _: marks.append(time.process_time()),
    )
    return float(np.diff(marks).min())


def inference(peer_python: str) -> list[Measurement]:
    """One image through large networks on one thread, ours and PyTorch's, each in a process of its own."""
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    answers = ask(peer_python, {"what": "inference", "runs": IMAGE_RUNS}, {"x": x})
    found = []
    for name, (label, most_s, most) in IMAGES.items():
        program = f"from experiments.bench.against_peers import print_image; print_image({name!r})"
        ours = json.loads(run_child([sys.executable, "-c", program], environment=ONE_THREAD).output)
        found += [
            Measurement(f"{label}: one image", ours["s"], "CPU s", most_s, "less"),
            Measurement(f"{label}: peak memory of the process", ours["peak_B"] / 1e6, "MB"),
        ]
        if name in answers:
            theirs = answers[name]["s"]
            found += [
                Measurement(f"{label}: the same in PyTorch", theirs, "CPU s"),
                Measurement(f"{label}: our time over PyTorch's", ours["s"] / theirs, "x", most, "less"),
            ]
    return found


def print_image(name: str) -> None:
    """Print the CPU seconds of one image through a network, the best of several, and memory, as JSON."""
    rng = np.random.default_rng(0)
    network = zoo.build(name, rng)
    x = rng.standard_normal((1, *network.input_shape), np.float32)
    spent_s, _ = libraries.best_s(lambda: network.forward(x), IMAGE_RUNS)
    print_json({"s": spent_s, "peak_B": peak_B()})


PEERED: dict[str, Callable[[str], list[Measurement]]] = {
    "codecs": codecs,
    "clusters": clusters,
    "training": training,
    "inference": inference,
}
"""Benchmarks that need the Python of the peers' environment; without it they measure ours alone."""
