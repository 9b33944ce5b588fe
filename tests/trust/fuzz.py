"""Coverage-guided fuzzing of every parser: ``python -m trust.fuzz TARGET --seconds N -o REPORT.csv``.

Needs atheris. Numba's kernels check their indices here: elsewhere compiled code would follow one that is
out of bounds silently. What breaks a parser is kept in ``tests/trust/crashes/TARGET/``,
where the test suite tries it again and again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path("results/runs/trust")
INSTRUMENTED = ["compress", "hwsim", "experiments", "tomllib", "json", "zipfile", "gzip", "numpy.lib"]
TOKENS = (
    "nan", "inf", "-1", "0", "1e308", "1e-320", "9223372036854775808", "true", "[", "]", "{", "}", "=", '"',
    "'", ".", ",", "\\x0a", "\\xff\\xff\\xff\\xff", "\\x00", "\\xef\\xbb\\xbf", "kind", "1_0",
)  # fmt: skip
"""What texts and binary fields are likely to be tested with."""

CRASHES = Path(__file__).parent / "crashes"
LIMITS = [
    "-timeout=30",
    "-rss_limit_mb=3072",
    "-report_slow_units=30",
    "-max_len=65536",
    "-print_final_stats=1",
]


def fuzz(name: str, seconds: int) -> dict[str, object]:
    """Fuzz one target in a process of its own, for so much processor time, and tell what happened."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS))
        found = CRASHES / name
        found.mkdir(parents=True, exist_ok=True)
        before = set(found.iterdir())
        limits = [f"-artifact_prefix={found}/", f"-dict={words}", *LIMITS]
        started = time.monotonic()
        code, cpu_s, said, log = _run([name, str(corpus), str(seconds), *limits])
        crashes = sorted(set(found.iterdir()) - before)
        if not any(found.iterdir()):
            found.rmdir()
    if crashes or code:
        sys.stderr.write(said[-4000:] + log[-2000:])
    return {
        "target": name,
        "seconds": round(time.monotonic() - started),
        "cpu_seconds": round(cpu_s),
        "inputs": int((re.findall(r"stat::number_of_executed_units: (\d+)", log) or ["0"])[-1]),
        "branches": int((re.findall(r"cov: (\d+)", log) or ["0"])[-1]),
        "corpus": int((re.findall(r"corp: (\d+)", log) or ["0"])[-1]),
        "crashes": len(crashes) or int(code != 0),
    }


def _run(arguments: list[str]) -> tuple[int, float, str, str]:
    """Run the fuzzer; give its exit code, its processor time, and what it printed to both outputs."""
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(FOLDER / "numba")}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as log:
        words = [sys.executable, "-m", "trust.fuzz", "--inside", *arguments]
        process = subprocess.Popen(words, env=environment, stdout=said, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        log.seek(0)
        texts = (file.read().decode(errors="replace") for file in (said, log))
        return process.returncode, usage.ru_utime + usage.ru_stime, *texts


def _escaped(token: str) -> str:
    return token.replace('"', '\\"')


def compiled() -> list[str]:
    """Modules with kernels of numba, some by way of `words.lean`: it does not take instrumented code."""
    root = Path(__file__).parents[2]
    kernel = re.compile(r"\bnumba\b|\bnjit\b|^@lean", re.MULTILINE)
    files = [file for package in ("compress", "hwsim") for file in (root / package).rglob("*.py")]
    kernels = [file for file in files if kernel.search(file.read_text(encoding="utf-8"))]
    return [".".join(file.relative_to(root).with_suffix("").parts) for file in kernels]


def inside(name: str, corpus: Path, seconds: float, limits: list[str]) -> None:
    """Run the fuzzer in this process; it does not return.

    The fuzzer itself counts seconds by the clock, of which a busy machine gives it few. It ends in
    good order when it is sent SIGUSR1.
    """
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED, exclude=compiled()):
        from trust.targets import TARGETS, survives

        target = TARGETS[name]
        for seed in target.seeds():  # what a parser imports when it runs is instrumented, too
            survives(target, seed)
            (corpus / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    atheris.Setup([sys.argv[0], str(corpus), *limits], lambda data: survives(target, data) and None)
    atheris.Fuzz()


def main() -> None:
    """Fuzz the targets named on the command line, or all, and write a table."""
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]), sys.argv[5:])
        return
    from trust.tables import merge
    from trust.targets import TARGETS

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], default=[])
    parser.add_argument("--seconds", type=int, default=600, help="processor time for each target")
    parser.add_argument("--at-once", type=int, default=1, help="targets that are fuzzed side by side")
    chosen = parser.parse_args()
    failed = False
    with ThreadPoolExecutor(chosen.at_once) as pool:
        for row in pool.map(lambda name: fuzz(name, chosen.seconds), chosen.targets or TARGETS):
            print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)  # noqa: T201
            merge("fuzz.csv", "target", row)
            failed |= bool(row["crashes"])
    sys.exit(failed)


if __name__ == "__main__":
    main()
