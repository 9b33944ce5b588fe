"""What every array counts the same way: useful MACs, arithmetic by width, the shape of the GEMM."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hwsim.errors import InputError
from hwsim.workload.layer import OPERAND_BITS

if TYPE_CHECKING:
    from collections.abc import Collection

    from hwsim.arrays.base import Action
    from hwsim.workload.layer import Layer

ACCUMULATOR: dict[str, str] = {
    "fp32": "fp32",
    "fp16": "fp32",
    "bf16": "fp32",
    "int16": "int32",
    "int8": "int32",
    "int4": "int32",
}
"""What products of each arithmetic are added into."""

PSUM_BITS = 32
"""Width of every accumulator in `ACCUMULATOR`."""

MATRIX_KINDS = ("conv", "fc", "matmul")


class Gemm(NamedTuple):
    """A layer as `groups` products of (m, k) streamed rows with (k, n) stationary operands."""

    m: int
    n: int
    k: int
    groups: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all groups, zeros included."""
        return self.m * self.n * self.k * self.groups


def gemm_of(layer: Layer, batch: int) -> Gemm:
    """View `batch` items of a layer as a GEMM.

    Items share stored weights, so they add rows; a ``matmul`` has another stationary operand for
    every item, so they add groups.
    """
    if layer.kind == "matmul":
        return Gemm(layer.pixels, layer.filters, layer.depth, layer.groups * batch)
    return Gemm(layer.pixels * batch, layer.filters, layer.depth, layer.groups)


def require_kind(layer: Layer, batch: int, kinds: Collection[str], array: str) -> None:
    """Refuse a layer the array cannot run.

    Raises
    ------
    InputError
        If the kind is not one of `kinds` or the batch is below 1.
    """
    if layer.kind not in kinds:
        raise InputError(
            f"layer {layer.name}: a {layer.kind} layer cannot run on a {array} array, "
            f"expected {' or '.join(kinds)}"
        )
    if batch < 1:
        raise InputError(f"layer {layer.name}: batch is {batch}, expected at least 1")


def require_operands(layer: Layer, operand_bits: int, array: str) -> None:
    """Refuse operands wider than the multipliers.

    Raises
    ------
    InputError
        If an operand of `layer` has more than `operand_bits`.
    """
    if layer.operand_bits > operand_bits:
        fitting = [name for name, bits in OPERAND_BITS.items() if bits <= operand_bits]
        raise InputError(
            f"layer {layer.name}: {layer.arithmetic} operands do not fit the {operand_bits}-bit multipliers "
            f"of this {array} array, expected {' or '.join(fitting)}"
        )


def useful_macs(layer: Layer, macs: int) -> int:
    """MACs without a zero operand, zeros of weights and of activations taken as independent."""
    return round(macs * layer.weight_density * layer.input_density)


def mac_counts(layer: Layer, macs: int, gate_zeros: bool) -> dict[Action, int]:
    """Arithmetic and operand moves of `macs` MACs in an array that passes operands along.

    Each MAC accesses three registers: its weight, its activation and its partial sum. Gating saves
    the multiply, the add and the weight read of a MAC with a zero operand, and the move of a zero
    activation; the partial sum moves on in any case.
    """
    executed, moved = macs, macs
    if gate_zeros:
        executed = useful_macs(layer, macs)
        moved = round(macs * layer.input_density)
    counts: dict[Action, int] = {
        ("mac", "mac", f"multiply_{layer.arithmetic}"): executed,
        ("mac", "mac", f"add_{ACCUMULATOR[layer.arithmetic]}"): executed,
        ("activations", "register", "access_bit"): moved * layer.operand_bits,
        ("psums", "register", "access_bit"): macs * PSUM_BITS,
    }
    stationary: dict[Action, int] = {
        (stationary_tensor(layer), "register", "access_bit"): executed * layer.operand_bits
    }
    return add_counts(counts, stationary)


def stationary_tensor(layer: Layer) -> str:
    """Tensor the stationary operand belongs to: a ``matmul`` multiplies two activations."""
    return "activations" if layer.kind == "matmul" else "weights"


def add_counts(counts: dict[Action, int], extra: dict[Action, int]) -> dict[Action, int]:
    """Sum of two tables of counts, without the zeros."""
    total = dict(counts)
    for action, count in extra.items():
        total[action] = total.get(action, 0) + count
    return {action: count for action, count in total.items() if count}
