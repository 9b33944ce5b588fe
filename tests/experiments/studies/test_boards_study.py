"""The study of boards: tables agree with each other, and constants are credited with what they buy."""

import pandas as pd
import pytest

from experiments.figures import boards as figure
from experiments.figures import style
from experiments.runs.record import Run
from experiments.studies import boards
from hwsim.analysis.board_constants import constants_of
from hwsim.analysis.boards import KINDS, WITHIN, measured
from hwsim.machine.families import constants

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share


class Off:
    """A run whose every figure is off by one factor."""

    def __init__(self, row, factor):
        self.row, self.factor = row, factor

    def figure(self, metric):
        figures = {row.metric: row.value for row in measured() if row.run == self.row}
        return self.factor * figures.get(metric, 1.0)


WITH, WITHOUT = 1.1, 1.5


def off(row, held):
    """Right by 10% with all constants, by 50% without any of them."""
    return [Off(row, WITH), *(Off(row, WITHOUT) for _ in held)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the study writes if every run is off by a known factor."""
    target = tmp_path_factory.mktemp("boards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boards, "in_order", lambda _, calls: [off(*call) for call in calls])
        boards.produce(Run(target, target))
    return target


def read(folder, name):
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False)


def test_columns_and_verdicts_of_the_rows_agree(folder):
    rows = read(folder, "rows")
    assert len(rows) == len(measured())
    assert (rows["source"] != "").all()
    left = rows["left_out"] != ""
    assert (rows.loc[left, "verdict"] == "left out").all()
    assert (rows.loc[left, "simulated"] == "").all()
    shown = rows[~left]
    ratio = shown["ratio"].astype(float)
    assert ratio.to_numpy() == pytest.approx(
        (shown["simulated"].astype(float) / shown["published"]).to_numpy()
    )
    wall = shown["kind"] == "wall"
    assert set(shown.loc[wall, "verdict"]) <= {"below the bound", "above the bound"}
    assert ((ratio[wall] <= 1) == (shown.loc[wall, "verdict"] == "below the bound")).all()
    near = (ratio[~wall] - 1).abs() <= WITHIN
    assert (near == (shown.loc[~wall, "verdict"] == "within")).all()


def test_classes_hold_each_judged_row_once(folder):
    classes = read(folder, "classes").set_index("kind")
    judged = sum(row.judged for row in measured())
    assert classes.loc["all", "rows"] == judged == classes["rows"].drop("all").sum()
    assert list(classes.index) == [*(kind for kind in KINDS if kind in classes.index), "all"]


def test_a_constant_is_credited_with_the_error_it_takes_away(folder):
    table = read(folder, "constants")
    assert table[["family", "key"]].to_numpy().tolist() == [[c.family, c.key] for c in constants()]
    for line in table.to_dict("records"):
        rows = [
            row
            for row in measured()
            if row.judged and (line["family"], line["key"]) in {c[:2] for c in constants_of(row.chip)}
        ]
        assert line["rows"] == len(rows)
        assert line["rows"] > 0
        assert line["buys"] == pytest.approx(line["error_without"] - line["error_with"])


def test_a_constant_buys_the_difference_of_two_mean_errors():
    rows = [row for row in measured() if row.judged and row.board == "p40"]
    (constant, *_) = constants_of(rows[0].chip)
    found = {}
    for row, held, missing in zip(rows, (1.0, 1.2, 1.3), (0.5, 1.5, 2.0), strict=True):
        found |= {(row.run, None): Off(row.run, held), (row.run, constant): Off(row.run, missing)}
    line = boards.bought(rows, found).iloc[0]
    assert line["rows"] == 3
    assert line["error_with"] == pytest.approx((0.0 + 0.2 + 0.3) / 3)
    assert line["error_without"] == pytest.approx((0.5 + 0.5 + 1.0) / 3)
    assert line["buys"] == pytest.approx(0.5)


def test_the_figure_has_a_dot_for_every_simulated_row_and_a_bar_for_every_class(folder):
    rows, classes, responses = (read(folder, name) for name in ("rows", "classes", "responses"))
    rows["ratio"] = pd.to_numeric(rows["ratio"])
    ratios, caps, weights = figure.draw(rows, classes, responses).axes
    dots = [line for line in ratios.lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in dots) == (rows["left_out"] == "").sum()
    bars = [line for line in ratios.lines if line.get_color() == style.SERIES[1]]
    assert [bar.get_xdata()[0] for bar in bars] == pytest.approx(classes["geometric_mean"][:-1].tolist())
    for axes, kind in ((caps, "cap"), (weights, "weights")):
        shown = responses[responses["kind"] == kind]
        found = [line.get_xdata()[0] for line in axes.lines if line.get_color() == figure.SIMULATED]
        assert found == pytest.approx(shown["simulated"].tolist())
