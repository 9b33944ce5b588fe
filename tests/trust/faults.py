"""Injected faults: ``python -m trust.faults [SCENARIO ...] --times N``; Linux, and root for the disks.

Every scenario runs the installed commands as a user would, breaks something, and demands one of two
ends: a sentence and exit code 2, or a result that is the same bytes as that of an undisturbed run.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "400"}
ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
"""What an old terminal may ask for: no character outside ASCII can be printed."""
HANG_S = 3600
"""On a busy machine a page takes minutes; what takes longer than this hangs."""
STARTS = 5
"""Starts of a command that are made for a kill that hits it, at most."""
STORED_B = 40_000
"""Size of the log of a sweep that has finished some points and not all."""
UNMEASURED = {"manifest.json", "report.json"}
"""Files that hold times of day."""

RECIPE = """
name = "small"
description = "as many steps as there are, in seconds"
network = "lenet300"
validation = 100
[[step]]
kind = "train"
epochs = 2
[[step]]
kind = "prune"
density = 0.1
epochs = 2
[[step]]
kind = "share"
values = { fc1 = 7, fc2 = 7, fc3 = 7 }
epochs = 1
[[step]]
kind = "encode"
"""
SWEEP = """
name = "small"
method = "grid"
[axes]
chip = ["edge", "reference_250w"]
network = ["lenet5", "lenet300", "alexnet"]
stage = ["dense", "pruned", "shared", "huffman"]
batch = [1, 3, 8, 20]
"sram.capacity_B" = [524288, 2097152, 8388608]
"""


def command(name: str, *words: object) -> list[str]:
    """Command line of one of the project's commands."""
    return [str(BIN / name), *map(str, words)]


def start(words: Sequence[str], folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a command in `folder`, in a process group of its own."""
    return subprocess.Popen(
        words,
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a command; give its exit code and what it said on standard error."""
    _, said = process.communicate(timeout=HANG_S)
    return process.returncode, said


def succeed(words: Sequence[str], folder: Path, **environment: str) -> None:
    """Run a command that has to end well."""
    code, said = finish(start(words, folder, **environment))
    assert code == 0, f"exit code {code}: {said[-500:]}"


def refuse(words: Sequence[str], folder: Path, **environment: str) -> str:
    """Run a command that has to end with exit code 2 and one sentence; return it."""
    code, said = finish(start(words, folder, **environment))
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in said, said[-800:]
    assert code == 2, f"exit code {code}: {said[-500:]}"
    assert len(lines) == 1, said[-500:]
    return lines[0]


def digest(path: Path) -> str:
    """Digest of a file, or of all files below a folder, those with times of day apart."""
    files = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())
    whole = hashlib.sha256()
    for file in files:
        if file.name not in UNMEASURED:
            whole.update(f"{file.relative_to(path)}\0".encode() + file.read_bytes())
    return whole.hexdigest()


def leftovers(folder: Path) -> list[str]:
    """Hidden files and folders: what a command did not take away."""
    return sorted(path.name for path in folder.rglob(".*"))


def killed(words: Sequence[str], result: str, folder: Path, rng: random.Random, times: int) -> str:
    """Kill a command at `times` random moments, each time starting it again; twice in different folders.

    At every moment the result is absent or whole, and in the end the same bytes as undisturbed. A start
    that ends before its kill had little left to do: it is not counted, and the next one begins anew.
    """
    first, calm, rough = folder / "first", folder / "calm", folder / "rough"
    for place in (first, calm, rough):
        place.mkdir()
        _inputs(place)
    succeed(words, first)  # compiles what the others find compiled
    began = time.monotonic()
    succeed(words, calm)
    lasts = time.monotonic() - began
    expected = digest(calm / result)
    assert digest(first / result) == expected, "another result in another folder"
    hits = starts = 0
    fresh = True
    while hits < times:
        assert starts < STARTS * times, f"only {hits} kills in {starts} starts"
        process = start(words, rough)
        began = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.05, 0.95) * lasts)
        hit = process.poll() is None
        if fresh and not hit:  # the machine has become quicker since
            lasts = time.monotonic() - began
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate()
        assert hit or process.returncode == 0, f"exit code {process.returncode}: {said[-500:]}"
        there = (rough / result).exists()
        assert not there or digest(rough / result) == expected, "a result that is not whole"
        hits, starts, fresh = hits + hit, starts + 1, there
        if there:  # what it has kept would make the next one too quick, or refused
            shutil.rmtree(rough)
            rough.mkdir()
            _inputs(rough)
    succeed(words, rough)
    assert digest(rough / result) == expected, "another result than undisturbed"
    return f"{hits} kills in {starts} runs; same bytes"


def _inputs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 1200, dtype=np.uint8)
    x = (rng.random((1200, 28, 28)) * 60 + 15 * y[:, None, None]).astype(np.uint8)
    np.savez(folder / "data.npz", x_train=x[:1000], y_train=y[:1000], x_test=x[1000:], y_test=y[1000:])
    (folder / "small.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "sweep.toml").write_text(SWEEP, encoding="utf-8")


LEARN = command("dcz", "compress", "--recipe", "small.toml", "--dataset", "data.npz", "--work", "w")
COMPRESS = [*LEARN, "-o", "m.dcz"]
SWEPT = command("hwsim", "sweep", "sweep.toml", "--workers", "2", "-o", "table")
STUDY = command("hwsim", "experiments", "run", "roofline")
PAGE = command("hwsim", "page", "-o", "site")
DEMO = command("hwsim", "demo", "--quick", "--dataset", "data.npz", "--output", "demo")


def kill_compress(folder: Path, rng: random.Random, times: int) -> str:
    """kill -9 while training and compressing"""
    return killed(COMPRESS, "m.dcz", folder, rng, times)


def kill_sweep(folder: Path, rng: random.Random, times: int) -> str:
    """kill -9 during a sweep with two workers"""
    return killed(SWEPT, "table", folder, rng, times)


def kill_study(folder: Path, rng: random.Random, times: int) -> str:
    """kill -9 while an experiment writes its results"""
    return killed(STUDY, "results/runs/roofline", folder, rng, times)


def kill_page(folder: Path, rng: random.Random, times: int) -> str:
    """kill -9 while the page is written"""
    return killed(PAGE, "site", folder, rng, max(1, times // 3))


def kill_demo(folder: Path, rng: random.Random, times: int) -> str:
    """kill -9 during the demo, which trains, compresses, executes and simulates"""
    return killed(DEMO, "demo", folder, rng, max(1, times // 3))


def _first(folder: Path) -> str:
    """Search path of modules with a folder before all others."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))


@contextlib.contextmanager
def small_disk(place: Path, kB: int) -> Iterator[Path]:
    """Mount a file system of a few kilobytes."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kB}k", "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def full_disk(folder: Path, rng: random.Random, times: int) -> str:
    """disk full while a model, a sweep or a study is written"""
    _inputs(folder)
    succeed(COMPRESS, folder)
    sentences = set()
    for number in range(times):
        with small_disk(folder / f"disk{number}", rng.choice([4, 16, 48])) as disk:
            before = digest(disk)
            work = ["--work", str(disk / "w")] if rng.random() < 0.5 else []
            words = rng.choice(
                [
                    command("dcz", "compress", "--recipe", folder / "small.toml", "--dataset",
                            folder / "data.npz", "-o", disk / "m.dcz", *(work or ["--work", disk / "w"])),
                    command("dcz", "export", folder / "m.dcz", "-o", disk / "m.npz"),
                    command("hwsim", "sweep", folder / "sweep.toml", "-o", disk / "table"),
                    command("hwsim", "experiments", "run", "relight"),
                ]
            )  # fmt: skip
            sentences.add(refuse(words, disk).split(":")[1].split("/")[0].strip())
            kept = [path.name for path in disk.iterdir() if path.name in ("m.dcz", "m.npz", "table")]
            assert not kept, f"half a result: {kept}"
            assert before == digest(disk) or leftovers(disk) == [], f"left on the disk: {leftovers(disk)}"
    return f"{times} disks filled; each refused in one sentence"


def read_only(folder: Path, _rng: random.Random, _times: int) -> str:
    """results folder that cannot be written"""
    _inputs(folder)
    with small_disk(folder / "disk", 4000) as disk:
        shutil.copy(folder / "small.toml", disk)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        commands = [
            [*LEARN, "-o", str(disk / "m.dcz")],
            command("hwsim", "sweep", "sweep.toml", "-o", disk / "table"),
            command("hwsim", "run", "edge", "lenet5", "--trace", disk / "trace.json"),
        ]
        for words in commands:
            refuse(words, folder)
        refuse(STUDY, disk)
    return f"{len(commands) + 1} commands; each refused in one sentence"


def missing_extras(folder: Path, _rng: random.Random, _times: int) -> str:
    """optional packages that are not installed"""
    _inputs(folder)
    (folder / "sitecustomize.py").write_text(
        "import sys\nfor name in ('onnx', 'dask', 'distributed'):\n    sys.modules[name] = None\n"
    )
    path = {"PYTHONPATH": _first(folder)}
    (folder / "m.onnx").write_bytes(b"x")
    refuse(command("dcz", "import", "m.onnx", "-o", "m.dcz"), folder, **path)
    refuse(command("hwsim", "sweep", "sweep.toml", "--backend", "dask", "-o", "t"), folder, **path)
    succeed(command("hwsim", "run", "edge", "lenet5"), folder, **path)
    return "2 commands refused in one sentence, the others work"


def two_writers(folder: Path, rng: random.Random, times: int) -> str:
    """two processes write the same results folder"""
    _inputs(folder)
    succeed(STUDY, folder)
    expected = digest(folder / "results/runs/roofline")
    for _ in range(times):
        first = start(STUDY, folder)
        time.sleep(rng.uniform(0, 1))
        second = start(STUDY, folder)
        for process in (first, second):
            code, said = finish(process)
            assert code == 0, said[-500:]
        assert digest(folder / "results/runs/roofline") == expected, "another result than alone"
    running = start(SWEPT, folder)
    time.sleep(3)
    code, said = finish(start(SWEPT, folder))
    assert code in (0, 2), said
    assert "Traceback" not in said, said[-800:]
    code, said = finish(running)
    assert code in (0, 2), said[-500:]
    succeed(SWEPT, folder)
    assert leftovers(folder / "results") == [], leftovers(folder / "results")
    return f"{times} races and two sweeps at once; one whole result each"


def clock_backwards(folder: Path, _rng: random.Random, _times: int) -> str:
    """a clock that goes backwards, and files from the future"""
    _inputs(folder)
    (folder / "sitecustomize.py").write_text(
        "import time\nstart, real = time.time(), time.time\n"
        "time.time = lambda: start - 1000 * (real() - start)\n"
    )
    succeed(STUDY, folder)
    expected = digest(folder / "results/runs/roofline")
    future = time.time() + 1e8
    os.utime(folder / "results/runs/roofline", (future, future))
    succeed(STUDY, folder, PYTHONPATH=_first(folder))
    assert digest(folder / "results/runs/roofline") == expected, "another result than in its own time"
    succeed(SWEPT, folder, PYTHONPATH=_first(folder))
    succeed(COMPRESS, folder, PYTHONPATH=_first(folder))
    assert leftovers(folder / "results") == [], leftovers(folder / "results")
    return "3 commands; same bytes"


def children(pid: int) -> list[int]:
    """All processes below one."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in listed.read_text().split()] if listed.exists() else []
    return found + [below for child in found for below in children(child)]


def worker_dies(folder: Path, rng: random.Random, times: int) -> str:
    """a worker of the pool is killed"""
    _inputs(folder)
    calm = command("hwsim", "sweep", "sweep.toml", "--backend", "serial", "-o", "calm")
    succeed(calm, folder)
    hits = 0
    for number in range(times):
        words = [*SWEPT[:-1], f"table{number}"]
        process = start(words, folder)
        victims: list[int] = []
        while process.poll() is None and not victims:
            time.sleep(0.05)
            victims = [pid for pid in children(process.pid) if "popen_loky" in _words(pid)]
        time.sleep(rng.uniform(0, 0.5))
        for victim in victims[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                hits += 1
        code, said = finish(process)
        assert "Traceback" not in said, said[-800:]
        if code:
            assert code == 2, said
            succeed(words, folder)
        assert digest(folder / f"table{number}") == digest(folder / "calm")
    return f"{hits} workers killed; same bytes, some after a second start"


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@contextlib.contextmanager
def dask_cluster(folder: Path) -> Iterator[tuple[list[str], list[subprocess.Popen[str]]]]:
    """A sweep's words for a cluster of two workers, and its processes: the scheduler, then the workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = ["--no-dashboard"]
    cluster = [start(command("dask", "scheduler", "--host", "127.0.0.1", "--port", port, *quiet), folder)]
    try:
        time.sleep(3)
        worker = command("dask", "worker", address, "--nthreads", 1, "--no-nanny", *quiet)
        cluster += [start(worker, folder) for _ in range(2)]
        swept = ("--backend", "dask", "--scheduler", address, "-o", "table")
        yield command("hwsim", "sweep", "sweep.toml", *swept), cluster
    finally:
        for process in cluster:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def dask_worker_dies(folder: Path, rng: random.Random, _times: int) -> str:
    """a worker of a dask cluster is killed"""
    _inputs(folder)
    succeed(command("hwsim", "sweep", "sweep.toml", "--backend", "serial", "-o", "calm"), folder)
    with dask_cluster(folder) as (words, cluster):
        running = start(words, folder)
        time.sleep(rng.uniform(4, 8))
        os.killpg(cluster[-1].pid, signal.SIGKILL)
        code, said = finish(running)
        assert code == 0, said[-500:]
        assert digest(folder / "table") == digest(folder / "calm")
    return "1 of 2 workers killed; same bytes"


def dask_scheduler_dies(folder: Path, _rng: random.Random, _times: int) -> str:
    """the scheduler of a dask cluster is killed"""
    _inputs(folder)
    calm = command("hwsim", "sweep", "sweep.toml", "--backend", "serial", "-o", "calm")
    succeed(calm, folder)
    stored = folder / "table.sqlite-wal"
    with dask_cluster(folder) as (words, cluster):
        running = start(words, folder)
        while running.poll() is None and not (stored.exists() and stored.stat().st_size > STORED_B):
            time.sleep(0.05)
        os.killpg(cluster[0].pid, signal.SIGKILL)
        code, said = finish(running)
        assert "Traceback" not in said, said[-4000:]
        assert code == 2, f"exit code {code}: {said[-500:]}"
        assert "error: the dask cluster lost its workers or its scheduler" in said, said[-500:]
    succeed([*calm[:-1], "table"], folder)
    assert digest(folder / "table") == digest(folder / "calm")
    return "refused in one sentence; the rest serially, same bytes"


def other_surroundings(folder: Path, _rng: random.Random, _times: int) -> str:
    """another folder, hash seed, locale, time zone and encoding"""
    digests = []
    for number, environment in enumerate(
        (
            {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            {"PYTHONHASHSEED": "2", "LC_ALL": "C", "TZ": "Asia/Kathmandu", **ASCII},
            {"PYTHONHASHSEED": "3", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "COLUMNS": "40"},
        )
    ):
        place = folder / f"a folder {number}"
        place.mkdir()
        _inputs(place)
        for words in (
            COMPRESS,
            SWEPT,
            STUDY,
            command("hwsim", "run", "edge", "m.dcz", "--trace", "trace.json"),
        ):
            succeed(words, place, **environment)
        results = ("m.dcz", "table", "results/runs/roofline", "trace.json")
        digests.append([digest(place / result) for result in results])
    assert digests[0] == digests[1] == digests[2], digests
    return "a model, a sweep, an experiment and a trace; same bytes thrice"


SCENARIOS: dict[str, Callable[[Path, random.Random, int], str]] = {
    run.__name__: run
    for run in (
        kill_compress, kill_sweep, kill_study, kill_page, kill_demo, full_disk, read_only, missing_extras,
        two_writers, clock_backwards, worker_dies, dask_worker_dies, dask_scheduler_dies, other_surroundings,
    )
}  # fmt: skip


def main() -> None:
    """Inject the faults named on the command line, or all, and write a table."""
    from trust.tables import merge

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], default=[])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    failed = False
    for name in chosen.scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                found, held = SCENARIOS[name](Path(folder), random.Random(chosen.seed), chosen.times), True
            except AssertionError as error:
                found, held = f"FAILED: {error}", False
        row = {"scenario": name, "fault": SCENARIOS[name].__doc__, "found": found, "held": held}
        print(f"{name}: {found}", flush=True)  # noqa: T201
        merge("faults.csv", "scenario", row)
        failed |= not held
    sys.exit(failed)


if __name__ == "__main__":
    main()
