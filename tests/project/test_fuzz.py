"""Every parser takes its seeds, and refuses what is not its own with one sentence."""

from __future__ import annotations

import pytest
from checkout import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from trust.targets import TARGETS, survives

CRASHES = sorted((ROOT / "tests" / "trust" / "crashes").glob("*/*"))
SEEDS: dict[str, list[bytes]] = {}


def seeds(name: str) -> list[bytes]:
    if name == "onnx":
        pytest.importorskip("onnx", reason="the extra hwsim[onnx] is not installed")
    if name not in SEEDS:
        SEEDS[name] = TARGETS[name].seeds()
    return SEEDS[name]


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken(name):
    assert [survives(TARGETS[name], seed) for seed in seeds(name)] == [True] * len(seeds(name))


@pytest.mark.parametrize("crash", CRASHES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_broke_a_parser(crash):
    survives(TARGETS[crash.parent.name], crash.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mutations_are_taken_or_refused(name, data):
    changed = bytearray(data.draw(st.sampled_from(seeds(name))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(changed) - 1)))
        length = data.draw(st.integers(0, 8))
        changed[at : at + length] = data.draw(st.binary(max_size=8))
    survives(TARGETS[name], bytes(changed))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=300))
def test_noise_is_refused_or_taken(name, data):
    survives(TARGETS[name], data)
