"""Figures: the same bytes for the same data, bars as long as the numbers, nothing unlabelled."""

import colorsys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread as plt_image
from matplotlib.patches import Polygon, Rectangle

from experiments.figures import energy, style
from experiments.figures.canvas import canvas
from experiments.figures.labels import name_points
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
    assert right.get_xlabel() == "the same, magnified 78×"  # 1.75 * 100 / (1.12 * 2)


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


def hue(colour: str) -> float | None:
    """Of a colour, in turns; None of greys."""
    lightest, saturation = colorsys.rgb_to_hsv(*to_rgb(colour))[2], colorsys.rgb_to_hsv(*to_rgb(colour))[1]
    return colorsys.rgb_to_hsv(*to_rgb(colour))[0] if saturation > 0.05 and lightest > 0.05 else None


def test_hues_of_components_and_of_stages_never_meet():
    components, stages = (
        [(name, found) for name, (_, colour) in known.items() if (found := hue(colour)) is not None]
        for known in (style.COMPONENTS, style.STAGES)
    )
    assert len(stages) == len(style.STAGES) - 1
    for stage, one in stages:
        for component, other in components:
            apart = abs(one - other)
            assert min(apart, 1 - apart) > 20 / 360, (stage, component)


@pytest.mark.parametrize("look", style.LOOKS)
def test_every_look_has_its_page_and_its_letters(look, tmp_path):
    with style.looking(look):
        figure = energy.draw(TWO_STAGES)
        style.save(figure, tmp_path / look)
    page = plt_image(tmp_path / f"{look}.png")[0, 0, :3]
    colours = style.LOOKS[look].colours
    assert page == pytest.approx(to_rgb(colours.get("#FFFFFF", "white")), abs=0.01)
    title = figure.get_suptitle() and figure._suptitle
    assert title.get_color() == colours.get(style.INK, style.INK)
    assert title.get_fontsize() >= style.LOOKS[look].size_pt
    on_bars = [text for text in figure.axes[1].texts if text.get_color() in ("#FFFFFF", "#000000")]
    assert on_bars


def test_letters_of_a_slide_have_11_points_on_half_of_it():
    assert style.LOOKS["slide"].size_pt >= 11
    assert pytest.approx(13.33 / 2, abs=0.01) == style.HALF_PAGE_IN


def test_no_such_look():
    with pytest.raises(InputError, match=r"style 'drak' .did you mean 'dark'"), style.looking("drak"):
        pass


def test_a_title_is_broken_between_words_and_fits():
    with style.applied():
        figure, axes = canvas("many words " * 20, 2.0)
        axes.plot([1, 2])
        figure.draw_without_rendering()
        width = figure._suptitle.get_window_extent().width / figure.dpi
    assert style.HALF_PAGE_IN - 1.5 < width < style.HALF_PAGE_IN
    assert figure.get_suptitle().replace("\n", " ") == ("many words " * 20).strip()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
@settings(max_examples=10, deadline=None)
def test_labels_of_points_do_not_cover_each_other(places):
    figure = Figure(figsize=(6, 4))
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set(xlim=(-0.2, 1.2), ylim=(-0.2, 1.2))
    name_points(axes, [(f"p{index}", "black", x, y) for index, (x, y) in enumerate(places)])
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [f"p{index}" for index in range(len(places))]
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            assert one.width + other.width > 0
            assert not (one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1)


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
