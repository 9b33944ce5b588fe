"""Quantization-aware training (QAT).

The forward pass rounds weights and layer inputs like `compress.methods.quantize`. The backward pass ignores
the rounding: gradients pass straight through (Jacob et al. 2018, section 3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compress.format.tensors import DenseTensor, QuantizedTensor
from compress.methods.ranges import rounding_before
from compress.nn.ops.integer import INPUT_SCALE, levels
from compress.nn.train import Constraint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress.format.container import Artifact
    from compress.format.tensors import StoredTensor
    from compress.nn.network import Network, Node
    from compress.nn.ops.base import Array


class QuantizationAware(Constraint):
    """Rounds weights in training to the scales of a quantized network.

    Parameters
    ----------
    start : Artifact
        As `compress.methods.quantize.quantize_network` makes it; its scales stay.
    """

    def __init__(self, start: Artifact) -> None:
        self._start = start
        self._quantized = {
            name: tensor for name, tensor in start.tensors.items() if isinstance(tensor, QuantizedTensor)
        }

    def learner(self, network: Network) -> Network:
        """Return the network to train: `network` with rounding before every quantized layer."""
        nodes: list[Node] = []
        for node in self._start.topology.nodes:
            if INPUT_SCALE in node.attrs:
                rounding = rounding_before(node, self._quantized[node.params[0]].bits)
                nodes += [rounding, replace(node, inputs=(rounding.name, *node.inputs[1:]))]
            else:
                nodes.append(node)
        return replace(network, nodes=tuple(nodes))

    def executed(self, params: Mapping[str, Array], progress: float) -> Mapping[str, Array]:
        """Weights as their integers will stand for them."""
        return {name: self._rounded(name, params[name]).to_array() for name in self._quantized}

    def artifact(self, params: Mapping[str, Array]) -> Artifact:
        """Return the quantized network with the weights and biases that training ended in."""
        tensors: dict[str, StoredTensor] = {
            name: self._rounded(name, params[name]) if name in self._quantized else DenseTensor(params[name])
            for name in self._start.tensors
        }
        return replace(self._start, tensors=tensors)

    def _rounded(self, name: str, weight: Array) -> QuantizedTensor:
        tensor = self._quantized[name]
        return replace(tensor, q=levels(weight, tensor.scales(), tensor.bits).astype("i1"))
