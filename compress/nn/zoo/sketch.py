"""A network written down layer by layer; its weights come last, or not at all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.nn.network import INPUT, Network, Node, output_names
from compress.nn.ops import OPS
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.nn.ops.base import Array, Shape

ZEROS = ("bias", "shift")


class Sketch:
    """Nodes and the shapes of their parameters.

    Every method adds one node and returns the name of its output.

    Parameters
    ----------
    name : str
    input_shape : tuple of int
        Of one item, without the batch.
    extra_inputs : dict of str to tuple of int, optional
        Further inputs.
    """

    def __init__(
        self, name: str, input_shape: Shape, extra_inputs: Mapping[str, Shape] | None = None
    ) -> None:
        self.name = name
        self.input_shape = input_shape
        self.extra_inputs = dict(extra_inputs or {})
        self.nodes: list[Node] = []
        self.params: dict[str, Shape] = {}
        self._scales: dict[str, float] = {}
        self._shapes = {key: (1, *shape) for key, shape in {**self.extra_inputs, INPUT: input_shape}.items()}

    def shape(self, tensor: str) -> Shape:
        """Shape of a tensor of one item, batch included."""
        return self._shapes[tensor]

    def add(
        self,
        name: str,
        op: str,
        *inputs: str,
        params: Mapping[str, Shape] | None = None,
        like: str | None = None,
        **attrs: Any,
    ) -> str:
        """Add a node.

        Parameters
        ----------
        params : dict of str to tuple of int, optional
            Shapes of its parameters by the last part of their names.
        like : str, optional
            Use the parameters of this node instead of its own.

        Raises
        ------
        InputError
            If the shapes do not fit.
        """
        shapes = {f"{like or name}.{key}": shape for key, shape in (params or {}).items()}
        self.params |= shapes
        node = Node(name, op, inputs or (INPUT,), attrs, tuple(shapes))
        try:
            inferred = OPS[op].infer(
                tuple(self._shapes.get(key) or self.params[key] for key in node.inputs),
                tuple(shapes.values()),
                attrs,
            )
        except InputError as error:
            raise InputError(f"network {self.name}, node {name}: {error}") from None
        self.nodes.append(node)
        self._shapes.update(zip(output_names(name, len(inferred)), inferred, strict=True))
        return name

    def conv(
        self,
        name: str,
        source: str,
        filters: int,
        kernel: int,
        *,
        stride: int = 1,
        pad: int = 0,
        groups: int = 1,
        bias: bool = True,
        like: str | None = None,
    ) -> str:
        """Add a convolution with square windows."""
        params = {"weight": (filters, self.shape(source)[1] // groups, kernel, kernel)}
        attrs = {"stride": (stride, stride), "pads": (pad,) * 4, "groups": groups}
        defaults = {"stride": (1, 1), "pads": (0,) * 4, "groups": 1}
        attrs = {key: value for key, value in attrs.items() if value != defaults[key]}
        return self.add(
            name, "conv", source, params=params | ({"bias": (filters,)} if bias else {}), like=like, **attrs
        )

    def fc(self, name: str, source: str, outputs: int, *, bias: bool = True) -> str:
        """Add a fully-connected layer along the last axis."""
        params = {"weight": (outputs, self.shape(source)[-1])}
        return self.add(name, "fc", source, params=params | ({"bias": (outputs,)} if bias else {}))

    def affine(self, name: str, source: str, *, like: str | None = None, scale: float = 1.0) -> str:
        """Add a batch normalisation as it is at inference: a scale, first as given, and a shift."""
        channels = (self.shape(source)[1],)
        self._scales[f"{like or name}.scale"] = scale
        return self.add(name, "affine", source, params={"scale": channels, "shift": channels}, like=like)

    def pool(
        self, name: str, source: str, kernel: int, stride: int, *, pad: int = 0, ceil: bool = False
    ) -> str:
        """Add a maximum pooling."""
        attrs: dict[str, Any] = {"pads": (pad,) * 4} if pad else {}
        attrs |= {"ceil_mode": 1} if ceil else {}
        return self.add(name, "max_pool", source, kernel=(kernel, kernel), stride=(stride, stride), **attrs)

    def network(self, rng: np.random.Generator | None = None) -> Network:
        """Return the network.

        Parameters
        ----------
        rng : numpy.random.Generator, optional
            Draws weights of variance 2 / fan-in (He et al. 2015); without it all weights are zeros
            that take no memory.
        """
        params = {name: self._initial(name, shape, rng) for name, shape in self.params.items()}
        return Network(self.name, self.input_shape, tuple(self.nodes), params, extra_inputs=self.extra_inputs)

    def _initial(self, name: str, shape: Shape, rng: np.random.Generator | None) -> Array:
        kind = name.rpartition(".")[2]
        if kind == "scale":
            return np.full(shape, self._scales.get(name, 1.0), np.float32)
        if rng is None or kind in ZEROS:
            return np.broadcast_to(np.zeros((), np.float32), shape)
        deviation = math.sqrt(2 / math.prod(shape[1:]))
        return rng.standard_normal(shape, np.float32) * np.float32(deviation)
