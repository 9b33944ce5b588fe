"""The coding that is taken never costs more joules than storing every weight."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from compress.format.container import Artifact
from compress.format.recode import recode
from compress.format.tensors import QuantizedTensor
from compress.lowering import workload_of
from compress.methods.prune import require_weights
from compress.nn.zoo import build
from experiments.bench.codings import NETWORKS, halved, main
from experiments.runs.codings import best_of, dear_decoding, decoding_sentence, try_codings
from hwsim import chips
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

SLACK = 1.002
"""Entry points and codebooks that stay on chip beside decoded weights, and what the search does not see."""


@cache
def versions(name: str) -> tuple[Artifact, Artifact]:
    """A network as it is, and half of its weights shared, the others zero."""
    network = build(name, np.random.default_rng(0))
    return Artifact.of(network, "dense"), halved(network)


def never_dearer(chip_name: str, network: str) -> None:
    chip, (original, shared) = load_chip(chip_name), versions(network)
    try:
        dense = simulate(chip, workload_of(original))
    except InputError as error:
        if "fp32" in str(error) or "fp" in str(error):
            pytest.skip("the chip multiplies integers only")
        raise
    tried = try_codings(shared, chip, 1)
    assert [one.coding for one in tried] == ["fixed", "huffman", "context", "words"]
    best = best_of(tried)
    assert best.energy_J == min(one.energy_J for one in tried)
    assert best.energy_J <= dense.energy_per_inference_J * SLACK
    assert best_of(tried, "bytes").size_B == min(one.size_B for one in tried)
    for one in tried:
        assert one.report.limiter
        assert 0 <= one.decoder_J < one.energy_J


@pytest.mark.parametrize("chip", ["reference_250w", "edge", "phone", "h100_sxm"])
@pytest.mark.parametrize("network", ["lenet300", "lenet5"])
def test_the_coding_that_is_taken_is_not_dearer_than_dense(chip: str, network: str) -> None:
    never_dearer(chip, network)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("chip", chips())
def test_the_coding_that_is_taken_is_never_dearer_than_dense(chip: str, network: str) -> None:
    never_dearer(chip, network)


def test_the_matrix_keeps_rows_that_it_has(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("experiments.bench.codings.chips", lambda: ("edge",))
    main(tmp_path / "codings.csv", ["lenet300"])
    monkeypatch.setattr("experiments.bench.codings.chips", lambda: ("edge", "tpu_v1"))
    capsys.readouterr()
    main(tmp_path / "codings.csv", ["lenet300"])
    assert "edge" not in capsys.readouterr().out
    rows = pd.read_csv(tmp_path / "codings.csv").set_index("chip")
    assert rows.index.tolist() == ["edge", "tpu_v1"]
    original, shared = versions("lenet300")
    before = simulate("edge", workload_of(original))
    assert rows.loc["edge", "before_J"] == pytest.approx(before.energy_per_inference_J, rel=1e-3)
    assert rows.loc["edge", "over_before"] == pytest.approx(
        best_of(try_codings(shared, load_chip("edge"), 1)).energy_J / before.energy_per_inference_J, rel=1e-3
    )
    codings = [f"{name}_J" for name in ("fixed", "huffman", "context", "words")]
    assert (rows["energy_J"] == rows[codings].min(axis=1)).all()


def test_integers_are_coded_too() -> None:
    network = build("lenet300", np.random.default_rng(0))
    name = next(iter(require_weights(network).values()))
    levels = np.rint(np.random.default_rng(1).normal(0, 2, network.params[name].shape)).clip(-8, 7)
    quantized = QuantizedTensor(levels.astype(np.int8), np.float32(0.1), 8)
    tried = try_codings(Artifact.of(network, "int8", {name: quantized}), load_chip("reference_250w"), 1)
    sizes = {one.coding: one.size_B for one in tried}
    assert sizes["huffman"] < sizes["raw"]
    assert sizes["context"] < sizes["raw"]
    by_name = {one.coding: one for one in tried}
    assert by_name["raw"].encoded == 0
    assert by_name["raw"].decoder_J == 0
    assert "nothing has to be decoded" in decoding_sentence(by_name["raw"])
    assert "of the energy; " in decoding_sentence(by_name["huffman"])
    assert "mixers take 6.7% of the die" in decoding_sentence(by_name["context"])


def test_a_network_that_has_no_codings_is_run_as_it_is() -> None:
    original, _ = versions("lenet300")
    (only,) = try_codings(original, load_chip("edge"), 1)
    assert only.artifact is original
    assert (only.coding, only.encoded) == ("dense", 0)


def test_segments_are_as_many_as_keep_the_decoders_busy() -> None:
    """One segment of the whole layer would keep one decoder busy, and cost a large layer its time."""
    _, shared = versions("lenet300")
    chip = load_chip("reference_250w").replace(**{"decoder.place": "array"})
    tried = {one.coding: one for one in try_codings(shared, chip, 1)}
    layers = tried["huffman"].report.workload.layers
    segments = [len(layer.weights.segment_bits) for layer in layers if layer.weights]
    assert segments[0] > 300
    assert tried["huffman"].report.inferences_per_s > 5 * tried["context"].report.inferences_per_s


def test_segments_of_the_context_coding_keep_decoders_busy_for_a_hundredth_of_its_bytes() -> None:
    _, shared = versions("lenet300")
    chip = load_chip("reference_250w").replace(**{"decoder.place": "array"})
    rates, sizes = {}, {}
    for decoders in (1, chip.decoder.count):
        coded = recode(shared, "context", decoders=decoders)
        rates[decoders] = simulate(chip, workload_of(coded)).inferences_per_s
        sizes[decoders] = len(coded.to_bytes())
    assert rates[chip.decoder.count] > 10 * rates[1]
    assert sizes[1] < sizes[chip.decoder.count] < 1.015 * sizes[1]


def test_decoding_that_takes_much_energy_is_worth_a_remark() -> None:
    """Where a bit of the context coding is decoded at every use, and where all stays decoded."""
    _, shared = versions("lenet300")
    coded = recode(shared, "context")
    edge = load_chip("edge")
    at_use = simulate(edge.replace(**{"decoder.place": "array"}), workload_of(coded))
    (remark,) = dear_decoding(at_use, "net.dcz", "edge")
    share = at_use.joules_by("component")["decoder",] / at_use.energy_per_inference_J
    assert remark.startswith(f"decoding takes {share:.0%} of the energy: dcz recode net.dcz --coding auto --")
    assert dear_decoding(simulate(load_chip("reference_250w"), workload_of(coded)), "net.dcz", "edge") == ()
