"""The frontier: shipped files are what their tables say, and medians, marks and bounds follow by hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT

from compress.format.container import Artifact, read
from compress.nn.datasets import load_dataset
from compress.nn.lenets import build
from compress.nn.train import evaluate
from compress.pipeline.recipe import recipe_names
from experiments.cli import main as cli
from experiments.figures import frontier as figures
from experiments.studies import frontier
from experiments.studies.compression import BOUNDS_PCT
from hwsim.errors import InputError

pytestmark = pytest.mark.xdist_group(__name__)  # one process makes what these tests share

SHIPPED = ROOT / "results" / "reference" / "compression"


def table(*rows: tuple) -> pd.DataFrame:
    """Runs from (network, recipe, seed, bytes, error)."""
    frame = pd.DataFrame(rows, columns=["network", "recipe", "seed", "bytes", "test_error_pct"])
    frame["file"] = frame["recipe"] + "-" + frame["seed"].astype(str) + ".dcz"
    return frame.assign(augmented="none", ratio=1e6 / frame["bytes"])


RUNS = table(
    ("lenet5", "small", 0, 2000, 1.0),
    ("lenet5", "small", 1, 2300, 0.9),
    ("lenet5", "small", 2, 2100, 1.2),
    ("lenet5", "large", 0, 3000, 0.8),
    ("lenet5", "worse", 0, 3100, 0.8),
)
MARKS = pd.DataFrame(
    [("lenet5", "even", 2100, 1.0), ("lenet5", "less error", 4000, 0.7), ("lenet5", "smaller", 2099, 1.1)],
    columns=["network", "method", "bytes", "error_pct"],
)


def test_medians_over_seeds_and_the_frontier_of_them():
    medians = frontier.medians(RUNS).set_index("recipe")
    assert medians.loc["small", ["seeds", "bytes", "test_error_pct"]].tolist() == [3, 2100, 1.0]
    assert medians.loc["small", ["best_error_pct", "worst_error_pct"]].tolist() == [0.9, 1.2]
    assert medians["on_frontier"].to_dict() == {"small": True, "large": True, "worse": False}


def test_a_mark_is_dominated_by_no_more_bytes_and_no_more_error():
    verdicts = frontier.verdicts(MARKS, frontier.medians(RUNS)).set_index("method")
    assert verdicts["dominated_by"].to_dict() == {"even": "small", "less error": "", "smaller": ""}
    assert verdicts["at_its_error_bytes"].fillna(-1).to_dict() == {
        "even": 2100, "less error": -1, "smaller": 2100,
    }  # fmt: skip


def test_the_smallest_recipe_within_a_bound_and_its_median_file():
    found = frontier.within({"lenet5": (0.5, 0.8, 1.0)}, frontier.medians(RUNS), RUNS)
    assert found[["bound_pct", "recipe", "file"]].values.tolist() == [
        [0.8, "large", "large-0.dcz"],
        [1.0, "small", "small-0.dcz"],
    ]


def test_published_bytes_follow_from_the_ratio():
    marks = frontier.published().set_index("method")
    assert marks.loc["BC-GHS with codebook", "bytes"] == round(431_080 * 4 / 771) == 2236
    assert marks.loc["Sparse VD coded"].query("network == 'lenet300'")["bytes"].item() == round(
        266_610 * 4 / 113
    )
    assert set(marks["counted"]) == set(figures.COUNTED)


def test_a_file_name_tells_recipe_and_seed(tmp_path):
    network = build("lenet300", np.random.default_rng(0))
    for name in ("lenet300-demo-12", "other"):
        Artifact.of(network, "dense").save(tmp_path / f"{name}.dcz")
    found = frontier.runs(frontier.files_in([tmp_path]), load_dataset("mnist"))
    assert found[["recipe", "seed", "augmented"]].values.tolist() == [
        ["lenet300-demo", 12, "moved"],
        ["other", -1, "unknown"],
    ]
    assert found["bytes"].unique() == (tmp_path / "other.dcz").stat().st_size
    with pytest.raises(InputError, match=r"no \.dcz file"):
        frontier.files_in([tmp_path / ".."])


def test_the_command_draws_what_it_is_given(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Artifact.of(build("lenet300", np.random.default_rng(0)), "dense").save("mine.dcz")
    x = np.zeros((4, 28, 28), np.uint8)
    np.savez("mnist.npz", x_train=x, y_train=x[:, 0, 0], x_test=x, y_test=x[:, 0, 0] + np.uint8(1))
    assert cli.run(cli.DCZ, ["frontier", "mine.dcz", "--dataset", "mnist.npz", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {mark["network"] for mark in told["marks"]} == {"lenet300"}
    (recipe,) = told["recipes"]
    assert (recipe["recipe"], recipe["bytes"]) == ("mine", Path("mine.dcz").stat().st_size)
    folder = tmp_path / "results" / "runs" / "frontier"
    kept = {path.name for path in folder.iterdir()}
    assert {"runs.csv", "recipes.csv", "marks.csv", "frontier.png", "manifest.json"} <= kept
    assert cli.run(cli.DCZ, ["frontier", "mine.dcz", "--dataset", "mnist.npz"]) == 0
    assert "Published results" in capsys.readouterr().out


def test_results_published_on_mnist_do_not_stand_beside_another_data_set(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Artifact.of(build("lenet5", np.random.default_rng(0)), "dense").save("best-lenet5-0.dcz")
    x = np.zeros((4, 28, 28), np.uint8)
    np.savez("clothes.npz", x_train=x, y_train=x[:, 0, 0], x_test=x, y_test=x[:, 0, 0])
    assert cli.run(cli.DCZ, ["frontier", "best-lenet5-0.dcz", "--dataset", "clothes.npz", "-o", "made"]) == 0
    assert "Published results" not in capsys.readouterr().out
    assert pd.read_csv("made/runs.csv")["augmented"].tolist() == ["moved"]
    assert pd.read_csv("made/marks.csv").empty
    assert pd.read_csv("made/bounds.csv").empty


def test_every_shipped_file_is_in_the_table_with_its_bytes():
    runs = pd.read_csv(SHIPPED / "runs.csv").set_index("file")
    assert set(runs.index) == {path.name for path in SHIPPED.glob("*.dcz")}
    assert set(runs["recipe"]) <= set(recipe_names())
    for name, row in runs.iterrows():
        assert (SHIPPED / str(name)).stat().st_size == row["bytes"]
        assert read(SHIPPED / str(name))[0].topology.name == row["network"]


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("mnist")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem.endswith("-0") else pytest.mark.slow)
        for path in sorted(SHIPPED.glob("*.dcz"))
    ],
)
def test_a_shipped_file_errs_as_its_table_says(path, mnist):
    runs = pd.read_csv(SHIPPED / "runs.csv").set_index("file")
    network = read(path)[0].to_network()
    assert 100 * evaluate(network, mnist.test) == pytest.approx(runs.loc[path.name, "test_error_pct"])


def test_bounds_and_marks_follow_from_the_runs():
    runs = pd.read_csv(SHIPPED / "runs.csv")
    medians = frontier.medians(runs)
    bounds = frontier.within(BOUNDS_PCT, medians, runs)
    pd.testing.assert_frame_equal(bounds, pd.read_csv(SHIPPED / "bounds.csv"), check_dtype=False)
    shipped = pd.read_csv(SHIPPED / "marks.csv", keep_default_na=False)
    assert (
        frontier.verdicts(frontier.published(), medians)["dominated_by"].tolist()
        == shipped["dominated_by"].tolist()
    )
