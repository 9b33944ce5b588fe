"""What the studies about power look at: networks on the 250 W reference chip, and changes to that chip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from experiments.runs.assumed_stages import load_stage, stages_of
from hwsim.energy.dram import load_dram
from hwsim.machine.chip import load_chip

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Workload

CHIP = "reference_250w"
AS_IT_IS = "as it is"

VARIANTS: dict[str, dict[str, Any]] = {
    AS_IT_IS: {},
    "infinite bandwidth": {"dram.bandwidth_GB_per_s": 1e9},
    "no cap": {"power.cap_W": 1e6},
    "neither": {"dram.bandwidth_GB_per_s": 1e9, "power.cap_W": 1e6},
    "HBM2 energy": {"dram.energy_pJ_per_bit": load_dram("HBM2-2000").pJ_per_bit},
    "cap on the die alone": {"power.scope": "die"},
    "zero gating": {"array.gate_zeros": True},
}
"""One thing changed on the chip, to find out what is to blame; ``neither`` changes two."""


@dataclass(frozen=True)
class Scene:
    """A network, or the end of one.

    Parameters
    ----------
    name, label : str
        In tables and in figures; a star marks compressed stages that are assumed, not published.
    network : str
        A shipped network.
    first : str
        Layer it begins with; the whole network if empty.
    batches, varied_at : tuple of int
        Batch sizes, and those at which the chip is varied too.
    """

    name: str
    label: str
    network: str
    first: str = ""
    batches: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    varied_at: tuple[int, ...] = (64,)

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages it comes at."""
        return stages_of(self.network)

    def workload(self, stage: str) -> Workload:
        """Load its layers at one stage."""
        whole = load_stage(self.network, stage)
        names = [layer.name for layer in whole.layers]
        return whole.only(names[names.index(self.first) :]) if self.first else whole


SCENES = {
    scene.name: scene
    for scene in (
        Scene("alexnet_fc", "AlexNet, fc layers", "alexnet", "fc6", varied_at=(1, 64, 1024)),
        Scene("alexnet", "AlexNet", "alexnet"),
        Scene("vgg16", "VGG-16", "vgg16", batches=(1, 64, 1024)),
        Scene("lstm", "LSTM 2×1500*", "lstm_2x1500", varied_at=(1, 64)),
        Scene("llama", "Llama-2 layer*", "llama_layer_decode"),
    )
}
ASSUMED_NOTE = "* density assumed"
"""Beside a figure whose labels have a star."""

LABELS = {name: scene.label for name, scene in SCENES.items()}


@lru_cache
def chip_of(variant: str = AS_IT_IS) -> Chip:
    """Build the chip with the change of that name."""
    return load_chip(CHIP).replace(**VARIANTS[variant])
