"""Energy bar by component: labels, colours, order, and its display in a notebook."""

from __future__ import annotations

from html import escape
from math import fsum
from typing import TYPE_CHECKING

from hwsim.energy.components import COMPONENTS, component_of, look_of
from hwsim.units import engineering

if TYPE_CHECKING:
    from collections.abc import Mapping

BAR = "display:flex;height:1.1em;margin:.5em 0 .3em;border-radius:3px;overflow:hidden"
SWATCH = "display:inline-block;width:.7em;height:.7em;margin-right:.3em;border-radius:2px"


def stacked(joules: Mapping[str, float]) -> dict[str, float]:
    """Joules by component in the order that bars are stacked."""
    order = list(COMPONENTS)
    return dict(sorted(joules.items(), key=lambda item: order.index(component_of(item[0]).name)))


def as_html(joules: Mapping[str, float]) -> str:
    """Return a bar as HTML, to scale, with a legend.

    Parameters
    ----------
    joules : dict of str to float
        Joules per inference by component, in the order of the bar.
    """
    total = fsum(joules.values())
    parts, legend = [], []
    for component, value in joules.items():
        label, colour = look_of(component)
        share = value / total if total else 0.0
        said = escape(f"{label} {engineering(value, 'J')}, {share:.1%}")
        parts.append(f'<div title="{said}" style="width:{share:.4%};background:{colour}"></div>')
        legend.append(
            f'<div style="white-space:nowrap"><span style="{SWATCH};background:{colour}"></span>{said}</div>'
        )
    rows = f'<div style="display:flex;flex-wrap:wrap;gap:0 1.2em;font-size:90%">{"".join(legend)}</div>'
    return f'<div style="{BAR}">{"".join(parts)}</div>{rows}'
