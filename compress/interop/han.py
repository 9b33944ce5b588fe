"""The compressed SqueezeNet that the authors of Deep Compression published.

SqueezeNet v1.0 (Iandola et al. 2016, Table 1), trained on ImageNet, pruned and weight-shared by Han et
al. (repository ``songhan/SqueezeNet-Deep-Compression``). The file is little-endian, without padding:

1. 26 x uint32, the stored entries of each convolution in network order;
2. for each convolution: a codebook of 256 x float32 whose entry 0 is 0.0, a bias of float32 per
   filter, a uint8 codebook index per stored entry, and 4-bit gaps, two to a byte, low nibble first.

An entry's position in the flattened (filters, channels, height, width) weights is the running sum of
gap + 1, minus 1; entries that only bridge a long gap point at the codebook's zero.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from compress.format.container import Artifact
from compress.format.tensors import DenseTensor, SharedTensor, StoredTensor
from compress.nn.zoo.squeezenet import squeezenet_1_0
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress.nn.ops.base import Shape

CODEBOOK = 256
GAP_BITS = 4
IMAGE = 227
CHANNEL_MEANS_BGR = (104.0, 117.0, 123.0)
"""What the authors' Caffe model of SqueezeNet takes off each channel of a photograph."""


def import_han(path: str | Path) -> Artifact:
    """Read the published file as a network that shares weights.

    Raises
    ------
    InputError
        If the file cannot be read, is cut short or goes on, or an entry lies outside its tensor.
    """
    try:
        return parse_han(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def parse_han(data: bytes) -> Artifact:
    """Read the bytes of the published file; raises as `import_han`."""
    network = squeezenet_1_0()
    layers = [node for node in network.nodes if node.op == "conv"]
    fields = _Fields(data)
    counts = fields.take("<u4", len(layers), "the table of counts")
    tensors: dict[str, StoredTensor] = {}
    for node, count in zip(layers, counts.tolist(), strict=True):
        weight, bias = node.params
        shape = network.params[weight].shape
        codebook = fields.take("<f4", CODEBOOK, f"the codebook of {node.name}")
        tensors[bias] = DenseTensor(fields.take("<f4", shape[0], f"the biases of {node.name}"))
        labels = fields.take("u1", count, f"the indices of {node.name}")
        pairs = fields.take("u1", ceil_div(count, 2), f"the gaps of {node.name}")
        tensors[weight] = _shared(node.name, shape, codebook, labels, pairs)
    if fields.at != len(data):
        raise InputError(f"the file has {len(data)} bytes, expected its end after {fields.at}")
    return Artifact.of(network, "shared", tensors)


def preprocess(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Prepare a photograph: centre crop, resize to 227 x 227 with anti-aliasing, BGR minus the means.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        Red, green, blue.

    Returns
    -------
    ndarray of float32, shape (1, 3, 227, 227)
    """
    side = min(image.shape[:2])
    top, left = ((size - side) // 2 for size in image.shape[:2])
    square = image[top : top + side, left : left + side].astype(np.float32)
    factor = side / IMAGE
    blur = max(0.0, (factor - 1) / 2)
    smooth = ndimage.gaussian_filter(square, (blur, blur, 0), mode="mirror")
    centres = (np.arange(IMAGE) + 0.5) * factor - 0.5
    rows, columns = np.meshgrid(centres, centres, indexing="ij")
    planes = [
        ndimage.map_coordinates(smooth[:, :, channel], (rows, columns), order=1, mode="mirror") - mean
        for channel, mean in zip((2, 1, 0), CHANNEL_MEANS_BGR, strict=True)
    ]
    return np.stack(planes)[None].astype(np.float32)


class _Fields:
    """Takes arrays from the front of the file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, dtype: str, count: int, what: str) -> NDArray[Any]:
        size = count * np.dtype(dtype).itemsize
        if self.at + size > len(self.data):
            raise InputError(f"the file ends inside {what}, expected at least {self.at + size} bytes")
        self.at += size
        return np.frombuffer(self.data, dtype, count, self.at - size)


def _shared(
    layer: str, shape: Shape, codebook: NDArray[Any], labels: NDArray[Any], pairs: NDArray[Any]
) -> SharedTensor:
    if codebook[0] != 0 or not np.isfinite(codebook).all():
        raise InputError(f"the codebook of {layer} is {codebook[:2]}..., expected 0 first and finite numbers")
    gaps = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[: len(labels)]
    positions = np.cumsum(gaps.astype(np.int64) + 1) - 1
    size = math.prod(shape)
    if len(positions) and positions[-1] >= size:
        raise InputError(f"an entry of {layer} has position {positions[-1]}, expected 0 to {size - 1}")
    dense = np.zeros(size, np.uint8)
    dense[positions] = labels
    return SharedTensor(dense.reshape(shape), codebook[1:], "fixed", GAP_BITS)
