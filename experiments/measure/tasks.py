"""What is run on a board, and the same as a workload for the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwsim.workload.layer import OPERAND_BITS, Layer, Workload, conv, vector
from hwsim.workload.storage import stored_dense

Kind = Literal["idle", "gemm", "copy", "gemv", "wait"]


@dataclass(frozen=True)
class Task:
    """One kernel that a board repeats for some seconds, or a way to do nothing.

    Parameters
    ----------
    name : str
    kind : {"idle", "gemm", "copy", "gemv", "wait"}
        ``idle`` runs nothing. ``wait`` keeps one thread busy, so that the clock stays up.
    arithmetic : str
        What a kernel multiplies or copies.
    m, n, k : int
        Output rows, output columns and depth of a product; a copy moves `n` elements.
    at_once : int
        Launches that are handed over together, so that the host does not limit short kernels.
    """

    name: str
    kind: Kind
    arithmetic: str = "fp16"
    m: int = 1
    n: int = 1
    k: int = 1
    at_once: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one launch."""
        return self.m * self.n * self.k if self.kind in ("gemm", "gemv") else 0

    @property
    def dram_B(self) -> int:
        """Bytes that one launch at least reads and writes in DRAM; a GEMM reuses what it reads."""
        elements = {"copy": 2 * self.n, "gemv": self.n * self.k + self.n + self.k}.get(self.kind, 0)
        return elements * OPERAND_BITS[self.arithmetic] // 8

    @property
    def product(self) -> Layer:
        """A GEMM or GEMV as a layer of one item."""
        stored = stored_dense(self.n * self.k, OPERAND_BITS[self.arithmetic], self.n, bias=False)
        shape = self.k, (self.m, 1), self.n, (1, 1)
        return conv(self.name, *shape, arithmetic=self.arithmetic, weights=stored)

    @property
    def workload(self) -> Workload | None:
        """The kernel as a workload; None where none runs."""
        if self.kind in ("idle", "wait"):
            return None
        if self.kind == "copy":
            layer = vector(self.name, self.n, self.n, self.n, op="copy", arithmetic=self.arithmetic)
        else:
            layer = self.product
        return Workload(self.name, "dense", (layer,), "a task of hwsim measure")


def _gemm(arithmetic: str, size: int, at_once: int) -> Task:
    return Task(f"GEMM {arithmetic} {size}", "gemm", arithmetic, size, size, size, at_once)


IDLE = Task("idle", "idle")
WAIT = Task("wait at the full clock", "wait")
SMALL = Task("small GEMM", "gemm", "fp16", 64, 512, 512, at_once=500)
COPY = Task("copy", "copy", n=1 << 29)
GEMV = Task("GEMV", "gemv", n=28_672, k=8192)
"""A layer of a large language model in decoding: 470 MB of weights, more than any L2 cache holds."""
LARGE = _gemm("fp16", 8192, 1)

PLAN = (
    IDLE,
    *(_gemm("fp16", size, at_once) for size, at_once in ((1024, 100), (2048, 20), (4096, 4))),
    LARGE,
    *(_gemm("int8", size, at_once) for size, at_once in ((2048, 20), (4096, 4), (8192, 1))),
    SMALL,
    COPY,
    GEMV,
    WAIT,
)
"""Everything, in order. Idle comes first: a board rests only as long as no program has opened it."""

REPEATED = (LARGE, GEMV, WAIT)
"""What is measured again at other clocks and power limits."""
