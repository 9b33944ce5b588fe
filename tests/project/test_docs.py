"""The manual: pages that follow from the program, and pages that are all within reach."""

import importlib.util
import re

import pandas as pd
import pytest
from checkout import ROOT
from pygments.lexers import get_lexer_by_name

import compress
import hwsim
from experiments.labs.notebooks import lab_names
from experiments.runs.tables import Tables
from experiments.studies.registry import STUDIES, load_study

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The generated pages, as `make docs` has them."""
    spec = importlib.util.spec_from_file_location("pages", DOCS / "pages.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    folder = tmp_path_factory.mktemp("docs")
    pages.write(folder)
    return folder / "generated"


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_page_with_its_figures_and_tables(name, written):
    page = (written / "gallery" / f"{name}.rst").read_text(encoding="utf-8")
    reference = ROOT / "results" / "reference" / name
    assert load_study(name).title in page.replace("\\", "")
    assert "**Question.**" in page
    for bullet in load_study(name).answer(Tables(reference)):
        assert f"* {bullet}" in page.replace("\\", "")
    for path in (*reference.glob("*.png"), *reference.glob("*.csv")):
        assert f"{name}-{path.name}" in page
        assert (written / "gallery" / f"{name}-{path.name}").read_bytes() == path.read_bytes()


def test_the_contact_sheet_shows_every_figure(written):
    page = (written / "figures.rst").read_text(encoding="utf-8")
    shown = re.findall(r"image:: gallery/(\S+)", page)
    figures = [path for name in STUDIES for path in (ROOT / "results" / "reference" / name).glob("*.png")]
    assert sorted(shown) == sorted(f"{path.parent.name}-{path.name}" for path in figures)
    assert all((written / "gallery" / name).exists() for name in shown)


def test_every_lab_has_a_page_without_solutions_and_its_notebook(written):
    pages = sorted((written / "labs").glob("*.md"))
    assert [path.stem for path in pages] == lab_names()
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert " = None\n" in text
        notebook = path.with_suffix(".ipynb")
        assert f"<{notebook.name}>" in text
        assert " = None" in notebook.read_text(encoding="utf-8")


def test_the_validation_page_counts_what_the_reference_run_judged(written):
    page = (written / "validation.rst").read_text(encoding="utf-8")
    rows = pd.read_csv(ROOT / "results" / "reference" / "validate" / "validate.csv")
    for source, found in rows[rows["verdict"] != "not judged"].groupby("source"):
        counts = [str(count) for count in found["verdict"].value_counts()]
        assert any(line.split(",")[0].strip() == source and counts[0] in line for line in page.splitlines())


def test_the_page_of_networks_shows_every_family_and_model(written):
    page = (written / "networks.rst").read_text(encoding="utf-8")
    folder = ROOT / "results" / "reference" / "families"
    families = pd.read_csv(folder / "families.csv")
    passed = families[families["outcome"] == "passed"].groupby("family")["exporter"].nunique()
    assert (passed == 2).sum() >= 50
    assert families["error"].max() < 1e-4
    names = [*families["family"].unique(), *pd.read_csv(folder / "real_models.csv")["model"]]
    assert all(name in page for name in names)


def test_the_page_of_files_shows_marks_recipes_models_and_chips(written):
    page = (written / "files.rst").read_text(encoding="utf-8")
    folder = ROOT / "results" / "reference"
    dominated, others = page.split("csv-table:: Not dominated")
    for mark in pd.read_csv(folder / "compression" / "marks.csv", keep_default_na=False).itertuples():
        part = dominated if mark.dominated_by else others
        assert f"{mark.network},{mark.method},{mark.counted},{mark.bytes}," in part
    recipes = pd.read_csv(folder / "fashion" / "recipes.csv")
    assert all(f"{recipe}," in others for recipe in recipes["recipe"])
    packed = pd.read_csv(folder / "lossless" / "lossless.csv")
    assert set(packed["numbers"]) == {"fp32", "bf16", "fp16", "int8"}
    assert packed["model"].nunique() >= 5
    best = packed.loc[packed.groupby("model")["packed_bytes"].idxmin()]
    assert set(best["tool"]) == {"dcz pack"}
    assert all(f"{model}," in others for model in packed["model"])


def test_a_depthwise_network_keeps_seven_of_eight_answers_on_photographs():
    found = pd.read_csv(ROOT / "results" / "reference" / "equal_bytes" / "photographs.csv")
    rounded = found[found["form"] == "rounded"]
    assert (rounded["bytes"] <= 2_300_000).all()
    assert rounded["snr_dB"].min() >= 15
    assert (rounded["same_answers"] >= 7 / 8 * rounded["photographs"]).all()


def test_five_networks_keep_more_signal_in_fewer_bytes_than_int8_and_k_means():
    found = pd.read_csv(ROOT / "results" / "reference" / "equal_bytes" / "equal_bytes.csv")
    assert found["model"].nunique() == 5
    for other in ("runtime_int8", "kmeans"):
        assert (found["rounded_B"] <= found[f"{other}_B"]).all()
        assert (found["rounded_dB"] > found[f"{other}_dB"]).all()


def test_no_coding_that_was_taken_is_dearer_than_what_it_codes():
    """Shared weights against the network before, integers against the same integers without a coding."""
    codings = pd.read_csv(ROOT / "results" / "reference" / "codings" / "codings.csv")
    shared, integers = (codings[codings["form"] == form] for form in ("shared", "int8"))
    assert (shared["over_before"].dropna() <= 1.002).all()
    assert (integers["energy_J"] <= integers["raw_J"]).all()
    assert codings["limiter"].all()
    assert codings.groupby(["network", "form"])["chip"].nunique().min() > 20


@pytest.mark.parametrize("package", [hwsim, compress])
def test_the_api_page_lists_the_public_names_before_the_internals(package):
    public, internals = (DOCS / "api.rst").read_text(encoding="utf-8").split("\nInternals\n")
    listed = re.findall(
        rf"^ +~{package.__name__}\.(\w+)$|^``{package.__name__}\.(\w+)``", public, re.MULTILINE
    )
    assert sorted(first or second for first, second in listed) == sorted(package.__all__)
    assert re.search(rf"^ +{package.__name__}$", internals, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_is_in_the_contents_and_leads_somewhere(page):
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert page.stem == "index" or re.search(rf"^{page.stem}$", index, re.MULTILINE)
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (DOCS / target).exists()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_blocks_are_in_languages_that_are_highlighted(page):
    text = page.read_text(encoding="utf-8")
    for language in re.findall(r"^```(?:\{code-block\} )?(\w+)$", text, re.MULTILINE):
        assert get_lexer_by_name(language)


FILE = re.compile(r"(?:hwsim|compress|experiments|tests)/[\w/.-]*\w")


@pytest.mark.parametrize(
    "page", [DOCS / "life-of-a-run.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem
)
def test_every_file_that_a_page_names_exists(page):
    named = set(FILE.findall(page.read_text(encoding="utf-8")))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_function_and_field_that_the_life_of_a_run_names_is_in_a_file_it_names():
    text = (DOCS / "life-of-a-run.md").read_text(encoding="utf-8")
    sources = "".join(
        (ROOT / name).read_text(encoding="utf-8") for name in set(FILE.findall(text)) if name[-3:] == ".py"
    )
    words = {word.rpartition(".")[2] for word in re.findall(r"`([A-Za-z_.]+)`", text) if "/" not in word}
    words -= {"board", "die", "dcz"}
    assert {"settle", "energy_J", "cap_W"} <= words
    assert [word for word in sorted(words) if not re.search(rf"\b{word}\b", sources)] == []


def test_contributing_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        assert (ROOT / target).exists()
