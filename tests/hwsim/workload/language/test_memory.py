"""Bytes of weights, caches and forms against arithmetic by hand and published sizes."""

import pytest

from hwsim.errors import InputError
from hwsim.workload.language.forms import form_names, form_of, stored
from hwsim.workload.language.memory import Served, footprint
from hwsim.workload.language.shipped import model_names, published_parameters

WITH_CACHE = [name for name in model_names() if "bert" not in name and "mamba" not in name]


@pytest.mark.parametrize("name", model_names())
def test_every_parameter_takes_two_bytes_in_fp16(name):
    assert Served.of(name).weights_B == 2 * published_parameters(name)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("q4_0", 4.5), ("q4_1", 5.0), ("q5_0", 5.5), ("q5_1", 6.0), ("q8_0", 8.5),
        ("q2_k", 2.625), ("q3_k", 3.4375), ("q4_k", 4.5), ("q5_k", 5.5), ("q6_k", 6.5625),
        ("iq4_nl", 4.5), ("iq4_xs", 4.25), ("mxfp4", 4.25), ("mxfp8", 8.25), ("nvfp4", 4.5),
        ("int4-g128", 4 + 20 / 128), ("nf4", 4 + 8 / 64), ("bf16-huffman", 10.85),
    ],
)  # fmt: skip
def test_bits_of_a_value(name, bits):
    assert form_of(name).bits_per_value == bits


def test_a_row_has_its_own_scale_or_codebook():
    assert form_of("int8").bits(4096 * 10, 10) == 10 * (4096 * 8 + 16)
    assert form_of("k-means4").bits(4096 * 10, 10) == 10 * (4096 * 4 + 16 * 16)


def test_two_of_four_values_are_stored():
    found = stored(form_of("fp16-2:4"), 64, 128, "fp16")
    assert (found.nonzeros, found.payload_bits) == (64 * 64, 64 * 64 * 18)  # a value and its 2-bit place
    assert found.symbols == 0


@pytest.mark.parametrize(
    ("form", "arithmetic", "symbols"),
    [
        ("fp16", "fp16", 0),
        ("int8", "int8", 0),
        ("int8", "fp16", 64 * 256 / 4),  # four values in a word of 32 bits
        ("q4_k", "fp16", 64 * 256 * 4.5 / 32),
        ("bf16-huffman", "bf16", 64 * 256),
    ],
)
def test_what_the_array_does_not_take_goes_through_a_decoder(form, arithmetic, symbols):
    assert stored(form_of(form), 64, 256, arithmetic).symbols == symbols


def test_every_form_has_a_head_that_is_known():
    assert {form_of(name).head for name in form_names()} <= set(form_names())
    assert {form_of(name).table for name in form_names()} <= set(form_names())


@pytest.mark.parametrize(
    ("name", "weights", "GB", "tolerance"),
    [
        ("llama-3.1-8b", "bf16-huffman", 10.9, 0.005),  # DFloat11, Table 1
        ("llama-3.1-70b", "bf16-huffman", 95.4, 0.01),  # DFloat11, Table 1 (Llama 3.3 70B)
        ("llama-2-7b", "q4_0", 3.83, 0.01),  # llama.cpp: 3.56 GiB
        ("llama-2-7b", "q8_0", 7.16, 0.005),  # llama.cpp: 6.67 GiB
        ("llama-3-8b", "q4_0", 4.66, 0.005),  # llama.cpp: 4.34 GiB
        ("llama-3-8b", "q8_0", 8.54, 0.005),  # llama.cpp: 7.95 GiB
        ("llama-2-7b", "int4-g128", 3.89, 0.01),  # published AWQ and GPTQ files of 3.9 GB
    ],
)
def test_sizes_of_published_files(name, weights, GB, tolerance):
    assert Served.of(name, weights).weights_B / 1e9 == pytest.approx(GB, rel=tolerance)


def test_cache_of_published_models():
    assert Served.of("llama-2-7b").cache_B(1) == 2 * 32 * 4096 * 2
    assert Served.of("llama-3-8b").cache_B(1000) == 1000 * 2 * 32 * 8 * 128 * 2
    assert Served.of("deepseek-v2-lite").cache_B(1) == 27 * (512 + 64) * 2
    assert Served.of("llama-3-8b", kv="int4").cache_B(1) == 2 * 32 * 8 * (64 + 2)
    assert Served.of("bert-base").cache_B(100) == 0
    assert Served.of("mamba-130m").cache_B(7) == Served.of("mamba-130m").cache_B(7000) == 24 * 1536 * 19 * 2
    # every second block keeps its window alone
    assert Served.of("gemma-2-2b").cache_B(8192) == (13 * 8192 + 13 * 4096) * 2 * 4 * 256 * 2
    # keys and values of what the decoder wrote and of what the encoder read
    assert Served.of("t5-base").cache_B(10, source=100) == (10 + 100) * 12 * 2 * 768 * 2


@pytest.mark.parametrize("name", WITH_CACHE)
def test_a_decode_step_reads_the_cache_that_is_kept(name):
    served = Served.of(name)
    read = [
        layer
        for layer in served.decode(100, source=50).layers
        if layer.kind == "matmul" and layer.outside_bits
    ]
    source = 50 if served.model.encoder else None
    assert sum(layer.outside_bits for layer in read) / 8 == served.cache_B(101, source)


def test_a_footprint_adds_up():
    found = footprint(Served.of("llama-3-8b"), context=1000, batch=4)
    assert found.weights_B == 2 * 8_030_261_248
    assert found.cache_B == 4 * 1000 * 131_072
    assert found.activations_B == 4 * (4096 + 128_256) * 2
    assert found.total_B == found.weights_B + found.cache_B + found.activations_B


def test_forms_that_do_not_fit_the_arithmetic():
    with pytest.raises(
        InputError, match=r"weights are bf16-huffman, 10\.85 bits each, expected a form that fits int8"
    ):
        Served.of("gpt2", "bf16-huffman", arithmetic="int8")
