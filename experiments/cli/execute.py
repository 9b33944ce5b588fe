"""`dcz execute`: what a file answers to inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import (
    Arithmetic,
    AsJson,
    Force,
    Inputs,
    Mean,
    Model,
    Size,
    Std,
    preparation,
    quoted,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compress.methods.agreement import Scale

BEST = 5
"""Classes that are shown of each item."""


def execute(
    model: Model,
    inputs: Inputs = [],  # noqa: B006  (typer reads it)
    prompt: Annotated[
        str, typer.Option(help="Text that a language model continues, instead of inputs.", show_default=False)
    ] = "",
    tokens: Annotated[int, typer.Option(min=1, help="Most words that it writes.")] = 32,
    temperature: Annotated[
        float, typer.Option(min=0, help="0 takes the likeliest word, 1 draws words as likely as they are.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the words that are drawn.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the outputs here: a .npy file of one, or an .npz file by name.",
        ),
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Compute from labels and codebooks, not from decoded weights.")
    ] = False,
    arithmetic: Arithmetic = "fp32",
    mean: Mean = "",
    std: Std = "",
    size: Size = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Execute a file on inputs and print its outputs, or let a language model continue a text."""
    from compress.format.container import read
    from compress.format.execution import executable
    from compress.methods.agreement import output_scales
    from experiments.console import print_ending, print_json, print_line
    from experiments.runs.inputs import items, read_inputs, run
    from hwsim.errors import InputError

    if bool(inputs) == bool(prompt):
        raise InputError(f"{model}: expected either --inputs, or --prompt of a language model")
    if prompt:
        _continue(model, prompt, tokens, temperature, seed, as_json)
        return
    if output and output.suffix not in (".npy", ".npz"):
        raise InputError(f"cannot write {output}: expected a name that ends in .npy or .npz")
    network = executable(read(model)[0], stored=stored, arithmetic=arithmetic)
    if output and output.suffix == ".npy" and len(network.outputs) > 1:
        raise InputError(
            f"cannot write {output}: the network has outputs {', '.join(network.named_outputs)}, expected a "
            "name that ends in .npz"
        )
    values = read_inputs(inputs, network, images=preparation(mean, std, size))
    outputs = run(network, values)
    if output:
        _save(output, outputs)
    scales = output_scales(network)
    if as_json:
        records = [_record(array, scales[name]) for name, array in outputs.items()]
        print_json(records[0] if len(outputs) == 1 else dict(zip(outputs, records, strict=True)))
        return
    for name, array in outputs.items():
        called = network.name if len(outputs) == 1 else f"{network.name}, output {name}"
        _print(called, array, scales[name])
    if sentence := network.interface.sentence():
        print_line(sentence)
    done = f"{output}: {items(network, values)} items." if output else "Nothing was written; -o FILE does."
    print_ending(done, f"hwsim run edge {quoted(model)}")


def _continue(model: Path, prompt: str, tokens: int, temperature: float, seed: int, as_json: bool) -> None:
    """Print a text and what a language model writes after it, and how fast."""
    import time

    import numpy as np

    from compress.language.session import open_model, write
    from experiments.console import print_ending, print_json, print_line

    network, tokenizer = open_model(model)
    begun = time.perf_counter()
    words = list(
        write(
            network,
            tokenizer.encode(prompt),
            tokens,
            temperature=temperature,
            rng=np.random.default_rng(seed),
            end=tokenizer.end,
        )
    )
    elapsed_s = time.perf_counter() - begun
    text = tokenizer.decode(words)
    if as_json:
        facts = {"file": str(model), "prompt": prompt, "text": text, "tokens": words}
        print_json(facts | {"elapsed_s": elapsed_s})
        return
    print_line(prompt + text)
    print_ending(
        f"{len(words)} tokens in {elapsed_s:.1f} s: {len(words) / elapsed_s:.1f} tokens/s.",
        f"hwsim run phone {quoted(model)} --context 1024",
    )


def _save(path: Path, outputs: dict[str, NDArray[Any]]) -> None:
    import numpy as np

    from compress.io.files import replacing
    from compress.io.npz import write_npz

    with replacing(path) as temporary, temporary.open("wb") as file:
        if path.suffix == ".npz":
            write_npz(file, outputs)
        else:
            np.save(file, next(iter(outputs.values())), allow_pickle=False)


def _scores(array: NDArray[Any], scale: Scale) -> NDArray[np.float32] | None:
    """Scores of classes, (items, classes), of the last position of each item; None where there are none."""
    if scale.classes is None or not 1 <= scale.classes < array.ndim:
        return None
    last = array if scale.classes == array.ndim - 1 else array.swapaxes(scale.classes, -1)
    scores: NDArray[np.float32] = last.reshape(len(array), -1, last.shape[-1])[:, -1]
    return scores


def _record(array: NDArray[Any], scale: Scale) -> object:
    """What an output says, for JSON."""
    scores = _scores(array, scale)
    if scores is None:
        return {"shape": list(array.shape), **_facts(array)}
    return [[{"class": place, "score": score} for place, score in _best(one)] for one in scores]


def _facts(array: NDArray[Any]) -> dict[str, float]:
    """Least, mean and largest value."""
    if not array.size:
        return {}
    return {"min": float(array.min()), "mean": float(array.mean()), "max": float(array.max())}


def _print(called: str, array: NDArray[Any], scale: Scale) -> None:
    from experiments.console import print_table

    scores = _scores(array, scale)
    shape = array.shape[1:]
    if scores is None:
        rows = [
            [f"{item}", *(f"{value:.4g}" for value in _facts(one).values())] for item, one in enumerate(array)
        ]
        print_table(f"{called}: outputs of shape {shape}", ["item", "min", "mean", "max"], rows)
        return
    ranks = [f"{rank}." for rank in range(1, min(BEST, scores.shape[-1]) + 1)]
    rows = [
        [f"{item}", *(f"{place} ({score:.4g})" for place, score in _best(one))]
        for item, one in enumerate(scores)
    ]
    where = (
        ""
        if len(shape) == 1
        else ", of the last row"
        if scale.classes == len(shape)
        else ", at the last position"
    )
    title = f"{called}: outputs of shape {shape}; best classes and their scores{where}"
    print_table(title, ["item", *ranks], rows)


def _best(scores: NDArray[np.float32]) -> list[tuple[int, float]]:
    """Places of the highest scores, shape (classes,), the highest first."""
    return [(int(place), float(scores[place])) for place in scores.argsort(kind="stable")[::-1][:BEST]]
