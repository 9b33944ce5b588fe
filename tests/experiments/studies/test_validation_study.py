"""The validation study: verdicts follow from errors and bounds, constants are the chips' own."""

import json

import numpy as np
import pandas as pd
import pytest

from experiments.cli import main as cli
from experiments.cli import validate as commands_validate
from experiments.figures import load_balance, validation
from experiments.studies import validate
from hwsim.machine.chip import load_chip

ERRORS = pd.DataFrame(
    {
        "source": ["EIE", "EIE", "EIE", "Eyeriss"],
        "network": "AlexNet",
        "layer": ["a", "b", "c", "d"],
        "metric": ["energy", "energy", "energy", "processing_ms"],
        "unit": "uJ",
        "published": [10.0, 10.0, 10.0, 2.0],
        "simulated": [11.0, 9.0, 18.0, 3.0],
        "error_pct": [10.0, -10.0, 80.0, 50.0],
        "bound_pct": [10.0, 9.9, np.nan, 20.0],
        "confidence": "verified",
    }
)


def test_a_figure_at_its_bound_is_met_and_one_beyond_is_missed_whatever_the_sign():
    verdicts = validate.judged(ERRORS)["verdict"].tolist()
    assert verdicts == ["met", "missed", "not judged", "missed"]


def test_constants_are_read_from_what_is_used():
    table = validate.constants().set_index("name")
    assert table.loc["array.buffer_B", "value"] == str(load_chip("eyeriss").array.buffer_B)
    assert table.loc["array.row_outputs", "kind"] == "inferred"
    assert table.loc["layers of MLP0", "value"] == "5 x (2000 x 2000)"
    assert set(table["kind"]) == {"inferred", "assumed"}
    assert (table["reason"].str.len() > 10).all()


def test_the_figure_counts_the_bounds_and_names_the_farthest_point():
    figure = validation.draw(validate.judged(ERRORS))
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["2 of 3", "0 of 1", "AlexNet c +80%", "AlexNet d +50%"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["EIE, energy", "Eyeriss, time"]
    (title,) = figure.texts
    assert title.get_text().replace("\n", " ").endswith("; 1 of 3 bounds are met")


def test_idle_share_falls_with_depth_in_the_figure():
    balance = pd.DataFrame(
        {"network": "AlexNet", "layer": "Alex-6", "queue_depth": [8, 1], "load_balance": [0.9, 0.6]}
    )
    (line, *_) = load_balance.draw(balance).axes[0].lines
    assert line.get_xydata().tolist() == pytest.approx(np.array([[1, 0.4], [8, 0.1]]))


CLASSES = pd.DataFrame(
    {
        "kind": ["decode", "all"],
        "rows": [2, 2],
        "geometric_mean": 1.5,
        "mean_error": 0.5,
        "median_error": 0.5,
        "within": 0.0,
        "worst": "a100_sxm llama-2-7b request 1: 1.60x",
        "verdict": "missed",
    }
)
RESPONSES = pd.DataFrame(
    {
        "kind": ["cap", "weights"],
        "board": "a100_sxm",
        "network": "llama-2-7b",
        "before": ["400 W", "fp16"],
        "after": ["250 W", "int8"],
        "published": [0.6, 1.5],
        "simulated": [0.5, 1.2],
        "error": [-0.1, -0.2],
        "bound": 0.15,
        "verdict": ["met", "missed"],
    }
)
BOARD_ROWS = pd.DataFrame(
    {
        "kind": ["decode", "wall"],
        "verdict": ["left out", "below the bound"],
        "left_out": ["measures the framework", ""],
        "note": "",
    }
)
BOARD_CONSTANTS = pd.DataFrame(
    {
        "family": ["gpu", "none"],
        "key": ["power.clock_W", "kernels.time_us"],
        "value": [0.5, 8.0],
        "per": ["power.cap_W", ""],
        "meaning": "what it is",
        "rows": [2, 0],
        "error_with": [0.25, np.nan],
        "error_without": [0.75, np.nan],
        "buys": [0.5, np.nan],
    }
)


def write_boards(folder):
    """A run of the study `boards` that misses a class."""
    tables = {"classes": CLASSES, "responses": RESPONSES, "rows": BOARD_ROWS, "constants": BOARD_CONSTANTS}
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def write_peers(folder, single_pct=None, fused_pct=None):
    """What other mappers move, with errors of one's own."""
    single, fused = validate.against_mappers(), validate.against_fused_mappers()
    if single_pct is not None:
        single["error_pct"] = single_pct
    if fused_pct is not None:
        fused["error_pct"] = fused_pct
    single.to_csv(folder / "mappers.csv", index=False)
    fused.to_csv(folder / "fused_mappers.csv", index=False)
    validate.comparison.eyeriss_mappings().to_csv(folder / "mappings.csv", index=False)


@pytest.mark.parametrize(("verdict", "code"), [("met", 0), ("missed", commands_validate.MISSED)])
def test_the_command_ends_with_1_if_a_bound_is_missed(tmp_path, monkeypatch, capsys, verdict, code):
    def recorded(name, output):
        if name == "boards":
            return write_boards(tmp_path / name)
        ERRORS.assign(verdict=verdict).to_csv(tmp_path / "validate.csv", index=False)
        validate.constants().to_csv(tmp_path / "constants.csv", index=False)
        write_peers(tmp_path)
        return tmp_path

    monkeypatch.setattr("experiments.studies.registry.run_study", recorded)
    assert cli.run(cli.HWSIM, ["validate"]) == code
    printed = capsys.readouterr().out
    assert printed.index("LLM decode") < printed.index("EIE, AlexNet")
    assert "0.5 × power.cap_W" in printed
    assert "-0.10" in printed
    assert "-20%" in printed
    assert "wall watts, an upper bound" in printed
    assert "array.buffer_B" in printed
    assert "±9.9%" in printed
    assert "AccelForge" in printed
    assert "inverted residual block" in printed
    assert "Mappings of Eyeriss, vgg16" in printed
    assert cli.run(cli.HWSIM, ["validate", "--json"]) == code
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["mappers"]) == len(validate.against_mappers())
    assert [row["error_pct"] < row["bound_pct"] for row in answer["fused_mappers"]] == [True] * 3
    assert {row["network"] for row in answer["mappings"]} == {"alexnet", "vgg16"}
    assert answer["boards"]["classes"][0]["verdict"] == "missed"
    assert answer["boards"]["constants"][1]["buys"] is None
    assert set(answer["boards"]) == {"rows", "classes", "responses", "constants"}
    figures = answer["figures"]
    assert figures[2]["bound_pct"] is None
    assert figures[0]["simulated"] == 11.0


@pytest.mark.parametrize("errors", [{"single_pct": 1.0}, {"fused_pct": 16.0}])
def test_a_mapper_that_moves_less_is_a_miss(tmp_path, monkeypatch, capsys, errors):
    def recorded(name, output):
        if name == "boards":
            return write_boards(tmp_path / name)
        ERRORS.assign(verdict="met").to_csv(tmp_path / "validate.csv", index=False)
        validate.constants().to_csv(tmp_path / "constants.csv", index=False)
        write_peers(tmp_path, **errors)
        return tmp_path

    monkeypatch.setattr("experiments.studies.registry.run_study", recorded)
    assert cli.run(cli.HWSIM, ["validate"]) == commands_validate.MISSED
