"""MAC arrays, one module each, behind the contract in `hwsim.arrays.base`."""

from hwsim.arrays.base import ArrayModel
from hwsim.arrays.eie import EieArray
from hwsim.arrays.eyeriss import EyerissArray
from hwsim.arrays.gemm import GemmArray
from hwsim.arrays.nm import StructuredArray
from hwsim.arrays.simd import SimdArray
from hwsim.arrays.systolic import SystolicArray
from hwsim.arrays.tpu import TpuArray

ARRAYS: dict[str, type[ArrayModel]] = {
    "eie": EieArray,
    "eyeriss": EyerissArray,
    "gemm": GemmArray,
    "simd": SimdArray,
    "structured": StructuredArray,
    "systolic": SystolicArray,
    "tpu": TpuArray,
}
"""Kind of array in a chip file -> the dataclass whose fields its ``[array]`` table fills."""
