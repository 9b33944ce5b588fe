"""Audits pass on sound runs and name the law, the place and the amount on doctored ones."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from experiments.cli import main as cli
from hwsim.audit import LAWS, audit
from hwsim.errors import AuditError
from hwsim.machine.chip import load_chip
from hwsim.pricing import Price, PriceList
from hwsim.run import simulate
from hwsim.workload.networks import load_network


@pytest.fixture(scope="module")
def report():
    return simulate(load_chip("edge"), load_network("lenet300", "shared"), batch=2)


def with_work(report, **changes):
    """The report with the first layer's work changed."""
    first, *others = report.schedule.work
    return replace(report, schedule=replace(report.schedule, work=(replace(first, **changes), *others)))


def test_a_sound_run_keeps_every_law(report):
    audit(report)


@pytest.mark.parametrize("cap_W", [1, 10])
def test_array_and_vector_unit_share_the_bus_of_the_on_chip_memory(cap_W):
    """At its full bandwidth for each of them, they would move more than it has."""
    changes = {"sram.capacity_B": 1 << 19, "power.cap_W": cap_W, "array.activation_B": 0}
    chip = load_chip("edge").replace(**changes)
    report = simulate(chip, load_network("lenet5", "pruned"), batch=64)
    audit(report)
    width = 8 * chip.sram.bandwidth_B_per_cycle
    ticks, alone = 0, 0.0
    for work in report.schedule.work:
        ticks += work.ticks["sram"]
        alone += sum(bits for (_, part, _), bits in work.counts.items() if part == "sram") / width
    assert 1.005 * alone < ticks < 1.05 * alone


def given_back(report):
    """Prices at which a MAC yields energy."""
    prices = PriceList(report.chip)
    prices._known["mac", "multiply_fp32"] = Price(-1e9, "for free and more", (), low_confidence=False)
    return prices


def doctored(report):
    work, stream = report.schedule.work[0], report.capped.stream
    stolen = Counter(work.counts) - Counter({("weights", "sram", "write_bit"): 1})
    more = work.counts | {("weights", "dram", "read_bit"): 10**6}
    written = work.counts | {("activations", "sram", "write_bit"): 0}
    spilt = work.counts | {("psums", "dram", "write_bit"): 64, ("psums", "sram", "read_bit"): 64}
    quick = replace(report.capped, period_ticks=1.0)
    return {
        "requested bits are stored bits times fetches": with_work(report, requested_weight_bits=12345),
        "bursts cover what is requested and no more": with_work(report, transferred_weight_bits=10**9),
        "every DRAM bit is priced once": with_work(report, counts=Counter(more)),
        "what stays on chip fits": replace(report, chip=report.chip.replace(**{"sram.capacity_B": 4097})),
        "nothing runs above its peak": with_work(report, cost=replace(work.cost, peak_macs_per_cycle=1)),
        "no resource is busy longer than the period": replace(
            report, capped=replace(report.capped, stream=replace(stream, compute=stream.compute * 10))
        ),
        "average power keeps the cap": replace(report, chip=report.chip.replace(**{"power.cap_W": 0.02})),
        "weights that come in are written on chip": with_work(
            report, counts=stolen | Counter({("weights", "sram", "write_bit"): 7})
        ),
        "activations and partial sums pass through SRAM": with_work(report, counts=Counter(written)),
        "partial sums that spill come back": with_work(
            report, counts=Counter(spilt), activation_bits=work.activation_bits + 64
        ),
        "steps add up to their layers": with_work(report, unit_ticks=2 * work.unit_ticks),
        "nothing moves faster than its bus": replace(report, capped=quick),
        "power and heat are physical": replace(report, prices=given_back(report)),
        "a batch lasts no less than its period and its parts": replace(report, latency_ticks=1),
        "tile states are parts of the time and sum to one": replace(report, capped=quick),
        "the share of computing is MACs over the peak": with_work(
            report, cost=replace(work.cost, macs=10**6 * work.cost.macs)
        ),
        "no layer computes before its inputs": replace(
            report,
            capped=replace(report.capped, stream=replace(stream, after=np.full_like(stream.after, -1))),
        ),
    }


@pytest.mark.parametrize("law", sorted(set(LAWS) - {"energy is the sum of its parts"}))
def test_a_doctored_run_breaks_the_law_it_was_doctored_for(report, law):
    assert list(LAWS[law](doctored(report)[law]))


@pytest.mark.parametrize(("ticks", "broken"), [(0, False), (1, True)])
def test_the_next_batch_may_wait_for_the_bus_to_turn_and_no_longer(report, ticks, broken):
    stream = report.capped.stream
    longest = report.latency_ticks + 2 * stream.slots * stream.turnaround + ticks
    waiting = replace(report, capped=replace(report.capped, period_ticks=float(longest)))
    assert bool(list(LAWS["a batch lasts no less than its period and its parts"](waiting))) == broken


@pytest.mark.parametrize(
    "law", ["requested bits are stored bits times fetches", "steps add up to their layers"]
)
def test_the_error_says_which_law_and_where(report, law):
    with pytest.raises(AuditError, match=rf"lenet300 \(shared\) on edge: {law}: layer fc1"):
        audit(with_work(report, requested_weight_bits=1) if "requested" in law else undone(report))


def undone(report):
    stream = report.schedule.stream
    return replace(report, schedule=replace(report.schedule, stream=replace(stream, read=stream.read * 0)))


def test_engines_that_disagree_are_told_apart(report, monkeypatch):
    from hwsim import audit as module

    def late(stream):
        timeline = module.run_event(stream)
        return replace(timeline, end=timeline.end + np.int64(1))

    monkeypatch.setattr(module, "run_fast", late)
    with pytest.raises(AuditError, match="step 0"):
        audit(report)


def test_the_command_audits_and_a_broken_law_has_its_own_exit_code(capsys, monkeypatch):
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--stage", "dense", "--audit"]) == 0
    assert "19 laws hold" in capsys.readouterr().err
    monkeypatch.setitem(LAWS, "a law that never holds", lambda report: iter(["not here"]))
    assert cli.run(cli.HWSIM, ["run", "edge", "lenet300", "--stage", "dense", "--audit"]) == 3
    assert "a law that never holds: not here" in capsys.readouterr().err


def test_every_run_of_these_tests_is_audited(monkeypatch):
    monkeypatch.setitem(LAWS, "a law that never holds", lambda report: iter(["not here"]))
    with pytest.raises(AuditError, match="a law that never holds"):
        simulate(load_chip("edge"), load_network("lenet5", "dense"), 1)
