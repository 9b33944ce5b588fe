"""Whether a table can be written as Parquet here: asked before a sweep, since its rows take hours."""

from __future__ import annotations

from importlib import import_module, metadata
from importlib.util import find_spec
from io import BytesIO

import pandas as pd

NOT_INSTALLED = "it needs `pip install 'hwsim[parquet]'`"
SAMPLE = {"chip": ["edge"], "batch": [1], "energy_J": [0.5], "finite": [True]}
"""A column of each kind that a table of a sweep has."""


def why_no_parquet() -> str:
    """Why no Parquet file can be written; empty if one can.

    pyarrow may be there and not work: a version that was built for another numpy, for example.
    """
    if find_spec("pyarrow") is None:
        return NOT_INSTALLED
    try:
        import_module("pyarrow")  # pandas would only say that it is missing
        pd.DataFrame(SAMPLE).to_parquet(BytesIO(), engine="pyarrow", index=False)
    except Exception as error:  # whatever a wrong pair of versions comes to
        found = " and ".join(f"{name} {metadata.version(name)}" for name in ("pyarrow", "numpy"))
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return f"{found} do not work together here ({lines[0]})"
    return ""
