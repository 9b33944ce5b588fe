"""A whole request to a language model: a prompt in, tokens out.

The prompt is read by one prefill, or by chunks; it gives the first token. Each further token is a decode
step. Steps of a sequence depend on each other, so each takes its latency. A step grows slowly with the
context: three contexts are simulated, and the mean over all steps is that of the parabola through them. The
same holds for chunks of a prompt.

Speculative decoding: a draft model writes some tokens one by one, and one step of the model checks them.
With the chance `a` that a drafted token is accepted, independent of the others, a round of `k` drafted
tokens gives ``(1 - a**(k + 1)) / (1 - a)`` tokens (Leviathan et al., ICML 2023, equation 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from hwsim.analysis.capacity import largest_batch, largest_context, require_fit
from hwsim.analysis.tensor_parallel import Boards
from hwsim.errors import InputError
from hwsim.run import simulate
from hwsim.workload.language.memory import footprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.machine.chip import Chip
    from hwsim.report import Report
    from hwsim.workload.language.memory import Footprint, Served


class Spent(NamedTuple):
    """Time and energy of a batch.

    Parameters
    ----------
    seconds, joules : float
        Joules of all boards and links.
    """

    seconds: float
    joules: float

    def times(self, factor: float) -> Spent:
        """So many times as much."""
        return Spent(self.seconds * factor, self.joules * factor)

    def plus(self, other: Spent) -> Spent:
        """Both, one after the other."""
        return Spent(self.seconds + other.seconds, self.joules + other.joules)


NOTHING = Spent(0.0, 0.0)
SINGLE = Boards()


@dataclass(frozen=True)
class Draft:
    """A small model that drafts tokens.

    Parameters
    ----------
    served : Served
    tokens : int
        Tokens per round.
    acceptance : float
        Chance that a drafted token is accepted, 0 to 1.
    """

    served: Served
    tokens: int
    acceptance: float

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise InputError(f"draft tokens is {self.tokens}, expected a whole number, at least 1")
        if not 0 <= self.acceptance <= 1:
            raise InputError(f"acceptance is {self.acceptance}, expected 0 to 1")

    @property
    def tokens_per_round(self) -> float:
        """Tokens that a round gives on average, the one that the model adds included."""
        return sum(self.acceptance**accepted for accepted in range(self.tokens + 1))


@dataclass(frozen=True)
class Request:
    """What every sequence of a batch asks for.

    Parameters
    ----------
    prompt, output : int
        Tokens in, and tokens out.
    batch : int
        Sequences at once.
    chunk : int, optional
        Tokens of one chunk of the prompt; the whole prompt by default.
    """

    prompt: int
    output: int
    batch: int = 1
    chunk: int | None = None

    def __post_init__(self) -> None:
        for key in ("prompt", "output", "batch", "chunk"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise InputError(f"{key} is {value}, expected a whole number, at least 1")

    @property
    def read_at_once(self) -> int:
        """Tokens of the prompt in one pass."""
        return min(self.chunk or self.prompt, self.prompt)

    @property
    def longest(self) -> int:
        """Tokens of a sequence at its end."""
        return self.prompt + self.output


@dataclass(frozen=True)
class Service:
    """A request as it is served.

    Parameters
    ----------
    chip : Chip
    served : Served
    request : Request
    boards : Boards
    draft : Draft or None
    """

    chip: Chip
    served: Served
    request: Request
    boards: Boards = SINGLE
    draft: Draft | None = None

    def __post_init__(self) -> None:
        model = self.served.model
        if not model.decoder:
            raise InputError(f"model {model.name}: an encoder ({model.family}) writes no tokens")
        if model.longest is not None and self.request.longest > model.longest:
            raise InputError(
                f"model {model.name}: prompt and output are {self.request.longest} tokens, expected at most "
                f"the {model.longest} that it was made for"
            )
        require_fit(self.chip, model.name, self.footprint)

    @property
    def footprint(self) -> Footprint:
        """Bytes in the DRAM of one board at the end of the request."""
        request = self.request
        tokens = request.read_at_once
        found = footprint(self._share, request.longest, request.batch, tokens)
        if self.draft is None:
            return found
        other = self.boards.share_of(self.draft.served)
        return found.plus(footprint(other, request.longest, request.batch, tokens))

    @property
    def largest_batch(self) -> int | None:
        """Sequences of this length that fit, without a draft; None if the chip states no capacity."""
        return largest_batch(self.chip, self._share, self.request.longest)

    @property
    def largest_context(self) -> int | None:
        """Tokens per sequence that fit at this batch, without a draft; None as for `largest_batch`."""
        return largest_context(self.chip, self._share, self.request.batch)

    @cached_property
    def first_token(self) -> Spent:
        """From the prompts to the first token of every sequence."""
        found = self._prefill(self.served)
        if self.served.model.encoder:  # its prefill fills the cache; the decoder begins after it
            found = found.plus(self._decode(self.served, self.request.prompt - 1, 1))
        return found.plus(self._prefill(self.draft.served)) if self.draft else found

    @cached_property
    def other_tokens(self) -> Spent:
        """All further tokens of every sequence."""
        steps = self.request.output - 1
        if steps == 0:
            return NOTHING
        first, last = self.request.prompt, self.request.prompt + steps - 1
        if self.draft is None:
            return _mean(lambda context: self._decode(self.served, context, 1), first, last).times(steps)
        draft = self.draft
        drafted = _mean(lambda context: self._decode(draft.served, context, 1), first, last)
        checked = _mean(lambda context: self._decode(self.served, context, draft.tokens + 1), first, last)
        return drafted.times(draft.tokens).plus(checked).times(steps / draft.tokens_per_round)

    @property
    def token_s(self) -> float:
        """Mean time from one token of a sequence to the next, in seconds; 0 if there is one token alone."""
        steps = self.request.output - 1
        return self.other_tokens.seconds / steps if steps else 0.0

    @property
    def whole(self) -> Spent:
        """The whole request, for all sequences."""
        return self.first_token.plus(self.other_tokens)

    @property
    def tokens_per_s(self) -> float:
        """Tokens out per second, of all sequences, with equal batches one after another."""
        return self.request.batch * self.request.output / self.whole.seconds

    @property
    def request_J(self) -> float:
        """Joules per request."""
        return self.whole.joules / self.request.batch

    @property
    def token_J(self) -> float:
        """Joules per token out, the prompt's share included."""
        return self.request_J / self.request.output

    @property
    def power_W(self) -> float:
        """Mean power of all boards and links."""
        return self.whole.joules / self.whole.seconds

    @cached_property
    def _share(self) -> Served:
        return self.boards.share_of(self.served)

    def _prefill(self, served: Served) -> Spent:
        batch, chunk = self.request.batch, self.request.read_at_once
        share, (whole, rest) = self.boards.share_of(served), divmod(self.request.prompt, chunk)

        def read(tokens: int, past: int) -> Spent:
            return self._run(simulate(self.chip, share.prefill(tokens, batch, past), batch), served, tokens)

        found = _mean(lambda part: read(chunk, part * chunk), 0, whole - 1).times(whole)
        return found.plus(read(rest, whole * chunk)) if rest else found

    def _decode(self, served: Served, context: int, tokens: int) -> Spent:
        batch, share = self.request.batch, self.boards.share_of(served)
        source = self.request.prompt if served.model.encoder else None
        written = context if source is None else context - source + 1
        step = share.decode(written, batch, tokens, source)
        return self._run(simulate(self.chip, step, batch), served, tokens)

    def _run(self, report: Report, served: Served, tokens: int) -> Spent:
        """What a pass takes on all boards."""
        exchange = self.boards.exchange(served, tokens * report.batch)
        joules = self.boards.count * report.energy_per_inference_J * report.batch
        waiting = self.boards.count * report.chip.static_W * exchange.seconds
        return Spent(report.latency_s + exchange.seconds, joules + waiting + exchange.joules)


def _mean(spent: Callable[[int], Spent], first: int, last: int) -> Spent:
    """Mean over the whole numbers from `first` to `last`, by the parabola through ends and middle.

    Of `n` equally spaced points the ends count ``(n + 1) / (6 (n - 1))`` each: Simpson's 1/6 for many.
    """
    count = last - first + 1
    if count < 3:
        ends = [spent(at) for at in range(first, last + 1)]
        return ends[0].plus(ends[-1]).times(0.5)
    outer = (count + 1) / (6 * (count - 1))
    found = spent((first + last) // 2).times(1 - 2 * outer)
    return found.plus(spent(first).plus(spent(last)).times(outer))
