"""The codings of a network on a chip: what each costs in bytes and joules, and which one to take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from compress.format.recode import codings_of, recode
from compress.lowering import workload_of
from hwsim.machine.area import mixer_mm2
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compress.format.container import Artifact
    from hwsim.machine.chip import Chip
    from hwsim.report import Report

MUCH = 0.2
"""Part of the energy of a run from which on decoding is worth a remark."""

AUTO = "auto"
"""Name for the coding that costs least on a chip."""

By = Literal["joules", "bytes"]


class Coded(NamedTuple):
    """A network in one coding: its file, the size of it, and a run on a chip."""

    coding: str
    artifact: Artifact
    size_B: int
    report: Report

    @property
    def energy_J(self) -> float:
        """Joules per inference."""
        return self.report.energy_per_inference_J

    @property
    def decoder_J(self) -> float:
        """Joules per inference that the decoders take."""
        return self.report.joules_by("component").get(("decoder",), 0.0)

    @property
    def decoded_once(self) -> int:
        """Layers whose weights are decoded as they come on chip, and stay so."""
        encoded = (layer.encoded for layer in self.report.workload.layers)
        once = self.report.schedule.residency.decoded_once
        return sum(kept and coded for kept, coded in zip(once, encoded, strict=True))

    @property
    def encoded(self) -> int:
        """Layers whose weights have to be decoded."""
        return sum(layer.encoded for layer in self.report.workload.layers)


def try_codings(
    artifact: Artifact,
    chip: Chip,
    batch: int,
    coding: str = AUTO,
    *,
    input_density: Mapping[str, float] | None = None,
    steps: int | None = None,
) -> list[Coded]:
    """Code a network every way that its weights can be coded, and run each on a chip.

    Parameters
    ----------
    artifact : Artifact
    chip : Chip
        Segments are as many as keep its decoders busy.
    batch : int
        Items per batch of the simulation.
    coding : str
        The only one to try; all by default.
    input_density : dict of str to float, optional
        As `compress.lowering.workload_of` takes it, also for `steps`.
    steps : int, optional

    Returns
    -------
    list of Coded
        In the order of the codings; the network as it is, if nothing in it can be coded.
    """
    names = codings_of(artifact) if coding == AUTO else (coding,) if codings_of(artifact) else ()
    made = {name: recode(artifact, name, decoders=chip.decoder.count) for name in names}
    found = []
    for name, coded in (made or {artifact.stage: artifact}).items():
        layout = coded.layout()
        workload = workload_of(coded, layout=layout, input_density=input_density, steps=steps)
        found.append(Coded(name, coded, layout.file_bits // 8, simulate(chip, workload, batch)))
    return found


def best_of(tried: Sequence[Coded], by: By = "joules") -> Coded:
    """Coding of least joules, or of fewest bytes; of equals the one that is better by the other."""
    if by == "bytes":
        return min(tried, key=lambda one: (one.size_B, one.energy_J))
    return min(tried, key=lambda one: (one.energy_J, one.size_B))


def recode_command(file: str, chip: str) -> str:
    """Command that takes the coding that costs least on a chip; both as a shell reads them."""
    return f"dcz recode {file} --coding {AUTO} --chip {chip}"


def dear_decoding(report: Report, file: str, chip: str) -> tuple[str, ...]:
    """Say that decoding takes much of a run's energy, and which command takes the cheapest coding.

    Parameters
    ----------
    report : Report
    file, chip : str
        The compressed file and the chip, as a shell reads them.

    Returns
    -------
    tuple of str
        A sentence, or nothing if decoding takes little.
    """
    share = report.joules_by("component").get(("decoder",), 0.0) / report.energy_per_inference_J
    if share < MUCH:
        return ()
    return (
        f"decoding takes {share:.0%} of the energy: {recode_command(file, chip)} takes the cheapest coding",
    )


def decoding_sentence(one: Coded) -> str:
    """Say what decoding costs."""
    if not one.encoded:
        return f"{one.coding}: nothing has to be decoded."
    share = 100 * one.decoder_J / one.energy_J
    where = f"{one.decoded_once} of {one.encoded} layers are decoded once and stay so"
    bound = sum(run.bound_by == "decoder" for run in one.report.runs)
    waits = f"the decoders limit {bound}" if bound else "the decoders limit none"
    if any(layer.weights and layer.weights.symbol == "bit" for layer in one.report.workload.layers):
        chip = one.report.chip
        waits += f", and their mixers take {100 * mixer_mm2(chip) / chip.process.die_mm2:.2g}% of the die"
    return f"{one.coding}: decoding takes {share:.2g}% of the energy; {where}, {waits}."
