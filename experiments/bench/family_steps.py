"""The whole way of one exported network: import, execute, shrink, quantize, export, reload, simulate."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from compress.format.execution import executable
from compress.interop.export import export
from compress.interop.model import import_model
from compress.lowering import workload_of
from compress.nn.network import INPUT
from experiments.runs import after_training
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from compress.format.container import Artifact
    from compress.nn.network import Network

    Arrays = list[NDArray[Any]]

BATCHES = (1, 3, 8)
"""Items that are executed at once."""

ITEMS = 16
"""Items that networks are shrunk and quantized on: one half is fitted, the other compared."""

TOKENS = 50
"""Integers of inputs are below."""

CHIP = "reference_250w"
MOST_ERROR = 1e-4
"""Largest difference over the largest answer up to which answers are the same."""

LEAST_SNR_DB = 30.0
"""What a network on integers reaches at least in another runtime: a level on the other side of a tie is a
larger difference than any of floats."""

PASSED = "passed"


class Row(NamedTuple):
    """One family through one exporter.

    Parameters
    ----------
    family, exporter : str
    outcome : str
        ``passed``, or the step where it stopped.
    reason : str
        First line of what was said there.
    layers, macs : int
        Of the simulated workload, for one item.
    error : float
        Largest difference from onnxruntime at any batch, relative to the largest answer.
    file_B, shrunk_B, int8_B : int
        Bytes of the file as imported, and as shrunk and quantized.
    shrunk_dB, int8_dB : float
        Signal-to-noise ratio of their answers. Random weights are the hardest to shrink.
    energy_J : float
        Of an inference of the imported network on `CHIP`.
    """

    family: str
    exporter: str
    outcome: str
    reason: str = ""
    layers: int = 0
    macs: int = 0
    error: float = 0.0
    file_B: int = 0
    shrunk_B: int = 0
    int8_B: int = 0
    shrunk_dB: float = 0.0
    int8_dB: float = 0.0
    energy_J: float = 0.0


class _Stopped(Exception):
    """Answers differ at a step."""


def tried(family: str, exporter: str, path: Path, inputs: Arrays) -> Row:
    """Take an exported file the whole way; `inputs` are what it was exported with."""
    way = _Way(path, _items(inputs, ITEMS))
    for step, walk in way.steps().items():
        try:
            walk()
        except (InputError, _Stopped) as stop:
            return Row(family, exporter, step, str(stop).splitlines()[0], **way.found)
    return Row(family, exporter, PASSED, **way.found)


class _Way:
    """Steps of one file; figures for its row are in `found`."""

    def __init__(self, path: Path, items: Arrays) -> None:
        self.path, self.items, self.chip = path, items, load_chip(CHIP)
        self.found: dict[str, Any] = {}

    def steps(self) -> dict[str, Callable[[], None]]:
        """Steps by name, in order."""
        return {
            "import": self.come_in, "execute": self.execute, "export": self.export, "shrink": self.shrink,
            "quantize": self.quantize,
        }  # fmt: skip

    def come_in(self) -> None:
        self.artifact = import_model(self.path)
        self.found["file_B"] = self.artifact.layout().file_bits // 8

    def execute(self) -> None:
        network, expected = executable(self.artifact), _answers(self.path, self.items)
        error = max(_error(network, self.items, expected, batch) for batch in BATCHES)
        self.found["error"] = error
        if not error <= MOST_ERROR:
            raise _Stopped(f"answers differ by {error:.1e}")

    def export(self) -> None:
        _check_export(self.artifact, self.items)

    def shrink(self) -> None:
        before, after = after_training.shrink(
            self.artifact, self._values(), self.chip, batch=1, seed=0, density=0.5, bits=6, coding="huffman"
        )
        if before.report is None:
            raise _Stopped(f"{CHIP} does not simulate it")
        self.found |= {
            "layers": len(before.report.runs),
            "macs": workload_of(self.artifact).macs,
            "energy_J": before.report.energy_per_inference_J,
            "shrunk_B": after.size_B,
            "shrunk_dB": _least(after),
        }
        _check_export(after.artifact, self.items)

    def quantize(self) -> None:
        _, after = after_training.quantize(
            self.artifact, self._values(), self.chip, batch=1, bits=8, calibration="minmax"
        )
        self.found |= {"int8_B": after.size_B, "int8_dB": _least(after)}
        _check_export(after.artifact, self.items)

    def _values(self) -> dict[str, NDArray[Any]]:
        return _named(executable(self.artifact), self.items)


def _items(inputs: Arrays, count: int) -> Arrays:
    """Random items of the inputs' shapes and types."""
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal((count, *one.shape[1:])).astype(one.dtype)
        if one.dtype.kind == "f"
        else rng.integers(0, TOKENS, (count, *one.shape[1:])).astype(one.dtype)
        for one in inputs
    ]


def _named(network: Network, items: Arrays) -> dict[str, NDArray[Any]]:
    return dict(zip((INPUT, *network.extra_inputs), items, strict=True))


def _answers(path: Path, items: Arrays) -> list[Arrays]:
    """Answers of onnxruntime on one thread, for one item after another, as PyTorch fixed the file's batch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    try:
        session = onnxruntime.InferenceSession(path, options)
        names = [one.name for one in session.get_inputs()]
        return [
            session.run(None, dict(zip(names, (one[at : at + 1] for one in items), strict=True)))
            for at in range(len(items[0]))
        ]
    except Exception as failure:  # its errors have no class in common
        raise _Stopped(f"onnxruntime: {failure}") from None


def _found(network: Network, items: Arrays, batch: int) -> dict[str, NDArray[Any]]:
    values = _named(network, [one[:batch] for one in items])
    return network.run(values.pop(INPUT), extra=values)


def _pairs(
    network: Network, items: Arrays, expected: list[Arrays], batch: int
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Each output of a batch, and what other answers to its items are together."""
    found = _found(network, items, batch)
    return [
        (found[tensor], network.joined(tensor, [one[at] for one in expected[:batch]]))
        for at, tensor in enumerate(network.outputs)
    ]


def _error(network: Network, items: Arrays, expected: list[Arrays], batch: int) -> float:
    return max(_difference(*pair) for pair in _pairs(network, items, expected, batch))


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    tiny = np.finfo(np.float32).tiny
    return float(np.abs(found.astype(np.float64) - expected).max() / max(np.abs(expected).max(), tiny))


def _snr_dB(network: Network, items: Arrays, expected: list[Arrays]) -> float:
    """Least signal-to-noise ratio of an output."""
    ratios = []
    for found, wanted in _pairs(network, items, expected, max(BATCHES)):
        noise = np.square(found.astype(np.float64) - wanted).mean()
        power = np.square(wanted, dtype=np.float64).mean()
        ratios.append(np.inf if not noise else 10 * np.log10(power / noise) if power else -np.inf)
    return float(min(ratios))


def _least(version: after_training.Version) -> float:
    """Least signal-to-noise ratio of an output."""
    return min(near.snr_dB for near in version.agreements.values())


def _check_export(artifact: Artifact, items: Arrays) -> None:
    """Save and read, export and import again: the same answers, in onnxruntime as well.

    Raises
    ------
    _Stopped
        If a form of the network answers something else.
    """
    network = executable(artifact)
    own = [
        [_found(network, [one[at : at + 1] for one in items], 1)[name] for name in network.outputs]
        for at in range(max(BATCHES))
    ]
    floating = not any(node.op.startswith("integer") for node in network.nodes)
    with tempfile.TemporaryDirectory() as folder:
        kept, file = Path(folder) / "model.dcz", Path(folder) / "model.onnx"
        artifact.save(kept)
        export(artifact, file)
        again = import_model(file)
        for what, other in (("saved file", executable(kept)), ("export, reloaded,", executable(again))):
            if _snr_dB(other, items, own) < (80 if floating else LEAST_SNR_DB):
                raise _Stopped(f"the {what} answers something else")
        theirs = _answers(file, [one[: max(BATCHES)] for one in items])
    if floating and _error(network, items, theirs, max(BATCHES)) > MOST_ERROR:
        raise _Stopped("onnxruntime answers something else to the exported file")
    if not floating and _snr_dB(network, items, theirs) < LEAST_SNR_DB:
        raise _Stopped("onnxruntime answers something else to the exported file")
