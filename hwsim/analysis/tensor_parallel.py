"""A language model on several boards by tensor parallelism, in closed form.

Each board holds a slice of every matrix: some heads, and a part of the features between the matrices of
a feed-forward network (Shoeybi et al., Megatron-LM, 2019). Boards add their partial outputs after each of
the two parts of a block, by a ring all-reduce (Thakur et al., 2005): over `n` boards it moves
``2 (n - 1) / n`` of the tensor over each link, in ``2 (n - 1)`` messages. Nothing overlaps with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.language.model import Attention, Experts, FeedForward, StateSpace

if TYPE_CHECKING:
    from hwsim.workload.language.memory import Served
    from hwsim.workload.language.model import Block, LatentAttention

COLUMNS = ("name", "bandwidth_GB_per_s", "latency_us", "energy", "source")


@dataclass(frozen=True)
class Link:
    """A link between boards.

    Parameters
    ----------
    name : str
    bandwidth_GB_per_s : float
        Of one board in one direction.
    latency_us : float
        Of one message.
    pJ_per_bit : float
    """

    name: str
    bandwidth_GB_per_s: float
    latency_us: float
    pJ_per_bit: float

    @classmethod
    def of(cls, name: str) -> Link:
        """Find a link by name.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        if name not in _links():
            raise InputError(f"link is {name!r}, expected one of {', '.join(_links())}")
        return _links()[name]


class Exchange(NamedTuple):
    """What the boards spend on adding up their partial outputs.

    Parameters
    ----------
    seconds, joules : float
        Of all boards together.
    """

    seconds: float
    joules: float


@dataclass(frozen=True)
class Boards:
    """Equal boards that share a model.

    Parameters
    ----------
    count : int
    link : Link or None
        None for a single board.
    """

    count: int = 1
    link: Link | None = None

    @classmethod
    def of(cls, count: int, link: str) -> Boards:
        """So many boards with a link of that name.

        Raises
        ------
        InputError
            If the count is not positive, or several boards have no known link.
        """
        if count < 1:
            raise InputError(f"boards is {count}, expected a whole number, at least 1")
        return cls(count, Link.of(link) if count > 1 else None)

    def share_of(self, served: Served) -> Served:
        """What one board holds and computes: a slice of every matrix.

        Raises
        ------
        InputError
            If the boards do not divide heads or features, or the model has state spaces.
        """
        if self.count == 1:
            return served
        model = served.model
        part = replace(
            model,
            vocabulary=ceil_div(model.vocabulary, self.count),
            decoder=tuple(self._slice_of(block) for block in model.decoder),
            encoder=tuple(self._slice_of(block) for block in model.encoder),
        )
        return replace(served, model=part)

    def exchange(self, served: Served, tokens: int) -> Exchange:
        """Time and energy of all sums in one pass over `tokens` tokens of all sequences together."""
        if self.link is None:
            return Exchange(0.0, 0.0)
        model, others = served.model, self.count - 1
        sums = sum(1 if block.order.startswith("parallel") else 2 for block in model.decoder or model.encoder)
        tensor_B = tokens * model.features * served.storage.operand_bits / 8
        on_link_s = 2 * others / self.count * tensor_B / (self.link.bandwidth_GB_per_s * 1e9)
        messages_s = 2 * others * self.link.latency_us * 1e-6
        moved_bits = 2 * others * tensor_B * 8
        return Exchange(sums * (on_link_s + messages_s), sums * moved_bits * self.link.pJ_per_bit * 1e-12)

    def _slice_of(self, block: Block) -> Block:
        part = block.attention
        if isinstance(part, StateSpace) or block.feed_forward is None:
            raise InputError(f"boards is {self.count}, expected 1 for a model of state spaces")
        if isinstance(part, Attention):
            attention: Attention | LatentAttention = self._heads_of(part)
        else:
            attention = replace(part, heads=self._part(part.heads, "heads"))
        cross = block.cross and self._heads_of(block.cross)
        return replace(
            block, attention=attention, cross=cross, feed_forward=self._feed_forward(block.feed_forward)
        )

    def _heads_of(self, part: Attention) -> Attention:
        """Some of the heads. Where boards outnumber heads of keys and values, several have the same."""
        heads, shared = self._part(part.heads, "heads"), part.kv_heads
        shared = 1 if self.count % shared == 0 else self._part(shared, "heads of keys and values")
        return replace(part, heads=heads, kv_heads=shared)

    def _feed_forward(self, part: FeedForward | Experts) -> FeedForward | Experts:
        if isinstance(part, FeedForward):
            return replace(part, width=self._part(part.width, "features of a feed-forward network"))
        expert = replace(part.expert, width=self._part(part.expert.width, "features of an expert"))
        shared = part.shared
        if shared:
            shared = replace(shared, width=self._part(shared.width, "features of the shared experts"))
        return replace(part, expert=expert, shared=shared)

    def _part(self, whole: int, what: str) -> int:
        if whole % self.count:
            raise InputError(f"boards is {self.count}, expected a divisor of the {whole} {what}")
        return whole // self.count


@cache
def _links() -> dict[str, Link]:
    prices = EnergyTable.load("links")
    return {
        row.text("name"): Link(
            row.text("name"),
            row.number("bandwidth_GB_per_s"),
            row.number("latency_us"),
            prices[row.text("energy")].pJ_per_bit,
        )
        for row in read_rows(resources.files("hwsim") / "data" / "interconnects.csv", COLUMNS)
    }
