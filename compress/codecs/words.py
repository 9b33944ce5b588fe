"""What the inner loops of coders are compiled with: no reference counts, and unaligned 64-bit words.

Words are little-endian on any machine.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hwsim.compiled import njit

Scalar = Any
"""A number in compiled code: the compiler finds its type, and checks it."""

lean = njit(cache=True, _nrt=False)
"""Compile a function that neither makes nor keeps an array. Counting the references to the arrays it
is given takes longer than coding a bit; numba compiles its own small loops in this way, too. The
cached code of a caller includes these functions: after a change to one, delete the caches."""

lean_inline = njit(cache=True, _nrt=False, inline="always")
"""As `lean`, and copied to where it is called: a call takes longer than coding a bit as well."""

_WORD = ir.IntType(64)


def _address(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    item = builder.gep(data, [at], inbounds=True)
    return builder.bitcast(item, _WORD.as_pointer())


def _little_endian(builder: Any, word: Any) -> Any:
    return word if sys.byteorder == "little" else builder.bswap(word)


def _load(_typing: Any, array: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _address(context, builder, signature.args[0], *args)
        return _little_endian(builder, builder.load(pointer, align=1))

    return types.uint64(array, types.uint64), generate


def _store(_typing: Any, array: Any, at: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _address(context, builder, signature.args[0], args[0], args[1])
        builder.store(_little_endian(builder, args[2]), pointer, align=1)
        return context.get_dummy_value()

    return types.none(array, types.uint64, types.uint64), generate


load_u64: Any = intrinsic(_load)
"""``load_u64(array, at)``: the word at element `at` of a contiguous array; bounds are the caller's."""

store_u64: Any = intrinsic(_store)
"""``store_u64(array, at, word)``: write a word from element `at` on; bounds are the caller's."""
