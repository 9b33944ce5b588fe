"""Work and bytes of passes against arithmetic by hand."""

from dataclasses import replace

import pytest

from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.language.attention import Seen, Step, seen_by
from hwsim.workload.language.forms import form_names, form_of
from hwsim.workload.language.passes import decode, forward, prefill
from hwsim.workload.language.shipped import model_of


def named(workload, name):
    (found,) = [layer for layer in workload.layers if layer.name == name]
    return found


def small(name, blocks=2):
    """A shipped model of fewer blocks."""
    model = model_of(name)
    return replace(
        model, decoder=model.decoder[-blocks:] if model.decoder else (), encoder=model.encoder[:blocks]
    )


def cached_bytes(workload):
    return sum(layer.outside_bits or 0 for layer in workload.layers if layer.kind == "matmul") / 8


@pytest.mark.parametrize(
    ("name", "matrices"),
    [
        # parameters without embedding, norms and positions: each multiplies once for a token
        ("llama-2-7b", 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 32000 * 4096),
        ("llama-3-8b", 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 128256 * 4096),
        ("mistral-7b", 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 32000 * 4096),
        (
            "mixtral-8x7b",
            32 * (2 * 4096**2 + 2 * 4096 * 1024 + 4096 * 8 + 2 * 3 * 4096 * 14336) + 32000 * 4096,
        ),
        ("smollm2-135m", 30 * (2 * 576**2 + 2 * 576 * 192 + 3 * 576 * 1536) + 49152 * 576),
        ("gpt2", 12 * 12 * 768**2 + 50257 * 768),
        ("opt-6.7b", 32 * 12 * 4096**2 + 50272 * 4096),
        ("gpt-j-6b", 28 * 12 * 4096**2 + 50400 * 4096),
        ("phi-2", 32 * 12 * 2560**2 + 51200 * 2560),
        ("gemma-2-2b", 26 * (2 * 2304 * 2048 + 2 * 2304 * 1024 + 3 * 2304 * 9216) + 256000 * 2304),
    ],
)
def test_macs_and_bytes_of_a_token(name, matrices):
    """The heads of a token attend to all tokens before it and to itself."""
    model, context = model_of(name), 511
    attention = model.decoder[0].attention
    scores = 2 * len(model.decoder) * attention.heads * attention.head_dim * (context + 1)
    workload = decode(model, context=context)
    assert workload.macs == matrices + scores
    read = sum(layer.weights.payload_bits for layer in workload.layers if layer.weights)
    assert read == 16 * matrices
    keys = 2 * 2 * len(model.decoder) * attention.kv_heads * attention.head_dim
    assert cached_bytes(workload) == keys * (context + 1)


@pytest.mark.parametrize(
    ("name", "kB"),
    [
        ("llama-2-7b", 512),  # 2 x 32 blocks x 4096 x 2 bytes
        ("llama-3-8b", 128),  # a quarter of the heads
        ("llama-3-70b", 320),
        ("mistral-7b", 128),
        ("qwen2.5-0.5b", 12),
        ("qwen2.5-7b", 56),
        ("gemma-2-2b", 104),
        ("opt-6.7b", 512),
        ("gpt-j-6b", 448),
        ("deepseek-v2-lite", 27 * 576 * 2 / 1024),  # 512 + 64 elements a block
    ],
)
def test_cache_of_a_token(name, kB):
    one, other = (cached_bytes(decode(name, context=context)) for context in (100, 101))
    assert other - one == 1024 * kB


@pytest.mark.parametrize(
    ("step", "window", "expected"),
    [
        (Step(1, 4095), None, Seen(4096, 4096, 0)),
        (Step(1, 4096), 1024, Seen(1024, 1024, 0)),
        (Step(4, 0), None, Seen(3, 0, 4)),  # (1 + 2 + 3 + 4) / 4, rounded up
        (Step(4, 10), None, Seen(13, 10, 4)),  # (11 + 12 + 13 + 14) / 4
        (Step(4, 10), 12, Seen(12, 10, 4)),  # (11 + 12 + 12 + 12) / 4
        (Step(4, 100), 3, Seen(3, 2, 4)),
        (Step(4, 0, causal=False), None, Seen(4, 0, 4)),
    ],
)
def test_keys_that_are_seen(step, window, expected):
    assert seen_by(step, window) == expected


def test_work_of_a_prompt_is_that_of_its_tokens():
    """With a window or without, as many pairs as the tokens of the prompt see one by one, rounded up."""
    for name in ("llama-3.2-1b", "gemma-3-1b"):
        model, tokens = small(name, 1), 1023
        whole = prefill(model, tokens)
        alone = [decode(model, context=past) for past in range(tokens)]
        for layer in ("0.scores", "0.context"):
            assert named(whole, layer).macs == pytest.approx(
                sum(named(one, layer).macs for one in alone), rel=3e-3
            )


def test_chunks_do_the_work_of_the_whole_prompt():
    model = small("llama-3-8b")
    whole = prefill(model, 1024)
    chunks = [prefill(model, 256, past=past) for past in range(0, 1024, 256)]
    head = 128256 * 4096
    assert sum(chunk.macs - head for chunk in chunks) == pytest.approx(whole.macs - head, rel=1e-3)
    assert [chunk.weight_bits for chunk in chunks] == [whole.weight_bits] * 4


def test_a_draft_is_verified_with_the_weights_read_once():
    one, five = decode("llama-3-8b", context=999), decode("llama-3-8b", context=999, tokens=5)
    assert five.weight_bits == one.weight_bits
    assert cached_bytes(five) == cached_bytes(decode("llama-3-8b", context=998))  # its own keys are on chip
    assert five.macs == pytest.approx(5 * one.macs, rel=1e-3)


def test_new_keys_and_values_go_to_the_cache_once():
    """What the network leaves behind: scores of words, and keys and values of the new tokens."""
    for workload, tokens in ((decode(small("llama-3-8b"), 64), 1), (prefill(small("llama-3-8b"), 64), 64)):
        read = {source for layer in workload.layers for source in layer.inputs}
        left = [layer for index, layer in enumerate(workload.layers) if index not in read]
        assert left.pop().name == "head"
        assert sum(layer.output_elements for layer in left) == 2 * 2 * tokens * 1024


def test_a_smaller_cache_is_written_and_read():
    workload = decode(small("llama-3-8b"), 99, kv="int8")
    # 8 heads of 128 values of 8 bits and a 16-bit scale, of keys and values, in 2 blocks
    assert cached_bytes(workload) == 2 * 2 * 100 * 8 * (128 + 2)
    assert named(workload, "0.key_cache").operand_bits == 8
    assert named(workload, "0.scores").operand_bits == 16


@pytest.mark.parametrize("kv", form_names())
def test_a_cache_of_every_form_is_read_in_its_bits(kv):
    arithmetic = "fp32" if kv == "fp32" else "fp16"
    model = small("llama-3-8b", 1)
    workload = decode(model, 99, kv=kv, arithmetic=arithmetic)
    form = form_of(kv)
    assert cached_bytes(workload) == 2 * form.bits(100 * 8 * 128, 100 * 8) / 8
    written = [layer.operand_bits for layer in workload.layers if layer.name.endswith("_cache")]
    assert all(bits >= int(form.bits_per_value) for bits in written)
    assert bool(written) == form.decoded(arithmetic)


def test_a_smaller_cache_is_dequantized_by_the_vector_unit():
    """Two operations for each key and value of 100 tokens: 8 heads of 128 features, twice."""
    plain, narrow = (decode(small("llama-3-8b"), 99, kv=kv) for kv in ("fp16", "int8"))
    more = named(narrow, "0.softmax").vector_ops - named(plain, "0.softmax").vector_ops
    assert more == 2 * 2 * 100 * 8 * 128
    assert named(plain, "0.softmax").macs == named(narrow, "0.softmax").macs == 0


def test_the_last_token_alone_gets_scores_of_words():
    assert named(prefill("smollm2-135m", 512), "head").macs == 49152 * 576


def test_rows_of_the_embedding_are_fetched_not_the_table():
    assert named(prefill("smollm2-135m", 512), "embedding").outside_bits == 512 * 576 * 16
    assert named(prefill("gpt2", 512), "embedding").outside_bits == 2 * 512 * 768 * 16  # words and positions


def test_a_forward_pass_of_bert_large():
    """Parameters of the encoder's matrices times tokens, and scores of all pairs."""
    workload = forward("bert-large", 176)
    matrices = 24 * 12 * 1024**2 * 176 + 1024**2  # and the pooler of the first token
    assert workload.macs == matrices + 24 * 2 * 176 * 176 * 1024
    assert named(workload, "embedding").output_elements == 176 * 1024
    stored = sum(layer.weights.payload_bits for layer in workload.layers if layer.weights)
    assert stored == 16 * (24 * 12 + 1) * 1024**2


def test_experts_that_a_batch_uses_are_read():
    def read(batch, tokens=1):
        layer = named(decode("mixtral-8x7b", 10, batch, tokens=tokens), "0.experts_gate")
        return layer.weights.entries / (4096 * 14336)

    # 8 (1 - 0.75^n) experts are expected for n tokens of two each
    assert [read(batch) for batch in (1, 2, 4, 8, 64)] == [2, 4, 5, 7, 8]
    assert read(1, tokens=4) == read(4)
    assert decode("mixtral-8x7b", 10, 64).macs == decode("mixtral-8x7b", 10, 1).macs


def test_latent_attention_both_ways_uses_the_same_weights():
    model = small("deepseek-v2-lite", 1)
    one, many = decode(model, context=100), prefill(model, 100)
    names = ("query_to_latent", "value_from_latent"), ("key", "value")
    inside, outside = (
        sum(named(workload, f"0.{name}").weights.payload_bits for name in found)
        for workload, found in zip((one, many), names, strict=True)
    )
    assert inside == outside == 16 * 16 * (128 + 128) * 512


def test_t5_reads_its_prompt_once_and_attends_to_it():
    model = small("t5-base", 1)
    kept = prefill(model, 100)
    assert named(kept, "0.cross_key").macs == 100 * 768 * 768
    step = decode(model, context=7, source=100)
    assert named(step, "0.cross_scores").macs == 100 * 768
    assert named(step, "0.scores").macs == 8 * 768


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: decode("bert-base", 10), "an encoder .bert. writes no tokens, expected its forward pass"),
        (lambda: forward("gpt2", 10), "gpt2 writes token by token, expected its prefill or a decode step"),
        (lambda: decode("gpt2", 1025), "context is 1025, expected at most its 1024 tokens"),
        (lambda: decode("gpt2", -1), "context is -1, expected a whole number, at least 0"),
        (lambda: prefill("gpt2", 600, past=600), "tokens is 1200, expected at most its 1024 tokens"),
        (lambda: decode("gpt2", 10, 0), "batch is 0"),
        (lambda: decode("gpt2", 10, weights="int5"), "weights are 'int5', expected one of fp32, fp16"),
        (lambda: decode("gpt2", 10, kv="int5"), "kv are 'int5'"),
        (lambda: decode("gpt2", 10, arithmetic="fp7"), "arithmetic is 'fp7', expected one of fp64, fp32"),
        (lambda: decode("gpt2", 10, weights="fp16", arithmetic="int8"), "weights are fp16, 16 bits each"),
        (lambda: prefill("t5-base", 10, past=5), "past is 5, expected 0 for a model with an encoder"),
    ],
)
def test_a_pass_that_cannot_be(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_each_sequence_reads_its_cache_and_all_share_the_weights():
    """DRAM bytes of a simulated batch: weights once, cache and activations per sequence."""
    model, chip = small("llama-3-8b"), load_chip("a100_pcie").replace(**{"kernels.execution": "sub-batches"})
    runs = {batch: simulate(chip, decode(model, 1023, batch), batch) for batch in (1, 8)}
    cache = 2 * 2 * 1024 * 1024 * 2
    for batch, run in runs.items():
        assert run.activation_bits / 8 == pytest.approx(batch * cache, rel=0.05)
    assert runs[8].requested_weight_bits == pytest.approx(runs[1].requested_weight_bits, rel=0.01)


def test_a_state_space_reads_and_writes_its_state_whatever_the_context():
    model = small("mamba-130m", 1)
    one, other, prompt = decode(model, 10), decode(model, 1000), prefill(model, 100)
    assert one.layers == other.layers
    width, state = 1536, 16
    matrices = 768 * 2 * width + width * (48 + 2 * state) + 48 * width + width * 768
    assert one.macs == matrices + 50280 * 768
    assert prompt.macs == 100 * matrices + 50280 * 768
    for workload in (one, prompt):
        assert named(workload, "0.scan").outside_bits == 16 * width * (state + 3)  # and three earlier tokens
        assert named(workload, "0.state").output_elements == width * (state + 3)


@pytest.mark.parametrize(("arithmetic", "attention"), [("fp8", "fp16"), ("int8", "int8"), ("bf16", "bf16")])
def test_attention_multiplies_in_16_bits_where_matrices_multiply_in_fp8(arithmetic, attention):
    layers = prefill("llama-2-7b", 64, 1, arithmetic=arithmetic).layers
    assert {layer.arithmetic for layer in layers if layer.op == "softmax"} == {attention}
    assert {layer.arithmetic for layer in layers if layer.kind == "matmul"} == {attention}
    assert {layer.arithmetic for layer in layers if layer.weights and layer.macs} == {arithmetic}
