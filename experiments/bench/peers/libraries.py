"""Run peers on our inputs, in an environment that has them: codecs, clustering, training, inference.

Run by the Python of that environment, with a request in JSON on standard input and the answer in
JSON on standard output. A peer that is not there is answered by the reason. Times are CPU seconds,
the best of several runs. NumPy is all that is needed besides the peers.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 2
SAMPLE = 200_000
"""Symbols that a decoder in pure Python is timed on."""

NNC_UNARY_LENGTH = 11


def best_s(call: Callable[[], Any], runs: int = RUNS) -> tuple[float, Any]:
    """CPU seconds of the fastest of several calls, and what the last one returned."""
    best, result = float("inf"), None
    for _ in range(runs):
        started = time.process_time()
        result = call()
        best = min(best, time.process_time() - started)
    return best, result


def coded(
    encode: Callable[[], Any], decode: Callable[[Any], Any], original: bytes, items: int
) -> dict[str, float]:
    """Time a codec, after which `original` has to be there again."""
    encode_s, data = best_s(encode, 1)
    decode_s, back = best_s(lambda: decode(data))
    if bytes(back) != original:
        raise RuntimeError("a peer does not give back what it was given")
    return {"bytes": len(data), "encode_s": encode_s, "decode_s": decode_s, "items": items}


def zlib_huffman(symbols: Any, levels: Any) -> dict[str, float]:
    """Deflate without matches: Huffman coding of bytes alone."""

    def encode() -> bytes:
        squeezer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
        return squeezer.compress(symbols.tobytes()) + squeezer.flush()

    return coded(encode, lambda data: zlib.decompress(data, -15), symbols.tobytes(), symbols.size)


def zstd(symbols: Any, levels: Any) -> dict[str, float]:
    """Zstandard at level 1, whose entropy stage is Huff0."""
    import zstandard  # type: ignore[import-not-found]

    squeezer, opener = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()
    data = symbols.tobytes()
    return coded(lambda: squeezer.compress(data), opener.decompress, data, len(data))


def dahuffman(symbols: Any, levels: Any) -> dict[str, float]:
    """Huffman coding in pure Python, timed on a part."""
    from dahuffman import HuffmanCodec  # type: ignore[import-not-found]

    data = symbols.tobytes()
    codec, part = HuffmanCodec.from_data(data), data[:SAMPLE]
    whole = len(codec.encode(data))
    return coded(lambda: codec.encode(part), codec.decode, part, len(part)) | {"bytes": whole}


def nncodec(symbols: Any, levels: Any) -> dict[str, float]:
    """DeepCABAC as the standard's reference implementation has it, its parameters chosen for least bytes."""
    return _cabac(levels, 1)


def nncodec_plain(symbols: Any, levels: Any) -> dict[str, float]:
    """Same with fixed parameters, which is faster and larger."""
    return _cabac(levels, 0)


def _cabac(levels: Any, optimise: int) -> dict[str, float]:
    cabac = _extension("nncodec", "extensions", "deepCABAC")
    off = [cabac.HdspMode.AlwaysOff, np.zeros(2, np.int8)]
    unused_rows = (~levels.any(axis=1)).astype(np.int32)

    def encode() -> Any:
        encoder = cabac.Encoder()
        encoder.initCtxModels(NNC_UNARY_LENGTH, optimise)
        encoder.encodeLayer(levels, 0, 0, 1, 0, 1, unused_rows, *off, 0, 0)
        return encoder.finish()

    def decode(data: Any) -> Any:
        decoder, back = cabac.Decoder(), np.zeros_like(levels)
        decoder.setStream(data)
        decoder.initCtxModels(NNC_UNARY_LENGTH)
        decoder.decodeLayer(back, 0, 0, 1, 0, *off, 0, 0)
        return back

    return coded(encode, decode, levels.tobytes(), levels.size)


def _extension(package: str, *path: str) -> Any:
    """Load a compiled module by its file: the package around it needs much more than it does."""
    found = importlib.util.find_spec(package)
    if found is None or found.submodule_search_locations is None:
        raise ImportError(f"No module named {package!r}")
    folder = Path(found.submodule_search_locations[0], *path[:-1])
    (file,) = folder.glob(f"{path[-1]}.*.so")
    spec = importlib.util.spec_from_file_location(path[-1], file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CODECS = (zlib_huffman, zstd, dahuffman, nncodec, nncodec_plain)


def codecs(arrays: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Every codec on every tensor; keys are ``tensor/codec``."""
    return {
        f"{name}/{codec.__name__}": tried(codec, arrays[f"{name}/symbols"], arrays[f"{name}/levels"])
        for name in request["tensors"]
        for codec in CODECS
    }


def clusters(arrays: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Give the exact optimum of 1-D k-means."""
    return {"kmeans1d": tried(_kmeans1d, arrays["values"], request["k"])}


def _kmeans1d(values: Any, k: int) -> dict[str, float]:
    import kmeans1d  # type: ignore[import-not-found]

    spent_s, (labels, centroids) = best_s(lambda: kmeans1d.cluster(values, k), 1)
    return {"s": spent_s, "inertia": float(((values - np.array(centroids)[labels]) ** 2).sum())}


def training(arrays: Any, request: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds of an epoch of each network, in PyTorch on one thread."""
    return {name: tried(_epoch, arrays, name, request) for name in request["networks"]}


def _epoch(arrays: Any, name: str, request: dict[str, Any]) -> dict[str, float]:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    layers = {
        "lenet300": lambda: [nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(),
                             nn.Linear(100, 10)],
        "lenet5": lambda: [nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
                           nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)],
    }  # fmt: skip
    network = nn.Sequential(*layers[name]())
    optimizer = torch.optim.SGD(network.parameters(), request["learning_rate"], momentum=0.9)

    def epoch() -> None:
        for chosen in torch.randperm(len(x)).split(request["batch"]):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[chosen]), y[chosen]).backward()
            optimizer.step()

    return {"s": best_s(epoch, request["runs"])[0]}


VGG_16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Filters of the 3 x 3 convolutions; 0 is a pooling."""


def inference(arrays: Any, request: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds of one image through VGG-16, in PyTorch on one thread."""
    return {"vgg16": tried(_vgg_16, arrays["x"], request["runs"])}


def _vgg_16(image: Any, runs: int) -> dict[str, float]:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    layers: list[Any] = []
    channels = 3
    for filters in VGG_16:
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()] if filters else [nn.MaxPool2d(2)]
        channels = filters or channels
    layers += [nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(4096, 1000)).eval()
    x = torch.from_numpy(image)
    with torch.inference_mode():
        return {"s": best_s(lambda: network(x), runs)[0]}


def tried(peer: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, Any]:
    """Answer of a peer, or why there is none."""
    try:
        return peer(*arguments)
    except ImportError as error:
        return {"missing": str(error)}


WHAT = {"codecs": codecs, "clusters": clusters, "training": training, "inference": inference}

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(WHAT[asked["what"]](np.load(asked["file"]), asked), sys.stdout)
