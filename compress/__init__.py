"""Train, compress, store and execute neural networks. `hwsim` simulates the compressed files.

The names in ``__all__`` are the public interface. Each is loaded when it is first used.
"""

from typing import TYPE_CHECKING

from hwsim.lazy import lazy

__all__ = [
    "Artifact",
    "Dataset",
    "InputError",
    "Network",
    "Recipe",
    "compress",
    "evaluate",
    "executable",
    "export",
    "from_torch",
    "import_model",
    "inspect",
    "load_dataset",
    "load_recipe",
    "read",
    "recipe_names",
    "workload_of",
]

if TYPE_CHECKING:
    from compress.evaluation import evaluate
    from compress.format.container import Artifact, read
    from compress.format.execution import executable
    from compress.format.inspect import inspect
    from compress.interop.export import export
    from compress.interop.model import import_model
    from compress.interop.torch_modules import from_torch
    from compress.lowering import workload_of
    from compress.nn.datasets import Dataset, load_dataset
    from compress.nn.network import Network
    from compress.pipeline.recipe import Recipe, load_recipe, recipe_names
    from compress.pipeline.run import compress
    from hwsim.errors import InputError
else:
    __getattr__, __dir__ = lazy(
        globals(),
        {
            "Artifact": "compress.format.container",
            "Dataset": "compress.nn.datasets",
            "InputError": "hwsim.errors",
            "Network": "compress.nn.network",
            "Recipe": "compress.pipeline.recipe",
            "compress": "compress.pipeline.run",
            "evaluate": "compress.evaluation",
            "executable": "compress.format.execution",
            "export": "compress.interop.export",
            "from_torch": "compress.interop.torch_modules",
            "import_model": "compress.interop.model",
            "inspect": "compress.format.inspect",
            "load_dataset": "compress.nn.datasets",
            "load_recipe": "compress.pipeline.recipe",
            "read": "compress.format.container",
            "recipe_names": "compress.pipeline.recipe",
            "workload_of": "compress.lowering",
        },
    )
