"""One operator of a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUT = "input"


@dataclass(frozen=True)
class Node:
    """One operator of a network.

    Parameters
    ----------
    name : str
        Also names its (first) output; the second and later outputs are ``name:1``, ``name:2``...
    op : str
        Key of `compress.nn.ops.OPS`.
    inputs : tuple of str
        Tensors: ``"input"``, outputs of earlier nodes, or parameters.
    attrs : dict
        Numbers, texts and tuples of them, as the operator defines.
    params : tuple of str
        The operator's own parameters, for example ``("fc1.weight", "fc1.bias")``.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = (INPUT,)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    params: tuple[str, ...] = ()
