"""Requests: sums of simulated passes, closed forms of drafts and of several boards."""

from dataclasses import replace

import pytest

from hwsim.analysis.serving import Draft, Request, Service, Spent
from hwsim.analysis.tensor_parallel import Boards, Link
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.language.memory import Served
from hwsim.workload.language.shipped import model_of

A100 = load_chip("a100_pcie")


def shallow(name, blocks=3):
    """A shipped model with its first blocks alone: passes of the same layers, fewer of them."""
    model = model_of(name)
    return Served.of(replace(model, decoder=model.decoder[:blocks]))


WHOLE, SMALL = Served.of("smollm2-135m"), shallow("smollm2-135m")


def spent(workload, batch=1):
    report = simulate(A100, workload, batch)
    return Spent(report.latency_s, report.energy_per_inference_J * batch)


def test_two_tokens_are_a_prefill_and_a_decode_step():
    found = Service(A100, SMALL, Request(64, 2, batch=4))
    first, second = spent(SMALL.prefill(64, 4), 4), spent(SMALL.decode(64, 4), 4)
    assert found.first_token == pytest.approx(first)
    assert found.other_tokens == pytest.approx(second)
    assert found.token_s == pytest.approx(second.seconds)
    assert found.tokens_per_s == pytest.approx(4 * 2 / (first.seconds + second.seconds))
    assert found.request_J == pytest.approx((first.joules + second.joules) / 4)
    assert found.token_J == pytest.approx(found.request_J / 2)


def test_steps_between_are_taken_from_three_contexts():
    """A step of a request costs what all its steps cost on average, simulated one by one."""
    found = Service(A100, SMALL, Request(1000, 9))
    alone = [spent(SMALL.decode(1000 + step)) for step in range(8)]
    assert found.other_tokens.seconds == pytest.approx(sum(one.seconds for one in alone), rel=3e-3)
    assert found.other_tokens.joules == pytest.approx(sum(one.joules for one in alone), rel=3e-3)


def test_chunks_are_read_one_after_another():
    found = Service(A100, SMALL, Request(200, 1, chunk=64))
    parts = [
        spent(SMALL.prefill(tokens, past=past)) for tokens, past in ((64, 0), (64, 64), (64, 128), (8, 192))
    ]
    assert found.first_token.seconds == pytest.approx(sum(part.seconds for part in parts))
    assert found.other_tokens == Spent(0, 0)
    assert Service(A100, SMALL, Request(64, 1, chunk=100)).first_token == pytest.approx(
        spent(SMALL.prefill(64))
    )


@pytest.mark.parametrize(
    ("tokens", "acceptance", "expected"),
    [(4, 0.0, 1.0), (4, 1.0, 5.0), (4, 0.8, (1 - 0.8**5) / 0.2), (1, 0.5, 1.5)],
)
def test_tokens_of_a_round(tokens, acceptance, expected):
    """Leviathan et al., 2023, equation 1."""
    assert Draft(SMALL, tokens, acceptance).tokens_per_round == pytest.approx(expected)


def test_a_round_is_drafted_steps_and_one_that_checks_them():
    model = shallow("smollm2-360m")
    found = Service(A100, model, Request(64, 2), draft=Draft(SMALL, 3, 0.5))
    round_s = 3 * spent(SMALL.decode(64)).seconds + spent(model.decode(64, tokens=4)).seconds
    assert found.token_s == pytest.approx(round_s / 1.875)
    assert found.footprint.weights_B == SMALL.weights_B + model.weights_B


def test_a_ring_by_hand():
    """Four boards, 30 blocks of two sums of 8 tokens x 576 features x 2 bytes."""
    boards = Boards(4, Link("wire", bandwidth_GB_per_s=10.0, latency_us=3.0, pJ_per_bit=2.0))
    found = boards.exchange(WHOLE, tokens=8)
    tensor_B = 8 * 576 * 2
    assert found.seconds == pytest.approx(60 * (1.5 * tensor_B / 10e9 + 6 * 3e-6))
    assert found.joules == pytest.approx(60 * 6 * tensor_B * 8 * 2e-12)


def test_boards_divide_weights_work_and_cache():
    served = Served.of("llama-3-8b")
    whole, part = served.model, Boards.of(4, "nvlink4").share_of(served).model
    assert part.inner.total - part.inner.vectors == (whole.inner.total - whole.inner.vectors) // 4
    assert Boards.of(4, "nvlink4").share_of(served).cache_B(100) == served.cache_B(100) // 4
    assert served.decode(100).macs == 4 * Boards.of(4, "nvlink4").share_of(served).decode(100).macs
    # 16 boards have 8 heads of keys and values: each keeps one
    assert Boards.of(16, "nvlink4").share_of(served).model.decoder[0].attention.kv_heads == 1
    assert Boards.of(1, "pcie4").share_of(served) is served


def test_boards_share_what_one_cannot_hold():
    request = Request(16, 1)
    with pytest.raises(InputError, match=r"131\.4 GiB in all"):
        Service(A100, Served.of("llama-3-70b"), request)
    found = Service(A100, Served.of("llama-3-70b"), request, Boards.of(4, "nvlink3"))
    assert found.footprint.weights_B == pytest.approx(Served.of("llama-3-70b").weights_B / 4, rel=1e-4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Boards.of(5, "pcie4").share_of(SMALL), "boards is 5, expected a divisor of the 9 heads"),
        (
            lambda: Boards.of(2, "pcie4").share_of(Served.of("mamba-130m")),
            "boards is 2, expected 1 for a model of state spaces",
        ),
        (lambda: Boards.of(0, "pcie4"), "boards is 0"),
        (lambda: Boards.of(2, "string"), "link is 'string', expected one of pcie3"),
        (lambda: Request(0, 1), "prompt is 0"),
        (lambda: Request(1, 1, chunk=0), "chunk is 0"),
        (lambda: Draft(SMALL, 0, 0.5), "draft tokens is 0"),
        (lambda: Draft(SMALL, 1, 1.5), "acceptance is 1.5, expected 0 to 1"),
        (lambda: Service(A100, Served.of("bert-base"), Request(8, 1)), "an encoder .bert. writes no tokens"),
    ],
)
def test_what_cannot_be_served(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_an_encoder_reads_and_a_decoder_writes():
    served = Served.of("t5-small")
    found = Service(A100, served, Request(100, 2))
    first = spent(served.prefill(100)).plus(spent(served.decode(0, source=100)))
    assert found.first_token == pytest.approx(first)
    assert found.other_tokens == pytest.approx(spent(served.decode(1, source=100)))
