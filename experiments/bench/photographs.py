"""A classifier of photographs, rounded to a size and to INT8: how near its answers are on other photographs.

``python -m experiments.bench.photographs FILE.csv MODEL.onnx BYTES FITTED.npy JUDGED.npy...`` fits on the
photographs of one array, (items, channels, height, width), and judges on those of others, a row for each.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from compress.format.execution import executable
from compress.interop.onnx import read_onnx, stored
from compress.methods.agreement import agreement
from compress.methods.rounding import Goal, round_after_training
from compress.nn.folding import fold
from experiments.console import print_line
from experiments.runs.after_training import quantized_whole

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(path: Path, model: Path, size: int, fitted: Path, judged: Sequence[Path]) -> None:
    """Compress a model two ways, and write their table."""
    network, x = fold(stored(*read_onnx(model, {}, {})).to_network()), np.load(fitted)
    rounded = round_after_training(network, x, Goal(size), rng=np.random.default_rng(0), coding="context")
    asked = {photographs.stem: np.load(photographs) for photographs in judged}
    answers = {name: network.forward(items) for name, items in asked.items()}
    rows = []
    for form, made in (("rounded", rounded), ("int8", quantized_whole(network, x))):
        for name, items in asked.items():
            near = agreement(answers[name], executable(made).forward(items))
            row = {
                "form": form,
                "bytes": len(made.to_bytes()),
                "fitted_on": len(x),
                "judged_on": name,
                "photographs": len(items),
                "same_answers": round((near.top_1 or 0.0) * len(items)),
                "snr_dB": near.snr_dB,
            }
            rows.append(row)
            print_line(", ".join(f"{key} {value}" for key, value in row.items()))
            pd.DataFrame(rows).to_csv(path, index=False, float_format="%.4g")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), [*map(Path, sys.argv[5:])]
    )
