"""Residency: which weights and activations live on chip, and how the batch is cut to let them.

Layers up to the first fully-connected one reuse their weights over the pixels of one item, so
they may run *micro-batch by micro-batch*; the rest take the whole batch at once, which is what
gives fully-connected weights reuse. Live activations get on-chip memory first, then whole layers
of weights are pinned, those that would be fetched most often first. The micro-batch is a divisor
of the batch: a small one leaves room for weights, a large one fetches and decodes what does not
fit less often; the schedule chooses. A layer whose activations do not fit even so is tiled,
which may fetch its weights or inputs several times.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hwsim.arrays.counting import PSUM_BITS
from hwsim.errors import InputError
from hwsim.tiling import Tiling, best_tiling, problem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.chip import Chip
    from hwsim.workload import Layer, Workload


@dataclass(frozen=True)
class Residency:
    """Where everything lives while one batch runs.

    Parameters
    ----------
    batch, micro_batch : int
    lead : int
        Number of leading layers that run micro-batch by micro-batch.
    pinned : tuple of bool
        Per layer: its stored weights stay on chip from one batch to the next.
    spilled : tuple of bool
        Per layer: its output goes through DRAM.
    tilings : tuple of Tiling or None
        Per layer: how it is cut, where its activations do not fit.
    pinned_B, activations_B, buffers_B : int
        On-chip bytes in use.
    weight_bits, activation_bits : int
        DRAM bits requested per batch, in steady state.
    """

    batch: int
    micro_batch: int
    lead: int
    pinned: tuple[bool, ...]
    spilled: tuple[bool, ...]
    tilings: tuple[Tiling | None, ...]
    pinned_B: int
    activations_B: int
    buffers_B: int
    weight_bits: int
    activation_bits: int

    def passes(self, index: int) -> int:
        """How often layer `index` runs for one batch."""
        return self.batch // self.micro_batch if index < self.lead else 1

    def items(self, index: int) -> int:
        """Batch items of one pass over layer `index`."""
        return self.micro_batch if index < self.lead else self.batch

    def weight_fetches(self, index: int) -> int:
        """How often one pass over layer `index` takes its weights to the array."""
        tiling = self.tilings[index]
        return tiling.weight_fetches if tiling else 1


def stored_bits(layer: Layer, chip: Chip) -> int:
    """Bits the weights of `layer` occupy on chip: encoded, or decoded at the DRAM boundary."""
    if layer.weights is None:
        return 0
    if chip.decoder.place == "dram":
        return layer.weight_count * layer.operand_bits + layer.weights.side_bits
    return layer.weights.total_bits


def candidates(chip: Chip, workload: Workload, batch: int) -> list[Residency]:
    """Every micro-batch, and what stays on chip with it.

    Raises
    ------
    InputError
        If the batch is below 1 or the streaming buffers alone do not fit on chip.
    """
    if batch < 1:
        raise InputError(f"batch is {batch}, expected at least 1")
    buffers = chip.buffers.slot_B * (chip.buffers.fetch_depth + chip.buffers.decode_depth)
    if buffers > chip.sram.capacity_B:
        raise InputError(
            f"chip {chip.name}: buffers of {buffers} bytes do not fit sram.capacity_B = "
            f"{chip.sram.capacity_B}"
        )
    lead = next((i for i, layer in enumerate(workload.layers) if _ends_lead(layer)), len(workload.layers))
    sizes = [m for m in range(1, batch + 1) if batch % m == 0] if lead else [batch]
    liveness = _liveness(workload, lead)
    return [_plan_for(chip, workload, batch, m, lead, buffers, liveness) for m in sizes]


def _ends_lead(layer: Layer) -> bool:
    return layer.kind == "fc" or layer.over_batch != "each"


@dataclass(frozen=True)
class _Liveness:
    """Activations that are live while each layer runs.

    Parameters
    ----------
    live, once : list of int
        Bits for each item, and for the whole batch.
    touched : list of set of int
        Tensors the layer reads or writes.
    boundary : int
        Bits of each item that the leading layers leave for the others.
    """

    live: list[int]
    once: list[int]
    touched: list[set[int]]
    boundary: int


def _liveness(workload: Workload, lead: int) -> _Liveness:
    layers = workload.layers
    size = {-1: layers[0].input_elements * layers[0].operand_bits}
    size |= {i: layer.output_elements * layer.operand_bits for i, layer in enumerate(layers)}
    last_use = {i: i for i in size}
    for index, layer in enumerate(layers):
        last_use |= dict.fromkeys(layer.inputs, index)
    crossing = {i for i in range(-1, lead) if last_use[i] >= lead}
    ending: dict[int, list[int]] = {}
    for index, last in last_use.items():
        ending.setdefault(last, []).append(index)
    live, once, touched = [], [], []
    held = Counter({"each": size[-1] if last_use[-1] >= 0 else 0})
    for index, layer in enumerate(layers):
        held[_kept(layers, index)] += size[index]
        in_place = _in_place(layer, index, last_use)
        live.append(held["each"] - (min(size[index], size[layer.inputs[0]]) if in_place else 0))
        once.append(held["once"])
        touched.append({*layer.inputs, index})
        for ended in ending.get(index, ()):
            held[_kept(layers, ended)] -= size[ended]
    return _Liveness(live, once, touched, sum(size[i] for i in crossing))


def _kept(layers: Sequence[Layer], index: int) -> str:
    """Whether an output is there for each item or once for the batch; the input is for each."""
    return "each" if index < 0 or layers[index].over_batch == "each" else "once"


def _in_place(layer: Layer, index: int, last_use: dict[int, int]) -> bool:
    same_size = layer.input_elements == layer.output_elements
    return (
        layer.kind == "vector" and len(layer.inputs) == 1 and same_size and last_use[layer.inputs[0]] == index
    )


def _plan_for(
    chip: Chip, workload: Workload, batch: int, micro: int, lead: int, buffers: int, liveness: _Liveness
) -> Residency:
    layers = workload.layers
    space = 8 * (chip.sram.capacity_B - buffers)
    need = [
        micro * live + batch * liveness.boundary if index < lead else batch * live + once
        for index, (live, once) in enumerate(zip(liveness.live, liveness.once, strict=True))
    ]
    overflowing = {i for i, bits in enumerate(need) if bits > space}
    spilled = tuple(any(i in liveness.touched[j] for j in overflowing) for i in range(len(layers)))
    activations = max((bits for bits in need if bits <= space), default=0)
    if overflowing:
        activations = max(activations, space // 2)
    items = [micro if i < lead else batch for i in range(len(layers))]
    tilings = tuple(
        best_tiling(problem_of(*layer.joined(items[i])), activations)
        if i in overflowing and layer.kind != "vector"
        else None
        for i, layer in enumerate(layers)
    )
    fetches = [
        (batch // items[i]) * (tiling.weight_fetches if tiling else 1) for i, tiling in enumerate(tilings)
    ]
    pinned, pinned_bits = _pinned(chip, layers, fetches, space - activations)
    weight_bits = sum(
        fetches[i] * layer.weights.total_bits
        for i, layer in enumerate(layers)
        if layer.weights and not pinned[i]
    )
    moved = _traffic(workload, spilled, pinned, tilings, items)
    return Residency(
        batch,
        micro,
        lead,
        pinned,
        spilled,
        tilings,
        pinned_bits // 8,
        activations // 8,
        buffers,
        weight_bits,
        sum(batch // count * part.bits for count, part in zip(items, moved, strict=True)),
    )


def _pinned(
    chip: Chip, layers: Sequence[Layer], fetches: Sequence[int], space: int
) -> tuple[tuple[bool, ...], int]:
    """Which layers' weights stay on chip, and the bits they take; shared weights stay for all or for none."""
    owners = [i if layer.like is None else layer.like for i, layer in enumerate(layers)]
    saved = [0] * len(layers)
    for owner, count in zip(owners, fetches, strict=True):
        saved[owner] += count
    sizes = [stored_bits(layer, chip) for layer in layers]
    stays = [False] * len(layers)
    free = space
    for i in sorted(set(owners), key=lambda i: (-saved[i], -sizes[i], i)):
        if sizes[i] <= free and (chip.sram.holds_weights or not layers[i].weights):
            stays[i] = True
            free -= sizes[i]
    return tuple(stays[owner] for owner in owners), space - free


class Moved(NamedTuple):
    """DRAM bits that are not weights, of one pass over a layer; partial sums go out and come back."""

    inputs: int
    outputs: int
    psums: int

    @property
    def bits(self) -> int:
        """Both ways together."""
        return self.inputs + self.outputs + 2 * self.psums


def activation_traffic(workload: Workload, residency: Residency, items: Sequence[int]) -> list[Moved]:
    """Activations and partial sums each layer moves between DRAM and chip in one pass.

    The network's input always comes from DRAM, its output always goes there; weights that a layer
    writes back go there unless they stay on chip.
    """
    return _traffic(workload, residency.spilled, residency.pinned, residency.tilings, items)


def _traffic(
    workload: Workload,
    spilled: Sequence[bool],
    pinned: Sequence[bool],
    tilings: Sequence[Tiling | None],
    items: Sequence[int],
) -> list[Moved]:
    layers = workload.layers
    consumed = {source for layer in layers for source in layer.inputs}
    traffic = []
    for index, (layer, tiling, count) in enumerate(zip(layers, tilings, items, strict=True)):
        from_outside = layer.input_elements * (1 if layer.over_batch == "once" else count)
        read = sum(
            from_outside if source < 0 else layers[source].outputs_of(count)
            for source in layer.inputs
            if source < 0 or spilled[source]
        )
        leaves = spilled[index] or index not in consumed
        if layer.writes_back:
            leaves = not pinned[index]
        written = layer.outputs_of(count) * leaves
        fetches, psum_passes = (tiling.input_fetches, tiling.psum_passes) if tiling else (1, 1)
        traffic.append(
            Moved(
                read * layer.operand_bits * fetches,
                written * layer.operand_bits,
                layer.outputs_of(count) * PSUM_BITS * (psum_passes - 1),
            )
        )
    return traffic
