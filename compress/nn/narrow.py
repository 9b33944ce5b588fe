"""A network in arithmetic of 16 bits: every value rounded to fp16 or bf16, sums inside an operator in fp32.

That is how tensor cores and vector units of 16 bits compute, and what numpy does with float16: operands have
16 bits, an operator adds in fp32, and its result is rounded once. Numbers beyond the range of fp16 become
infinite. Integers, for example numbers of words, stay as they are, and layers on integers keep their scales.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from compress.nn.network import Node
from compress.nn.ops.rounding import rounded_float

if TYPE_CHECKING:
    from compress.nn.network import Network

EXACT = frozenset(
    ("concat", "expand", "flatten", "gather", "reshape", "slice", "split", "squeeze", "transpose",
     "unsqueeze", "relu", "maxpool", "maximum", "minimum", "neg", "abs")
)  # fmt: skip
"""Operators that give values they read, up to the sign, so that nothing is left to round."""


def narrowed(network: Network, form: str) -> Network:
    """Return the network whose inputs, weights and results of operators are numbers of 16 bits.

    Parameters
    ----------
    network : Network
    form : {"fp16", "bf16"}

    Raises
    ------
    InputError
        If the form is another.
    """
    shapes = network.shapes()
    taken = {*shapes, *network.params}
    called: dict[str, str] = {}
    nodes: list[Node] = []

    def rounded(tensor: str) -> None:
        name = f"{tensor}.{form}".replace(":", ".")
        while name in taken:
            name += "."
        taken.add(name)
        called[tensor] = name
        nodes.append(Node(name, "round_float", (tensor,), {"format": form}))

    for tensor in network.inputs:
        if np.dtype(network.interface.type_of(tensor)).kind == "f":
            rounded(tensor)
    made: list[str] = [name for name in shapes if name not in network.inputs]
    for node in network.nodes:
        nodes.append(replace(node, inputs=tuple(called.get(name, name) for name in node.inputs)))
        while made and made[0].split(":")[0] == node.name:
            tensor = made.pop(0)
            if node.op not in EXACT:
                rounded(tensor)
    kept = {name for node in network.nodes if node.op.startswith("integer_") for name in node.params}
    params = {
        name: rounded_float(value, form) if value.dtype.kind == "f" and name not in kept else value
        for name, value in network.params.items()
    }
    outputs = tuple(called.get(name, name) for name in network.outputs)
    interface = network.interface
    if not interface.outputs:
        interface = replace(interface, outputs=network.outputs)
    return replace(network, nodes=tuple(nodes), params=params, outputs=outputs, interface=interface)
