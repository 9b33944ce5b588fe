"""Cycles and CPU time of SCALE-Sim 3.0.0, run by a Python that has it installed.

Reads JSON from standard input: a list of groups with ``rows``, ``cols``, ``dataflow`` and ``gemms``
(name, M, N, K). Writes JSON to standard output: for each group its ``cycles`` by name and the
``cpu_s`` it took; imports are not counted. It runs without memory stalls and without trace files.
"""

import contextlib
import csv
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIGURATION = """[general]
run_name = run

[architecture_presets]
ArrayHeight: {rows}
ArrayWidth: {cols}
IfmapSramSzkB: 1024
FilterSramSzkB: 1024
OfmapSramSzkB: 1024
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow: {dataflow}
Bandwidth: 10
ReadRequestBuffer: 512
WriteRequestBuffer: 512

[layout]
IfmapCustomLayout: False
FilterCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2

[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40

[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def run(group: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Simulate the GEMMs of one group on one array."""
    from scalesim.scale_sim import scalesim  # type: ignore[import-not-found]

    names = [gemm[0] for gemm in group["gemms"]]
    (folder / "array.cfg").write_text(CONFIGURATION.format(**group), encoding="utf-8")
    (folder / "layout.csv").write_text("Layer,\n", encoding="utf-8")
    lines = [f"{name},{m},{n},{k},\n" for name, m, n, k in group["gemms"]]
    (folder / "gemms.csv").write_text("".join(["Layer,M,N,K,\n", *lines]), encoding="utf-8")
    started = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        simulator = scalesim(
            save_disk_space=True,
            verbose=False,
            config=str(folder / "array.cfg"),
            topology=str(folder / "gemms.csv"),
            layout=str(folder / "layout.csv"),
            input_type_gemm=True,
        )
        simulator.run_scale(top_path=str(folder))
    cpu_s = time.process_time() - started
    with (folder / "run" / "COMPUTE_REPORT.csv").open(encoding="utf-8", newline="") as file:
        report = list(csv.DictReader(file, skipinitialspace=True))
    cycles = [int(float(row["Total Cycles"])) for row in report]
    return {"cycles": dict(zip(names, cycles, strict=True)), "cpu_s": cpu_s}


def main() -> None:
    """Answer the request on standard input."""
    results = []
    with contextlib.redirect_stderr(io.StringIO()):
        for group in json.load(sys.stdin):
            with tempfile.TemporaryDirectory() as folder:
                results.append(run(group, Path(folder)))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
