"""Format numbers with three significant digits and an SI prefix."""

from __future__ import annotations

import math

LOW = "*"
"""Mark of values that depend on a constant of low confidence."""

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}


def engineering(value: float, unit: str) -> str:
    """Write `value` with three significant digits and an SI prefix, for example ``12.3 µJ``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}".rstrip()
    rounded = float(f"{value:.2e}")
    exponent = 3 * math.floor(math.log10(abs(rounded)) / 3)
    exponent = min(max(exponent, min(PREFIXES)), max(PREFIXES))
    return f"{rounded / 10.0**exponent:.3g} {PREFIXES[exponent]}{unit}".rstrip()


def memory_size(size_B: float, digits: int = 4) -> str:
    """Write a memory size with a binary prefix, for example ``128 KiB``, in as many digits."""
    for prefix in ("", "Ki", "Mi"):
        if size_B < min(1024, 10**digits):
            return f"{size_B:.{digits}g} {prefix}B"
        size_B /= 1024
    return f"{size_B:.{digits}g} GiB"


def times(ratio: float) -> str:
    """Write a ratio with three significant digits, for example ``8.91x`` or ``2,440x``."""
    return f"{float(f'{ratio:.3g}'):,.10g}x"
