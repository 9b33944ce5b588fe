"""A language model compressed: perplexity, bytes and joules per token.

Question. SmolLM2-135M is read from a GGUF file, compressed by our methods, written, read back and executed.
How do bfloat16, Huffman-coded exponents, INT8 and INT4 in groups, k-means sharing and pruning compare in
perplexity, in bytes, and in joules per token on five chips? And where do the joules of a token of a larger
model go under a cap of 250 W?

Look for. In `llm_compress`, the perplexity of a chapter (2,691 tokens), the size of the file, and the energy
of a decode step after 1,024 tokens. In `token_joules`, Llama 3 8B with as many bits per weight as were
measured: one sequence, 64 sequences, and reading a prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from compress.format.container import parse
from compress.format.recode import recode
from compress.language.perplexity import perplexity
from compress.language.tokenizer import KEPT, Tokenizer
from compress.methods.compensate import stored
from compress.methods.decoder import as_bfloat16, compressed, inputs_of
from compress.methods.targets import Codebook, Integers, Kept
from compress.nn.zoo.llama import MATRICES, TABLE
from experiments.figures import llm_compress as figures
from experiments.figures import style
from experiments.runs.language_parts import stored_weights
from experiments.runs.phrases import joules, limit, number, percent, span
from experiments.runs.smollm2 import READ, SCORED, import_model, text
from hwsim.analysis.strategies import as_run
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.language.forms import Form, Parts, form_of
from hwsim.workload.language.passes import decode, prefill
from hwsim.workload.language.shipped import model_of
from hwsim.workload.layer import StoredWeights
from hwsim.workload.storage import evenly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from compress.format.container import Artifact
    from compress.methods.compensate import Target
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.analysis.tiles import SteadyRun
    from hwsim.report import Report

    Brought = Callable[[np.ndarray, np.ndarray], Target]

MINUTES = 20

MODEL, LARGE = "smollm2-135m", "llama-3-8b"
"""The model that is executed, and the one whose joules the figure of a token shows."""

CHIPS = ("h100_pcie", "a100_pcie", "l4", "phone", "reference_250w")
CARD = "a100_pcie"
"""Of the figure of a token: 250 W."""

BATCHES = (1, 64)
RUNS = (*((chip, BATCHES[0]) for chip in CHIPS), (CARD, BATCHES[-1]), ("reference_250w", BATCHES[-1]))
"""Chips and batches that the executed model is simulated on."""

CONTEXT, PROMPT = 1024, 1024
"""Tokens in the cache before a decode step; tokens of a prefill."""

CALIBRATION = 1024
"""Tokens that layers are fitted on."""

GROUP, FINE_GROUP = 64, 32
"""Weights of a row that share a scale."""

HEAD = "head"


@dataclass(frozen=True)
class Step:
    """A way to compress the matrices of the blocks.

    Parameters
    ----------
    name : str
    brought : callable
        Makes the target of a matrix, given the matrix and the weight of its columns.
    repaired : bool
        Whether the errors of weights are made up for by others.
    coded : str
        Coding that the same integers get for another row of the table; empty for none.
    """

    name: str
    brought: Brought
    repaired: bool = True
    coded: str = ""


STEPS = (
    Step("int8", lambda w, _: Integers(w.shape, 8, GROUP), repaired=False),
    Step("int4 nearest", lambda w, _: Integers(w.shape, 4, GROUP), repaired=False),
    Step("int4", lambda w, _: Integers(w.shape, 4, GROUP), coded="int4 Huffman"),
    Step("int4 g32", lambda w, _: Integers(w.shape, 4, FINE_GROUP)),
    Step("int4 g32 offset", lambda w, _: Integers(w.shape, 4, FINE_GROUP, offset=True)),
    Step("k-means 16 Huffman", lambda w, i: Codebook(w, 16, i, coding="words")),
    Step("2:4 int8", lambda w, _: Integers(w.shape, 8, GROUP, kept=Kept(n=2, m=4), coding="fixed")),
    Step("half pruned Huffman", lambda w, i: Codebook(w, 15, i, kept=Kept(0.5), coding="huffman")),
)


def measure() -> pd.DataFrame:
    """Compress, write, read back and execute: a row for each way and each kind of matrix."""
    rows = [
        row
        for name, artifact, found in made(import_model())
        for row in stored_parts(name, artifact.to_bytes(), found)
    ]
    return pd.DataFrame(rows)


def stored_parts(name: str, data: bytes, found: float) -> Iterator[dict[str, Any]]:
    """What the bytes of a file store for each kind of matrix."""
    artifact, layout = parse(data)
    layouts = {tensor.name: tensor for tensor in layout.tensors}
    blocks = sum(node.op == "attention" for node in artifact.topology.nodes)
    for part in (*MATRICES, HEAD):
        names = [TABLE] if part == HEAD else [f"{block}.{part}.weight" for block in range(blocks)]
        weights = [stored_weights(name, artifact.tensors[each], layouts[each]) for each in names]
        yield {
            "way": name,
            "perplexity": found,
            "file_B": len(data),
            "part": part,
            "values": sum(layouts[each].size for each in names),
            "nonzeros": sum(each.nonzeros for each in weights),
            "entries": sum(each.entries for each in weights),
            "payload_bits": sum(int(each.segment_bits.sum()) for each in weights),
            "steps": sum(int(each.segment_symbols.sum()) for each in weights),
            "side_bits": sum(each.side_bits for each in weights),
        }


def made(imported: Artifact) -> Iterator[tuple[str, Artifact, float]]:
    """Yield every way to store the model, by name, with its perplexity."""
    tokenizer = Tokenizer.from_bytes(imported.beside[KEPT])
    scored = tokenizer.encode(text(SCORED))

    def executed(artifact: Artifact) -> float:
        return perplexity(parse(artifact.to_bytes())[0].to_network(), scored, window=len(scored) + 1)

    yield "Q4_1 as imported", imported, executed(imported)
    plain = as_bfloat16(imported)
    exact = executed(plain)
    yield "bf16", plain, exact
    coded = as_bfloat16(imported, "words")
    require_same(plain, parse(coded.to_bytes())[0])
    yield "bf16 Huffman", coded, exact
    inputs = inputs_of(plain.to_network(), tokenizer.encode(text(READ))[:CALIBRATION])
    table = plain.arrays()[TABLE]
    beside = {TABLE: stored(table, Integers(table.shape, 8, GROUP))}
    for step in STEPS:
        artifact = compressed(
            plain, step.name, step.brought, inputs if step.repaired else None, beside=beside
        )
        found = executed(artifact)
        yield step.name, artifact, found
        if step.coded:
            again = recode(artifact, "words")
            require_same(artifact, parse(again.to_bytes())[0])
            yield step.coded, again, found


def require_same(first: Artifact, second: Artifact) -> None:
    """Check that two artifacts have the same weights, bit for bit."""
    for name, array in first.arrays().items():
        if not np.array_equal(array.view(np.uint32), second.tensors[name].to_array().view(np.uint32)):
            raise AssertionError(f"tensor {name} is not what was stored")


def conclude(run: Run) -> None:
    """Simulate what was measured on every chip."""
    measured = pd.read_csv(run.folder / "measured.csv")
    frontier = pd.DataFrame([row for _, way in measured.groupby("way", sort=False) for row in rows_of(way)])
    tokens = pd.DataFrame([row for _, way in measured.groupby("way", sort=False) for row in large_rows(way)])
    run.write_csv("llm_compress.csv", frontier)
    run.write_csv("token_joules.csv", tokens)


SHOWN = ("bf16", "bf16 Huffman", "int8", "int4", "int4 Huffman")
"""Ways in the figure of a token."""


def rows_of(way: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Simulate a decode step of the executed model on every chip, at every batch."""
    model, first = model_of(MODEL), way.iloc[0]
    matrices = way[way["part"] != HEAD]
    bits = (matrices["payload_bits"] + matrices["side_bits"]).sum()
    parts = Parts(
        _form(matrices), _form(way[way["part"] == HEAD]), _form(way[way["part"] == HEAD]), own_of(way)
    )
    workload = decode(model, CONTEXT, weights=parts)
    for chip, batch in RUNS:
        yield {
            "way": first["way"],
            "perplexity": first["perplexity"],
            "file_MB": first["file_B"] / 1e6,
            "bits_per_weight": bits / matrices["values"].sum(),
            "chip": chip,
            "batch": batch,
            **_figures(simulate(load_chip(chip), workload, batch)),
        }


def large_rows(way: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Simulate a larger model whose weights take as many bits each, where the way is one that is shown."""
    if way["way"].iloc[0] not in SHOWN:
        return
    head = _form(way[way["part"] == HEAD])
    parts = Parts(_form(way[way["part"] != HEAD]), head, head)
    passes = [("decode", batch, decode(LARGE, CONTEXT, batch, weights=parts), 1) for batch in BATCHES]
    passes.append(("prefill", 1, prefill(LARGE, PROMPT, weights=parts), PROMPT))
    for phase, batch, workload, tokens in passes:
        report = simulate(load_chip(CARD), workload, batch)
        yield {"way": way["way"].iloc[0], "phase": phase, "batch": batch, **_figures(report, tokens)}


def _figures(report: Report, tokens: int = 1) -> dict[str, Any]:
    """Figures of a run, per token."""
    found: SteadyRun = as_run(report)
    joules = {name: watts / found.inferences_per_s / tokens for name, watts in found.watts.items()}
    return {
        "tokens_per_s": found.inferences_per_s * tokens,
        "energy_per_token_J": found.energy_per_inference_J / tokens,
        **{f"{name}_J": joules.get(name, 0.0) for name in style.COMPONENTS},
        "power_W": sum(found.watts.values()),
        "clock_fraction": report.clock,
        "limiter": report.limiter,
    }


def own_of(way: pd.DataFrame) -> dict[str, StoredWeights]:
    """What each layer of the executed model stores: an equal share of what was measured for its kind."""
    model, found = model_of(MODEL), {}
    features, blocks = model.features, len(model.decoder)
    for row in way.to_dict("records"):
        copies = 1 if row["part"] == HEAD else blocks
        values = row["values"] // copies
        rows = features if row["part"] in ("output", "down") else values // features
        shares = {key: evenly(row[key], copies) for key in COUNTS}
        for block in range(copies):
            name = HEAD if row["part"] == HEAD else f"{block}.{row['part']}"
            found[name] = StoredWeights(
                row["way"],
                int(shares["nonzeros"][block]),
                int(shares["entries"][block]),
                evenly(int(shares["payload_bits"][block]), rows),
                evenly(int(shares["steps"][block]), rows),
                int(shares["side_bits"][block]),
            )
    return found


COUNTS = ("nonzeros", "entries", "payload_bits", "steps", "side_bits")


def _form(rows: pd.DataFrame) -> Form:
    """Mean bits of what some kinds of matrices store."""
    total = {key: int(rows[key].sum()) for key in ("values", *COUNTS)}
    name, bits = str(rows["way"].iloc[0]), total["payload_bits"] + total["side_bits"]
    coded = 2 * total["steps"] > total["values"]
    return (
        Form(
            name,
            block_values=total["values"],
            block_bits=bits,
            row_bits=0,
            density=total["nonzeros"] / total["values"],
            coding="plain" if not total["steps"] else "entropy" if coded else "fixed",
            native=(),
            table=name,
            head=name,
            source="measured",
        )
        if total["steps"]
        else form_of("bf16")
    )


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    return {
        "llm_compress": figures.frontier(tables["llm_compress"]),
        "token_joules": figures.token(tables["token_joules"]),
    }


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what ways to store weights cost in perplexity, what they save, and where a cap matters."""
    table, large = tables["llm_compress"], tables["token_joules"]
    ways = table.drop_duplicates("way").set_index("way")
    rise = ways["perplexity"] / ways.loc["bf16", "perplexity"] - 1
    alone = table[table["batch"] == 1].pivot_table("energy_per_token_J", "chip", "way")
    saved = 1 - alone["int4"] / alone["bf16"]
    phone, cards = (
        alone.loc["phone"],
        saved[[chip for chip in saved.index if chip.startswith(("a100", "h100"))]],
    )
    phases = large[large["way"].isin(["bf16", "int4"])].set_index(["phase", "batch", "way"]).sort_index()
    token, prompt = phases.loc[("decode", 1)], phases.loc[("prefill", 1)]
    limiter = token.loc["bf16", "limiter"]
    slowed = ", so the cap hardly slows it down" if limiter == "bandwidth" else ""
    return (
        f"Huffman-coded exponents keep every weight exactly. Perplexity rises by {percent(rise['int8'])} in "
        f"INT8 and by {percent(rise['int4 g32 offset'])} on the source's INT4 grid (groups of 32 with "
        f"offsets), but by {percent(rise['int4'])} with plain scales, and to "
        f"{number(ways.loc['half pruned Huffman', 'perplexity'])} if half is pruned without training.",
        f"On the phone chip a token takes {joules(phone['bf16'])} in bf16, "
        f"{joules(phone['bf16 Huffman'])} with coded exponents and {joules(phone['int4'])} in INT4. "
        f"On large cards INT4 saves only {span(cards, percent)}, because the model is too small for them.",
        f"A token of Llama 3 8B under 250 W takes {joules(token.loc['bf16', 'energy_per_token_J'])} in bf16 "
        f"and {joules(token.loc['int4', 'energy_per_token_J'])} in INT4. Decoding is "
        f"{limit(limiter)}{slowed}. Reading a prompt is "
        f"{limit(prompt.loc['bf16', 'limiter'])} and takes {span(prompt['energy_per_token_J'], joules)} per "
        "token.",
    )
