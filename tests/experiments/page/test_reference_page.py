"""The page that ships in results/reference/page is what ``make page`` would build; a sample is simulated."""

from __future__ import annotations

import base64
import json
import random
from functools import partial

import numpy as np
import pytest
from checkout import ROOT

from experiments.page import build as page
from experiments.page.grid import values_of
from experiments.page.pack import NO_ROW
from experiments.page.settings import AXES, NETWORKS
from experiments.page.story import story
from experiments.runs.record import sha256
from hwsim.errors import InputError
from hwsim.run import simulate

SHIPPED = ROOT / "results" / "reference" / "page"
STALE = "results/reference/page is out of date: run `make page`"
LARGEST_B = 5e6
DIGITS = 1e-5
"""Points are shipped with seven digits; libraries of mathematics differ in the last ones."""


def data(name):
    """What a script of the page hands over."""
    text = (SHIPPED / name).read_text(encoding="utf-8").strip().removesuffix(";").removesuffix(")")
    return json.loads(text[text.index("{") :])


def column(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_its_files_are_those_of_the_program_and_whole():
    for name, text in page.static_files():
        assert (SHIPPED / name).read_text(encoding="utf-8") == text, STALE
    files = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert {path.name for path in SHIPPED.iterdir()} == {*files, "manifest.json"}
    assert {name: sha256(SHIPPED / name) for name in files} == files
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < LARGEST_B


def test_its_controls_are_those_of_the_settings():
    shipped = data("site.js")
    told = json.loads(json.dumps(page.site(tuple(NETWORKS), set(shipped["components"]))))
    assert {key: shipped[key] for key in told} == told, STALE


def test_its_story_is_that_of_the_simulator():
    shipped, told = data("site.js")["story"]["passes"], story()["passes"]
    for stage, found in told.items():
        assert shipped[stage]["total_pJ"] == pytest.approx(found["total_pJ"], rel=1e-9), STALE
        assert shipped[stage]["stops_pJ"] == pytest.approx(found["stops_pJ"], rel=1e-9), STALE


@pytest.mark.parametrize("name", NETWORKS)
def test_a_point_of_each_network_is_that_of_the_simulator(name):
    network, shipped = NETWORKS[name], data(f"grid-{name}.js")
    axes = network.axes()
    choose = random.Random(name)
    place = {axis: choose.randrange(len(axes[axis])) for axis in AXES} | {"batch": 0}
    flat = np.ravel_multi_index([place[axis] for axis in AXES], [len(axes[axis]) for axis in AXES])
    row = int(column(shipped["index"], "<u2")[flat])
    point = {axis: axes[axis][at] for axis, at in place.items()}
    chip = network.machine.chip.replace(**network.changes(point))
    workload = network.scene.workload(point["stage"].label)
    run = partial(simulate, chip, workload, network.batches[place["batch"]])
    if row >= len(column(shipped["numbers"]["inferences_per_s"], "<f4")):
        with pytest.raises(InputError) as refusal:
            run()
        assert shipped["refused"][NO_ROW - row] == str(refusal.value), STALE
        return
    found = values_of(run())
    for key, value in found.items():
        if isinstance(value, str):
            text = shipped["texts"][key]
            assert text["values"][column(text["codes"], "u1")[row]] == value, STALE
        elif key in shipped["numbers"] or value:
            assert column(shipped["numbers"][key], "<f4")[row] == pytest.approx(value, rel=DIGITS), STALE
