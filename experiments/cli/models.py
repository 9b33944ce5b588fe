"""Commands about compressed models: look into a file, check it, execute it, make one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import (
    Arithmetic,
    AsJson,
    Data,
    Force,
    Mean,
    Model,
    Output,
    Show,
    Size,
    Std,
    Wide,
    preparation,
    quoted,
)

if TYPE_CHECKING:
    from compress.nn.network import Network
    from experiments.runs.images import Preparation


def compress(
    recipe: Annotated[str, typer.Option(help="A shipped recipe or a recipe file.")],
    output: Output = Path("model.dcz"),
    dataset: Data = "mnist",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    stages: Annotated[
        Path | None, typer.Option(help="Write the file of every stage to this folder, too.")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Save finished steps in this folder, and resume from it. Versions are not checked."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Train and compress a network as a recipe says, and write the model."""
    from compress.io.files import make_folder
    from compress.nn.datasets import load_dataset
    from compress.pipeline.recipe import load_recipe
    from compress.pipeline.run import compress as follow
    from experiments.console import print_ending, training_progress
    from hwsim.errors import InputError

    if not output.absolute().parent.is_dir():
        raise InputError(f"cannot write {output}: there is no folder {output.absolute().parent}")
    if stages:
        make_folder(stages)
    steps = load_recipe(recipe)
    data = load_dataset(dataset, validation=steps.validation)
    with training_progress() as on_progress:
        artifacts = list(follow(steps, data, seed=seed, work=work, on_progress=on_progress))
    if stages:
        for artifact in artifacts:
            artifact.save(stages / f"{artifact.stage}.dcz")
    size = artifacts[-1].save(output)
    print_ending(
        f"{output}: {steps.network}, stage {artifacts[-1].stage}, {size:,} bytes.",
        f"dcz evaluate {quoted(output)}",
    )


def inspect(model: Model, wide: Wide = False, as_json: AsJson = False) -> None:
    """Print the bytes of each layer by stream, and how much smaller they are than dense fp32."""
    from compress.format.container import read
    from compress.format.inspect import tensor_rows
    from experiments.console import print_ending, print_json, print_table

    artifact, layout = read(model)
    tensors = tensor_rows(layout)
    network, stage, size = artifact.topology.name, artifact.stage, layout.file_bits // 8
    if as_json:
        facts = {"network": network, "stage": stage, "bytes": size, "ratio": layout.ratio}
        print_json(facts | {"tensors": tensors})
        return
    title = f"{model}: {network}, stage {stage}, {layout.ratio:.1f}x smaller than dense; bytes by stream"
    header, rows = _bytes_by_stream(tensors)
    streams = [name for name in header[4:-1] if name != "total"]
    print_table(title, header, rows, optional=("weights", "form", *streams), wide=wide)
    print_ending(
        f"{model} holds {network} ({stage}) in {size:,} bytes, {layout.ratio:.1f}x smaller than dense.",
        f"hwsim run edge {quoted(model)}, or dcz verify {quoted(model)}",
    )


STREAMS = {
    "values": ("values",),
    "gaps": ("gaps",),
    "context": ("context",),
    "codebook": ("codebook",),
    "tables": ("tables",),
    "entry points": ("entry_points",),
    "other": ("padding", "header", "overhead"),
    "total": ("total",),
}
"""Column of the table -> the streams it adds up."""


def _bytes_by_stream(tensors: list[dict[Any, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a tensor each, then their sum; streams that hold nothing are left out."""
    summed = {key: sum(t[key] for t in tensors) for key in tensors[0] if key not in ("tensor", "form")}
    whole = {"tensor": "whole file", "form": ""} | summed
    columns = {name: keys for name, keys in STREAMS.items() if any(whole[key] for key in keys)}
    rows = []
    for tensor in [*tensors, whole]:
        weights = tensor["elements"]
        row = [tensor["tensor"], tensor["form"], f"{weights:,}" if weights else ""]
        row.append(f"{tensor['nonzeros'] / weights:.1%}" if weights else "")
        row += [f"{sum(tensor[key] for key in keys):,.0f}" for keys in columns.values()]
        row.append(f"{4 * weights / tensor['total']:.1f}" if weights else "")
        rows.append(row)
    return ["tensor", "form", "weights", "not zero", *columns, "ratio"], rows


def verify(model: Model, as_json: AsJson = False) -> None:
    """Check that a file is whole and that the network in it can be executed."""
    from compress.format.container import read
    from compress.format.inspect import verify as check
    from experiments.console import print_ending, print_json, print_line

    layout = check(model)
    alone = read(model)[0].topology.interface.sentence()
    if as_json:
        facts = {"bytes": layout.file_bits // 8, "ratio": layout.ratio, "items": alone or "run together"}
        print_json({"file": str(model), "whole": True} | facts)
        return
    print_line(alone or "Two random items give the same answers together and apart.")
    print_ending(
        f"{model} is whole: {layout.file_bits // 8:,} bytes, {layout.ratio:.1f}x smaller than dense.",
        f"dcz inspect {quoted(model)}",
    )


def _classifier(network: "Network") -> "Network":
    """Check that a network scores each class of the data sets."""
    from compress.nn.datasets import CLASSES
    from compress.nn.train import require_classifier

    require_classifier(network, CLASSES)
    return network


def evaluate(
    model: Model,
    dataset: Data = "mnist",
    stored: Annotated[
        bool, typer.Option("--stored", help="Compute from labels and codebooks, not from decoded weights.")
    ] = False,
    inputs: Annotated[
        list[str] | None,
        typer.Option(help="Instead of a data set: FILE, or NAME=FILE for each input, or a folder of images."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Class of each item: a .npy file or a text with one a line. By default folders are classes."
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(help="Instead of a data set: a text file, of a language model's perplexity."),
    ] = None,
    arithmetic: Arithmetic = "fp32",
    mean: Mean = "",
    std: Std = "",
    size: Size = 0,
    as_json: AsJson = False,
) -> None:
    """Execute a file on test images and print its error; quantized layers run on integers."""
    from compress.format.execution import executable

    if text:
        _evaluate_text(model, text, as_json)
        return
    if inputs:
        network = executable(model, stored=stored, arithmetic=arithmetic)
        _evaluate_inputs(model, network, inputs, labels, preparation(mean, std, size), as_json)
        return
    from compress.evaluation import evaluate as error_of
    from compress.nn.datasets import load_dataset
    from experiments.console import print_ending, print_json

    data = load_dataset(dataset)
    error = error_of(model, data, stored=stored, arithmetic=arithmetic)
    if as_json:
        print_json({"file": str(model), "dataset": data.name, "images": len(data.test), "test_error": error})
    else:
        print_ending(
            f"{model}: test error {100 * error:.2f}% on {len(data.test):,} images of {data.name}.",
            f"hwsim run edge {quoted(model)}",
        )


def _evaluate_text(model: Path, text: Path, as_json: bool) -> None:
    """Print the perplexity of a text under a language model."""
    from compress.io.files import read_text
    from compress.language.perplexity import STRIDE, WINDOW, perplexity
    from compress.language.session import open_model
    from experiments.console import print_ending, print_json

    network, tokenizer = open_model(model)
    tokens = tokenizer.encode(read_text(text))
    found = perplexity(network, tokens)
    if as_json:
        print_json({"file": str(model), "text": str(text), "tokens": len(tokens), "perplexity": found})
        return
    where = f"on {len(tokens):,} tokens of {text}, in windows of {WINDOW} by {STRIDE}"
    print_ending(
        f"{model}: perplexity {found:.3f} {where}.", f"hwsim run phone {quoted(model)} --context 1024"
    )


def _evaluate_inputs(
    model: Path,
    network: "Network",
    inputs: list[str],
    labels: Path | None,
    how: "Preparation",
    as_json: bool,
) -> None:
    """Print the errors of a classifier on items that a user has labels of."""
    from compress.evaluation import label_errors
    from experiments.console import print_ending, print_json
    from experiments.runs.images import read_labels
    from experiments.runs.inputs import items, read_inputs, run

    values = read_inputs(inputs, network, images=how)
    folder = Path(inputs[0].rpartition("=")[2])
    known = read_labels(labels, folder if folder.is_dir() else None, items(network, values))
    scores = next(iter(run(network, values).values()))
    error, error_5 = label_errors(scores, known), label_errors(scores, known, 5)
    if as_json:
        facts = {"file": str(model), "images": len(known), "test_error": error, "top_5_error": error_5}
        print_json(facts)
        return
    print_ending(
        f"{model}: error {error:.2%} (top 5: {error_5:.2%}) on {len(known):,} items of {inputs[0]}.",
        f"hwsim run edge {quoted(model)} --inputs {quoted(inputs[0])}",
    )


def sensitivity(
    model: Model,
    dataset: Data = "mnist",
    images: Annotated[int, typer.Option(min=1, help="Training images to measure on, from the last.")] = 2000,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; results/runs/sensitivity_scan by default.")
    ] = None,
    show: Show = False,
    as_json: AsJson = False,
) -> None:
    """Prune one layer at a time, without retraining, and draw the error: which layers can be pruned?"""
    from compress.format.container import read
    from compress.format.execution import require_floating
    from compress.nn.datasets import load_dataset
    from experiments.cli.show import show_figures
    from experiments.console import print_ending, print_json, print_table
    from experiments.figures import style
    from experiments.figures.sensitivity import draw
    from experiments.runs.record import recording, sha256
    from experiments.studies.sensitivity import scan

    artifact = read(model)[0]
    require_floating(artifact)
    network = _classifier(artifact.to_network())
    points = scan(network, load_dataset(dataset, validation=images).validation)
    points.insert(0, "network", network.name)
    with recording("sensitivity_scan", output) as run:
        run.inputs[str(model)] = sha256(model)
        run.write_csv("sensitivity.csv", points)
        style.save(draw(points), run.folder / "sensitivity")
    if show:
        show_figures(run.target)
    if as_json:
        print_json(points.to_dict("records"))
        return
    wide = points.pivot(index="density", columns="layer", values="error_pct").sort_index(ascending=False)
    wide = wide[list(dict.fromkeys(points["layer"]))]
    rows = [
        [f"{density:g}", *(f"{error:.2f}" for error in row)]
        for density, row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    print_table("Error (%) with one layer pruned to a density", ["density", *wide.columns], rows)
    print_ending(f"Table and figure: {run.target}.", f"hwsim run edge {quoted(model)}")
