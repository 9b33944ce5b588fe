"""Recipes: TOML files that chain the steps from an untrained network to a small file."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from compress.codecs.sparse import MAX_GAP_BITS
from compress.codecs.table import codings
from compress.methods.cluster import LLOYD_ITERATIONS, Init
from compress.methods.prune import Score  # noqa: TC001 (pydantic reads it)
from compress.methods.quantize import Calibration  # noqa: TC001 (pydantic reads it)
from compress.methods.share import CodebookType  # noqa: TC001 (pydantic reads it)
from compress.nn.config import TrainConfig
from hwsim.errors import InputError, require_type

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

Fraction = Annotated[float, Field(ge=0, le=1)]
Values = Annotated[int, Field(ge=1, le=4095)]
QuantizedBits = Annotated[int, Field(ge=2, le=8)]


def _known_coding(name: str) -> str:
    if name not in codings():
        raise ValueError(f"one of {', '.join(codings())}")
    return name


Coding = Annotated[str, AfterValidator(_known_coding)]
GapBits = Annotated[int, Field(ge=1, le=MAX_GAP_BITS)]


class Step(BaseModel):
    """What all steps have in common: strict keys, and no change once read."""

    model_config = STRICT


class Training(Step):
    """Keys of a step that trains; see `compress.nn.config.TrainConfig`.

    Parameters
    ----------
    patience : int
        Stop after so many epochs without a better validation error and go back to the best epoch;
        0 trains to the end.
    teacher_weight : float
        Share of the loss that compares with the dense network's outputs instead of the labels
        (Hinton et al. 2015, "Distilling the knowledge in a neural network").
    temperature : float
        Divides the logits of both networks in that comparison.
    """

    epochs: int = Field(ge=0)
    batch: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    optimizer: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    shift_pixels: int = Field(default=0, ge=0)
    rotate_degrees: float = Field(default=0.0, ge=0, le=180)
    stretch: float = Field(default=0.0, ge=0, le=1)
    patience: int = Field(default=0, ge=0)
    teacher_weight: Fraction = 0.0
    temperature: float = Field(default=2.0, gt=0)

    def config(self) -> TrainConfig:
        """Return the settings of the training loop."""
        return TrainConfig(
            self.epochs,
            self.batch,
            self.learning_rate,
            self.optimizer,
            self.schedule,
            self.momentum,
            self.weight_decay,
            self.shift_pixels,
            self.rotate_degrees,
            self.stretch,
        )


class TrainStep(Training):
    """Train all weights; ends in the stage ``dense``. Pruned weights come back to life."""

    kind: Literal["train"]


class PruneStep(Training):
    """Prune gradually and retrain what is left; ends in the stage ``pruned``.

    Exactly one of `density`, `densities`, `n_of_m` and `units` says how far. Without epochs, all is
    pruned at once.

    Parameters
    ----------
    density : float
        Fraction of all weights that stays, wherever they score highest.
    densities : dict of str to float
        Fraction that stays of each named layer; others stay whole.
    n_of_m : (int, int)
        So many of so many successive inputs stay, in every layer.
    units : dict of str to int
        So many neurons or channels stay of each named layer; see `compress.methods.units.unit_masks`.
    score : {"magnitude", "lamp", "rate"}
        What `density` compares.
    until : float
        Fraction of the training after which pruning has reached its end.
    updates : int
        How often more is pruned on the way; every time costs a sort of all weights.
    """

    kind: Literal["prune"]
    density: Fraction | None = None
    densities: dict[str, Fraction] = Field(default_factory=dict)
    n_of_m: tuple[int, int] | None = Field(default=None, strict=False)
    units: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    score: Score = "magnitude"
    until: float = Field(default=0.6, gt=0, le=1)
    updates: int = Field(default=1000, ge=1)

    @model_validator(mode="after")
    def _one_target(self) -> PruneStep:
        targets = (
            self.density is not None,
            bool(self.densities),
            self.n_of_m is not None,
            bool(self.units),
        )
        if sum(targets) != 1:
            raise ValueError("exactly one of density, densities, n_of_m and units")
        return self


class ShareStep(Training):
    """Share weights within each layer, then train the shared values; ends in ``shared``.

    Parameters
    ----------
    values : dict of str to int
        Shared values of each named layer, zero apart: ``2 ** bits - 1`` fill labels of `bits`.
        Layers that are not named keep their weights.
    init : {"optimal", "linear", "density", "random"}
        See `compress.methods.cluster.kmeans`, also for `iterations`.
    iterations : int
    codebook : {"fp32", "fp16"}
        How shared values are stored, and biases that are not shared.
    bias_values : int
        Shared values of every layer's biases; 0 stores each bias.
    reassign : bool
        Let weights change between shared values while they train (`compress.methods.share.MovingLabels`)
        instead of training the values alone; goes without `patience`.
    """

    kind: Literal["share"]
    values: dict[str, Values] = Field(min_length=1)
    init: Init = "optimal"
    iterations: int = Field(default=LLOYD_ITERATIONS, ge=0)
    codebook: CodebookType = "fp32"
    bias_values: int = Field(default=0, ge=0, le=4095)
    reassign: bool = False

    @model_validator(mode="after")
    def _no_patience(self) -> ShareStep:
        if self.reassign and self.patience:
            raise ValueError("patience 0 with reassign")
        return self


class EncodeStep(Step):
    """Code the streams of the shared network; ends in the stage named by the coding.

    Comes after a share step, without a train or prune step between.

    Parameters
    ----------
    coding : {"fixed", "huffman", "context", "smallest"}
        One of `compress.codecs.table.codings`.
    """

    kind: Literal["encode"]
    coding: Coding = "huffman"


class QuantizeStep(Training):
    """Store the network so far in integers too, beside what follows; makes the stage ``int8``...

    With epochs, the copy is trained with its rounding in place; see `compress.methods.aware`.

    Parameters
    ----------
    bits, per_channel, calibration
        See `compress.methods.quantize.quantize_network`.
    images : int
        Training images that activations are calibrated on.
    """

    kind: Literal["quantize"]
    epochs: int = Field(default=0, ge=0)
    bits: QuantizedBits | dict[str, QuantizedBits] = 8
    per_channel: bool = True
    calibration: Calibration = "minmax"
    images: int = Field(default=1000, ge=1)


AnyStep = Annotated[
    TrainStep | PruneStep | ShareStep | EncodeStep | QuantizeStep, Field(discriminator="kind")
]

KINDS: dict[str, type[Step]] = {
    "train": TrainStep, "prune": PruneStep, "share": ShareStep, "encode": EncodeStep,
    "quantize": QuantizeStep,
}  # fmt: skip


class Recipe(BaseModel):
    """Steps that turn an untrained network into compressed files.

    Parameters
    ----------
    name, description : str
    network : str
        Key of `compress.nn.lenets.MODELS`.
    validation : int
        Training images to set apart, to choose and to stop on.
    gap_bits : dict of str to int
        Index width of each named layer; elsewhere the one that gives the fewest bits.
    steps : tuple of Step
        In order; ``[[step]]`` in the file.
    """

    model_config = STRICT

    name: str
    description: str
    network: str
    validation: int = Field(default=0, ge=0)
    gap_bits: dict[str, GapBits] = Field(default_factory=dict)
    steps: tuple[AnyStep, ...] = Field(alias="step", min_length=1, strict=False)


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return sorted(
        path.name.removesuffix(".toml") for path in _shipped().iterdir() if path.name.endswith(".toml")
    )


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe: the name of one in the package, or the path of a TOML file.

    Raises
    ------
    InputError
        If there is none, or it is malformed; names the file, the key's path, what was found and
        what was expected.
    """
    require_type(name_or_path, (str, Path), "recipe", "the name of a shipped recipe or a .toml file")
    shipped = _shipped() / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if str(name_or_path) in recipe_names():
        content = shipped.read_bytes()
    elif path.is_file():
        content = path.read_bytes()
    else:
        raise InputError(
            f"no recipe {str(name_or_path)!r}: expected a .toml file or one of {', '.join(recipe_names())}"
        )
    try:
        return _recipe_of(tomllib.loads(content.decode("utf-8")), str(name_or_path))
    except UnicodeDecodeError:
        raise InputError(f"{name_or_path}: not UTF-8 text, expected a TOML recipe") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name_or_path}: not valid TOML: {error}") from None


def recipe_of(recipe: Recipe | str | Path) -> Recipe:
    """Return a recipe, loaded if it is given by name or path.

    Raises
    ------
    InputError
        If it is none of these, or cannot be loaded.
    """
    if isinstance(recipe, Recipe):
        return recipe
    expected = "a Recipe, the name of a shipped one or a .toml file"
    require_type(recipe, (str, Path), "recipe", expected)
    return load_recipe(recipe)


def _shipped() -> Any:
    return resources.files("compress") / "recipes"


def _recipe_of(tables: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(tables)
    except ValidationError as error:
        unknown_first = sorted(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        found: dict[str, Any] = dict(unknown_first[0])
        raise InputError(f"{where}: {_sentence(found)}") from None


def _sentence(found: dict[str, Any]) -> str:
    """Put one finding of pydantic into words: the key's path, what was found, what was expected."""
    path, kind = found["loc"], found["type"]
    key = ".".join(str(part) for part in path if part not in KINDS)
    if kind == "union_tag_invalid":
        return f"key {key}.kind: found {found['ctx']['tag']!r}, expected one of {', '.join(KINDS)}"
    if kind == "union_tag_not_found":
        return f"key {key}.kind: nothing found, expected one of {', '.join(KINDS)}"
    if kind == "missing":
        return f"key {key}: nothing found, expected a value"
    if kind == "extra_forbidden":
        model = KINDS[path[2]] if len(path) > 2 else Recipe
        keys = (field.alias or name for name, field in model.model_fields.items())
        return f"key {key}: unknown key, expected one of {', '.join(keys)}"
    wanted = found["msg"].removeprefix("Value error, ").removeprefix("Input should be ").lower()
    seen = f"keys {', '.join(found['input'])}" if isinstance(found["input"], dict) else repr(found["input"])
    return f"key {key}: found {seen}, expected {wanted}"
