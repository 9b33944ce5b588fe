"""MAC arrays, one module each, behind the contract in `hwsim.arrays.base`."""

from hwsim.arrays.base import ArrayModel
from hwsim.arrays.eie import EieArray
from hwsim.arrays.eyeriss import EyerissArray
from hwsim.arrays.gemm import GemmArray
from hwsim.arrays.systolic import SystolicArray

ARRAYS: dict[str, type[ArrayModel]] = {
    "eie": EieArray,
    "eyeriss": EyerissArray,
    "gemm": GemmArray,
    "systolic": SystolicArray,
}
"""Kind of array in a chip file -> the dataclass whose fields its ``[array]`` table fills."""
