"""Experiments, command lines and figures: what puts `hwsim` and `compress` together."""

import os

# One BLAS thread per process, set here because it only counts before numpy is first imported:
# results are then the same bytes on any number of cores, and worker processes do not compete.
os.environ.update(dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1"))
