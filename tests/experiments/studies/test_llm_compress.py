"""The study of a compressed language model: what it counts in files, and what it simulates of that."""

import pandas as pd
import pytest
from checkout import ROOT
from llama_files import SHAPE, small_llama

from compress.format.container import Artifact, parse
from compress.format.recode import recode
from compress.methods.decoder import as_bfloat16, compressed
from compress.methods.targets import Integers
from experiments.figures import llm_compress as figures
from experiments.studies import llm_compress as study
from experiments.studies.registry import load_study

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

MEASURED = ROOT / "results" / "reference" / "llm_compress" / "measured.csv"


@pytest.fixture(scope="module")
def measured():
    return pd.read_csv(MEASURED)


def test_parts_of_a_file_add_up_to_its_matrices():
    plain = as_bfloat16(Artifact.of(small_llama(), "dense"))
    artifact = compressed(plain, "int4", lambda w, _: Integers(w.shape, 4, 32))
    data = artifact.to_bytes()
    rows = {row["part"]: row for row in study.stored_parts("int4", data, 9.0)}
    layouts = {tensor.name: tensor for tensor in parse(data)[1].tensors}
    assert set(rows) == {*study.MATRICES, study.HEAD}
    for part, row in rows.items():
        names = (
            ["embedding.weight"] if part == "head" else [f"{n}.{part}.weight" for n in range(SHAPE.blocks)]
        )
        assert row["payload_bits"] == sum(layouts[name].payload_bits for name in names)
        assert row["side_bits"] == sum(layouts[name].side_bits for name in names)
    gate = 2 * SHAPE.features * SHAPE.hidden
    assert rows["gate"]["payload_bits"] == 4 * gate
    assert rows["gate"]["steps"] == pytest.approx(4 * gate / 32, rel=0.02)
    assert rows["head"]["steps"] == 0, "bfloat16 needs no decoder"


def test_coding_changes_no_weight_and_a_change_is_noticed():
    plain = as_bfloat16(Artifact.of(small_llama(), "dense"))
    artifact = compressed(plain, "int4", lambda w, _: Integers(w.shape, 4, 32))
    study.require_same(artifact, recode(artifact, "words"))
    other = as_bfloat16(Artifact.of(small_llama(1), "dense"))
    with pytest.raises(AssertionError, match="is not what was stored"):
        study.require_same(plain, other)


def test_every_bit_that_was_measured_is_simulated(measured):
    for _, way in measured.groupby("way"):
        own = study.own_of(way)
        assert len(own) == 30 * 7 + 1
        bits = sum(int(found.segment_bits.sum()) + found.side_bits for found in own.values())
        assert bits == (way["payload_bits"] + way["side_bits"]).sum()
        assert sum(int(found.segment_symbols.sum()) for found in own.values()) == way["steps"].sum()


def test_the_measured_files_are_those_of_the_steps(measured):
    ways = list(dict.fromkeys(measured["way"]))
    coded = [name for step in study.STEPS for name in (step.name, step.coded) if name]
    assert ways == ["Q4_1 as imported", "bf16", "bf16 Huffman", *coded]
    files = measured.groupby("way")[["file_B", "perplexity"]].first()
    assert files.loc["bf16 Huffman", "file_B"] < 0.68 * files.loc["bf16", "file_B"]
    assert files.loc["int4 g32 offset", "perplexity"] < 1.05 * files.loc["int8", "perplexity"]
    assert files.loc["int4", "perplexity"] < files.loc["int4 nearest", "perplexity"]


def test_runs_and_figures_of_one_way(measured, monkeypatch):
    monkeypatch.setattr(study, "RUNS", (("phone", 1),))
    monkeypatch.setattr(study, "LARGE", "smollm2-135m")
    ways = [measured[measured["way"] == name] for name in ("bf16", "int4")]
    runs = pd.DataFrame([row for way in ways for row in study.rows_of(way)])
    joules = runs.set_index("way")["energy_per_token_J"]
    assert joules["int4"] < 0.6 * joules["bf16"]
    tokens = pd.DataFrame([row for way in ways for row in study.large_rows(way)])
    parts = tokens[[f"{name}_J" for name in study.style.COMPONENTS]].sum(axis=1)
    pd.testing.assert_series_equal(parts, tokens["energy_per_token_J"], check_names=False)
    assert not list(study.large_rows(measured[measured["way"] == "2:4 int8"]))
    assert figures.frontier(runs).axes
    assert figures.token(tokens).axes


def test_it_trains_no_network_but_is_concluded_from_what_was_measured():
    found = load_study("llm_compress")
    assert found.conclude is study.conclude
    assert found.minutes > 0
