"""`hwsim bench`: how fast and how small, beside what others need."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from experiments.cli.options import AsJson
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.bench.measuring import Measurement

MISSED = 1
"""Exit code when a target is missed."""

HEADER = ["benchmark", "quantity", "value", "unit", "target", "verdict"]


class Peer(NamedTuple):
    """A peer without which there is nothing to measure, and the module to look for."""

    peer: str
    module: str


NEEDS = {
    "scalesim": Peer("SCALE-Sim 3.0.0", "scalesim"),
    "mapper-peers": Peer("ZigZag 3.9.1", "zigzag.api"),
}


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="scalesim, mapper-peers, codecs, clusters, training, inference, engines, reports, mapper, "
            "first-use, light, compiling, memory, files, sweeps, page, all-experiments, executor; all if "
            "none.",
        ),
    ] = None,
    peer_python: Annotated[
        str, typer.Option(help="Python that has the peers, SCALE-Sim first; `make bench` provides one.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Measure speed, bytes and memory beside SCALE-Sim, codecs, PyTorch, onnxruntime: results/bench/NAME."""
    from experiments.bench.against_peers import PEERED
    from experiments.bench.mapper_peers import mapper_peers
    from experiments.bench.own import OWN, RESULTS, produce, scalesim, to_frame
    from experiments.console import print_json, print_note, print_table
    from experiments.runs.record import recording

    calls: dict[str, Callable[[], list[Measurement]]] = {
        "scalesim": partial(scalesim, peer_python),
        "mapper-peers": partial(mapper_peers, peer_python),
        **{name: partial(call, peer_python) for name, call in PEERED.items()},
        **OWN,
    }
    unknown = sorted(set(names or ()) - calls.keys())
    if unknown:
        raise InputError(f"no bench {unknown[0]!r}: expected some of {', '.join(calls)}")
    measured: dict[str, list[Measurement]] = {}
    failed: dict[str, InputError] = {}
    for name in names or calls:
        if name in NEEDS and not _has(peer_python, NEEDS[name].module):
            print_note(f"{name}: skipped, for want of {NEEDS[name].peer}; `make bench` installs it")
            continue
        print_note(f"{name} ...")
        try:
            with recording(name, RESULTS / name) as run:
                measured[name] = calls[name]()
                produce(run, measured[name])
        except InputError as error:
            failed[name] = error
    if as_json:
        print_json({name: to_frame(found).to_dict("records") for name, found in measured.items()})
    else:
        rows = [_cells(name, found) for name, several in measured.items() for found in several]
        print_table("Benchmarks", HEADER, rows)
    if failed:
        raise InputError("; ".join(f"benchmark {name}: {error}" for name, error in failed.items()))
    if any(found.verdict == "missed" for several in measured.values() for found in several):
        raise typer.Exit(MISSED)


def _has(peer_python: str, module: str) -> bool:
    """Whether a Python can import a peer; an empty name is none."""
    from experiments.bench.measuring import run_child

    if not peer_python:
        return False
    try:
        run_child([peer_python, "-c", f"import {module}"])
    except InputError:
        return False
    return True


def _cells(name: str, found: Measurement) -> list[str]:
    sign = "≥" if found.better == "more" else "≤"
    return [
        name,
        found.quantity,
        f"{found.value:,.4g}",
        found.unit,
        f"{sign} {found.target:,g}" if found.target is not None else "",
        found.verdict,
    ]
