"""Residency: which weights and activations live on chip, and how the batch is cut to let them.

A batch goes through the network in *sub-batches*, the whole batch at once where its activations
fit. Layers up to the first fully-connected one reuse their weights over the pixels of one item, so
they may run *micro-batch by micro-batch*; the rest take the sub-batch at once, which is what gives
fully-connected weights reuse. Live activations get on-chip memory first, then whole layers of
weights are pinned, those that would be fetched most often first. Sub-batch and micro-batch are
divisors of what they divide: small ones leave room for weights and spill no activations, large ones
fetch and decode what does not fit less often; the schedule chooses. A layer whose activations do
not fit even so is tiled, which may fetch its weights or inputs several times.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hwsim.arrays.base import OwnMapping
from hwsim.arrays.counting import PSUM_BITS
from hwsim.errors import InputError
from hwsim.mapping.problem import problem_of
from hwsim.mapping.tiling import Fetches, Tiling, best_tiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Layer, Workload

Cutting: TypeAlias = Tiling | Fetches | None
"""How a layer is cut, or None: it goes in one piece."""


@dataclass(frozen=True)
class Residency:
    """Where everything lives while one batch runs.

    Parameters
    ----------
    batch, sub_batch, micro_batch : int
        Each divides the one before.
    lead : int
        Number of leading layers that run micro-batch by micro-batch.
    pinned : tuple of bool
        Per layer: its stored weights stay on chip from one batch to the next.
    spilled : tuple of bool
        Per layer: its output goes through DRAM.
    tilings : tuple of Tiling, Fetches or None
        Per layer: how it is cut, where its activations do not fit or the array has its own mapping.
    pinned_B, activations_B, buffers_B : int
        On-chip bytes in use.
    weight_bits, activation_bits : int
        DRAM bits requested per batch, in steady state.
    """

    batch: int
    sub_batch: int
    micro_batch: int
    lead: int
    pinned: tuple[bool, ...]
    spilled: tuple[bool, ...]
    tilings: tuple[Cutting, ...]
    pinned_B: int
    activations_B: int
    buffers_B: int
    weight_bits: int
    activation_bits: int

    def passes(self, index: int) -> int:
        """How often layer `index` runs for one batch."""
        return self.batch // self.items(index)

    def items(self, index: int) -> int:
        """Batch items of one pass over layer `index`."""
        return self.micro_batch if index < self.lead else self.sub_batch

    def weight_fetches(self, index: int) -> int:
        """How often one pass over layer `index` takes its weights to the array."""
        tiling = self.tilings[index]
        return tiling.weight_fetches if tiling else 1


def stored_bits(layer: Layer, chip: Chip) -> int:
    """Bits the weights of `layer` occupy on chip: encoded, or decoded at the DRAM boundary."""
    if layer.weights is None:
        return 0
    if chip.decoder.place == "dram" and layer.weight_count:
        return layer.weight_count * layer.operand_bits + layer.weights.side_bits
    return layer.weights.total_bits


MAX_BATCH = 4096
"""A batch that does not fit on chip is run in many passes: time and memory of a simulation grow with it."""


def require_batch(batch: int) -> None:
    """Refuse a batch that is not 1 to `MAX_BATCH`, by an `InputError`."""
    if not 1 <= batch <= MAX_BATCH:
        raise InputError(f"batch is {batch}, expected 1 to {MAX_BATCH}")


def candidates(chip: Chip, workload: Workload, batch: int) -> list[Residency]:
    """Every way to cut the batch that could be the best, and what stays on chip with it.

    Smaller sub-batches are left out once one spills no activations: they would only fetch weights
    more often. Where layers work on a whole batch (a step of training) there are none.

    Raises
    ------
    InputError
        If the batch is not 1 to `MAX_BATCH`, or the streaming buffers alone do not fit on chip.
    """
    require_batch(batch)
    buffers = chip.buffers.slot_B * (chip.buffers.fetch_depth + chip.buffers.decode_depth)
    if buffers > chip.sram.capacity_B:
        raise InputError(
            f"chip {chip.name}: buffers of {buffers} bytes do not fit sram.capacity_B = "
            f"{chip.sram.capacity_B}"
        )
    lead = next((i for i, layer in enumerate(workload.layers) if _ends_lead(layer)), len(workload.layers))
    liveness = _liveness(workload, lead)
    found: list[Residency] = []
    divisible = lead < len(workload.layers) and all(layer.over_batch == "each" for layer in workload.layers)
    for sub in _divisors(batch) if divisible else [batch]:
        sizes = _divisors(sub) if lead else [sub]
        found += [_plan_for(chip, workload, batch, sub, m, lead, buffers, liveness) for m in sizes]
        if not all(any(plan.spilled) for plan in found):
            break
    return found


def _divisors(number: int) -> list[int]:
    """Divisors of a number, largest first."""
    return [d for d in range(number, 0, -1) if number % d == 0]


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
    chip: Chip,
    workload: Workload,
    batch: int,
    sub: int,
    micro: int,
    lead: int,
    buffers: int,
    liveness: _Liveness,
) -> Residency:
    layers = workload.layers
    space = 8 * (chip.sram.capacity_B - buffers)
    need = [
        micro * live + sub * liveness.boundary if index < lead else sub * live + once
        for index, (live, once) in enumerate(zip(liveness.live, liveness.once, strict=True))
    ]
    overflowing = {i for i, bits in enumerate(need) if bits > space}
    spilled = tuple(any(i in liveness.touched[j] for j in overflowing) for i in range(len(layers)))
    activations = max((bits for bits in need if bits <= space), default=0)
    if overflowing:
        activations = max(activations, space // 2)
    items = [micro if i < lead else sub for i in range(len(layers))]
    tilings = tuple(
        _tiling(chip, layer, items[i], activations, i in overflowing) for i, layer in enumerate(layers)
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
        sub,
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


def _tiling(chip: Chip, layer: Layer, items: int, space_bits: int, overflows: bool) -> Cutting:
    """How a layer is cut: as the array's own mapping has it, or at best where it does not fit."""
    if layer.kind == "vector":
        return None
    joined = layer.joined(items)
    if isinstance(chip.array, OwnMapping):
        return Fetches(*chip.array.dram_fetches(*joined))
    return best_tiling(problem_of(*joined), space_bits) if overflows else None


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


def _from_outside(layer: Layer, count: int, inside: int) -> int:
    """Elements a layer reads that no layer made: what is left of its inputs.

    If nothing is left, it reads only parts of what layers made, and every input is taken to be of one size.
    """
    outside = sum(source < 0 for source in layer.inputs)
    if not outside:
        return 0
    whole = layer.input_elements * (1 if layer.over_batch == "once" else count)
    return whole - inside if whole > inside else whole * outside // len(layer.inputs)


def _fetches(layer: Layer, tiling: Cutting, source: int) -> float:
    """How often `source` is fetched: as weights, if it is the second operand of a product of activations."""
    if tiling is None:
        return 1
    is_second = layer.kind == "matmul" and len(layer.inputs) > 1 and source == layer.inputs[-1]
    return tiling.weight_fetches if is_second else tiling.input_fetches


def _traffic(
    workload: Workload,
    spilled: Sequence[bool],
    pinned: Sequence[bool],
    tilings: Sequence[Cutting],
    items: Sequence[int],
) -> list[Moved]:
    layers = workload.layers
    consumed = {source for layer in layers for source in layer.inputs}
    traffic = []
    for index, (layer, tiling, count) in enumerate(zip(layers, tilings, items, strict=True)):
        inside = {source: layers[source].outputs_of(count) for source in layer.inputs if source >= 0}
        made = sum(inside.values())
        used = min(made, layer.input_elements * (1 if layer.over_batch == "once" else count))
        outside = _from_outside(layer, count, made) * layer.operand_bits
        read = round(outside * _fetches(layer, tiling, -1)) + sum(
            round(elements * used // made * layers[source].operand_bits * _fetches(layer, tiling, source))
            for source, elements in inside.items()
            if spilled[source]
        )
        leaves = spilled[index] or index not in consumed
        if layer.writes_back:
            leaves = not pinned[index]
        written = layer.outputs_of(count) * leaves
        psum_passes = tiling.psum_passes if tiling else 1
        traffic.append(
            Moved(
                read,
                written * layer.operand_bits,
                layer.outputs_of(count) * PSUM_BITS * (psum_passes - 1),
            )
        )
    return traffic
