"""Write the pages that follow from the program: gallery, labs, validation, networks.

Everything goes to ``docs/generated/``: figures and tables from ``results/reference/``, texts from the
docstrings of the studies and from the scripts of the labs.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd

from experiments.labs.notebooks import Cell, cells_of, for_version, source_of, write_labs
from experiments.runs.tables import Tables
from experiments.studies.registry import STUDIES, Study, load_study
from hwsim.analysis.boards import KINDS

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "results" / "reference"
SIMULATOR = "SCALE-Sim"
"""Compared in sum: its many rows are in the file."""


GROUPS = {
    "Where energy goes": ("energy_ladder", "distance", "residency_cliff", "rent", "roofline"),
    "Power and dark silicon": ("relight", "dark_silicon", "cap_sweep", "temperature", "specialised"),
    "What compression buys": (
        "waterfall", "when_not", "small_cnns", "imagenet_files", "precision", "large_or_small",
    ),
    "How compression works": (
        "compression", "density", "dsd", "sensitivity", "sparsity_bits", "weight_histogram",
    ),
    "Training and language models": ("training_watts", "llm_decode", "llm_compress"),
    "Machines of papers and boards of today": ("validate", "boards", "eie_factors", "fifo_depth"),
}  # fmt: skip
"""Studies of the gallery by group; those of no group come last."""
ACROSS = 3
"""Thumbnails in a row of the gallery."""


def write(docs: Path) -> None:
    """Write all generated pages below ``docs/generated``."""
    target = docs / "generated"
    shutil.rmtree(target, ignore_errors=True)  # with the stubs of modules that are gone
    for part in ("gallery", "labs"):
        (target / part).mkdir(parents=True)
    for name in STUDIES:
        (target / "gallery" / f"{name}.rst").write_text(
            study_page(load_study(name), target / "gallery"), encoding="utf-8"
        )
    (target / "gallery.rst").write_text(gallery_page(), encoding="utf-8")
    (target / "figures.rst").write_text(figures_page(), encoding="utf-8")
    for path in write_labs(target / "labs", "student"):
        cells = for_version(cells_of(source_of(path.stem)), "student")
        path.with_suffix(".md").write_text(lab_page(path.name, cells), encoding="utf-8")
    (target / "validation.rst").write_text(validation_page(), encoding="utf-8")
    (target / "networks.rst").write_text(networks_page(), encoding="utf-8")
    (target / "files.rst").write_text(files_page(), encoding="utf-8")


def study_page(study: Study, target: Path) -> str:
    """Page of one experiment: its question, its key figure, its answer, its command, figures and tables."""
    folder = REFERENCE / study.name
    figures, tables = figures_of(study.name), sorted(folder.glob("*.csv"))
    for path in (*figures, *tables):
        shutil.copy(path, target / f"{study.name}-{path.name}")
    text = re.sub(r"^([A-Z][a-z ]+)\.(?= )", r"**\1.**", escaped(study.text), flags=re.MULTILINE)
    bullets = [f"* {escaped(bullet)}" for bullet in study.answer(Tables(folder))]
    pictures = [
        line
        for path in figures
        for line in (f".. figure:: {study.name}-{path.name}", f"   :alt: {path.stem} of {study.name}", "")
    ]
    lines = [heading(study.title), *pictures[:3], "**Answer.**", "", *bullets, "", text, ""]
    lines += [".. code-block:: console", "", f"   $ hwsim experiments run {study.name}", "", *pictures[3:]]
    links = ", ".join(f":download:`{path.name} <{study.name}-{path.name}>`" for path in tables)
    return "\n".join([*lines, f"Tables: {links}", ""])


def figures_of(name: str) -> list[Path]:
    """Figures of the reference of a study; its key figure has its name and comes first."""
    return sorted((REFERENCE / name).glob("*.png"), key=lambda path: (path.stem != name, path.stem))


def gallery_page() -> str:
    """Page of all studies by group: a thumbnail of the first figure of each, and its title."""
    named = {name for names in GROUPS.values() for name in names}
    others = tuple(name for name in STUDIES if name not in named)
    parts = [heading("Gallery"), GALLERY, ""]
    for group, names in (GROUPS | ({"More": others} if others else {})).items():
        parts += [heading(group, "-"), *thumbnails(names)]
    hidden = [".. toctree::", "   :hidden:", "", *(f"   gallery/{name}" for name in STUDIES), ""]
    return "\n".join([*parts, *hidden])


GALLERY = (
    "Each page has the question, what to look for, the answer, the figures and the tables of the reference "
    "run. ``hwsim experiments run NAME`` runs an experiment. ``hwsim experiments check NAME`` compares its "
    "tables with the reference."
)


def figures_page() -> str:
    """Contact sheet: every figure of every study, each of which leads to the page of its study."""
    cells = [[*picture(name, path), f"``{path.stem}``"] for name in STUDIES for path in figures_of(name)]
    return "\n".join([heading("All figures"), FIGURES, "", *table_of(cells)])


FIGURES = (
    "Every figure of the reference runs leads to its page. ``hwsim experiments draw NAME --style slide`` "
    "draws one with the letters of a slide, ``--style dark`` on a dark page, as PNG and SVG."
)


def picture(name: str, path: Path) -> list[str]:
    """Lines of an image that leads to the page of a study."""
    return [
        f".. image:: gallery/{name}-{path.name}",
        f"   :target: gallery/{name}.html",
        f"   :alt: {path.stem}",
        "",
    ]


def thumbnails(names: tuple[str, ...]) -> list[str]:
    """Rows of a table: a figure that leads to the page of a study, above its title."""
    cells = []
    for name in names:
        link = f":doc:`{escaped(load_study(name).title)} <gallery/{name}>`"
        figure = next(iter(figures_of(name)), None)
        cells.append([*(picture(name, figure) if figure else []), link])
    return table_of(cells)


def table_of(cells: list[list[str]]) -> list[str]:
    """Lines of a table with `ACROSS` cells in a row."""
    cells = [*cells]
    cells += [[""]] * (-len(cells) % ACROSS)
    rows = [".. list-table::", f"   :widths: {' '.join(['1'] * ACROSS)}", ""]
    for index, lines in enumerate(cells):
        first, *rest = lines
        rows.append(f"   {'*' if index % ACROSS == 0 else ' '} - {first}")
        rows += [f"       {line}".rstrip() for line in rest]
    return [*rows, ""]


def lab_page(notebook: str, cells: list[Cell]) -> str:
    """Page of one lab, as students get it, with its notebook to download after the first cell."""
    first, *others = [
        cell.text if cell.kind == "markdown" else f"```python\n{cell.text}\n```" for cell in cells
    ]
    return "\n\n".join((first, f"{{download}}`Download this notebook <{notebook}>`", *others))


def validation_page() -> str:
    """Page of every published figure beside the simulated one, from the reference run."""
    rows = pd.read_csv(REFERENCE / "validate" / "validate.csv", keep_default_na=False)
    rows["error"] = [f"{float(value):+.1f}%" if value else "" for value in rows["error_pct"].astype(str)]
    rows["bound"] = [f"±{float(value):g}%" if value else "" for value in rows["bound_pct"].astype(str)]
    judged = rows[rows["verdict"] != "not judged"]
    sums = judged.groupby("source", sort=False)["verdict"].value_counts().unstack(fill_value=0).reset_index()
    columns = ["layer", "metric", "unit", "published", "simulated", "error", "bound", "verdict"]
    parts = [
        heading("Validation"),
        *boards_section(),
        heading("Machines of papers, and other simulators", "-"),
        "Published machines beside this one: every figure, its error, and the bound it is held to; what "
        "misses one is listed as missed, what is too uncertain to judge as not judged. :doc:`/assumptions` "
        "says which constants were chosen with published tables in view. ``hwsim validate`` computes all "
        "of it anew.",
        "",
        csv_table("Judged figures by machine", sums),
    ]
    for (machine, network), found in rows[rows["source"] != SIMULATOR].groupby(
        ["source", "network"], sort=False
    ):
        parts += [heading(f"{machine}, {network}", "-"), csv_table("", found[columns])]
    constants = pd.read_csv(REFERENCE / "validate" / "constants.csv", dtype=str, keep_default_na=False)
    parts += [heading("Constants that no paper prints", "-"), csv_table("", constants)]
    return "\n".join(parts)


def networks_page() -> str:
    """Page of networks that went the whole way: families as PyTorch exports them, and trained models."""
    families = pd.read_csv(REFERENCE / "families" / "families.csv", keep_default_na=False)
    passed = families[families["outcome"] == "passed"]
    outcomes = families.pivot_table(
        "outcome", "family", "exporter", aggfunc="first", sort=False
    ).reset_index()
    shown = passed[passed["exporter"] == "default"].drop(columns=["exporter", "outcome", "reason"])
    stopped = families.loc[families["outcome"] != "passed", ["family", "exporter", "outcome", "reason"]]
    models = pd.read_csv(REFERENCE / "families" / "real_models.csv")
    energies = [name for name in models if name.endswith("_J")]
    parts = [
        heading("Networks that come in"),
        "Small networks of many families with random weights, exported by PyTorch with its default exporter "
        "and its older one. Each file is imported, executed at batch 1, 3 and 8 beside onnxruntime, shrunk, "
        "quantized, exported, reloaded and simulated. ``passed`` means every step: answers within 1e-4 of "
        "onnxruntime, and the same answers after export and reload. ``python -m experiments.bench.families "
        "FOLDER`` makes the table.",
        "",
        csv_table("Outcomes by exporter", outcomes),
        csv_table("Figures by family, default exporter", shown),
        *([csv_table("Where a file stops", stopped)] if len(stopped) else []),
        heading("Trained models that packages ship", "-"),
        "Bytes, answers and joules of an inference, before and after. ``runtime_int8`` is the static INT8 "
        "quantization of onnxruntime on the same inputs; ``same`` is the share of classes or sides of a "
        "threshold that stays. ``python -m experiments.bench.real_models FILE.csv`` makes the table. The "
        "inputs are made on the spot, so they say little about the accuracy of a model in its own field.",
        "",
        csv_table("Bytes and answers", models.drop(columns=energies)),
        csv_table("Joules of an inference by chip", models[["model", *energies]]),
    ]
    return "\n".join(parts)


def files_page() -> str:
    """Page of files: beside published ones, on a second data set, packed without loss, coded for chips."""
    marks = pd.read_csv(REFERENCE / "compression" / "marks.csv", keep_default_na=False)
    beaten = marks["dominated_by"] != ""
    columns = ["network", "method", "counted", "bytes", "error_pct", "at_its_error_bytes"]
    codings = pd.read_csv(REFERENCE / "codings" / "codings.csv")
    codings["made"] = codings["network"] + ", " + codings["form"]
    codings["taken"] = codings["coding"] + [f" {ratio:.3g}" for ratio in codings["over_before"]]
    by_chip = codings.pivot_table("taken", "chip", "made", aggfunc="first", sort=False)
    limiters = codings.pivot_table("limiter", "chip", "made", aggfunc="first", sort=False)
    parts = [
        heading("Compressed files"),
        f"Our files dominate {beaten.sum()} of {len(marks)} published results of LeNets on MNIST: no more "
        "bytes and no more error, whole files, medians of three seeds. ``at_its_error_bytes`` is our "
        "smallest recipe with no more error. :doc:`/recipes` says what was tried for the others. "
        "``dcz frontier results/reference/compression`` makes the table.",
        "",
        csv_table("Dominated", marks.loc[beaten, [*columns, "dominated_by"]]),
        csv_table("Not dominated", marks.loc[~beaten, columns]),
        heading("On Fashion-MNIST", "-"),
        "The same recipes, with no setting changed. ``make fashion`` makes the table.",
        "",
        csv_table("", pd.read_csv(REFERENCE / "fashion" / "recipes.csv").drop(columns=["on_frontier"])),
        heading("Packed without loss", "-"),
        "Model files by ``dcz pack`` and other tools; each was unpacked and compared. They are files that "
        "rapidocr-onnxruntime and silero-vad ship, the weights of the text detector (det) cast to bf16 and "
        "fp16, and the text direction classifier (cls) as ``dcz quantize`` and ``dcz export`` write it. "
        "Speeds are of one busy core. ``python -m experiments.bench.lossless FOLDER FILE...`` makes the "
        "table.",
        "",
        csv_table("", pd.read_csv(REFERENCE / "lossless" / "lossless.csv")),
        heading("At equal bytes", "-"),
        "Networks with convolutions that packages ship, in three files each: onnxruntime's static INT8, "
        "k-means without repair, and weights rounded with error feedback, which take the fewest bytes. "
        "``dB`` is the least signal-to-noise ratio of an output, on inputs that nothing was fitted on. "
        "``make equal-bytes`` makes the table.",
        "",
        csv_table("", pd.read_csv(REFERENCE / "equal_bytes" / "equal_bytes.csv")),
        heading("On photographs", "-"),
        "EfficientNet-lite0, rounded to a size and to INT8, on photographs that chose no constant and that "
        "nothing was fitted on: pictures of GCompris (Debian's gcompris-qt-data), their centres at 224 x "
        "224. Animals and monuments in alphabetical order are fitted on and judged in turn. "
        "``python -m experiments.bench.photographs`` makes the table.",
        "",
        csv_table("", pd.read_csv(REFERENCE / "equal_bytes" / "photographs.csv")),
        heading("Coded for each chip", "-"),
        "The coding that ``dcz shrink`` and ``dcz quantize`` take on each chip, and the joules of an "
        "inference over those of the network as it was. It never takes more than the same "
        "weights without a coding. " + _dearer(codings),
        "",
        "``python -m experiments.bench.codings FILE.csv`` makes the table, which has the joules of every "
        "coding.",
        "",
        csv_table("Coding, and joules over before", by_chip.reset_index().fillna("")),
        csv_table("Limiter", limiters.reset_index().fillna("")),
    ]
    return "\n".join(parts)


def _dearer(codings: pd.DataFrame) -> str:
    """Say of each form how many rows take more joules than the network as it was, and how many more."""
    said = [f"These are {codings['network'].nunique()} networks on {codings['chip'].nunique()} chips."]
    for form, rows in codings.groupby("form", sort=False):
        over = rows["over_before"].dropna()
        dearer = over[over > 1]
        most = f", by {100 * (dearer.max() - 1):.2g}% at most" if len(dearer) else ""
        said.append(f"Of the {len(over)} rows of {form} weights, {len(dearer)} cost more than before{most}.")
    return " ".join(said)


def boards_section() -> list[str]:
    """Boards of today on the page of validation: classes, responses, constants and rows of the reference."""
    folder = REFERENCE / "boards"
    classes, responses, constants, rows = (
        pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
        for name in ("classes", "responses", "constants", "rows")
    )
    classes["kind"] = classes["kind"].map(KINDS | {"all": "all"})
    shown = rows[rows["left_out"] == ""]
    columns = ["board", "power_limit_W", "arithmetic", "network", "work", "batch", "metric", "published"]
    parts = [
        heading("Boards of today", "-"),
        "Published measurements of boards beside the same runs, simulated. Ratios are simulated / published; "
        "errors are shares. :doc:`/boards` says how rows are read, and :doc:`gallery/boards` has the figure.",
        "",
        csv_table("By class", classes),
        csv_table("Two runs of one board", responses.drop(columns=["source", "note"])),
        csv_table("Fitted constants, and the mean error without each", constants),
    ]
    for kind, found in shown.groupby("kind", sort=False):
        table = found[[*columns, "simulated", "ratio", "verdict"]]
        parts += [csv_table(KINDS[str(kind)], rounded(table, ("simulated", "ratio")))]
    left = rows.loc[rows["left_out"] != "", [*columns, "left_out"]]
    return [*parts, csv_table("Left out", left)]


def rounded(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Table with some columns, read as text, to four digits."""
    return table.assign(**{name: [f"{float(cell):.4g}" for cell in table[name]] for name in columns})


def csv_table(title: str, table: pd.DataFrame) -> str:
    """Write a table as the directive of that name."""
    shown = table.map(lambda value: f"{value:.4g}" if isinstance(value, float) else escaped(str(value)))
    lines = [f"   {line}" for line in shown.to_csv(index=False, lineterminator="\n").splitlines()]
    return "\n".join([f".. csv-table:: {title}".rstrip(), "   :header-rows: 1", "", *lines, ""])


def heading(text: str, mark: str = "=") -> str:
    """Write a heading."""
    return f"{escaped(text)}\n{mark * (2 * len(text))}\n"


def escaped(text: str) -> str:
    """Keep what would start emphasis or a reference from doing so."""
    return text.replace("*", r"\*").replace("|", r"\|").replace("_ ", r"\_ ")
