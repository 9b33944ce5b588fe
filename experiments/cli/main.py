"""The two command lines: `hwsim` for the machine and the experiments, `dcz` for compressed models."""

import io
import os
import sys
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, NoReturn

import typer

from experiments.cli.after_training import quantize, shrink
from experiments.cli.bench import bench
from experiments.cli.chips import chips
from experiments.cli.compare import compare
from experiments.cli.contest import contest
from experiments.cli.convert import export, import_, import_han, recode
from experiments.cli.dark import dark
from experiments.cli.demo import demo
from experiments.cli.energy import energy
from experiments.cli.execute import execute
from experiments.cli.experiments import EXPERIMENTS
from experiments.cli.frontier import frontier
from experiments.cli.labs import labs
from experiments.cli.measure import measure
from experiments.cli.models import compress, evaluate, inspect, sensitivity, verify
from experiments.cli.networks import networks
from experiments.cli.outputs import guarded
from experiments.cli.pack import pack, unpack
from experiments.cli.page import page
from experiments.cli.power import relight, roofline
from experiments.cli.reference import reference
from experiments.cli.request import request
from experiments.cli.run import run_
from experiments.cli.slides import slides
from experiments.cli.sweep import pareto, sweep
from experiments.cli.tile import tile
from experiments.cli.validate import validate
from experiments.threads import use_one_thread
from hwsim.budget import same_memory_after
from hwsim.errors import AuditError, InputError

CUT_OFF, BAD_INPUT, BROKEN_LAW, FAULT = 1, 2, 3, 70
"""Exit codes when the reader of the output is gone, when the input is at fault, when an audit finds the
simulator at fault, and for a fault of the program."""


def version(asked: bool) -> None:
    """Print the version and end."""
    if asked:
        typer.echo(f"hwsim {metadata.version('hwsim')}")
        raise typer.Exit


def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
    max_memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory that work may take before it is refused: 8G.")
    ] = "3G",
) -> None:
    """Take the options that every command line has."""
    from experiments.runs.changes import bytes_of
    from hwsim.budget import allow_memory

    size = bytes_of(max_memory)
    if not isinstance(size, int):
        raise InputError(f"--max-memory {max_memory!r}: expected a size such as 8G")
    allow_memory(size)


def application(help_text: str, path: str, groups: dict[str, list[Callable[..., None]]]) -> typer.Typer:
    """Put commands into one command line, under the headings of its help, which ends with a `path`."""
    app = typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback(help=help_text, epilog=path)(options)
    for heading, commands in groups.items():
        for command in commands:
            name = command.__name__.removesuffix("_").replace("_", "-")
            app.command(name=name, rich_help_panel=heading)(guarded(command))
    return app


HWSIM = application(
    "Simulate deep-learning accelerators that execute real compressed networks.",
    "A path through: chips, run edge lenet5, compare, sweep sram-cap, pareto. Each command says more with "
    "--help. Compressed models are made and looked into with dcz.",
    {
        "Begin here": [demo, page, labs, slides, contest],
        "One run, and two": [run_, compare, tile, request],
        "Chips, networks, energy tables": [chips, networks, energy],
        "Power": [relight, dark, roofline],
        "Many runs": [sweep, pareto],
        "Trust": [validate, measure, bench, reference],
    },
)
HWSIM.add_typer(EXPERIMENTS, name="experiments", rich_help_panel="Many runs")
DCZ = application(
    "Make, look into, check and execute compressed models (model.dcz).",
    "A path through: compress --recipe lenet300-demo, inspect model.dcz, evaluate model.dcz; then "
    "hwsim run edge model.dcz.",
    {
        "Models": [compress, inspect, verify, execute, evaluate, sensitivity, frontier],
        "In and out": [import_, import_han, shrink, quantize, recode, export, pack, unpack],
    },
)


def hwsim() -> None:
    """Run the `hwsim` command line."""
    _main(HWSIM)


def dcz() -> None:
    """Run the `dcz` command line."""
    _main(DCZ)


def _main(app: typer.Typer) -> NoReturn:
    """Run a command line and end; a character that the terminal cannot show is a question mark there."""
    use_one_thread()
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(run(app))


def _open_closed_streams() -> None:
    """Send what a closed stream would get to nowhere: else the next file that is opened would get it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def run(app: typer.Typer, arguments: list[str] | None = None) -> int:
    """Run a command line; bad input gives one sentence on standard error and exit code 2."""
    try:
        try:
            with same_memory_after():
                app(arguments)
        finally:
            sys.stdout.flush()  # a full disk is told of here, not when the interpreter ends
    except BrokenPipeError:
        return _cut_off()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_INPUT
    except AuditError as error:
        sys.stderr.write(f"error: {error}\n")
        return BROKEN_LAW
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"error: {where}{error.strerror or error}\n")
        return BAD_INPUT
    except Exception as error:
        return _reported(error)
    return 0


def _cut_off() -> int:
    """End without a word: who read the output has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CUT_OFF


def _reported(error: Exception) -> int:
    """Say that the program is at fault, and where the details for a report are."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    kind = type(error).__name__
    details = "".join(traceback.format_exception(error))
    try:
        with NamedTemporaryFile(
            "w", prefix="hwsim-fault-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"hwsim {metadata.version('hwsim')}\n{sys.argv}\n{details}")
        kept = f"Please report it with {file.name}."
    except OSError:
        kept = f"Please report it with these lines.\n{details}".rstrip()
    sys.stderr.write(
        f"error: a fault of hwsim ({kind} in {Path(last.filename).name}, line {last.lineno}). {kept}\n"
    )
    return FAULT
