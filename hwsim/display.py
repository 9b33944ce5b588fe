"""Display of objects: a few lines of text, or a card in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CARD = "display:inline-block;min-width:24em;padding:.6em .9em;border:1px solid #8888;border-radius:6px"
CELL = "text-align:left;padding:.1em 1em .1em 0;vertical-align:top"


def text(title: str, facts: Mapping[str, str]) -> str:
    """Write a title and one line per fact."""
    width = max(map(len, facts))
    return "\n".join([title, *(f"  {name:{width}}  {value}" for name, value in facts.items())])


def card(title: str, facts: Mapping[str, str], below: str = "") -> str:
    """Return a card as HTML.

    Parameters
    ----------
    title : str
    facts : dict of str to str
        Text; what HTML would read as markup is escaped.
    below : str
        HTML to put under the facts.
    """
    rows = "".join(
        f'<tr><th style="{CELL}">{escape(name)}</th><td style="{CELL}">{escape(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f'<div style="{CARD}"><b>{escape(title)}</b><table>{rows}</table>{below}</div>'
