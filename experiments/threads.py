"""One thread per process for linear algebra (BLAS).

The libraries read how many threads to use when numpy is first imported. With one thread each, results are the
same bytes on any number of cores, and worker processes do not compete for cores.
"""

from __future__ import annotations

import os

ONE_THREAD = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
"""Environment of a process whose BLAS uses one thread."""


def use_one_thread() -> None:
    """Give this process and its children one BLAS thread each; only works before numpy is imported."""
    os.environ.update(ONE_THREAD)
