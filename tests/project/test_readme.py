"""Everything README and the pages for users tell a reader to type exists, and what they point to is there."""

import re
import shlex

import pandas as pd
import pytest
import typer
from checkout import ROOT

from experiments.cli import main as cli
from hwsim.run import simulate
from hwsim.units import engineering

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("commands", "faq", "reading-the-tables", "tutorial-model", "tutorial-chip", "tutorial-lecture")
"""Pages of the manual that tell a reader what to type."""
TYPED = "\n".join([README, *((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in PAGES)])
APPS = {"hwsim": cli.HWSIM, "dcz": cli.DCZ}
ALWAYS = {"--help", "--version", "--install-completion"}
"""Options of a command line itself."""
CHEAP = {"hwsim --help", "hwsim chips", "hwsim chips edge"}


def commands() -> list[str]:
    """Every line of the console blocks, and every command in running text."""
    blocks = re.findall(r"```console\n(.*?)```", TYPED, re.DOTALL)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split(" && ")]
    typed = [line.removeprefix("$ ") for line in lines]
    return typed + re.findall(r"`((?:make|hwsim|dcz) [^`]+)`", TYPED)


def options_of(app: typer.Typer, words: list[str]) -> set[str]:
    """Options that a command takes; fails if there is no such command."""
    found = typer.main.get_command(app).commands[words[0]]
    if hasattr(found, "commands"):
        found = found.commands[words[1]]
    return {option for parameter in found.params for option in parameter.opts} | {"--help"}


@pytest.mark.parametrize("line", [line for line in commands() if line.split()[0] in APPS])
def test_command_lines_exist_with_their_options(line):
    program, *arguments = shlex.split(line)
    if arguments[0].startswith("-"):
        assert arguments[0] in ALWAYS
        return
    assert {word for word in arguments if word.startswith("-")} <= options_of(APPS[program], arguments)


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("make ")])
def test_make_targets_exist(line):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert line.split()[1] in targets


@pytest.mark.parametrize("line", sorted(CHEAP))
def test_cheap_commands_run(line, capsys):
    assert line in commands()
    program, *arguments = shlex.split(line)
    assert cli.run(APPS[program], arguments) == 0
    assert capsys.readouterr().out


def test_the_screen_that_is_shown_is_what_the_command_prints():
    shown = re.search(r"```console\n\$ hwsim (run .*?)\n```\n\n```text\n(.*?)```", README, re.DOTALL)
    name = re.sub("[^a-z0-9_]+", "-", shown[1])
    screen = ROOT / "tests" / "experiments" / "cli" / "screens" / f"{name}.80.txt"
    assert shown[2] == screen.read_text(encoding="utf-8")


def test_the_first_screen_holds_the_commands_and_the_plot():
    screen = README.split("\n## ")[0]
    assert "make demo" in screen
    assert "results/reference/demo/energy.png" in screen
    assert len(screen.splitlines()) < 40


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_lead_somewhere(target):
    assert target.startswith("https://") or (ROOT / target).exists()


def test_code_blocks_hold_nothing_but_known_programs():
    known = {"git", "cd", "make", "pip", "hwsim", "dcz"}
    assert {line.split()[0] for line in commands()} <= known


def test_the_screen_of_the_first_run_is_what_it_prints():
    golden = ROOT / "tests" / "experiments" / "cli" / "screens" / "run-edge-lenet300.80.txt"
    assert golden.read_text(encoding="utf-8").strip() in README


def test_the_figures_in_the_text_are_those_of_the_reference_run():
    stages = pd.read_csv(ROOT / "results" / "reference" / "demo" / "stages.csv").set_index(["run", "stage"])
    lenet, alexnet = "lenet300 on edge", "alexnet, batch {}, on reference_250w"
    dense, coded = stages.loc[lenet, "dense"], stages.loc[lenet, "huffman"]

    def times_less(run: str) -> float:
        return stages.loc[run, "dense"]["energy_J"] / stages.loc[run, "huffman"]["energy_J"]

    def int8(chip: str, network: str, batch: int) -> float:
        return simulate(chip, network, batch, stage="int8").energy_per_inference_J

    one, many = (stages.loc[alexnet.format(batch)]["energy_J"] for batch in (1, 64))
    text = " ".join(README.split())
    for claim in (
        f"{dense['energy_J_dram'] / dense['energy_J']:.0%} of its {engineering(dense['energy_J'], 'J')} per",
        f"a file {coded['ratio']:.0f} times smaller that lives {coded['weights_home']}",
        f"inference costs {engineering(coded['energy_J'], 'J')}, {times_less(lenet):.0f} times less",
        f"{coded['test_error_pct']:.2f}% test error instead of {dense['test_error_pct']:.2f}%",
        f"Dense INT8 costs {int8('edge', 'lenet300', 1) / coded['energy_J']:.1f} times as much",
        f"at batch 1, too ({times_less(alexnet.format(1)):.1f} times less energy; "
        f"{int8('reference_250w', 'alexnet', 1) / one['huffman']:.1f} times less than dense INT8)",
        f"saves only {times_less(alexnet.format(64)):.1f} times, "
        f"and dense INT8 {many['dense'] / int8('reference_250w', 'alexnet', 64):.1f} times",
    ):
        assert claim in text
