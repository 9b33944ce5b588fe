"""Commands about compressed models: look into a file, check it, execute it, make one."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands_machine import AsJson

Model = Annotated[
    Path, typer.Argument(metavar="FILE", help="A compressed model, model.dcz.", show_default=False)
]
Data = Annotated[
    str, typer.Option("--dataset", help="mnist, an npz file of its shape, or a folder of IDX files.")
]


def verify(model: Model) -> None:
    """Check that a file is whole and that the network in it can be executed."""
    from compress.container import read
    from experiments.console import print_line

    artifact, layout = read(model)
    network = artifact.to_network()
    print_line(
        f"{model}: whole: {network.name}, stage {artifact.stage}, {network.parameter_count:,} parameters "
        f"in {layout.file_bits // 8:,} bytes, {layout.ratio:.1f}x smaller than dense"
    )


def evaluate(model: Model, dataset: Data = "mnist", as_json: AsJson = False) -> None:
    """Execute a file on test images and print its error."""
    from compress.container import read
    from compress.datasets import load_dataset
    from compress.train import evaluate as error_of
    from experiments.console import print_json, print_line

    artifact, _ = read(model)
    data = load_dataset(dataset)
    error = error_of(artifact.to_network(), data.test)
    if as_json:
        print_json({"file": str(model), "dataset": data.name, "images": len(data.test), "test_error": error})
    else:
        print_line(f"{model}: test error {100 * error:.2f}% on {len(data.test):,} images of {data.name}")
