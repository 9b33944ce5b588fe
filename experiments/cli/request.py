"""`hwsim request`: a prompt in and tokens out, from a language model on a chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import AsJson, quoted
from hwsim.units import engineering, memory_size

if TYPE_CHECKING:
    from hwsim.analysis.serving import Service

TIMES = ["first token", "per token", "tokens/s", "energy/token", "energy/request", "power"]
MEMORY = ["weights", "cache", "activations", "in all", "of DRAM", "largest batch", "largest context"]


def request(
    chip: Annotated[str, typer.Argument(help="A shipped chip (see `hwsim chips`) or a chip file.")],
    model: Annotated[
        str, typer.Argument(help="A language model (see `hwsim networks`), its config.json or its file.")
    ],
    prompt: Annotated[int, typer.Option(help="Tokens in.")] = 512,
    output: Annotated[int, typer.Option(help="Tokens out.")] = 128,
    batch: Annotated[int, typer.Option(help="Equal requests at once.")] = 1,
    weights: Annotated[str, typer.Option(help="Form of the weights: fp16, int4-g128, q4_k...")] = "",
    kv: Annotated[str, typer.Option(help="Form of keys and values: fp16, int8, int4...")] = "",
    arithmetic: Annotated[str, typer.Option(help="What every layer multiplies; fp16 by default.")] = "",
    chunk: Annotated[int | None, typer.Option(help="Read the prompt by so many tokens at a time.")] = None,
    draft: Annotated[str, typer.Option(help="A small model that drafts tokens for the model to check.")] = "",
    drafted: Annotated[int, typer.Option(help="Tokens that it drafts per round.")] = 4,
    acceptance: Annotated[float, typer.Option(help="Chance that a drafted token is accepted.")] = 0.8,
    boards: Annotated[int, typer.Option(help="Boards that share the model (tensor parallel).")] = 1,
    link: Annotated[str, typer.Option(help="Link between them: pcie4, nvlink4...")] = "pcie4",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a key of the chip: dram.capacity_B=85899345920."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve a request: time to first token, tokens per second, joules per token, bytes of the cache."""
    from experiments.console import print_ending, print_json, print_line, print_table
    from experiments.runs.changes import parse_changes
    from experiments.runs.language import LanguageOptions, served
    from hwsim.analysis.serving import Draft, Request, Service
    from hwsim.analysis.tensor_parallel import Boards
    from hwsim.machine.chip import load_chip

    machine = load_chip(chip).replace(**parse_changes(changes or []))
    options = LanguageOptions(weights=weights, kv=kv, arithmetic=arithmetic)
    helper = Draft(served(draft, options), drafted, acceptance) if draft else None
    found = Service(
        machine,
        served(model, options),
        Request(prompt, output, batch, chunk),
        Boards.of(boards, link),
        helper,
    )
    if as_json:
        print_json(_values(found))
        return
    storage = found.served.storage
    title = (
        f"{found.served.model.name} on {machine.name}: {prompt} tokens in, {output} out, batch {batch}, "
        f"weights {storage.parts.weights.name}, cache {storage.cache.name}"
    )
    print_table(title, TIMES, [_times(found)])
    print_table("DRAM of a board at the end", MEMORY, [_memory(found)])
    if found.boards.link:
        print_line(
            f"{boards} boards by tensor parallelism over {found.boards.link.name}: a closed form, in which "
            "no computation overlaps with the exchange."
        )
    print_ending(
        f"A token takes {engineering(found.token_J, 'J')} and {engineering(found.token_s, 's')} at "
        f"{engineering(found.power_W, 'W')}; the answer of {output} tokens takes "
        f"{engineering(found.first_token.seconds + output * found.token_s, 's')}.",
        f"hwsim run {quoted(chip)} {quoted(model)} --context {prompt + output}",
    )


def _times(found: Service) -> list[str]:
    return [
        engineering(found.first_token.seconds, "s"),
        engineering(found.token_s, "s"),
        engineering(found.tokens_per_s, ""),
        engineering(found.token_J, "J"),
        engineering(found.request_J, "J"),
        engineering(found.power_W, "W"),
    ]


def _memory(found: Service) -> list[str]:
    taken, there = found.footprint, found.chip.dram.capacity_B
    return [
        memory_size(taken.weights_B),
        memory_size(taken.cache_B),
        memory_size(taken.activations_B),
        memory_size(taken.total_B),
        "not stated" if there is None else f"{taken.total_B / there:.0%} of {memory_size(there)}",
        *("" if most is None else f"{most:,}" for most in (found.largest_batch, found.largest_context)),
    ]


def _values(found: Service) -> dict[str, object]:
    taken = found.footprint
    return {
        "chip": found.chip.name,
        "model": found.served.model.name,
        "weights": found.served.storage.parts.weights.name,
        "kv": found.served.storage.cache.name,
        "prompt": found.request.prompt,
        "output": found.request.output,
        "batch": found.request.batch,
        "chunk": found.request.chunk,
        "boards": found.boards.count,
        "link": found.boards.link.name if found.boards.link else None,
        "first_token_s": found.first_token.seconds,
        "token_s": found.token_s,
        "tokens_per_s": found.tokens_per_s,
        "token_J": found.token_J,
        "request_J": found.request_J,
        "power_W": found.power_W,
        "weights_B": taken.weights_B,
        "cache_B": taken.cache_B,
        "activations_B": taken.activations_B,
        "capacity_B": found.chip.dram.capacity_B,
        "largest_batch": found.largest_batch,
        "largest_context": found.largest_context,
    }
