"""MAC arrays, one module each, behind the contract in `hwsim.arrays.base`."""

from hwsim.arrays.base import ArrayModel
from hwsim.arrays.gemm import GemmArray

ARRAYS: dict[str, type[ArrayModel]] = {
    "gemm": GemmArray,
}
"""Kind of array in a chip file -> the dataclass whose fields its ``[array]`` table fills."""
