"""Recipes: TOML files that list the steps from an untrained network to a compressed file."""

from __future__ import annotations

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
from hwsim.errors import InputError, hint, require_type
from hwsim.tomlfile import read_toml

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
    """Base of all steps: keys are checked strictly, and a step is immutable."""

    model_config = STRICT


class Training(Step):
    """Keys of a step that trains; see `compress.nn.config.TrainConfig`.

    Parameters
    ----------
    patience : int
        Early stopping: number of epochs without a better validation error before training stops. The best
        epoch is kept. 0 disables early stopping.
    teacher_weight : float
        Weight of knowledge distillation from the dense network in the loss, 0 to 1 (Hinton et al. 2015,
        "Distilling the knowledge in a neural network"). The rest of the loss uses the labels.
    temperature : float
        Temperature of the distillation: it divides the logits of both networks.
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
    """Train all weights; produces the stage ``dense``. Pruned weights are trained again."""

    kind: Literal["train"]


class PruneStep(Training):
    """Prune gradually and retrain the remaining weights; produces the stage ``pruned``.

    Give exactly one of `density`, `densities`, `n_of_m` and `units`. With 0 epochs the network is pruned in
    one step.

    Parameters
    ----------
    density : float
        Fraction of weights that remains over the whole network: those with the highest scores.
    densities : dict of str to float
        Fraction of weights that remains in each named layer. Other layers are not pruned.
    n_of_m : (int, int)
        N:M sparsity: the first number of weights remains in each group of the second number of inputs.
    units : dict of str to int
        Neurons or channels that remain in each named layer; see `compress.methods.units.unit_masks`.
    score : {"magnitude", "lamp", "rate"}
        Score by which `density` ranks the weights.
    until : float
        Fraction of the training after which the target density is reached.
    updates : int
        Number of pruning steps on the way. Each one sorts all weights.
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
    """K-means weight sharing in each layer, then training of the codebooks; produces ``shared``.

    Parameters
    ----------
    values : dict of str to int
        Number of codebook values of each named layer, without zero. An index of `bits` bits holds up to
        ``2 ** bits - 1`` of them. Other layers keep their weights.
    init : {"optimal", "linear", "density", "random"}
        See `compress.methods.cluster.kmeans`, also for `iterations`.
    iterations : int
    codebook : {"fp32", "fp16"}
        Storage type of codebook values, and of biases that are not shared.
    bias_values : int
        Number of codebook values for the biases of each layer; 0 stores every bias separately.
    reassign : bool
        Whether a weight may move to another codebook value during training
        (`compress.methods.share.MovingLabels`). By default only the values are trained. Requires `patience`
        to be 0.
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
    """Entropy-code the weights of the shared network; produces a stage with the name of the coding.

    It follows a share step, without a train or prune step in between.

    Parameters
    ----------
    coding : {"fixed", "huffman", "context", "smallest"}
        One of `compress.codecs.table.codings`.
    """

    kind: Literal["encode"]
    coding: Coding = "huffman"


class QuantizeStep(Training):
    """Quantize a copy of the network to integers; produces the stage ``int8``, ``int4``...

    Later steps continue with the network that is not quantized. With 0 epochs this is post-training
    quantization (PTQ). With epochs it is quantization-aware training (QAT); see `compress.methods.aware`.

    Parameters
    ----------
    bits, per_channel, calibration
        See `compress.methods.quantize.quantize_network`.
    images : int
        Number of training images for the calibration of activations.
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
        Number of training images that become the validation set, for choices and early stopping.
    gap_bits : dict of str to int
        Index width of each named layer. For other layers the width with the fewest bits is chosen.
    steps : tuple of Step
        The steps in order; each is a ``[[step]]`` table in the file.
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
        If the recipe does not exist or has an error. The message names the file, the key, the value found
        and what was expected.
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
            f"no recipe {str(name_or_path)!r}{hint(name_or_path, recipe_names())}: expected a .toml file or "
            f"one of {', '.join(recipe_names())}"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name_or_path}: not UTF-8 text, expected a TOML recipe") from None
    return _recipe_of(read_toml(text, str(name_or_path)), str(name_or_path))


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
    """Sentence for one error of pydantic: the key, the value found, and what was expected."""
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
