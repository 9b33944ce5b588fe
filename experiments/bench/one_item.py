"""Run one item through a network in this process: CPU seconds, and the most memory it held.

``python -m experiments.bench.one_item FILE ITEM.npy RUNS`` executes a ``.dcz`` file with this project, and an
``.onnx`` file with onnxruntime on one thread. It keeps the answer in ``FILE.npy`` and prints JSON. Little
else is imported, so that the memory is that of the program that runs.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.bench.measuring import peak_B

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def ours(model: str, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    """Open a ``.dcz`` file; return what executes it on `x`."""
    from compress.format.execution import executable

    network = executable(model)
    return lambda: network.forward(x)


def theirs(model: str, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    """Open an ONNX file with onnxruntime; return what executes it on `x`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    feeds = {session.get_inputs()[0].name: x}
    return lambda: np.asarray(session.run(None, feeds)[0])


def main(model: str, item: str, runs: str) -> dict[str, float]:
    """Execute, keep the answer, and return the median seconds and the peak in bytes."""
    call = (ours if model.endswith(".dcz") else theirs)(model, np.load(item))
    np.save(f"{model}.npy", call())
    spent = []
    for _ in range(int(runs)):
        started = time.process_time()
        call()
        spent.append(time.process_time() - started)
    return {"s": float(np.median(spent)), "peak_B": peak_B()}


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
