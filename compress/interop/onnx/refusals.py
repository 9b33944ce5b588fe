"""What stops an import: all of it at once, with what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compress.interop.onnx.reading import Operation

MOST_NAMES = 3
"""Nodes that a row of the table names."""

AFTER_THE_NETWORK = "cut the graph before it: it selects among results, which is not the network's work"
LOOPS = "export with a fixed number of steps, unrolled"
RANDOM = "export for inference: random numbers are training's, or an input"
BRANCHES = "export with the branch that is taken"
LISTS = "export with tensors in place of lists"
TRAINING = "export for inference, without the steps of training"

HELP: dict[str, str] = {
    "If": BRANCHES,
    **dict.fromkeys(("NonMaxSuppression", "NonZero", "Unique", "Compress"), AFTER_THE_NETWORK),
    **dict.fromkeys(("Loop", "Scan"), LOOPS),
    **dict.fromkeys(
        ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli",
         "Multinomial"),
        RANDOM,
    ),
    **dict.fromkeys(
        ("SequenceConstruct", "SequenceAt", "SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceMap",
         "SequenceLength", "SplitToSequence", "ConcatFromSequence", "Optional", "OptionalGetElement",
         "OptionalHasElement"),
        LISTS,
    ),
    **dict.fromkeys(("Gradient", "Adam", "Adagrad", "Momentum"), TRAINING),
}  # fmt: skip
"""What would help against an operator that is not supported."""

RUNTIME = "com.microsoft."
RUNTIMES_OWN = "use the file as it was before a runtime optimized it: the operator is that runtime's own"
UNKNOWN = "cut the graph before it, or export it as operators that are"
DATA = "give the input that it depends on a fixed value"


class Stopper(NamedTuple):
    """One node that cannot be imported, and why."""

    node: str
    op: str
    reason: str
    known: bool

    @property
    def help(self) -> str:
        """What would help; empty where the reason itself says what is expected."""
        if self.known:
            return DATA if "depends on the data" in self.reason else ""
        return HELP.get(self.op, RUNTIMES_OWN if self.op.startswith(RUNTIME) else UNKNOWN)


def stopper(operation: Operation, reason: str, *, known: bool) -> Stopper:
    """Return why an operation cannot be imported; `known` if its operator can be."""
    return Stopper(operation.name, operation.op, reason, known)


def refusal(stoppers: Iterable[Stopper]) -> InputError:
    """Return the refusal: one sentence for one node, else a table with a row for each reason."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for one in stoppers:
        rows.setdefault((one.op, one.reason, one.help), []).append(one.node)
    count, width = sum(map(len, rows.values())), max(len(op) for op, _, _ in rows)
    if count == 1:
        ((op, reason, advice), (name,)) = next(iter(rows.items()))
        return InputError(f"node {name!r} ({op}) {_sentence(reason, advice)}")
    table = [f"  {op:{width}}  {_nodes(names)}: {_sentence(*why)}" for (op, *why), names in rows.items()]
    return InputError(f"{count} nodes cannot be imported, expected none:", table)


def _sentence(reason: str, advice: str) -> str:
    return f"{reason}; {advice}" if advice else reason


def _nodes(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:MOST_NAMES]))
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown
