"""What fits DRAM: the sum is in the message, and the largest that fits is the largest."""

import pytest

from hwsim.analysis.capacity import largest_batch, largest_context, require_fit
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.workload.language.memory import Served, footprint

A100 = load_chip("a100_pcie")


def test_seventy_billion_weights_are_refused_with_the_sum():
    with pytest.raises(InputError) as refused:
        require_fit(A100, "llama-3-70b", footprint(Served.of("llama-3-70b"), 4096))
    assert str(refused.value) == (
        "chip a100_pcie: llama-3-70b takes 131.4 GiB of weights, 1.25 GiB of cache and 266.5 KiB of "
        "activations, 132.7 GiB in all, expected at most dram.capacity_B = 40 GiB"
    )
    require_fit(A100, "llama-3-70b", footprint(Served.of("llama-3-70b"), 4096), boards=4)
    require_fit(A100, "llama-3-70b", footprint(Served.of("llama-3-70b", "int4-g128"), 4096))


def test_the_largest_batch_by_hand():
    """40 GiB less 16.06 GB of weights hold 50 caches of 0.54 GB."""
    served = Served.of("llama-3-8b")
    most = largest_batch(A100, served, 4096)
    assert most == (40 * 2**30 - served.weights_B) // (4096 * 131_072 + (4096 + 128_256) * 2) == 50
    require_fit(A100, "llama-3-8b", footprint(served, 4096, most))
    with pytest.raises(InputError, match="in all"):
        require_fit(A100, "llama-3-8b", footprint(served, 4096, most + 1))


def test_smaller_weights_and_caches_leave_room():
    found = [
        largest_batch(A100, Served.of("llama-3-8b", weights, kv), 4096)
        for weights, kv in (("fp16", "fp16"), ("int4-g128", "fp16"), ("int4-g128", "int8"))
    ]
    assert found == sorted(found)
    assert found[-1] > 2.5 * found[0]


def test_the_largest_context_ends_where_the_model_does():
    assert largest_context(A100, Served.of("llama-3-8b"), 1) == 8192
    assert 100_000 < largest_context(A100, Served.of("llama-3.1-8b"), 1) <= 131_072
    assert largest_batch(A100, Served.of("llama-3-70b"), 100) == 0
    assert largest_context(A100, Served.of("mamba-2.8b"), 1) is None  # its state does not grow


def test_a_chip_without_a_capacity_holds_everything():
    edge = load_chip("edge")
    require_fit(edge, "llama-3-70b", footprint(Served.of("llama-3-70b"), 4096))
    assert largest_batch(edge, Served.of("gpt2"), 100) is None
    assert largest_context(edge, Served.of("gpt2"), 1) is None
