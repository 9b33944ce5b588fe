"""Arrays of other packages: registered by hand or by an entry point, refused in one sentence."""

import sys
from dataclasses import dataclass, make_dataclass
from importlib import resources
from typing import ClassVar

import pytest

from hwsim.arrays import array_class, array_kinds, register_array, registry
from hwsim.arrays.base import (
    NOUNS,
    ArrayCost,
    OffersMapping,
    OwnClock,
    OwnMapping,
    OwnMemories,
    PeGrid,
    Precisions,
    SharesMemory,
    Tiled,
    Validated,
    WeightPort,
    capable,
)
from hwsim.arrays.vector import VectorUnit
from hwsim.errors import InputError
from hwsim.machine.chip import chip_names, load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

EDGE = (resources.files("hwsim") / "data" / "chips" / "edge.toml").read_text(encoding="utf-8")
ENTRY_POINT = "[hwsim.arrays]\nlone = lone_array:LoneMac\n"


@dataclass(frozen=True)
class LoneMac:
    """One multiplier that counts nothing but its cycles."""

    kind: ClassVar[str] = "lone"

    steps: int = 1

    @property
    def peak_macs_per_cycle(self):
        return 1

    def cost(self, layer, batch):
        macs = layer.macs * batch
        return ArrayCost(macs * self.steps, macs * self.steps, 0, macs, macs, 1)


MODULE = """
from dataclasses import dataclass
from typing import ClassVar
from hwsim.arrays.base import ArrayCost

@dataclass(frozen=True)
class LoneMac:
    kind: ClassVar[str] = "lone"
    steps: int = 1
    peak_macs_per_cycle: ClassVar[int] = 1

    def cost(self, layer, batch):
        macs = layer.macs * batch
        return ArrayCost(macs * self.steps, macs * self.steps, 0, macs, macs, 1)
"""


@pytest.fixture(autouse=True)
def _kinds_as_shipped(monkeypatch):
    monkeypatch.setattr(registry, "_ARRAYS", dict(registry._ARRAYS))
    registry._load_entry_points.cache_clear()
    yield
    registry._load_entry_points.cache_clear()
    sys.modules.pop("lone_array", None)


def lone_chip(folder):
    before, _, after = EDGE.partition("[array]\n")
    rest = after.partition("\n\n")[2]
    kept = "\n".join(line for line in rest.splitlines() if not line.startswith('"array.'))
    path = folder / "lone.toml"
    path.write_text(f'{before}[array]\nkind = "lone"\nsteps = 2\n\n{kept}\n"array.steps" = "design choice"\n')
    return path


def test_a_registered_array_runs_and_its_keys_can_be_changed(tmp_path):
    path = lone_chip(tmp_path)
    with pytest.raises(InputError, match=r"array\.kind: found 'lone', expected one of eie, eyeriss, gemm"):
        load_chip(path)
    register_array("lone", LoneMac)
    chip = load_chip(path)
    assert chip.array == LoneMac(2)
    assert "array.steps" in chip.keys
    network = load_network("lenet300", "dense")
    slow, fast = (simulate(c, network).latency_ticks for c in (chip, chip.replace(**{"array.steps": 1})))
    assert network.macs < fast < slow


def test_an_entry_point_is_loaded_when_a_chip_names_its_kind(tmp_path, monkeypatch):
    (tmp_path / "lone_array.py").write_text(MODULE)
    described = tmp_path / "lone_array-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: lone-array\nVersion: 1\n")
    (described / "entry_points.txt").write_text(ENTRY_POINT)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_chip("edge").array.kind == "gemm"
    assert "lone_array" not in sys.modules
    assert load_chip(lone_chip(tmp_path)).array.steps == 2
    assert "lone" in array_kinds()


def test_an_entry_point_that_leads_nowhere_is_named(tmp_path, monkeypatch):
    described = tmp_path / "lone_array-1.dist-info"
    described.mkdir()
    (described / "entry_points.txt").write_text(ENTRY_POINT)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"entry point lone of hwsim\.arrays: lone_array:LoneMac cannot be"):
        array_class("lone")


@pytest.mark.parametrize(
    ("kind", "model", "message"),
    [
        ("gemm", LoneMac, "'gemm' is registered already, expected a new name"),
        ("other", LoneMac, "class LoneMac has kind 'lone', expected the same"),
        ("lone", LoneMac(), "expected a frozen dataclass"),
        ("lone", make_dataclass("Open", ["steps"]), "expected a frozen dataclass"),
        ("lone", type("Child", (LoneMac,), {}), "expected a frozen dataclass"),
        ("vector", VectorUnit, "class VectorUnit has no kind, expected kind, peak_macs_per_cycle, cost"),
    ],
)
def test_what_is_no_new_array_is_refused(kind, model, message):
    with pytest.raises(InputError, match=message) as error:
        register_array(kind, model)
    assert "\n" not in str(error.value)
    assert array_class("lone") is None


def test_the_same_kind_twice_is_refused():
    register_array("lone", LoneMac)
    with pytest.raises(InputError, match="'lone' is registered already"):
        register_array("lone", LoneMac)


@pytest.mark.parametrize(
    ("chip", "capabilities"),
    [
        ("edge", {Tiled, SharesMemory, WeightPort, PeGrid, Precisions}),
        ("eie", {OwnMemories}),
        ("eyeriss", {OwnMapping, OffersMapping, OwnMemories, OwnClock, PeGrid, Validated}),
        ("tpu_v1", {PeGrid, Precisions}),
    ],
)
def test_capabilities_of_shipped_arrays(chip, capabilities):
    array = load_chip(chip).array
    assert {capability for capability in NOUNS if isinstance(array, capability)} == capabilities


def test_a_missing_capability_is_one_sentence():
    with pytest.raises(InputError) as error:
        load_chip("eie").array_with(WeightPort)
    assert str(error.value) == (
        "chip eie: its eie array has no weight port, expected one with fold_cycles, weights_per_fold"
    )
    with pytest.raises(
        InputError, match="part: its lone array has no mapping of its own, expected one with d"
    ):
        capable(LoneMac(), OwnMapping, "part")


@pytest.mark.parametrize("name", chip_names())
def test_every_kind_is_that_of_its_chip_file(name):
    array = load_chip(name).array
    assert array_class(array.kind) is type(array)
