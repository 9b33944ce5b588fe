"""Random use: ``python -m trust.campaign --lines N --calls N --seed N``; Unix.

Command lines are drawn from what the commands say of their own parameters, calls from the functions of the
API, both with sensible and with odd values. Each command line, and each handful of calls, runs in a process
of its own. It may succeed, or refuse in one sentence; a fault of the program, a traceback, more than 30
seconds of CPU, more than 3 GB of memory, or an argument that is changed is a failure. Commands that train, or
work for minutes, are left to `trust.faults`.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hwsim.errors import printable
from trust.drawn import call_of, line_of, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

Work = tuple[str, int, "Callable[[], int]"]
"""What is done, how many that is, and how."""
CPU_S, WALL_S, MOST_MB = 30, 600, 3000
CALLS_EACH = 50
"""Calls of one process."""
SAID = "said.txt"
ROOT = Path(__file__).parents[2]
TABLE = "campaign.csv"


class Ended(NamedTuple):
    """How a process ended.

    Parameters
    ----------
    code : int
        Exit code; minus the number of the signal that ended it.
    said : str
        Standard error.
    cpu_s, most_MB : float
    """

    code: int
    said: str
    cpu_s: float
    most_MB: float

    @property
    def failure(self) -> str:
        """What is wrong with it; empty if nothing is."""
        if self.code in (-signal.SIGXCPU, -signal.SIGALRM, -signal.SIGKILL):
            return f"more than {CPU_S} s"
        if self.code not in (0, 1, 2) or "Traceback" in self.said:
            said = self.said.replace(f"{ROOT}{os.sep}", "").strip()
            return f"exit code {self.code}: {said[-300:]}"
        if self.code == 2 and not self.said.strip():
            return "refused without a word"
        return f"{self.most_MB:.0f} MB" if self.most_MB > MOST_MB else ""


def apart(work: Callable[[], int], folder: Path) -> Ended:
    """Run work in a process of its own, in a folder, and say how that ended."""
    said = folder / SAID
    pid = os.fork()
    if not pid:
        code = 70
        try:
            os.chdir(folder)
            out = os.open(os.devnull, os.O_WRONLY)
            os.dup2(out, 1)
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
            signal.alarm(WALL_S)
            code = work()
            sys.stderr.flush()
        except BaseException:
            sys.stderr.flush()
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    _, status, used = os.wait4(pid, 0)
    text = said.read_text(encoding="utf-8", errors="replace")
    return Ended(
        os.waitstatus_to_exitcode(status), text, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    )


def _line(words: list[str]) -> int:
    from experiments.cli import main as cli

    return cli.run(cli.HWSIM if words[0] == "hwsim" else cli.DCZ, words[1:])


def _calls(seed: int, count: int, folder: Path) -> int:
    """Make calls one after another; 0 if each was taken, 2 if one was refused."""
    rng, code = random.Random(seed), 0
    for _ in range(count):
        call = call_of(rng, folder)
        refusal = call.refusal()
        if refusal is not None:
            sys.stderr.write(f"{call.text}: {refusal}\n")
            code = 2
    return code


def campaign(lines: int, calls: int, seed: int) -> list[dict[str, object]]:
    """Try random command lines and calls; a row each for both kinds, and for every failure.

    Parameters
    ----------
    lines, calls : int
        How many.
    seed : int
    """
    with tempfile.TemporaryDirectory() as name:
        files, folder = Path(name, "files"), Path(name, "folder")
        files.mkdir()
        prepare(files)
        rng = random.Random(seed)
        typed = [line_of(rng) for _ in range(lines)]
        starts = range(0, calls, CALLS_EACH)
        return [
            *_tried(
                "command line",
                [(" ".join(words), 1, partial(_line, words)) for words in typed],
                files,
                folder,
            ),
            *_tried(
                "API call",
                [
                    (f"calls of seed {seed + at}", count, partial(_calls, seed + at, count, folder))
                    for at in starts
                    for count in [min(CALLS_EACH, calls - at)]
                ],
                files,
                folder,
            ),
        ]


def _tried(kind: str, works: list[Work], files: Path, folder: Path) -> list[dict[str, object]]:
    """Row of a kind, and of every failure; each work finds the files as they were, since --force replaces."""
    failures: list[dict[str, object]] = []
    refused, slowest, most = 0, 0.0, 0.0
    for what, count, work in works:
        shutil.copytree(files, folder)
        ended = apart(work, folder)
        shutil.rmtree(folder)
        slowest, most = max(slowest, ended.cpu_s), max(most, ended.most_MB)
        if ended.failure:
            failures.append({"kind": kind, "what": printable(what), "failure": ended.failure})
        elif ended.code == 2:
            refused += 1 if count == 1 else len(ended.said.splitlines())
    tried = sum(count for _, count, _ in works)
    row = {"kind": kind, "tried": tried, "refused": refused, "failed": len(failures)}
    return [row | {"slowest_cpu_s": round(slowest, 1), "most_MB": round(most)}, *failures]


def main() -> None:
    """Try what is asked for, and add it to a table."""
    import pandas as pd

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found = pd.DataFrame(campaign(chosen.lines, chosen.calls, chosen.seed))
    print(found.to_string(max_colwidth=300))  # noqa: T201
    keep(found, chosen.seed)
    sys.exit(bool(found["failed"].sum()))


def keep(found: pd.DataFrame, seed: int) -> None:
    """Put the rows of a seed into the table, in place of those it had: a campaign may come in pieces."""
    import pandas as pd

    from trust.tables import FOLDER, write

    table = FOLDER / TABLE
    before = [pd.read_csv(table).query("seed != @seed")] if table.exists() else []
    rows = pd.concat([*before, found.assign(seed=seed)], ignore_index=True)
    write(TABLE, rows.sort_values("seed", kind="stable"))


if __name__ == "__main__":
    main()
