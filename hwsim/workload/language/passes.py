"""The passes of a language model as workloads: prefill, decode step, forward pass of an encoder.

A workload is one sequence; sequences of a batch share the weights, and each reads its own cache. Weights
and cache are stored in a form of `hwsim.workload.language.forms` and computed with in one arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.errors import InputError
from hwsim.whole import require_whole
from hwsim.workload.language.attention import Step, add_kept_keys
from hwsim.workload.language.blocks import add_block
from hwsim.workload.language.forms import Parts, form_of
from hwsim.workload.language.layers import Layers, Storage
from hwsim.workload.language.shipped import model_of
from hwsim.workload.layer import Workload, require_arithmetic

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.workload.language.model import Block, LanguageModel
    from hwsim.workload.layer import Arithmetic


def decode(
    model: LanguageModel | str | Path,
    context: int,
    batch: int = 1,
    *,
    tokens: int = 1,
    source: int | None = None,
    weights: str | Parts | None = None,
    kv: str | None = None,
    arithmetic: Arithmetic = "fp16",
) -> Workload:
    """Build one decode step: some new tokens after `context` others.

    Parameters
    ----------
    model : LanguageModel, str or Path
        A model, the name of a shipped one, or the path of a Hugging Face ``config.json``.
    context : int
        Tokens whose keys and values are in the cache.
    batch : int
        Sequences at once. Only a mixture of experts depends on it: it decides how many experts are read.
        The simulation needs the same batch.
    tokens : int
        New tokens: 1, or more to verify a draft (speculative decoding).
    source : int, optional
        Tokens of the encoder's input, for a model with an encoder and a decoder; `context` by default.
    weights : str or Parts, optional
        Form of the weights (`forms.form_names`), or of each part of a file; that of the arithmetic by
        default.
    kv : str, optional
        Form of the cache; that of the arithmetic by default.
    arithmetic : str
        Of all layers. Weights and cache in other forms are brought to it by the chip's decoders.

    Returns
    -------
    Workload

    Raises
    ------
    InputError
        If there is no such model or form, a number is out of range, or the model has no decoder.

    Examples
    --------
    >>> decode("llama-3-8b", context=4096, weights="int4-g128").weight_bits / 8e9  # doctest: +ELLIPSIS
    4.6...
    """
    found = _with_decoder(model)
    _require_tokens(found, "context", context, low=0)
    _require_tokens(found, "tokens", tokens)
    read = (context if source is None else source) if found.encoder else 0
    if found.encoder:
        _require_tokens(found, "source", read)
    step = Step(tokens, context, True, _whole("batch", batch, 1), read)
    layers = _begin(found, weights, kv, arithmetic)
    last = _add_stack(layers, found, found.decoder, step)
    _add_head(layers, found, last, tokens)
    return _workload(
        found, layers, f"one token after {context}" if tokens == 1 else f"{tokens} after {context}"
    )


def prefill(
    model: LanguageModel | str | Path,
    tokens: int,
    batch: int = 1,
    *,
    past: int = 0,
    weights: str | Parts | None = None,
    kv: str | None = None,
    arithmetic: Arithmetic = "fp16",
) -> Workload:
    """Build the pass that reads a prompt, up to the first new token.

    A model with an encoder and a decoder runs its encoder, and fills the cache of every decoder block.

    Parameters
    ----------
    model : LanguageModel, str or Path
    tokens : int
        Tokens of the prompt, or of one chunk of it.
    batch : int
        Sequences at once, as in `decode`.
    past : int
        Tokens of earlier chunks, which are in the cache.
    weights, kv, arithmetic : str, optional
        As in `decode`.

    Raises
    ------
    InputError
        As for `decode`.
    """
    found = _with_decoder(model)
    _require_tokens(found, "tokens", tokens)
    _require_tokens(found, "past", past, low=0)
    _require_tokens(found, "tokens", tokens + past)
    layers = _begin(found, weights, kv, arithmetic)
    if found.encoder:
        if past:
            raise InputError(f"model {found.name}: past is {past}, expected 0 for a model with an encoder")
        last = _add_stack(
            layers, found, found.encoder, Step(tokens, causal=False, batch=_whole("batch", batch, 1))
        )
        last = layers.normalise("norm", last, found.features, tokens)
        for number, block in enumerate(found.decoder):
            layers.prefix = f"{number}.cross_"
            if block.cross:
                add_kept_keys(layers, block.cross, last, found.features, tokens)
    else:
        last = _add_stack(layers, found, found.decoder, Step(tokens, past, True, _whole("batch", batch, 1)))
        _add_head(layers, found, last, 1)
    return _workload(found, layers, f"prompt of {tokens}" + (f" after {past}" if past else ""))


def forward(
    model: LanguageModel | str | Path,
    tokens: int,
    batch: int = 1,
    *,
    weights: str | Parts | None = None,
    arithmetic: Arithmetic = "fp16",
) -> Workload:
    """Build the forward pass of an encoder, such as BERT.

    Parameters
    ----------
    model : LanguageModel, str or Path
    tokens : int
        Tokens of one sequence.
    batch : int
        Sequences at once, as in `decode`.
    weights, arithmetic : str, optional
        As in `decode`.

    Raises
    ------
    InputError
        As for `decode`; also if the model has a decoder.
    """
    found = model_of(model)
    if found.decoder:
        raise InputError(
            f"model {found.name}: {found.family} writes token by token, expected its prefill or a decode step"
        )
    _require_tokens(found, "tokens", tokens)
    layers = _begin(found, weights, None, arithmetic)
    step = Step(tokens, causal=False, batch=_whole("batch", batch, 1))
    last = _add_stack(layers, found, found.encoder, step)
    if found.pooler:
        pooled = layers.matrix("pooler", last, found.features, found.features, 1, bias=True)
        layers.each("tanh", "tanh", (pooled,), 1, found.features)
    return _workload(found, layers, f"{tokens} tokens")


def storage_of(
    model: LanguageModel, weights: str | Parts | None, kv: str | None, arithmetic: Arithmetic
) -> Storage:
    """Find the forms of weights and cache, those of the arithmetic by default.

    Raises
    ------
    InputError
        If there is no such form or arithmetic, or a form does not fit the arithmetic.
    """
    require_arithmetic(arithmetic)
    if isinstance(weights, Parts):
        parts = weights
    else:
        parts = Parts.of(weights or arithmetic, arithmetic, tied=model.tied)
    cache = form_of(kv or arithmetic, "kv")
    for what, form in (("weights", parts.weights), ("kv", cache), ("head", parts.head)):
        form.require(arithmetic, what)
    return Storage(parts, cache, arithmetic)


def _begin(
    model: LanguageModel, weights: str | Parts | None, kv: str | None, arithmetic: Arithmetic
) -> Layers:
    return Layers(storage_of(model, weights, kv, arithmetic), model.norm)


def _add_stack(layers: Layers, model: LanguageModel, blocks: tuple[Block, ...], step: Step) -> int:
    """Embedding, all blocks, and the normalisation at their end."""
    tables = 1 + (model.positions > 0) + (model.token_types > 0)
    last = layers.rows_of_tables("embedding", model.features, step.tokens, tables)
    if model.embedding_norm:
        last = layers.normalise("embedding_norm", last, model.features, step.tokens)
    for number, block in enumerate(blocks):
        layers.prefix = f"{number}."
        last = add_block(layers, block, last, model.features, step)
    layers.prefix = ""
    return last


def _add_head(layers: Layers, model: LanguageModel, last: int, tokens: int) -> None:
    """Scores of all words for the last tokens."""
    if model.final_norm:
        last = layers.normalise("norm", last, model.features, tokens)
    weights = layers.stored(
        model.vocabulary, model.features, bias=model.head_bias, form=layers.storage.parts.head
    )
    layers.matrix("head", last, model.features, model.vocabulary, tokens, weights=weights)


def _workload(model: LanguageModel, layers: Layers, what: str) -> Workload:
    storage = layers.storage
    forms = [storage.parts.weights.name]
    if storage.cache.name != storage.parts.weights.name:
        forms.append(f"kv {storage.cache.name}")
    return Workload(
        f"{model.name}, {what}", ", ".join(forms), tuple(layers.made), "configuration, no weights"
    )


def _with_decoder(model: LanguageModel | str | Path) -> LanguageModel:
    found = model_of(model)
    if not found.decoder:
        raise InputError(
            f"model {found.name}: an encoder ({found.family}) writes no tokens, expected its forward pass"
        )
    return found


def _require_tokens(model: LanguageModel, what: str, found: int, low: int = 1) -> None:
    most = model.longest
    _whole(what, found, low)
    if most is not None and found > most:
        raise InputError(f"model {model.name}: {what} is {found}, expected at most its {most} tokens")


def _whole(what: str, found: int, low: int) -> int:
    require_whole(found, what, f"a whole number, at least {low}", low)
    return found
