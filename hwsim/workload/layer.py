"""A network as the simulator sees it: layers, shapes, stored bits and densities.

A `Workload` comes from a compressed file, from published statistics, or from a table of layer shapes.
The simulator treats all three alike. `Workload.provenance` says which it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from hwsim import display
from hwsim.errors import InputError, shown
from hwsim.units import memory_size
from hwsim.whole import MOST, require_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

Arithmetic = Literal["fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int16", "int8", "int4"]
Kind = Literal["conv", "fc", "matmul", "vector"]
Symbol = Literal["symbol", "bit"]
OverBatch = Literal["each", "sum", "once"]
Norm = Literal["none", "batch"]

OPERAND_BITS: dict[str, int] = {
    "fp64": 64,
    "fp32": 32,
    "tf32": 32,
    "fp16": 16,
    "bf16": 16,
    "fp8": 8,
    "int16": 16,
    "int8": 8,
    "int4": 4,
}
"""Bits of an operand as it is stored and moved. Of the 32 bits of tf32 the multiplier uses 19."""

SIZES = ("pixels", "filters", "depth", "groups", "input_elements", "output_elements")
"""Sizes of a layer, at least 1 each."""


def require_arithmetic(found: object) -> None:
    """Refuse what is not the name of an arithmetic, by an `InputError`."""
    if not isinstance(found, str) or found not in OPERAND_BITS:
        raise InputError(f"arithmetic is {shown(found)}, expected one of {', '.join(OPERAND_BITS)}")


def _require_counts(part: object, where: str, names: tuple[str, ...], least: int = 0) -> None:
    """Check attributes that count something; slowly only what is no plain number in range."""
    for name in names:
        count = getattr(part, name)
        if type(count) is not int or not least <= count <= MOST:
            require_whole(count, f"{where}: {name}", f"a whole number, at least {least}", least)


def _kept(part: object, name: str) -> None:
    """Copy an array into an attribute, read-only: plans are remembered by the identity of layers."""
    array = np.asarray(getattr(part, name))
    if array.flags.writeable:
        array = array.copy()
        array.setflags(write=False)
    object.__setattr__(part, name, array)


@dataclass(frozen=True)
class StoredWeights:
    """How the weights of one layer are stored, counted in bits. Arrays are copied, and read-only afterwards.

    Parameters
    ----------
    format : str
        Name of the compression stage: ``dense``, ``pruned``, ``shared``, ``huffman``, ``int8``.
    nonzeros : int
        Weights that are not zero.
    entries : int
        Stored entries: the non-zeros, plus filler zeros where a gap is too wide for the index field.
    segment_bits : ndarray of int64, shape (segments,)
        Payload bits of each segment, in scan order. A decoder can start at the beginning of any segment.
    segment_symbols : ndarray of int64, shape (segments,)
        Variable-length symbols to decode in each segment; 0 if no decoder is needed.
    side_bits : int
        Bits fetched once per layer in addition to the payload: codebook, code tables, entry points, biases.
    symbol : {"symbol", "bit"}
        What a decoder resolves at a time: a word of a prefix code, or a bit of a context-mixing code.
    look_ups, gaps : int
        Values looked up in a codebook, and distances to the next entry added up, for one pass over the layer.
    """

    format: str
    nonzeros: int
    entries: int
    segment_bits: NDArray[np.int64]
    segment_symbols: NDArray[np.int64]
    side_bits: int = 0
    symbol: Symbol = "symbol"
    look_ups: int = 0
    gaps: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.format, str):
            raise InputError(f"stored weights ({shown(self.format)}): expected a format that is a text")
        _require_counts(
            self,
            f"stored weights ({self.format})",
            ("nonzeros", "entries", "side_bits", "look_ups", "gaps"),
        )
        for name in ("segment_bits", "segment_symbols"):
            _kept(self, name)
        if len(self.segment_bits) != len(self.segment_symbols):
            raise InputError(
                f"stored weights ({self.format}): {len(self.segment_bits)} segments of bits but "
                f"{len(self.segment_symbols)} of symbols, expected as many"
            )
        if self.nonzeros > self.entries:
            raise InputError(
                f"stored weights ({self.format}): {self.nonzeros} non-zeros in {self.entries} entries"
            )

    @cached_property
    def payload_bits(self) -> int:
        """Stored bits of the weight streams, without side information."""
        return int(self.segment_bits.sum())

    @cached_property
    def symbols(self) -> int:
        """Symbols to decode for one pass over the layer."""
        return int(self.segment_symbols.sum())

    @cached_property
    def cumulated(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bits, and symbols, before each segment and after the last, each of shape (segments + 1,)."""
        bits, symbols = (
            np.concatenate([[0], np.cumsum(each)]) for each in (self.segment_bits, self.segment_symbols)
        )
        return bits, symbols

    @property
    def total_bits(self) -> int:
        """All stored bits: payload and side information."""
        return self.payload_bits + self.side_bits

    @property
    def encoded(self) -> bool:
        """Whether anything must be done to the stored bits before they are operands."""
        return bool(self.symbols or self.look_ups or self.gaps)


@dataclass(frozen=True)
class Layer:
    """One layer of a network. Sizes are per item of the batch.

    A matrix layer is a GEMM of ``(pixels, depth) x (depth, filters)``, repeated over ``groups``. An
    ``fc`` layer has one pixel, so its weights are reused only across the batch. A ``matmul`` multiplies
    two activations, for example attention scores; it has no stored weights. A ``vector`` layer (pooling,
    element-wise, softmax) performs ``vector_ops`` scalar operations and no MACs.

    Parameters
    ----------
    pixels, filters, depth : int
        GEMM dimensions M, N, K of one group (1, 1, 1 for ``vector``).
    input_elements, output_elements : int
        Activation elements that the whole layer reads from and writes to memory, per item.
    in_hw, kernel, stride, pad : (int, int)
        Convolution geometry, height first; 1 x 1 for other kinds.
    weight_density, input_density : float
        Fraction of weights / input activations that are not zero, in 0..1.
    inputs : tuple of int
        Indices of the layers that produce this layer's input; -1 is the network's input.
    outside_bits : int or None
        Bits in DRAM, per item, of what the layer reads that no layer made; None: as wide as its operands.
        A cache of keys and values, or the rows of a table, may be stored in fewer.
    weights : StoredWeights or None
        None if the layer has no weights.
    like : int or None
        Index of an earlier layer whose stored weights this layer uses; None if it has its own.
    op : str
        Operator of a ``vector`` layer (``relu``, ``add``...); empty if unknown.
    norm : {"none", "batch"}
        Normalisation that is folded into the weights. Training does it apart: `hwsim.workload.normalisation`.
    over_batch : {"each", "sum", "once"}
        How work grows with the batch. ``each``: everything is done per item. ``sum``: work and inputs are
        per item, and the outputs are summed into one (the gradient of weights). ``once``: everything is
        done once per batch (the update of weights).
    writes_back : bool
        Whether the output replaces the weights that the layer reads. It then stays where they are.
    pattern : ndarray of bool, shape (groups * filters, depth), or None
        Positions of the non-zero weights, copied; None if the real matrix is not known.
    """

    name: str
    kind: Kind
    pixels: int
    filters: int
    depth: int
    input_elements: int
    output_elements: int
    groups: int = 1
    in_hw: tuple[int, int] = (1, 1)
    out_hw: tuple[int, int] = (1, 1)
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    vector_ops: int = 0
    weight_density: float = 1.0
    input_density: float = 1.0
    arithmetic: Arithmetic = "fp32"
    inputs: tuple[int, ...] = (-1,)
    outside_bits: int | None = None
    weights: StoredWeights | None = None
    like: int | None = None
    op: str = ""
    norm: Norm = "none"
    over_batch: OverBatch = "each"
    writes_back: bool = False
    pattern: NDArray[np.bool_] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"layer {shown(self.name)}: expected a text as its name")
        if self.pattern is not None:
            _kept(self, "pattern")
        _require_counts(self, f"layer {self.name}", SIZES, 1)
        _require_counts(self, f"layer {self.name}", ("vector_ops",))
        if self.outside_bits is not None:
            _require_counts(self, f"layer {self.name}", ("outside_bits",))
        for key in ("weight_density", "input_density"):
            if not 0.0 <= getattr(self, key) <= 1.0:
                found = shown(getattr(self, key))
                raise InputError(f"layer {self.name}: {key} is {found}, expected 0 to 1")

    def joined(self, items: int) -> tuple[Layer, int]:
        """Return an equivalent layer with work per item, and the number of items it runs for."""
        if self.over_batch == "each" or items == 1:
            return self, items
        if self.over_batch == "once":
            return self, 1
        scaled = {key: getattr(self, key) * items for key in ("input_elements", "vector_ops")}
        depth = self.depth * items if self.kind == "matmul" else self.depth
        return replace(self, over_batch="once", depth=depth, **scaled), 1

    def outputs_of(self, items: int) -> int:
        """Output elements of a batch of `items`."""
        return self.output_elements * (items if self.over_batch == "each" else 1)

    @property
    def macs(self) -> int:
        """Multiply-accumulates (MACs) per item, including those with zeros."""
        return 0 if self.kind == "vector" else self.pixels * self.filters * self.depth * self.groups

    @property
    def weight_count(self) -> int:
        """Number of weights, including zeros, without biases."""
        return self.filters * self.depth * self.groups if self.kind in ("conv", "fc") else 0

    @property
    def stored_bits(self) -> int:
        """Stored bits of the layer's own weights; 0 if it uses the weights of another layer."""
        return self.weights.total_bits if self.weights and self.like is None else 0

    @property
    def encoded(self) -> bool:
        """Whether the layer has weights that must be decoded before they are operands."""
        return self.weights is not None and self.weights.encoded

    @property
    def operand_bits(self) -> int:
        """Bits of one operand of the multiplier."""
        return OPERAND_BITS[self.arithmetic]


@dataclass(frozen=True)
class Workload:
    """A network at one compression stage, ready to be scheduled on a chip.

    Parameters
    ----------
    name, stage : str
    layers : tuple of Layer
        In execution order.
    provenance : str
        Source of shapes, bits and densities. It is printed with every table.
    alone : str
        Why its items run one at a time, a sentence; empty if they may run as a batch.
    """

    name: str
    stage: str
    layers: tuple[Layer, ...]
    provenance: str
    alone: str = ""

    def __post_init__(self) -> None:
        if not self.layers:
            raise InputError(f"workload {self.name}: no layers, expected at least one")
        if len({layer.name for layer in self.layers}) < len(self.layers):
            name, count = Counter(layer.name for layer in self.layers).most_common(1)[0]
            raise InputError(
                f"workload {self.name}: {count} layers are named {shown(name)}, expected names that differ"
            )
        for index, layer in enumerate(self.layers):
            if any(not -1 <= source < index for source in layer.inputs):
                raise InputError(
                    f"workload {self.name}, layer {layer.name}: inputs {shown(layer.inputs)} must name "
                    f"earlier layers (-1 to {index - 1})"
                )
            if layer.like is not None and not self._may_share(index, layer.like):
                raise InputError(
                    f"workload {self.name}, layer {layer.name}: like {shown(layer.like)} must name an "
                    "earlier layer that stores as many bits of its own"
                )

    def _may_share(self, index: int, owner: int) -> bool:
        if not 0 <= owner < index:
            return False
        user, found = self.layers[index], self.layers[owner]
        same = user.weights and found.weights and user.weights.total_bits == found.weights.total_bits
        return found.like is None and bool(same)

    def __repr__(self) -> str:
        return display.text(f"Workload: {self.name} ({self.stage})", self._facts)

    def _repr_html_(self) -> str:
        return display.card(f"{self.name} ({self.stage})", self._facts)

    @property
    def _facts(self) -> dict[str, str]:
        kinds = Counter(layer.kind for layer in self.layers)
        return {
            "layers": f"{len(self.layers)}: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}",
            "work": f"{self.macs:,} MACs per inference",
            "weights": memory_size(self.weight_bits / 8),
            "source": self.provenance,
        }

    @property
    def macs(self) -> int:
        """Multiply-accumulates (MACs) per inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_bits(self) -> int:
        """Stored bits of all weights, including side information. Shared weights are counted once."""
        return sum(layer.stored_bits for layer in self.layers)

    def only(self, names: Iterable[str]) -> Workload:
        """Return a workload of the named layers only, one after another, for example the ``fc`` layers."""
        chosen, known = dict.fromkeys(names), [layer.name for layer in self.layers]
        for name in chosen:
            if name not in known:
                raise InputError(
                    f"workload {self.name}: no layer {shown(name)}, expected some of {', '.join(known)}"
                )
        kept = [index for index, layer in enumerate(self.layers) if layer.name in chosen]
        owners: dict[int, int] = {}
        chain = []
        for place, index in enumerate(kept):
            layer = self.layers[index]
            owner = owners.setdefault(index if layer.like is None else layer.like, place)
            chain.append(replace(layer, inputs=(place - 1,), like=None if owner == place else owner))
        return replace(self, layers=tuple(chain))


def dense_storage(count: int, bits: int = 32, side_bits: int = 0, segments: int = 1) -> StoredWeights:
    """Describe the storage of `count` weights of `bits` bits each, in `segments` equal segments."""
    ends = np.arange(1, segments + 1, dtype=np.int64) * count // segments
    per_segment = np.diff(ends, prepend=0) * bits
    return StoredWeights("dense", count, count, per_segment, np.zeros(segments, np.int64), side_bits)


def fc(name: str, in_features: int, out_features: int, **extra: object) -> Layer:
    """Fully-connected layer of `out_features` x `in_features` weights, stored dense by default."""
    extra.setdefault("weights", dense_storage(in_features * out_features, side_bits=32 * out_features))
    return Layer(name, "fc", 1, out_features, in_features, in_features, out_features, **extra)  # type: ignore[arg-type]


def conv(
    name: str,
    in_channels: int,
    in_hw: tuple[int, int],
    filters: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    pad: tuple[int, int] = (0, 0),
    groups: int = 1,
    **extra: object,
) -> Layer:
    """Convolution with `filters` output channels over all groups, stored dense by default.

    Raises
    ------
    InputError
        If the groups do not divide the channels or the kernel does not fit the padded input.
    """
    if groups < 1 or in_channels % groups or filters % groups:
        raise InputError(
            f"layer {name}: {groups} groups must divide {in_channels} input and {filters} output channels"
        )
    if min(stride) < 1:
        raise InputError(f"layer {name}: stride is {stride}, expected at least 1")
    out_h, out_w = (
        (size + 2 * p - k) // s + 1 for size, k, s, p in zip(in_hw, kernel, stride, pad, strict=True)
    )
    if out_h < 1 or out_w < 1:
        raise InputError(f"layer {name}: kernel {kernel} does not fit input {in_hw} with padding {pad}")
    depth = in_channels // groups * kernel[0] * kernel[1]
    extra.setdefault("weights", dense_storage(filters * depth, side_bits=32 * filters))
    return Layer(
        name,
        "conv",
        out_h * out_w,
        filters // groups,
        depth,
        in_channels * in_hw[0] * in_hw[1],
        filters * out_h * out_w,
        groups,
        in_hw,
        (out_h, out_w),
        kernel,
        stride,
        pad,
        **extra,  # type: ignore[arg-type]
    )


def vector(name: str, input_elements: int, output_elements: int, ops: int, **extra: object) -> Layer:
    """Layer of `ops` scalar operations and no MACs: pooling, element-wise, softmax."""
    return Layer(
        name,
        "vector",
        1,
        1,
        1,
        input_elements,
        output_elements,
        vector_ops=ops,
        **extra,  # type: ignore[arg-type]
    )
