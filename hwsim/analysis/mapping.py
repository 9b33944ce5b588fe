"""What the mapper decided in a run: what runs together, what stays on chip, and how often the rest moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

from hwsim.mapping.choice import choose
from hwsim.mapping.fusion import Fusion
from hwsim.mapping.tiling import Tiling
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.mapping.choice import Plan
    from hwsim.mapping.residency import LayerTiling, Residency, Segment
    from hwsim.report import Report


class Decision(NamedTuple):
    """How one kernel of a run is mapped.

    Parameters
    ----------
    segment : int
        Number of the segment; kernels of a segment run together.
    layers : tuple of str
        Names of the layers, those in the output path of the first one after it.
    mode : {"whole", "stripes", "cut"}
        See `hwsim.mapping.segments`.
    passes, stripes : int
        Passes over the segment for a batch, and stripes of rows in a pass.
    pinned, kept : float
        Fraction of the weights that stays on chip from batch to batch, and of the output that does not go
        through DRAM.
    weight_fetches : int
        Times a batch takes the weights that are not pinned from DRAM.
    weight_B, activation_B : float
        DRAM bytes per inference.
    above_bound : float or None
        Traffic of a kernel in blocks over its lower bound; None for one that is not cut.
    next_pct : float or None
        How much more the best plan costs that runs the kernel in another way: joules, with time valued as the
        search does. None if the search has found no such plan.
    """

    segment: int
    layers: tuple[str, ...]
    mode: str
    passes: int
    stripes: int
    pinned: float
    kept: float
    weight_fetches: int
    weight_B: float
    activation_B: float
    above_bound: float | None
    next_pct: float | None


def decisions(report: Report) -> list[Decision]:
    """How each kernel of a run is mapped, in the order in which they run."""
    residency, runs = report.schedule.residency, report.runs
    plans = choose(report.chip, report.workload, report.batch, report.prices)
    own_cost = next((plan.cost for plan in plans if plan.residency == residency), plans[0].cost)
    found = []
    for number, segment in enumerate(residency.segments, start=1):
        for k in segment.kernels:
            kernel = residency.kernels[k]
            own = [runs[index] for index in kernel.layers]
            tiling = residency.tilings[kernel.root]
            found.append(
                Decision(
                    number,
                    tuple(run.layer.name for run in own),
                    segment.mode,
                    own[0].work.passes,
                    segment.stripes,
                    own[0].pinned,
                    residency.kept[kernel.last],
                    residency.dram_fetches(kernel.root),
                    sum(run.work.transferred_weight_bits for run in own) / 8 / report.batch,
                    sum(run.work.activation_bits for run in own) / 8 / report.batch,
                    tiling.above_bound if isinstance(tiling, Tiling) else None,
                    _next_pct(plans, own_cost, residency, k),
                )
            )
    return found


def _next_pct(plans: Sequence[Plan], own_cost: float, residency: Residency, k: int) -> float | None:
    """Cost of the best plan that runs kernel `k` in another way, above that of this one, in percent."""

    def way(plan: Residency) -> tuple[Segment, LayerTiling]:
        root = plan.kernels[k].root
        return plan.segments[plan.segment_of[root]], plan.tilings[root]

    costs = (plan.cost for plan in plans if way(plan.residency) != way(residency))
    least = next(costs, None)
    return None if least is None else 100.0 * (least / own_cost - 1.0)


def with_less_fusion(report: Report) -> dict[str, Report]:
    """Run the same with every way to fuse that does less: what the next plans would cost."""
    ways = get_args(Fusion)
    less = ways[: ways.index(report.chip.fusion)]
    return {
        way: simulate(
            report.chip.replace(fusion=way), report.workload, report.batch, table=report.prices.table
        )
        for way in reversed(less)
    }


def fusion_sentence(report: Report) -> str:
    """Say what was fused."""
    residency = report.schedule.residency
    joined = len(report.workload.layers) - len(residency.kernels)
    groups = [len(segment.kernels) for segment in residency.segments if segment.mode == "stripes"]
    groups = [kernels for kernels in groups if kernels > 1]
    if not joined and not groups:
        return "No layers were fused."
    parts = []
    if joined:
        parts.append(f"{joined} element-wise {_many(joined, 'layer')} in the output path of another layer")
    if groups:
        parts.append(f"{sum(groups)} layers depth-first in {len(groups)} {_many(len(groups), 'group')}")
    return f"Fused: {', and '.join(parts)}."


def _many(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
