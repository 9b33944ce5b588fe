"""State of a network between two steps of a recipe, and its checkpoint on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compress.format.tensors import SharedTensor
from compress.io.files import replacing
from compress.io.npz import read_npz, write_npz
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from compress.methods.prune import Mask
    from compress.nn.network import Network
    from compress.nn.ops.base import Array

GROUPS = ("params", "masks", "labels", "codebooks", "teacher")


@dataclass(frozen=True)
class State:
    """A network on its way through a recipe.

    Parameters
    ----------
    network : Network
    masks : dict of str to ndarray of bool
        Masks of pruned tensors: True where a weight remains.
    shared : dict of str to SharedTensor
        Tensors that have a codebook; the network holds the same values.
    teacher : dict of str to ndarray
        Parameters of the latest dense network.
    """

    network: Network
    masks: Mapping[str, Mask] = field(default_factory=dict)
    shared: Mapping[str, SharedTensor] = field(default_factory=dict)
    teacher: Mapping[str, Array] = field(default_factory=dict)


def save(state: State, path: Path) -> None:
    """Write a state as an npz file of plain arrays."""
    groups: tuple[Mapping[str, Array], ...] = (
        state.network.params,
        state.masks,
        {name: tensor.labels for name, tensor in state.shared.items()},
        {name: tensor.codebook for name, tensor in state.shared.items()},
        state.teacher,
    )
    arrays = {
        f"{group}/{name}": value
        for group, named in zip(GROUPS, groups, strict=True)
        for name, value in named.items()
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        write_npz(file, arrays)


def load(path: Path, network: Network) -> State:
    """Read what `save` wrote; `network` gives the nodes.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    groups: dict[str, dict[str, Array]] = {group: {} for group in GROUPS}
    try:
        with path.open("rb") as file:
            for key, array in read_npz(file, path).items():
                group, _, name = key.partition("/")
                groups[group][name] = array
        codebooks = groups["codebooks"]
        shared = {name: SharedTensor(labels, codebooks[name]) for name, labels in groups["labels"].items()}
        return State(network.with_params(groups["params"]), groups["masks"], shared, groups["teacher"])
    except (OSError, KeyError, InputError):
        raise InputError(f"{path}: not a readable checkpoint, remove it to compute it again") from None
