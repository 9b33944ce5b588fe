"""Row-stationary spatial array with zero gating (Eyeriss, Chen et al., JSSC 52(1), 2017).

`hwsim.arrays.row_stationary` chooses the mapping; here it becomes cycles, counts and DRAM words.

* A PE takes one cycle per multiply-accumulate and one more per row of an output, to add the
  partial sum that comes in from its neighbour or from the buffer.
* Partial sums (4 words per cycle each way), inputs (1 word per cycle) and the MACs overlap; the
  filters of a pass (4 words per cycle) load before it.
* Each partial sum is written to the buffer once per pass over channels and read back once: the
  last time to leave the chip. With the paper's MB of 10^6 bytes this gives the published accesses
  of all five AlexNet layers.
* A zero input saves the filter read, the MAC and the partial-sum update, never a cycle.
* Feature maps are run-length coded in DRAM, three pairs of a 5-bit run and a 16-bit value per
  64 bits, where that is shorter.

Not from the paper's text, but inferred from its tables, and the same for every row: a row of more
than `row_outputs` = 128 outputs is made in equal parts (Table VI), and `clock_pJ_per_cycle`, the
energy of everything that is not counted as an action, from the 278 mW of all of AlexNet's
convolutions. Mappings use `buffer_B` = 96 of the 100 KB: the 25 banks of 4 KB are each given to
inputs or to partial sums as a whole, so any two that fill 24 of them fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from hwsim.arrays.base import Action, ArrayCost, Memory, Moves
from hwsim.arrays.counting import ACCUMULATOR, require_kind, useful_macs
from hwsim.arrays.row_stationary import Fabric, Mapping, Shape, best_mapping, better_mapping
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer

RUN_BITS = 5
PAIRS_PER_64_BITS = 3


class DramWords(NamedTuple):
    """Words one layer moves between DRAM and chip, before coding."""

    inputs: int
    filters: int
    outputs: int


@dataclass(frozen=True)
class EyerissArray:
    """rows x cols PEs around a global buffer.

    Parameters
    ----------
    rows, cols : int
    buffer_B : int
        Part of the global buffer that inputs and partial sums of a mapping may fill.
    row_outputs : int
        Longest row of outputs made in one go.
    filter_spad_B, input_spad_B, psum_spad_B : int
        Scratchpads of one PE; the last two are registers.
    filter_port_words, input_port_words, psum_port_words : int
        Words per cycle between buffer and PEs; partial sums have as many each way.
    word_bits : int
        Width of a filter scratchpad: what one read costs.
    gate_zeros : bool
        Whether a zero input saves the energy of its MAC.
    clock_pJ_per_cycle : float
        Clock network and control of the whole chip, while the array works.
    """

    kind: ClassVar[str] = "eyeriss"
    validated_on: ClassVar[tuple[str, ...]] = ("alexnet", "vgg16")

    rows: int
    cols: int
    buffer_B: int
    row_outputs: int
    filter_spad_B: int
    input_spad_B: int
    psum_spad_B: int
    filter_port_words: int
    input_port_words: int
    psum_port_words: int
    word_bits: int
    gate_zeros: bool = True
    clock_pJ_per_cycle: float = 0.0

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if value < 1 and key not in ("gate_zeros", "clock_pJ_per_cycle"):
                raise InputError(f"eyeriss array: {key} is {value}, expected at least 1")
        if not 0.0 <= self.clock_pJ_per_cycle < math.inf:
            raise InputError(
                f"eyeriss array: clock_pJ_per_cycle is {self.clock_pJ_per_cycle}, expected at least 0"
            )

    @property
    def peak_macs_per_cycle(self) -> int:
        """One multiply-accumulate per PE."""
        return self.rows * self.cols

    @property
    def memories(self) -> dict[str, Memory]:
        """Memories inside one PE: see `hwsim.arrays.base`."""
        return {"spad_filter": Memory(self.filter_spad_B, self.word_bits)}

    def mapping(self, layer: Layer, batch: int) -> Mapping:
        """Mapping of one group of `layer`.

        Raises
        ------
        InputError
            If the layer is of another kind than conv and fc, or nothing of it fits.
        """
        require_kind(layer, batch, ("conv", "fc"), "eyeriss")
        mapping = best_mapping(self._fabric(layer), _shape(layer, batch))
        if mapping is None:
            raise InputError(
                f"layer {layer.name}: kernel {layer.kernel} of {layer.operand_bits}-bit words on input "
                f"{layer.in_hw} does not fit an eyeriss array of {self.rows} rows with {self.buffer_B} B of "
                f"buffer and {self.filter_spad_B} B, {self.input_spad_B} B and {self.psum_spad_B} B of "
                "scratchpads"
            )
        return mapping

    def mappings(self, layer: Layer, batch: int) -> tuple[Moves, Moves | None]:
        """Moves of the mapping, and of the best one beside it: see `row_stationary.better_mapping`.

        Raises
        ------
        InputError
            As `mapping` does.
        """
        own = self.mapping(layer, batch)
        better = better_mapping(self._fabric(layer), _shape(layer, batch))
        return _moves(own, layer.groups), better and _moves(better, layer.groups)

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer`: see `ArrayModel`; groups run one after another."""
        mapping = self.mapping(layer, batch)
        macs = layer.macs * batch
        return ArrayCost(
            cycles=mapping.cycles * layer.groups,
            compute_cycles=(mapping.cycles - mapping.filter_cycles) * layer.groups,
            load_cycles=mapping.filter_cycles * layer.groups,
            macs=macs,
            useful_macs=useful_macs(layer, macs),
            peak_macs_per_cycle=self.peak_macs_per_cycle,
            counts={
                action: count * layer.groups
                for action, count in self._counts(layer, batch, mapping).items()
                if count
            },
        )

    def dram_words(self, layer: Layer, batch: int) -> DramWords:
        """Words the mapping moves: inputs with their halos once per `m` filters, filters per strip."""
        mapping = self.mapping(layer, batch)
        return DramWords(
            mapping.dram_input_words * layer.groups,
            mapping.dram_filter_words * layer.groups,
            layer.output_elements * batch,
        )

    def dram_fetches(self, layer: Layer, batch: int) -> tuple[int, int]:
        """How often the mapping brings each weight and each input on chip, without halos."""
        mapping = self.mapping(layer, batch)
        weights = layer.weight_count // layer.groups
        return mapping.dram_filter_words // weights, ceil_div(layer.filters, mapping.m)

    def buffer_words(self, layer: Layer, batch: int) -> int:
        """Accesses of the global buffer as the paper counts them, in words."""
        return self.mapping(layer, batch).accesses * layer.groups

    def _fabric(self, layer: Layer) -> Fabric:
        def words(size_B: int) -> int:
            return size_B * 8 // layer.operand_bits

        return Fabric(
            self.rows,
            self.cols,
            words(self.buffer_B),
            self.row_outputs,
            words(self.filter_spad_B),
            words(self.input_spad_B),
            words(self.psum_spad_B),
            self.filter_port_words,
            self.input_port_words,
            self.psum_port_words,
        )

    def _counts(self, layer: Layer, batch: int, mapping: Mapping) -> dict[Action, int]:
        """Actions of one group."""
        bits = layer.operand_bits
        macs = layer.macs // layer.groups * batch
        outputs = layer.pixels * layer.filters * batch
        executed = round(macs * layer.input_density) if self.gate_zeros else macs
        height = layer.kernel[0] * mapping.r
        row_inputs = (mapping.f - 1) * layer.stride[1] + layer.kernel[1]
        into_spads = mapping.passes * mapping.active_pes * mapping.n * mapping.q * row_inputs
        return {
            ("weights", "array_port", "word"): mapping.dram_filter_words,
            ("weights", "spad_filter", "write_bit"): mapping.dram_filter_words * mapping.e * bits,
            ("weights", "spad_filter", "read_bit"): executed * bits,
            ("activations", "sram", "read_bit"): (mapping.input_words + outputs) * bits,
            ("activations", "register", "access_bit"): (macs + into_spads) * bits,
            ("psums", "sram", "write_bit"): mapping.psum_words * bits,
            ("psums", "sram", "read_bit"): (mapping.psum_words - outputs) * bits,
            ("psums", "register", "access_bit"): 2 * executed * bits,
            ("psums", "noc", "hop_bit"): mapping.psum_words * (height - 1) * bits,
            ("psums", "mac", f"add_{ACCUMULATOR[layer.arithmetic]}"): mapping.psum_words * height,
            ("mac", "mac", f"multiply_{layer.arithmetic}"): executed,
            ("mac", "mac", f"add_{ACCUMULATOR[layer.arithmetic]}"): executed,
            ("clock", "clock", "cycle"): mapping.cycles if self.clock_pJ_per_cycle else 0,
        }


def run_length_bits(words: int, density: float, word_bits: int = 16) -> int:
    """Bits of a feature map in DRAM: run-length coded where that is shorter than plain.

    Zeros are taken as independent; a run too long for its field is continued by a pair of value
    zero.
    """
    plain = words * word_bits
    if density == 0.0:
        pairs = words / (1 << RUN_BITS)
    else:
        overflow = (1.0 - density) ** (1 << RUN_BITS)
        pairs = words * density / (1.0 - overflow)
    return min(plain, ceil_div(math.ceil(pairs), PAIRS_PER_64_BITS) * 64)


def _moves(mapping: Mapping, groups: int) -> Moves:
    return Moves(*(groups * figure for figure in (mapping.dram_reads, mapping.accesses, mapping.cycles)))


def _shape(layer: Layer, batch: int) -> Shape:
    """Shape of the convolution that a layer is; pixels of a fully-connected one are items of their own."""
    items = batch * (layer.pixels if layer.kind == "fc" else 1)
    return Shape(
        layer.depth // (layer.kernel[0] * layer.kernel[1]),
        layer.filters,
        *layer.kernel,
        *layer.stride,
        *layer.in_hw,
        *layer.pad,
        *layer.out_hw,
        items,
    )
