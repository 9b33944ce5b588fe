"""The shipped networks: layer shapes, and the compression stages with published statistics.

Every network has the stage ``dense`` (fp32) and one dense stage per precision in `PRECISIONS`. ``int8``
and ``int4`` store one scale per filter. The networks of Deep Compression also have ``pruned`` (fp32
values and gaps), ``shared`` (codebook indices and gaps) and ``huffman`` (both Huffman-coded). These
follow from the densities and bit widths that the paper prints. Their arithmetic stays fp32. Shipped
networks contain no trained weights; `Workload.provenance` says so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hwsim.csvfile import read_rows
from hwsim.errors import InputError, hint, require_type
from hwsim.workload.precision import PRECISIONS, at_precision
from hwsim.workload.storage import FLOAT_BITS, stored_entries
from hwsim.workload.table import load_csv, read_layer_rows, repeat_rows, workload_of

if TYPE_CHECKING:
    from hwsim.csvfile import Row
    from hwsim.workload.layer import Layer, StoredWeights, Workload

__all__ = [
    "PRECISIONS",
    "STAGES",
    "load_csv",
    "load_network",
    "network_names",
    "network_stages",
    "networks",
]

STAGES = ("dense", "pruned", "shared", "huffman", "int8")

INDEX_COLUMNS = ("name", "table", "repeats", "published", "description")
STATISTICS = (
    "network",
    "layer",
    "weight_density",
    "value_bits",
    "value_bits_huffman",
    "index_bits",
    "index_bits_huffman",
    "input_density",
    "source",
    "input_source",
    "confidence",
)


class LayerStatistics(NamedTuple):
    """Statistics of one layer printed in Deep Compression, and the density of its input."""

    weight_density: float
    value_bits: int
    value_bits_huffman: float
    index_bits: int
    index_bits_huffman: float
    input_density: float


def network_names() -> list[str]:
    """Names of the shipped networks."""
    return list(_index())


def networks() -> dict[str, str]:
    """Names of the shipped networks, each with a one-line description."""
    return {name: row.text("description") for name, row in _index().items()}


def network_stages(name: str) -> tuple[str, ...]:
    """Compression stages of a shipped network.

    A network without published statistics has ``dense`` and ``int8``.

    Raises
    ------
    InputError
        If there is no such network.
    """
    require_type(name, str, "network", "the name of a shipped network")
    return STAGES if _statistics(name) else ("dense", "int8")


def load_network(name_or_path: str | Path, stage: str | None = None) -> Workload:
    """Load a shipped network at one stage, or a table of layers.

    `lstm_2x1500` and `llama_layer_decode` also have stages with assumed statistics. Only ``hwsim run``
    knows these.

    Parameters
    ----------
    name_or_path : str or Path
        One of `networks`, or a ``.csv`` table of layers as `hwsim.workload.table` describes it.
    stage : str, optional
        Stage of a shipped network: one of `network_stages` or `PRECISIONS`. ``dense`` by default. Not
        allowed with a table of layers.

    Raises
    ------
    InputError
        If the network or file does not exist, no statistics are published for the stage, or a table has
        an error.
    """
    expected = "the name of a shipped network or a .csv table of layers"
    require_type(name_or_path, (str, Path), "network", expected)
    if stage is not None:
        require_type(stage, str, "stage", f"a name such as {' or '.join(map(repr, STAGES[:2]))}")
    suffix = Path(name_or_path).suffix
    if suffix == ".dcz":
        raise InputError(
            f"{name_or_path}: hwsim does not read compressed files, expected the workload that "
            f"compress.workload_of({str(name_or_path)!r}) returns"
        )
    if suffix == ".csv":
        if stage is not None:
            raise InputError(f"{name_or_path}: a table has one stage, expected no stage {stage!r}")
        return load_csv(name_or_path)
    if str(name_or_path) not in network_names():
        raise InputError(
            f"no network {str(name_or_path)!r}{hint(name_or_path, network_names())}, expected one of "
            f"{', '.join(network_names())} or a .csv table"
        )
    return _shipped(str(name_or_path), "dense" if stage is None else stage)


def _shipped(name: str, stage: str) -> Workload:
    row = _row(name)
    known = dict.fromkeys((*network_stages(name), *PRECISIONS))
    if stage not in known:
        raise InputError(
            f"network {name}: no stage {stage!r}{hint(stage, known)}, expected one of {', '.join(known)}"
        )
    rows = read_layer_rows(_data() / "networks" / f"{row.text('table')}.csv")
    shapes = workload_of(
        repeat_rows(rows, row.integer("repeats", low=1)), name, stage, "layer shapes, no weights"
    )
    statistics = _statistics(name)
    layers = tuple(_at_stage(layer, stage, statistics.get(layer.name)) for layer in shapes.layers)
    provenance = "published statistics, no weights" if statistics else shapes.provenance
    return replace(shapes, layers=layers, provenance=provenance)


def _at_stage(layer: Layer, stage: str, known: LayerStatistics | None) -> Layer:
    if known:
        layer = replace(layer, input_density=known.input_density)
    if stage in PRECISIONS:
        return at_precision(layer, stage)
    if stage == "dense" or known is None:
        return layer
    return replace(layer, weight_density=known.weight_density, weights=_compressed(layer, stage, known))


def _compressed(layer: Layer, stage: str, known: LayerStatistics) -> StoredWeights:
    count, filters = layer.weight_count, layer.filters * layer.groups
    density, gaps = known.weight_density, known.index_bits
    if stage == "pruned":
        return stored_entries(stage, count, filters, density, FLOAT_BITS, gaps)
    book = known.value_bits
    if stage == "shared":
        return stored_entries(stage, count, filters, density, book, gaps, codebook_bits=book)
    return stored_entries(
        stage,
        count,
        filters,
        density,
        known.value_bits_huffman,
        gaps,
        codebook_bits=book,
        coded_gap_bits=known.index_bits_huffman,
    )


def _data() -> Any:
    return resources.files("hwsim") / "data"


@cache
def _index() -> dict[str, Row]:
    return {row.text("name"): row for row in read_rows(_data() / "networks" / "index.csv", INDEX_COLUMNS)}


def _row(name: str) -> Row:
    if name not in _index():
        raise InputError(
            f"no network {name!r}{hint(name, network_names())}, expected one of {', '.join(network_names())}"
        )
    return _index()[name]


@cache
def _statistics(name: str) -> dict[str, LayerStatistics]:
    published = _row(name).cells["published"]
    return {
        row.text("layer"): LayerStatistics(
            row.number("weight_density", 0.0, 1.0),
            row.integer("value_bits", low=1),
            row.number("value_bits_huffman"),
            row.integer("index_bits", low=1),
            row.number("index_bits_huffman"),
            row.number("input_density", 0.0, 1.0),
        )
        for row in read_rows(_data() / "published_layers.csv", STATISTICS)
        if row.text("network") == published
    }
