"""MAC arrays, one module each, behind the contract in `hwsim.arrays.base`."""

from hwsim.arrays.registry import array_class, array_kinds, register_array

__all__ = ["array_class", "array_kinds", "register_array"]
