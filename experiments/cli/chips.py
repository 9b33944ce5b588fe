"""Commands about the machine: which chips there are, and every figure of one with its source."""

from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import AsJson, quoted
from hwsim.units import engineering, memory_size

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip


OVERVIEW = ["chip", "clock", "on-chip memory", "DRAM", "cap", "description"]
HEADER = ["key", "value", "source"]


def chips(
    chip: Annotated[
        str, typer.Argument(help="A shipped chip or a chip file, to list each figure with its source.")
    ] = "",
    copy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the chip to a new .toml file, to start your own from."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the shipped chips, show every figure of one chip with its source, or copy its file."""
    from experiments.console import print_ending, print_json, print_table
    from hwsim.errors import InputError
    from hwsim.machine.chip import chip_names, copy_chip, load_chip

    if copy:
        if not chip:
            raise InputError("--copy: no chip is named, expected hwsim chips CHIP --copy FILE")
        copy_chip(chip, copy)
        if as_json:
            print_json({"chip": chip, "copy": str(copy)})
        else:
            print_ending(f"{copy} is a copy of {chip}. Change what differs.", f"hwsim chips {quoted(copy)}")
        return
    if chip:
        described = load_chip(chip)
        title, header, rows = f"{described.name}: {described.description}", HEADER, _values(described)
        data: object = described.model_dump(mode="json")
    else:
        shipped = [load_chip(name) for name in chip_names()]
        title, header, rows = "Shipped chips", OVERVIEW, [_overview(c) for c in shipped]
        data = [{"name": c.name, "description": c.description} for c in shipped]
    if as_json:
        print_json(data)
        return
    print_table(title, header, rows)
    if chip:
        print_ending(f"Every figure of {chip} has a source.", f"hwsim run {quoted(chip)} alexnet")
    else:
        print_ending(f"{len(rows)} chips are shipped.", "hwsim chips edge, or hwsim run edge lenet5")


def _overview(chip: "Chip") -> list[str]:
    return [
        chip.name,
        engineering(chip.process.clock_GHz * 1e9, "Hz"),
        memory_size(chip.sram.capacity_B),
        engineering(chip.dram.bandwidth_GB_per_s * 1e9, "B/s"),
        engineering(chip.power.cap_W, "W"),
        chip.description,
    ]


def _values(chip: "Chip") -> list[list[str]]:
    return [[key, str(attrgetter(key)(chip)), source] for key, source in chip.sources.items()]
