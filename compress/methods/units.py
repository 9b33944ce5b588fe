"""Units that pruning has left without effect: neurons and channels that can go altogether.

A unit without outgoing weights has no effect. A unit without incoming weights puts out a constant,
which the biases of the next layer can take over; so can they every bias that no rectifier separates
from them. Silencing such units leaves all shapes as they are; removing them makes the layers smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from compress.methods.prune import WEIGHTED_OPS, gradual_density, top_mask
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from compress.methods.prune import Mask
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array

UNIT_WISE_OPS = ("relu", "max_pool", "avg_pool", "global_avg_pool", "flatten", "dropout")


class _Joint(NamedTuple):
    """A layer, the only layer that reads it, and what lies between."""

    source: Node
    between: tuple[Node, ...]
    target: Node

    def inputs_of(self, params: Mapping[str, Array]) -> Array:
        """Weights of the target by unit of the source: (outputs, units, weights per unit), a view."""
        weight = params[self.target.params[0]]
        return weight.reshape(len(weight), len(params[self.source.params[0]]), -1)

    @property
    def rectified(self) -> bool:
        """Whether negative outputs are lost on the way."""
        return any(node.op == "relu" for node in self.between)

    @property
    def padded(self) -> bool:
        """Whether zeros mix with a constant on the way, so that it does not stay one."""
        return any(any(node.attrs.get("pads", ())) for node in (*self.between, self.target))


def silence(network: Network) -> Network:
    """Set all parameters of units without effect to zero, constants moved on into the next biases.

    The outputs stay equal up to rounding. Considered are fully-connected layers and convolutions
    with a bias that feed one other such layer and nothing else, through activations, pooling and
    flattening only.
    """
    params = {name: np.array(value, order="C") for name, value in network.params.items()}
    joints = _joints(network)
    while any(_silence(joint, params) for joint in joints):
        pass
    return network.with_params(params)


@dataclass(frozen=True)
class Slim:
    """A network without the units that have no effect, and where its parameters come from.

    Parameters
    ----------
    network : Network
    places : dict of str to tuple of ndarray of int
        By parameter: which indices of each axis of the whole one are left.
    """

    network: Network
    places: Mapping[str, tuple[NDArray[np.intp], ...]]

    def take(self, whole: Mapping[str, Array]) -> dict[str, Array]:
        """Return what is left of arrays that are shaped as the parameters of the whole network."""
        return {name: array[np.ix_(*self.places[name])] for name, array in whole.items()}

    def put_back(self, parts: Mapping[str, Array], whole: Mapping[str, Array]) -> dict[str, Array]:
        """Return `parts` in arrays shaped as those of `whole`, with zeros for what was removed."""
        restored = {name: np.zeros(whole[name].shape, part.dtype) for name, part in parts.items()}
        for name, part in parts.items():
            restored[name][np.ix_(*self.places[name])] = part
        return restored


def untouched(network: Network) -> Slim:
    """Return the whole network."""
    places = {name: tuple(np.arange(size) for size in value.shape) for name, value in network.params.items()}
    return Slim(network, places)


def remove(network: Network) -> Slim:
    """Remove the units that `silence` silences. Every layer keeps at least one."""
    silent = silence(network)
    places = dict(untouched(silent).places)
    for joint in _joints(silent):
        weight, bias, target = *joint.source.params, joint.target.params[0]
        live = _rows_in_use(silent.params[weight]) | (silent.params[bias] != 0)
        live[0] |= not live.any()
        rows = np.flatnonzero(live)
        inputs = np.arange(silent.params[target].shape[1]).reshape(len(live), -1)[rows].ravel()
        places[weight] = (rows, *places[weight][1:])
        places[bias] = (rows,)
        places[target] = (places[target][0], inputs, *places[target][2:])
    slim = Slim(silent, places)
    return replace(slim, network=silent.with_params(slim.take(silent.params)))


def unit_masks(
    network: Network, weights: Mapping[str, Array], units: Mapping[str, int], ramp: float = 1.0
) -> dict[str, Mask]:
    """Keep the units whose weights in and out are largest: the product of their Euclidean norms.

    Parameters
    ----------
    network : Network
    weights : dict of str to ndarray
        Current weights by name.
    units : dict of str to int
        How many stay of each named layer.
    ramp : float
        Progress of pruning, from 0 (all stay) to 1; see `compress.methods.prune.gradual_density`.

    Returns
    -------
    dict of str to ndarray of bool
        By weight tensor of the named layers, in its shape: False in the rows of units that go.

    Raises
    ------
    InputError
        If a named layer does not feed one other layer alone.
    """
    joints = {joint.source.name: joint for joint in _joints(network)}
    masks = {}
    for layer, count in units.items():
        if layer not in joints:
            raise InputError(f"units of {layer!r}: expected one of {', '.join(joints) or 'no layer'}")
        joint, name = joints[layer], joints[layer].source.params[0]
        incoming = np.square(weights[name]).reshape(len(weights[name]), -1).sum(axis=1)
        outgoing = np.square(joint.inputs_of(weights)).sum(axis=(0, 2))
        kept = top_mask(incoming * outgoing, round(gradual_density(ramp, count, len(incoming))))
        masks[name] = np.broadcast_to(kept.reshape(-1, *[1] * (weights[name].ndim - 1)), weights[name].shape)
    return masks


def _silence(joint: _Joint, params: dict[str, Array]) -> bool:
    """Silence the units of one layer; whether anything changed."""
    weight, bias = (params[name] for name in joint.source.params)
    outgoing = joint.inputs_of(params)
    constants = np.maximum(bias, 0) if joint.rectified else bias.copy()
    has_input, is_read = _rows_in_use(weight), np.asarray(outgoing.any(axis=(0, 2)))
    fixed = ~has_input & is_read & ((constants == 0) | (not joint.padded))
    moving = fixed | (is_read & (constants != 0) & (not joint.rectified) & (not joint.padded))
    params[joint.target.params[1]] += outgoing[:, moving].sum(axis=2) @ constants[moving]
    outgoing[:, fixed] = 0
    silent = (~is_read & (has_input | (bias != 0))) | fixed
    weight[silent] = 0
    bias[silent | moving] = 0
    return bool((silent | moving).any())


def _rows_in_use(weight: Array) -> NDArray[np.bool_]:
    return np.asarray(weight.reshape(len(weight), -1).any(axis=1))


def _joints(network: Network) -> list[_Joint]:
    readers: dict[str, list[Node]] = {}
    for node in network.nodes:
        for name in (*node.inputs, *node.params):
            readers.setdefault(name, []).append(node)
    for name in network.outputs:
        readers.setdefault(name, []).extend(network.nodes)
    found = (_joint(node, readers) for node in network.nodes)
    return [joint for joint in found if joint]


def _joint(source: Node, readers: dict[str, list[Node]]) -> _Joint | None:
    """Follow the outputs of `source` to the layer that reads them."""
    if not _is_layer(source, readers):
        return None
    between: list[Node] = []
    following = readers.get(source.name, [])
    while len(following) == 1 and following[0].op in UNIT_WISE_OPS:
        between.append(following[0])
        following = readers.get(following[0].name, [])
    if len(following) == 1 and _is_layer(following[0], readers):
        return _Joint(source, tuple(between), following[0])
    return None


def _is_layer(node: Node, readers: dict[str, list[Node]]) -> bool:
    """Whether a node has a weight and a bias of its own, and its units are independent."""
    return (
        node.op in WEIGHTED_OPS
        and len(node.params) == 2
        and int(node.attrs.get("groups", 1)) == 1
        and all(len(readers[name]) == 1 for name in node.params)
    )
