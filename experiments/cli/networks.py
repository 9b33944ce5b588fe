"""The command about the shipped networks and language models: which there are, and what one stores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import AsJson, Wide, quoted
from hwsim.units import engineering

if TYPE_CHECKING:
    from hwsim.workload.language.memory import Served

OVERVIEW = ["network", "layers", "MACs", "fp32 weights", "stages", "description"]
"""Of the networks, as a table; the same as JSON has figures in place of texts."""
MODELS = ["model", "family", "parameters", "active", "fp16 weights", "fp16 cache", "tokens"]
"""Of the language models: parameters that a token uses, bytes of the cache per token, longest sequence."""
FORMS = ["form", "bits per weight", "weights", "cache per token"]
"""Of one language model in every form."""


def networks(
    network: Annotated[
        str, typer.Argument(help="A shipped network, to list its layers, or a language model.")
    ] = "",
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """List the shipped networks and language models, or what one stores at every stage or in every form."""
    from experiments.console import print_ending, print_json, print_line, print_table
    from experiments.runs.language import is_language_model
    from hwsim.workload.language.shipped import FAMILIES, model_names
    from hwsim.workload.networks import PRECISIONS
    from hwsim.workload.networks import networks as shipped

    if network and is_language_model(network):
        rows = _forms(network)
        if as_json:
            print_json(rows)
        else:
            print_table(
                _summary(network), FORMS, [[_readable(*cell) for cell in row.items()] for row in rows]
            )
            print_ending(
                f"{network} can be stored in {len(rows)} forms.",
                f"hwsim run a100_pcie {quoted(network)} --context 1024 --weights {rows[-1]['form']}",
            )
        return
    found = _layers(network) if network else [_overview(name) for name in shipped()]
    models = [] if network else [_model(name) for name in model_names()]
    if as_json:
        print_json([*found, *models])
        return
    others = ", ".join(precision for precision in PRECISIONS if precision != "int8")
    print_table(
        f"{shipped()[network]}; bytes of each stage"
        if network
        else f"Shipped networks; each also at {others}",
        [name.removesuffix("_bytes") for name in found[0]] if network else OVERVIEW,
        [[_readable(*cell) for cell in row.items()] for row in found],
        optional=("stages", "layers"),
        wide=wide,
    )
    if models:
        title = "Language models: hwsim run CHIP MODEL --context or --prompt, hwsim request CHIP MODEL"
        print_table(
            title,
            MODELS,
            [[_readable(*cell) for cell in row.items()] for row in models],
            optional=("tokens", "active", "family"),
            wide=wide,
        )
        print_line(f"Families whose config.json is read: {', '.join(FAMILIES)}.")
    print_ending(
        f"The layers of {network} are shapes; stages follow from published statistics."
        if network
        else f"{len(found)} networks and {len(models)} language models are shipped.",
        f"hwsim run edge {quoted(network or 'lenet5')}",
    )


def _model(name: str) -> dict[str, Any]:
    from hwsim.workload.language.memory import Served

    served = Served.of(name)
    return {
        "network": name,
        "family": served.model.family,
        "parameters": served.model.parameters,
        "active_parameters": served.model.active_parameters,
        "weight_bytes": served.weights_B,
        "cache_bytes": served.cache_B(1),
        "longest": served.model.longest,
    }


def _forms(name: str) -> list[dict[str, Any]]:
    """Bytes of a language model as a file stores it or in every form, and of the cache that a token adds."""
    from experiments.runs.language import LanguageOptions, served
    from hwsim.workload.language.forms import form_names

    found = served(name, LanguageOptions())
    if found.weights is not None:
        return [_stored(found)]
    return [
        _stored(replace(found, weights=form, kv=form, arithmetic="fp32" if form == "fp32" else "fp16"))
        for form in form_names()
    ]


def _stored(served: Served) -> dict[str, Any]:
    form = served.storage.parts.weights
    return {
        "form": form.name,
        "bits_per_weight": round(form.bits_per_value, 3),
        "weight_bytes": served.weights_B,
        "cache_bytes": served.cache_B(1),
    }


def _summary(name: str) -> str:
    from experiments.runs.language import LanguageOptions, served

    model = served(name, LanguageOptions()).model
    return (
        f"{model.name} ({model.family}): {len(model.blocks)} blocks, {model.features} features, "
        f"{model.vocabulary} words, {model.parameters:,} parameters"
    )


def _overview(name: str) -> dict[str, Any]:
    from hwsim.workload.networks import load_network, network_stages
    from hwsim.workload.networks import networks as shipped

    dense = load_network(name)
    return {
        "network": name,
        "layers": len(dense.layers),
        "macs": dense.macs,
        "weight_bytes": dense.weight_bits / 8,
        "stages": list(network_stages(name)),
        "description": shipped()[name],
    }


def _layers(name: str) -> list[dict[str, Any]]:
    """Rows of the layers that multiply or store: MACs, weights, and stored bytes at each stage."""
    from hwsim.workload.networks import load_network, network_stages

    stages = {stage: load_network(name, stage) for stage in network_stages(name)}
    return [
        {"layer": layer.name, "kind": layer.kind, "macs": layer.macs, "weights": layer.weight_count}
        | {f"{stage}_bytes": found.layers[index].stored_bits / 8 for stage, found in stages.items()}
        for index, layer in enumerate(stages["dense"].layers)
        if layer.macs or layer.stored_bits
    ]


def _readable(key: str, value: Any) -> str:
    if key.endswith("bytes"):
        return engineering(value, "B")
    if key in ("macs", "weights", "parameters", "active_parameters"):
        return engineering(value, "")
    if value is None:
        return "any"
    return ", ".join(value) if isinstance(value, list) else str(value)
