"""Trace events: what a viewer needs to open them."""

import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from streams import streams, uniform

from hwsim.analysis.chrome_trace import chrome_trace
from hwsim.engine.fast import run_fast
from hwsim.errors import InputError
from hwsim.power.trace import OperationEnergy, power_trace

NAMES = ("conv1", "conv2", "fc1", "fc2")


def power_of(stream, timeline):
    energy = OperationEnergy(("mac",), np.ones((4, len(stream), 1)), np.array([True]))
    return power_trace(timeline, energy, {"leakage": 1.0}, 5, 1e-9)


def test_one_step_by_hand():
    stream = uniform(1, read=2000, decode=500, compute=3000)
    timeline = run_fast(stream)
    trace = chrome_trace(timeline, stream, ["fc1"], 1e-9, title="edge")
    tracks = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    events = [
        (tracks[e["tid"]], e["name"], e["ts"], e["dur"]) for e in trace["traceEvents"] if e["ph"] == "X"
    ]
    assert events == [
        ("DRAM channel", "fc1 read", 0.0, 2.0),
        ("decoder", "fc1 decode", 2.0, 0.5),
        ("MAC array", "fc1 compute", 2.5, 3.0),
    ]


@settings(max_examples=100)
@given(streams())
def test_every_event_is_valid_and_tracks_do_not_overlap(stream):
    timeline = run_fast(stream)
    power = power_of(stream, timeline)
    trace = json.loads(json.dumps(chrome_trace(timeline, stream, NAMES, 1e-9, power), allow_nan=False))
    tracks = defaultdict(list)
    for event in trace["traceEvents"]:
        assert {"name", "ph", "pid", "args"} <= event.keys()
        assert event["ph"] in "XCM"
        if event["ph"] == "X":
            assert event["ts"] >= 0
            assert event["dur"] > 0
            tracks[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] == "C":
            assert event["args"].keys() == {"mac", "leakage"}
    for spans in tracks.values():
        for (_, end), (start, _) in pairwise(sorted(spans)):
            assert start >= end - 1e-6
    assert sum(map(len, tracks.values())) == sum(np.count_nonzero(ticks) for ticks in timeline.ticks)
    counters = [event["ts"] for event in trace["traceEvents"] if event["ph"] == "C"]
    assert len(counters) == len(power.W) + 1
    assert counters == sorted(counters)


def test_vector_work_has_a_track_of_its_own():
    stream = uniform(1, compute=5)
    stream.unit[:] = 1
    trace = chrome_trace(run_fast(stream), stream, ["pool"], 1e-9)
    (event,) = (e for e in trace["traceEvents"] if e["ph"] == "X")
    names = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert names[event["tid"]] == "vector unit"


def test_a_layer_without_a_name_is_refused():
    stream = uniform(1, compute=5)
    with pytest.raises(InputError, match="0 layer names, expected 1"):
        chrome_trace(run_fast(stream), stream, [], 1e-9)
