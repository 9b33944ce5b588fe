"""One die as three arrays: the same silicon, foreign layers on the vector unit, and a solver that adapts."""

import pandas as pd
import pytest

from experiments.figures.specialised import fastest
from experiments.studies import specialised as study
from hwsim.energy.cacti import cacti_bank
from hwsim.machine.area import unit_mm2
from hwsim.tile_states import TileStates
from hwsim.workload.networks import load_network


def test_multipliers_with_their_memories_fill_the_same_silicon():
    mac = unit_mm2("multiply_fp32", 45) + unit_mm2("add_fp32", 45)
    bank = cacti_bank(1024, 32, 45, "itrs-hp", "ED^2").area_mm2
    silicon = 49_152 * mac
    assert study.pes_of("GEMM") == 49_152
    for array, memory_mm2 in (("SIMD", bank), ("convolution", bank * (1024 + 64 + 128) / 1024)):
        used = study.pes_of(array) * (mac + memory_mm2)
        assert silicon - (mac + memory_mm2) < used <= silicon


def test_what_an_array_cannot_run_is_counted_as_scalar_operations():
    workload = load_network("llama_layer_decode")
    foreign = sum(layer.macs for layer in workload.layers if layer.kind == "matmul")
    report = study.simulated("convolution", workload, 1)
    assert report.workload.macs == workload.macs - foreign
    actions = report.actions
    operations = actions[actions["component"] == "vector"]["count"].sum()
    own = sum(layer.vector_ops for layer in workload.layers)
    assert operations == own + 2 * foreign
    assert study.simulated("GEMM", workload, 1).workload.macs == workload.macs


def test_tile_states_sum_to_one_and_computing_is_the_peak_share():
    workload = load_network("neural_ode")
    for array in study.ARRAYS:
        row = study._values(study.simulated(array, workload, 1), workload)
        assert sum(row[f"{state}_share"] for state in TileStates._fields) == (pytest.approx(1, abs=1e-9))
        assert 0 < row["peak_share"] == pytest.approx(row["computing_share"], rel=1e-9)
        assert row["low_confidence"] == (array == "SIMD")


def test_a_finer_tolerance_takes_more_evaluations_and_cost_is_linear_in_them():
    spread = study.evaluations()
    mean = spread.groupby("tolerance")["evaluations"].mean().sort_index(ascending=False)
    assert (mean.diff().dropna() > 0).all()
    assert (spread["evaluations"] % 6 == 2).all(), "two to start, and six a step"
    cost = study.adaptive(spread)
    for array, rows in cost.groupby("array"):
        fixed, each, _ = study._per_evaluation(array, 1)
        assert rows["energy_J"].tolist() == pytest.approx((fixed + each * rows["mean"]).tolist(), rel=1e-12)
        whole = study.simulated(array, load_network("neural_ode"), 1).energy_per_inference_J
        assert fixed + 16 * each == pytest.approx(whole, rel=1e-9)


def test_where_arrays_tie_none_is_the_fastest():
    arrays = ("GEMM", "SIMD", "convolution")
    rates = {("a", 1): (5.0, 5.0, 5.0), ("a", 64): (3.0, 3.0, 2.0), ("b", 1): (9.0, 4.0, 8.0)}
    rows = [
        {"network": network, "batch": batch, "array": array, "inferences_per_s": rate}
        for (network, batch), several in rates.items()
        for array, rate in zip(arrays, several, strict=True)
    ]
    assert fastest(pd.DataFrame(rows)) == {"GEMM": 1, "SIMD": 0, "convolution": 0}
