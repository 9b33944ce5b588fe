"""How weights and caches are stored: real bits per block, from ``data/weight_forms.csv``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, cast, get_args

from hwsim.csvfile import read_rows
from hwsim.errors import InputError
from hwsim.whole import ceil_div
from hwsim.workload.layer import OPERAND_BITS, StoredWeights
from hwsim.workload.storage import MAX_SEGMENTS, evenly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hwsim.csvfile import Row
    from hwsim.workload.layer import Arithmetic

COLUMNS = (
    "name", "gguf", "block_values", "block_bits", "row_bits", "density", "coding", "native", "table", "head",
    "source",
)  # fmt: skip

Coding = Literal["plain", "fixed", "entropy"]
CODINGS: tuple[Coding, ...] = get_args(Coding)

UNPACKED_BITS = 32
"""Bits of fixed width that a decoder unpacks in one step. Where vector lanes unpack, a step is some of their
instructions (``decoder.instructions``)."""

VECTOR_BITS = 16
"""Bits of a bias and of a parameter of a normalisation: they stay in 16 bits in every form."""


@dataclass(frozen=True)
class Form:
    """A way to store a matrix, or the keys and values of a cache.

    Parameters
    ----------
    name : str
    block_values, block_bits : int
        Values that are stored together, and the bits they take with their scales and offsets.
    row_bits : int
        Bits per row beside the blocks: of a matrix, per output; of a cache, per head and token.
    density : float
        Fraction of the values that is stored; the others are zero.
    coding : {"plain", "fixed", "entropy"}
        Plain values; values of fixed width, which a decoder unpacks word by word; or code words of variable
        length, which it turns back one by one.
    native : tuple of str
        Arithmetics that take the values as they are stored, without a decoder.
    table, head : str
        Forms of the embedding and of the output matrix in files of this form.
    source : str
    """

    name: str
    block_values: int
    block_bits: int
    row_bits: int
    density: float
    coding: Coding
    native: tuple[str, ...]
    table: str
    head: str
    source: str

    @property
    def bits_per_value(self) -> float:
        """Bits per value, zeros included, without those per row."""
        return self.block_bits / self.block_values

    def bits(self, values: int, rows: int) -> int:
        """Bits of some values in so many equal rows. A block does not reach over the end of all rows."""
        return ceil_div(values * self.block_bits, self.block_values) + rows * self.row_bits

    @property
    def symbols(self) -> float:
        """Steps of a decoder per value: one per code word, or one per word of `UNPACKED_BITS`."""
        if self.coding == "plain":
            return 0.0
        return 1.0 if self.coding == "entropy" else self.bits_per_value / UNPACKED_BITS

    def decoded(self, arithmetic: Arithmetic) -> bool:
        """Whether a decoder stands between the stored values and an array of this arithmetic."""
        return self.coding != "plain" and arithmetic not in self.native

    def require(self, arithmetic: Arithmetic, what: str) -> None:
        """Refuse values that the arithmetic cannot use without loss, by an `InputError`."""
        direct = self.coding != "plain" or arithmetic in self.native
        if not direct or int(self.bits_per_value) > OPERAND_BITS[arithmetic]:
            raise InputError(
                f"{what} are {self.name}, {self.bits_per_value:g} bits each, expected a form that fits "
                f"{arithmetic} arithmetic"
            )


@dataclass(frozen=True)
class Parts:
    """Forms of the parts of a model.

    Parameters
    ----------
    weights, table, head : Form
        Of the matrices of the blocks, of the embedding, of the output matrix.
    own : dict of str to StoredWeights
        What layers store by their names, where a file says so for each of them.
    """

    weights: Form
    table: Form
    head: Form
    own: Mapping[str, StoredWeights] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, name: str, arithmetic: Arithmetic, *, tied: bool) -> Parts:
        """Forms of a model whose matrices are stored in one form.

        Parameters
        ----------
        name : str
        arithmetic : str
            Forms that are native to it are those of all parts.
        tied : bool
            Whether the embedding is the output matrix.

        Raises
        ------
        InputError
            If there is no such form.
        """
        form = form_of(name)
        if not form.decoded(arithmetic):
            return cls(form, form, form)
        head = form_of(form.head)
        return cls(form, head if tied else form_of(form.table), head)


def form_names() -> list[str]:
    """Names of the known forms."""
    return list(_forms())


def form_of(name: str, what: str = "weights") -> Form:
    """Find a form by name.

    Parameters
    ----------
    name : str
    what : str
        What is stored, for the message.

    Raises
    ------
    InputError
        If there is no such form.
    """
    if name not in _forms():
        raise InputError(f"{what} are {name!r}, expected one of {', '.join(_forms())}")
    return _forms()[name]


def form_of_gguf(number: int) -> Form | None:
    """Form of a type of GGUF files by its number; None if it is not known."""
    return next((form for form in _forms().values() if _gguf_numbers().get(form.name) == number), None)


@lru_cache(maxsize=4096)
def stored(
    form: Form, rows: int, columns: int, arithmetic: Arithmetic, copies: int = 1, bias: int = 0
) -> StoredWeights:
    """Describe how a matrix is stored.

    Parameters
    ----------
    form : Form
    rows, columns : int
        Outputs and inputs.
    arithmetic : str
        Arithmetic of the layer: forms that are native to it need no decoder.
    copies : int
        Equal matrices that are stored one after another, for example experts.
    bias : int
        Biases, of `VECTOR_BITS` each.
    """
    values = copies * rows * columns
    kept = round(values * form.density)
    segments = min(copies * rows, MAX_SEGMENTS)
    symbols = round(values * form.symbols) if form.decoded(arithmetic) else 0
    return StoredWeights(
        form.name,
        kept,
        kept,
        evenly(form.bits(values, copies * rows), segments),
        evenly(symbols, segments),
        VECTOR_BITS * bias,
    )


@cache
def _gguf_numbers() -> dict[str, int]:
    return {row.text("name"): row.integer("gguf") for row in _rows() if row.cells["gguf"]}


def _rows() -> list[Row]:
    return list(read_rows(resources.files("hwsim") / "data" / "weight_forms.csv", COLUMNS))


@cache
def _forms() -> dict[str, Form]:
    return {
        row.text("name"): Form(
            row.text("name"),
            row.integer("block_values", low=1),
            row.integer("block_bits", low=1),
            row.integer("row_bits", low=0),
            row.number("density", 0.0, 1.0),
            cast("Coding", row.text("coding", CODINGS)),
            tuple(row.cells["native"].split()),
            row.text("table"),
            row.text("head"),
            row.text("source"),
        )
        for row in _rows()
    }
