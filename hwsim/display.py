"""Display of objects: a few lines of text, or a card in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hwsim.errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

CARD = "display:inline-block;min-width:24em;padding:.6em .9em;border:1px solid #8888;border-radius:6px"
CELL = "text-align:left;padding:.1em 1em .1em 0;vertical-align:top"


def text(title: str, facts: Mapping[str, str]) -> str:
    """Write a title and one line per fact; control characters are escaped."""
    width = max(map(len, facts))
    lines = [title, *(f"  {name:{width}}  {value}" for name, value in facts.items())]
    return "\n".join(map(printable, lines))


def card(title: str, facts: Mapping[str, str], below: str = "") -> str:
    """Return a card as HTML.

    Parameters
    ----------
    title : str
    facts : dict of str to str
        Text; control characters, and what HTML would read as markup, are escaped.
    below : str
        HTML to put under the facts.
    """
    rows = "".join(
        f'<tr><th style="{CELL}">{_plain(name)}</th><td style="{CELL}">{_plain(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f'<div style="{CARD}"><b>{_plain(title)}</b><table>{rows}</table>{below}</div>'


def _plain(found: str) -> str:
    """Text for HTML without markup or control characters."""
    return escape(printable(found))
