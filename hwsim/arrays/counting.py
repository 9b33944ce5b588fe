"""What every array counts the same way: useful MACs, arithmetic by width, the shape of the GEMM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.layer import OPERAND_BITS

if TYPE_CHECKING:
    from collections.abc import Collection

    from hwsim.arrays.base import Action
    from hwsim.workload.layer import Layer

ACCUMULATOR: dict[str, str] = {
    "fp64": "fp64",
    "fp32": "fp32",
    "tf32": "fp32",
    "fp16": "fp32",
    "bf16": "fp32",
    "fp8": "fp32",
    "int16": "int32",
    "int8": "int32",
    "int4": "int32",
}
"""What products of each arithmetic are added into."""

TREE = "int32"
"""What the products of a tensor core are added as, before they are added to the sum."""

PSUM_BITS = 32
"""Width of an accumulator of fp32 or int32, which is every accumulator except that of fp64."""

MATRIX_KINDS = ("conv", "fc", "matmul")

Held = Literal["weights", "inputs", "sums"]
"""What a dataflow keeps in its place: the stationary operand, the streamed one, or the outputs."""


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


def fitting(operand_bits: int) -> tuple[str, ...]:
    """Arithmetics whose operands are no wider than a multiplier."""
    return tuple(name for name, bits in OPERAND_BITS.items() if bits <= operand_bits)


def require_arithmetic(layer: Layer, arithmetics: Collection[str], array: str) -> None:
    """Refuse operands that the multipliers do not have.

    Raises
    ------
    InputError
        If the arithmetic of `layer` is not one of `arithmetics`.
    """
    if layer.arithmetic not in arithmetics:
        raise InputError(
            f"layer {layer.name}: the multipliers of this {array} array do not have {layer.arithmetic}, "
            f"expected {' or '.join(arithmetics)}"
        )


def psum_bits(layer: Layer) -> int:
    """Width of a partial sum of a layer: 64 bits for fp64, 32 bits for everything else."""
    return OPERAND_BITS.get(ACCUMULATOR[layer.arithmetic], PSUM_BITS)


def useful_macs(layer: Layer, macs: int) -> int:
    """MACs without a zero operand, zeros of weights and of activations taken as independent."""
    return round(macs * layer.weight_density * layer.input_density)


def mac_counts(
    layer: Layer, gemm: Gemm, gate_zeros: bool, held: Held = "weights", dot_length: int = 1
) -> dict[Action, int]:
    """Arithmetic and operand moves of a GEMM in an array that passes operands along.

    What moves is clocked into a pipeline latch at every MAC. What is held is clocked only when it is
    loaded, and an accumulator at every sum. Gating saves the multiply and the add of a MAC with a zero
    operand, the moves of a zero operand, and the update of a sum that is held; a sum that moves goes on
    in any case.

    Parameters
    ----------
    layer : Layer
    gemm : Gemm
        The layer at its batch.
    gate_zeros : bool
        Whether a MAC with a zero operand saves its energy.
    held : {"weights", "inputs", "sums"}
        Which of the three stays in its place.
    dot_length : int
        Products added in a tree before the sum goes to a register. Above 1 the sum is read from, and
        written to, a register file, as in a tensor core. The tree adds aligned integers, whatever the
        products are, and only the sum is a float (Fasi et al., "Numerical behavior of NVIDIA tensor
        cores", PeerJ Computer Science 7, 2021).
    """
    macs = gemm.macs
    executed = useful_macs(layer, macs) if gate_zeros else macs
    inputs = round(macs * layer.input_density) if gate_zeros else macs
    weights = round(macs * layer.weight_density) if gate_zeros else macs
    bits = layer.operand_bits
    counts: dict[Action, int] = {
        ("mac", "mac", f"multiply_{layer.arithmetic}"): executed,
        ("mac", "mac", f"add_{ACCUMULATOR[layer.arithmetic]}"): executed,
    }
    if dot_length > 1:
        visits = gemm.m * gemm.n * gemm.groups * ceil_div(gemm.k, dot_length)
        sums = min(visits, executed)
        counts["mac", "mac", f"add_{ACCUMULATOR[layer.arithmetic]}"] = sums
        tree = "mac", "mac", f"add_{TREE}"
        counts[tree] = counts.get(tree, 0) + executed - sums
        counts["psums", "register", "access_bit"] = 2 * visits * psum_bits(layer)
    else:
        counts["psums", "register", "latch_bit"] = (executed if held == "sums" else macs) * psum_bits(layer)
    moved_inputs: dict[Action, int] = {
        ("activations", "register", "latch_bit"): 0 if held == "inputs" else inputs * bits
    }
    moved_weights: dict[Action, int] = {
        (stationary_tensor(layer), "register", "latch_bit"): 0 if held == "weights" else weights * bits
    }
    return add_counts(add_counts(counts, moved_inputs), moved_weights)


def stationary_tensor(layer: Layer) -> str:
    """Tensor the stationary operand belongs to: a ``matmul`` multiplies two activations."""
    return "activations" if layer.kind == "matmul" else "weights"


def add_counts(counts: dict[Action, int], extra: dict[Action, int]) -> dict[Action, int]:
    """Sum of two tables of counts, without the zeros."""
    total = dict(counts)
    for action, count in extra.items():
        total[action] = total.get(action, 0) + count
    return {action: count for action, count in total.items() if count}
