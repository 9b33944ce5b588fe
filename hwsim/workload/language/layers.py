"""Layers of a language model, added one by one: matrices, normalisations, element-wise work.

Tokens of a sequence are rows of an image, as in tables of layers: with one token a matrix is an ``fc``
layer, with several a 1x1 ``conv``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hwsim.workload.language.forms import VECTOR_BITS, stored
from hwsim.workload.language.model import NORM_PARAMETERS
from hwsim.workload.layer import OPERAND_BITS, Layer, dense_storage, vector
from hwsim.workload.operators import OPERATORS, ops_per_output

if TYPE_CHECKING:
    from hwsim.workload.language.forms import Form, Parts
    from hwsim.workload.language.model import Norm
    from hwsim.workload.layer import Arithmetic, StoredWeights

OUTSIDE = -1
"""Index of what comes from outside the network: rows of the embedding, and the cache."""

DEQUANTIZE_OPS = 2
"""Scalar operations that bring an integer to a float with its scale: 15 instructions for eight of 4 bits, 10
for four of 8 (PyTorch, int4mm.cu, 2024; FasterTransformer, interleaved_numeric_conversion.h)."""

NORM_OPERATORS: dict[Norm, str] = {"rms": "rms_norm", "layer": "layer_norm"}


@dataclass(frozen=True)
class Storage:
    """How a model is stored and computed.

    Parameters
    ----------
    parts : Parts
        Of the weights.
    cache : Form
        Of keys and values.
    arithmetic : str
        Of matrices: weights are brought to it.
    """

    parts: Parts
    cache: Form
    arithmetic: Arithmetic

    @property
    def operand_bits(self) -> int:
        """Bits of an activation."""
        return OPERAND_BITS[self.arithmetic]

    @property
    def attention(self) -> Arithmetic:
        """Arithmetic of scores, softmax and context: 16 bits where matrices multiply in fp8.

        Only linear layers are quantized to fp8 (vLLM documentation, FP8 W8A8, 2024).
        """
        return "fp16" if self.arithmetic == "fp8" else self.arithmetic


@dataclass
class Layers:
    """A network that is being built. Every method adds one layer and returns its index.

    Parameters
    ----------
    storage : Storage
    norm : {"rms", "layer"}
    """

    storage: Storage
    norm: Norm
    made: list[Layer] = field(default_factory=list)
    prefix: str = ""
    """Put before the names of layers: the number of the block."""

    def add(self, layer: Layer) -> int:
        """Add a layer as it is."""
        self.made.append(layer)
        return len(self.made) - 1

    def matrix(
        self,
        name: str,
        source: int,
        inputs: int,
        outputs: int,
        tokens: int,
        *,
        bias: bool = False,
        groups: int = 1,
        weights: StoredWeights | None = None,
    ) -> int:
        """Multiply every token by a matrix of `inputs` x `outputs`.

        Parameters
        ----------
        groups : int
            Equal parts of inputs and outputs, each with a matrix of its own.
        weights : StoredWeights, optional
            What is read, where that is not one such matrix in the usual form.
        """
        depth, own = inputs // groups, self.storage.parts.own.get(self.prefix + name)
        weights = own or weights or self.stored(outputs, depth, bias=bias)
        density = own.nonzeros / (outputs * depth) if own else self.storage.parts.weights.density
        return self.add(
            Layer(
                self.prefix + name,
                "fc" if tokens == 1 else "conv",
                tokens,
                outputs // groups,
                depth,
                inputs * tokens,
                outputs * tokens,
                groups,
                in_hw=(tokens, 1),
                out_hw=(tokens, 1),
                inputs=(source,),
                arithmetic=self.storage.arithmetic,
                weights=weights,
                weight_density=density,
            )
        )

    def stored(
        self, rows: int, columns: int, *, copies: int = 1, bias: bool = False, form: Form | None = None
    ) -> StoredWeights:
        """Describe how some equal matrices are stored, by default in the form of the weights."""
        biases = copies * rows if bias else 0
        return stored(
            form or self.storage.parts.weights, rows, columns, self.storage.arithmetic, copies, biases
        )

    def normalise(self, name: str, source: int, features: int, rows: int, whole: int | None = None) -> int:
        """Normalise some rows of features.

        Parameters
        ----------
        whole : int, optional
            Elements of the output, where the rows have others that pass through as they are.
        """
        op = NORM_OPERATORS[self.norm]
        parameters = NORM_PARAMETERS[self.norm] * features
        weights = dense_storage(0, side_bits=VECTOR_BITS * parameters)
        ops = rows * features * (OPERATORS[op].ops or 0)
        return self.each(name, op, (source,), rows, whole or rows * features, ops, weights=weights)

    def each(
        self,
        name: str,
        op: str,
        sources: tuple[int, ...],
        rows: int,
        elements: int,
        ops: int | None = None,
        **extra: Any,
    ) -> int:
        """Work element by element, or row by row.

        Parameters
        ----------
        op : str
            An operator of `hwsim.workload.operators`.
        rows : int
            Rows that can be made one by one.
        elements : int
            Of the output, and of each input.
        ops : int, optional
            Scalar operations in all; by default those of the operator.
        """
        if ops is None:
            ops = elements * (ops_per_output(OPERATORS[op], len(sources)) or 0)
        extra = {"arithmetic": self.storage.arithmetic, "in_hw": (rows, 1), "out_hw": (rows, 1)} | extra
        read = elements * len(sources)
        return self.add(vector(self.prefix + name, read, elements, ops, op=op, inputs=sources, **extra))

    def rows_of_tables(self, name: str, features: int, tokens: int, tables: int) -> int:
        """Fetch a row of each table for every token, and add them up."""
        elements = tokens * features
        return self.add(
            vector(
                self.prefix + name,
                tables * elements,
                elements,
                tables * elements,
                op="gather",
                in_hw=(tokens, 1),
                out_hw=(tokens, 1),
                arithmetic=self.storage.arithmetic,
                outside_bits=self.storage.parts.table.bits(tables * elements, tables * tokens),
            )
        )

    def dequantize_ops(self, values: int) -> int:
        """Count scalar operations that bring values of the cache to the arithmetic; 0 if they are in it."""
        return DEQUANTIZE_OPS * values if self.storage.cache.decoded(self.storage.attention) else 0

    def cached(self, name: str, source: int, rows: int, elements: int, *, read_on_chip: bool) -> None:
        """Write keys or values to the cache, where they do not go there as they are.

        Parameters
        ----------
        source : int
            Layer that makes them.
        read_on_chip : bool
            Whether other layers read them, too: then a copy leaves the chip.
        """
        form, arithmetic = self.storage.cache, self.storage.arithmetic
        if arithmetic in form.native and not read_on_chip:
            return
        bits = int(form.bits_per_value)
        as_stored = next(name for width, name in _CACHE_ARITHMETIC.items() if width >= bits)
        op = "store" if arithmetic in form.native else "quantize"
        self.each(name, op, (source,), rows, elements, arithmetic=as_stored)


_CACHE_ARITHMETIC: dict[int, Arithmetic] = {4: "int4", 8: "int8", 16: "fp16", 32: "fp32"}
"""Format of the elements that are written to the cache, by the least bits that hold them, scales left out."""
