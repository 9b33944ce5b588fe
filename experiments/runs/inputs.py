"""Inputs of a network as people have them: files by name, archives, folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.io.npz import read_npy, read_npz
from compress.nn.interface import OPEN
from compress.nn.network import INPUT
from experiments.runs.images import SUFFIXES, Preparation, image_files, read_images
from hwsim.budget import require_memory
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from compress.format.topology import Topology
    from compress.nn.network import Network

    Values = dict[str, NDArray[Any]]

MAX_MAGNITUDE = 1e10
"""Largest magnitude of an input: the sums of products that layers are fitted by stay finite in float32."""

READ_B = 3
"""Copies of an input in its element type while it is read: itself, magnitudes, and what is compared."""

BATCH = 32
"""Items at a time: what layers hold in between grows with them."""


def read_inputs(
    given: Sequence[str], network: Network | Topology, least: int = 1, images: Preparation | None = None
) -> Values:
    """Read what the inputs of a network are to be.

    Parameters
    ----------
    given : sequence of str
        ``FILE`` for a network of one input, or ``NAME=FILE`` for each. A file is a ``.npy`` array, an
        ``.npz`` archive of arrays by name, an image, or a folder of images or of ``NAME.npy`` files.
    network : Network or Topology
    least : int
        Items that are needed, where the network takes more than one at a time.
    images : Preparation, optional
        How images become numbers.

    Returns
    -------
    dict of str to ndarray
        Items by tensor, in the element types of the network's inputs.

    Raises
    ------
    InputError
        If an input is missing, unknown or does not fit.
    """
    shapes, interface = shapes_of(network), network.interface
    tensors = {interface.name(tensor): tensor for tensor in shapes}
    found: dict[str, tuple[str, NDArray[Any]]] = {}
    for text in given:
        for name, where, array in _arrays(text, tensors, shapes, images or Preparation()):
            tensor = tensors.get(name, name)
            if tensor not in shapes:
                raise InputError(f"{where}: no input is named {name!r}, expected {', '.join(tensors)}")
            if tensor in found:
                raise InputError(f"{where}: input {name} is given twice, expected one file for it")
            found[tensor] = where, array
    missing = [name for name, tensor in tensors.items() if tensor not in found]
    if missing:
        expected = " ".join(f"--inputs {name}=FILE" for name in tensors)
        raise InputError(
            f"network {network.name}: no file for input {', '.join(missing)}, expected {expected} or an "
            ".npz file"
        )
    types = {tensor: _type(network, tensor) for tensor in shapes}
    values = {
        tensor: _shaped(
            network,
            tensor,
            _typed(*found[tensor], types[tensor], interface.name(tensor)),
            found[tensor][0],
            least,
        )
        for tensor in shapes
    }
    interface.pieces(values, shapes)
    return values


def shapes_of(network: Network | Topology) -> dict[str, tuple[int, ...]]:
    """Shape of one item of each input, without the first dimension."""
    return {INPUT: network.input_shape, **network.extra_inputs}


def _arrays(
    text: str, tensors: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]], how: Preparation
) -> list[tuple[str, str, NDArray[Any]]]:
    """Arrays of one option: input, where it is from, and values."""
    name, separator, rest = text.partition("=")
    path = Path(rest if separator and not Path(text).exists() else text)
    name = name if separator and path == Path(rest) else ""
    one = next(iter(tensors))
    if path.is_dir():
        files = image_files(path)
        if files:
            name = name or one
            return [(name, str(path), read_images(files, shapes[tensors.get(name, name)], how))]
        arrays = {file.stem: read_npy(file) for file in sorted(path.glob("*.npy"))}
        if not arrays:
            raise InputError(f"{path}: a folder without images or .npy files, expected some")
        return [(called, str(path / f"{called}.npy"), array) for called, array in arrays.items()]
    if path.suffix.lower() in SUFFIXES:
        name = name or one
        return [(name, str(path), read_images([path], shapes[tensors.get(name, name)], how))]
    if path.suffix.lower() == ".npz":
        return [
            (called or one, str(path), array) for called, array in _archive(path, name, len(tensors)).items()
        ]
    if not name and len(tensors) > 1:
        raise InputError(
            f"{path}: for which input? expected {' or '.join(f'{called}={path}' for called in tensors)}"
        )
    return [(name or one, str(path), read_npy(path))]


def _archive(path: Path, name: str, inputs: int) -> Mapping[str, NDArray[Any]]:
    """Arrays of an archive by input; a single one may have any name."""
    try:
        with path.open("rb") as file:
            arrays = read_npz(file, path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}, expected an .npz file") from None
    if len(arrays) == 1 and (name or inputs == 1):
        return {name: next(iter(arrays.values()))}
    if name:
        raise InputError(f"{path}: holds {', '.join(arrays)}, expected one array for input {name}")
    return arrays


def _type(network: Network | Topology, tensor: str) -> np.dtype[Any]:
    """Element type of an input; what numbers the rows of a table is an integer in any case."""
    if tensor not in network.interface.types and any(
        node.op == "gather" and node.inputs[1] == tensor for node in network.nodes
    ):
        return np.dtype(np.int64)
    return np.dtype(network.interface.type_of(tensor))


def _typed(where: str, array: NDArray[Any], kind: np.dtype[Any], name: str) -> NDArray[Any]:
    if array.dtype.kind not in "fiub":
        raise InputError(f"{where}: not an array of numbers, expected {kind.name} for input {name}")
    made_B = READ_B * kind.itemsize * array.size
    require_memory(where, {"values": array.nbytes, f"values as {kind.name}": made_B})
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            values = array.astype(kind)
        if not (np.abs(values) <= MAX_MAGNITUDE).all():
            raise InputError(
                f"{where}: holds numbers that are not finite or too large, expected finite ones of at most "
                f"{MAX_MAGNITUDE:g}"
            )
        return values
    with np.errstate(invalid="ignore"):
        integers = array.astype(kind)
    if not np.array_equal(integers, array):
        raise InputError(
            f"{where}: holds {array.dtype} that {kind.name} does not hold, expected whole numbers"
        )
    return integers


def _shaped(
    network: Network | Topology, tensor: str, array: NDArray[Any], where: str, least: int
) -> NDArray[Any]:
    """Items of one input; one item alone may come without the dimension of items."""
    shape, interface = shapes_of(network)[tensor], network.interface
    if tensor in interface.lead:
        return array
    if array.shape == shape:
        array = array[np.newaxis]
    if array.shape[1:] != shape or array.ndim == 0 or len(array) < (1 if interface.lead else least):
        wanted = ", ".join(map(str, shape))
        called = (
            "" if tensor == INPUT and not network.extra_inputs else f" for input {interface.name(tensor)}"
        )
        raise InputError(f"{where}: shape {array.shape}, expected ({least} or more items, {wanted}){called}")
    return array


def run(network: Network, values: Mapping[str, NDArray[Any]]) -> Values:
    """Outputs by the names that they have for users, computed a few items at a time.

    Raises
    ------
    InputError
        If the network cannot be executed, or an output has no dimension of items.
    """
    count = len(values[INPUT])
    for called, tensor in network.named_outputs.items():
        if network.interface.together and network.item_axis(tensor) is None:
            raise InputError(
                f"network {network.name}: output {called} has shape {network.shapes()[tensor]} for one item, "
                "expected (1, ...)"
            )
    together = network.interface.together
    starts = range(0, count, BATCH) if together else [0]
    parts = []
    for start in starts:
        part = {name: value[start : start + BATCH] if together else value for name, value in values.items()}
        x = part.pop(INPUT)
        parts.append(network.run(x, extra=part))
    return {
        called: network.joined(tensor, [part[tensor] for part in parts])
        for called, tensor in network.named_outputs.items()
    }


def items(network: Network | Topology, values: Mapping[str, NDArray[Any]]) -> int:
    """Number of items among inputs."""
    return (
        len(network.interface.pieces(values, shapes_of(network)))
        if not network.interface.together
        else len(values[INPUT])
    )


def halves(network: Network | Topology, values: Mapping[str, NDArray[Any]]) -> tuple[Values, Values]:
    """Two halves of the items; of one sequence, two halves of its steps; of one item, the item twice."""
    shapes, interface = shapes_of(network), network.interface
    bare = {
        name
        for name, value in values.items()
        if name in interface.lead and value.ndim == len(shapes[name]) + 1
    }
    first, second = dict(values), dict(values)
    alone = items(network, values) == 1
    for name, value in values.items():
        whole = name in bare or alone
        if whole and not (name in bare and interface.lead[name] == OPEN and len(value) > 1):
            continue
        half = (len(value) + 1) // 2
        first[name], second[name] = value[:half], value[half:]
    return first, second
