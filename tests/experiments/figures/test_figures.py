"""Figures: the same bytes for the same data, bars as long as the numbers, nothing unlabelled."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import Polygon, Rectangle

from experiments.figures import energy, style
from hwsim.errors import InputError
from hwsim.units import PREFIXES, engineering

COLUMNS = ["network", "stage", "component", "energy_J"]


def table(rows: list[tuple[str, str, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


TWO_STAGES = table(
    [
        ("LeNet", "huffman", "mac", 1e-6),
        ("LeNet", "huffman", "sram", 1e-6),
        ("LeNet", "dense", "dram", 97e-6),
        ("LeNet", "dense", "mac", 1e-6),
        ("LeNet", "dense", "sram", 2e-6),
    ]
)


def bars(axes) -> dict[str, list[tuple[float, float]]]:
    """Left end and length of the bars of each colour, from the first row down."""
    found: dict[str, list[tuple[float, float]]] = {}
    for patch in axes.patches:
        if isinstance(patch, Rectangle):
            red, green, blue, _ = patch.get_facecolor()
            colour = f"#{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}"
            found.setdefault(colour, []).append((patch.get_x(), patch.get_width()))
    return found


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_bars_are_to_scale_and_stacked_in_the_order_of_the_components():
    left, _ = energy.draw(TWO_STAGES).axes
    drawn = bars(left)
    expected = {"dram": [(0, 97), (0, 0)], "sram": [(97, 2), (0, 1)], "mac": [(99, 1), (1, 1)]}
    for component, microjoules in expected.items():
        bar = np.array(drawn[style.COMPONENTS[component][1]])
        np.testing.assert_allclose(bar, 1e-6 * np.array(microjoules), rtol=1e-9, atol=1e-18)
    assert [label.get_text() for label in left.get_yticklabels()] == ["dense", "+ Huffman"]
    assert texts(left) == ["100 µJ", "2 µJ   50× less"]


def test_the_right_side_cuts_only_what_is_far_longer_than_the_shortest_bar():
    _, right = energy.draw(TWO_STAGES).axes
    assert right.get_xlim() == (0, pytest.approx(1.12 * 2e-6))
    assert [type(patch) for patch in right.patches].count(Polygon) == 1
    assert texts(right) == ["97 µJ", "1 µJ", "1 µJ"]
    assert right.get_xlabel() == "the same, magnified 69×"  # 1.55 * 100 / (1.12 * 2)


def test_a_stage_that_costs_more_than_dense_is_said_to():
    worse = table([("N", "dense", "mac", 1e-6), ("N", "int8", "mac", 12e-6), ("N", "shared", "mac", 1.5e-6)])
    left, _ = energy.draw(worse).axes
    assert texts(left) == ["1 µJ", "1.5 µJ   1.5× more", "12 µJ   12× more"]


def test_networks_keep_their_order_and_have_a_panel_each():
    both = pd.concat([TWO_STAGES.assign(network="second"), TWO_STAGES.assign(network="another")])
    assert [axes.get_title(loc="left") for axes in energy.draw(both).axes[::2]] == ["second", "another"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("component", "flux", "no colour for component 'flux', expected one of dram, sram"),
        ("stage", "zipped", "no colour for stage 'zipped', expected one of dense, pruned"),
    ],
)
def test_what_has_no_colour_is_named(column, value, message):
    with pytest.raises(InputError, match=message):
        energy.draw(TWO_STAGES.assign(**{column: value}))


def test_the_same_data_give_the_same_bytes(tmp_path):
    first = energy.save(TWO_STAGES, tmp_path / "a")
    second = energy.save(TWO_STAGES, tmp_path / "b")
    assert [path.name for path in first] == ["a.png", "a.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_colours_differ_from_each_other():
    for known in (style.COMPONENTS, style.STAGES):
        assert len({colour for _, colour in known.values()}) == len(known)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 J"),
        (1.0, "1 J"),
        (999.4e-6, "999 µJ"),
        (999.6e-6, "1 mJ"),
        (12.34e-9, "12.3 nJ"),
        (-4.5e3, "-4.5 kJ"),
        (3e-18, "0.003 fJ"),
        (float("inf"), "inf J"),
    ],
)
def test_engineering_notation(value, expected):
    assert engineering(value, "J") == expected


@given(st.floats(min_value=1e-14, max_value=1e14))
def test_engineering_notation_keeps_three_digits(value):
    number, unit = engineering(value, "J").split()
    scale = {prefix + "J": 10.0**power for power, prefix in PREFIXES.items()}
    assert float(number) * scale[unit] == pytest.approx(value, rel=5.1e-3)
    assert 1 <= float(number) < 1000
