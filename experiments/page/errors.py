"""Published errors of the networks of the explorer, beside its joules and bytes."""

from __future__ import annotations

from importlib import resources
from typing import Any

from hwsim.csvfile import read_rows

COLUMNS = ("network", "stage", "top1_error_pct", "published_bytes", "source", "confidence")


def errors_of(network: str) -> dict[str, dict[str, Any]]:
    """Top-1 error of a shipped network by stage, with its source; empty where nobody published one."""
    file = resources.files("experiments") / "data" / "deep_compression_errors.csv"
    return {
        row.text("stage"): {"top1_error_pct": row.number("top1_error_pct"), "source": row.text("source")}
        for row in read_rows(file, COLUMNS)
        if row.text("network") == network
    }
