"""Remarks of a method on the data that it was given."""

from __future__ import annotations


def ignore(_sentence: str) -> None:
    """Take a remark and do nothing with it."""
