"""Arrays of published chips, as their papers describe them."""

from __future__ import annotations

from hwsim.arrays.base import Memory
from hwsim.arrays.eie import EieArray
from hwsim.arrays.eyeriss import EyerissArray
from hwsim.arrays.tpu import TpuArray

EIE = EieArray(
    pes=64,
    queue_depth=8,
    gap_bits=4,
    value_bits=4,
    activation_registers=64,
    pointer_bits=16,
    matrix_spad_B=128 << 10,
    matrix_word_bits=64,
    pointer_spad_B=16 << 10,
    activation_spad_B=2 << 10,
)
"""Han et al., EIE, ISCA 2016, sections IV and VI."""

EIE_CLOCK_GHZ = 0.8

EYERISS = EyerissArray(
    rows=12,
    cols=14,
    buffer_B=96 << 10,
    row_outputs=128,
    filter_spad_B=448,
    input_spad_B=24,
    psum_spad_B=48,
    filter_port_words=4,
    input_port_words=1,
    psum_port_words=4,
)
"""Chen et al., JSSC 52(1), 2017, section V and Table IV; `EyerissArray` names what is inferred."""

EYERISS_CLOCK_GHZ = 0.2
EYERISS_BUFFER_BANK = Memory(4 << 10, 64)
EYERISS_PE_PITCH_MM = 3.5 / 14
"""Core of 3.5 mm over 14 columns."""

TPU_V1 = TpuArray(
    rows=256,
    cols=256,
    load_words_per_cycle=256,
    accumulator_rows=4096,
    fifo_tiles=4,
    activation_lanes=256,
)
"""Jouppi et al., ISCA 2017, section 2 and Figure 1."""

TPU_V1_CLOCK_GHZ = 0.7
TPU_V1_WEIGHT_B_PER_S = 30 << 30
"""Figure 1: 30 GiB/s reach the FIFO, of the 34 GB/s that two DDR3-2133 channels peak at."""
